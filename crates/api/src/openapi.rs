//! The OpenAPI document: generated from the handlers and the contract's types, then adapted to this service's
//! bounds.
//!
//! `openapi/v1.json` is the document before that: the same for every service and version, so that clients can
//! be generated from it and a change of the API shows in a review.

use crate::state::ApiState;
use bytes::Bytes;
use serde_json::{Value, json};
use service::{Bounds, Scope};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::{Modify, OpenApi};

/// Relative, no empty part, no NUL. (`.` and `..` are refused too; saying so here would make it unreadable.)
const PATH_PATTERN: &str = "^[^/\\u0000]+(/[^/\\u0000]+)*$";

/// RFC 4648, section 4 or 5: padding or not, white space anywhere, no bits set behind the last byte.
fn base64_pattern() -> String {
    let space = "[ \\t\\n\\r\\f\\v]*";
    let any = format!("[A-Za-z0-9+/_-]{space}");
    let (after_one, after_two) = (format!("[AQgw]{space}"), format!("[AEIMQUYcgkosw048]{space}"));
    format!("^{space}(({any}){{4}})*({any}{after_one}(={space}){{0,2}}|({any}){{2}}{after_two}(={space})?)?$")
}

/// The parts that are the same for every instance.
#[derive(OpenApi)]
#[openapi(
    info(title = "Python Sandbox", description = "Runs untrusted Python in a sandbox and answers over HTTP."),
    tags(
        (name = "programs", description = "Run Python."),
        (name = "files", description = "Download output files."),
        (name = "service", description = "About the service."),
    ),
    modifiers(&ApiKeys)
)]
pub(crate) struct Skeleton;

/// The two ways to send an API key, by their names in the document.
struct ApiKeys;

const BEARER: &str = "bearer";
const HEADER: &str = "header";

impl Modify for ApiKeys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        const FORMAT: &str = "An API key (`psk_…`), needed if the service requires keys.";
        let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).description(Some(FORMAT)).build();
        let header = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", FORMAT));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        components.add_security_scheme(HEADER, SecurityScheme::ApiKey(header));
    }
}

/// Says of all operations of `routes` that they need a key with this scope, sent either way, or none: where no key
/// was created yet, nobody needs one.
pub(crate) fn need_key(routes: &mut utoipa::openapi::OpenApi, scope: Scope) {
    for item in routes.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.options,
            &mut item.head,
            &mut item.patch,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            let keys = [BEARER, HEADER].map(|name| SecurityRequirement::new(name, [scope.as_str()]));
            operation.security = Some([SecurityRequirement::default()].into_iter().chain(keys).collect());
        }
    }
}

/// The version of the API, as in the name of the file: not that of a service. Within one, nothing is renamed
/// or removed.
const API_VERSION: &str = "1";

/// What is the same for every service, from what the routes have `generated`.
pub(crate) fn document(generated: &utoipa::openapi::OpenApi) -> Value {
    // A tree of text and numbers that was made for JSON.
    let mut document = serde_json::to_value(generated).unwrap_or_default();
    set(&mut document, "/info/version", json!(API_VERSION));
    // No licence or contact is known here: the crate's are not those of who runs the service.
    if let Some(info) = document.pointer_mut("/info").and_then(Value::as_object_mut) {
        info.remove("license");
        info.remove("contact");
    }
    add_answers_of_the_gate(&mut document);
    add_patterns(&mut document);
    document
}

/// The document as it is served: with the name, version and bounds of this service.
pub(crate) fn served(mut document: Value, state: &ApiState) -> Bytes {
    set(&mut document, "/info/title", json!(state.info.name));
    set(&mut document, "/info/version", json!(state.info.version));
    // Relative to the document, so that it is right behind any proxy.
    set(&mut document, "/servers", json!([{"url": "./"}]));
    set_bounds(&mut document, state.service.bounds(), &state.service.executors());
    Bytes::from(document.to_string())
}

/// Errors of every path that are returned before its handler is called.
fn add_answers_of_the_gate(document: &mut Value) {
    let answer = |description: &str| {
        let schema = json!({"$ref": "#/components/schemas/ErrorBody"});
        json!({"description": description, "content": {"application/json": {"schema": schema}}})
    };
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut()).filter_map(Value::as_object_mut);
    for operation in operations.flat_map(|operations| operations.values_mut()) {
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        let missing = [
            ("400", "`Host` is missing, duplicated or malformed."),
            ("421", "`Host` is not a name of this service, see ALLOWED_HOSTS."),
        ];
        for (status, description) in missing {
            responses.entry(status).or_insert_with(|| answer(description));
        }
    }
}

/// Sets a keyword of a field of the request.
fn set_field(document: &mut Value, name: &str, key: &str, value: Value) {
    set(document, &format!("/components/schemas/ExecuteRequest/properties/{name}/{key}"), value);
}

/// Rules that the derive cannot express.
fn add_patterns(document: &mut Value) {
    let mut field = |name: &str, key: &str, value: Value| set_field(document, name, key, value);
    field("files", "propertyNames", json!({"maxLength": 4096, "pattern": PATH_PATTERN}));
    field(
        "files",
        "additionalProperties",
        json!({"type": "string", "contentEncoding": "base64", "pattern": base64_pattern()}),
    );
    field("env", "propertyNames", json!({"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}));
}

fn set_bounds(document: &mut Value, bounds: &Bounds, executors: &[&str]) {
    let mut field = |name: &str, key: &str, value: Value| set_field(document, name, key, value);
    field("code", "maxLength", json!(bounds.code_chars_max));
    field("timeout", "maximum", json!(bounds.timeout_s_max));
    field("timeout", "default", json!(bounds.timeout_s_effective_default()));
    field("stdin", "maxLength", json!(bounds.stdin_bytes_max));
    field("files", "maxProperties", json!(bounds.exec.file_count_max));
    field("env", "maxProperties", json!(bounds.env_entries_max));
    if !executors.is_empty() {
        let names: Vec<_> = executors.iter().copied().map(Some).chain([None]).collect();
        field("executor", "enum", json!(names));
        field("executor", "example", json!(executors[0]));
    }
}

/// Sets a value below an existing object.
fn set(document: &mut Value, pointer: &str, value: Value) {
    if let Some((parent, key)) = pointer.rsplit_once('/')
        && let Some(object) = document.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        object.insert(key.to_owned(), value);
    }
}
