//! `/`, and the documentation pages. They load nothing from other hosts: they work without internet access.

use crate::error::ApiError;
use crate::state::AppState;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use bytes::Bytes;
use contract::{ErrorBody, ErrorCode, ServiceInfo};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::{Arc, LazyLock};

/// For our page: text and its own style, nothing else.
const CSP_PAGE: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// For Swagger UI and ReDoc: exactly the scripts of the page run, which have the nonce; not others of this host, such as
/// a stored file. They create styles at run time, ReDoc searches in a worker made from a blob. Nothing from elsewhere.
const CSP_DOCS: &str = "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Assets change only with the build.
const CACHE_ASSET: &str = "public, max-age=3600";

/// ReDoc's script as published, see `assets/README.md`.
const REDOC: &[u8] = include_bytes!("../assets/redoc.standalone.js");

/// The logo in it: the only resource that it would load from another host.
const REDOC_LOGO: &str = "https://cdn.redoc.ly/redoc/logo-mini.svg";

const DESCRIPTION: &str = "Runs untrusted Python in a sandbox and answers over HTTP.";

const ENDPOINTS: [(&str, &str); 7] = [
    ("execute", "POST /execute"),
    ("health", "GET /health"),
    ("info", "GET /"),
    ("docs", "GET /docs"),
    ("redoc", "GET /redoc"),
    ("openapi", "GET /openapi.json"),
    ("files", "GET /files/{token}"),
];

/// Describes the service: JSON, or a page if the client prefers HTML.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "info",
    tag = "service",
    responses(
        (status = 200, description = "Name, version and endpoints of the service.",
         content((ServiceInfo = "application/json"), (String = "text/html"))),
        (status = 500, description = "Internal error.", body = ErrorBody),
    )
)]
pub(crate) async fn root(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let info = &state.api.info;
    let base = state.api.base_url(&headers);
    let mut response = if prefers_html(&headers) {
        page(CSP_PAGE, Html(root_page(&info.name, &info.version, &base)))
    } else {
        let service = ServiceInfo {
            service: info.name.clone(),
            version: info.version.clone(),
            status: "running".to_owned(),
            endpoints: ENDPOINTS
                .iter()
                .map(|(what, call)| ((*what).to_owned(), (*call).to_owned()))
                .collect(),
            description: DESCRIPTION.to_owned(),
        };
        Json(service).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// True if HTML is accepted by name and preferred to JSON.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let quality = |media_type: &str| {
        let ranges = accept.iter().flat_map(|line| line.split(','));
        ranges
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
                let q =
                    parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
                named.then_some(q)
            })
            .fold(0.0, f32::max)
    };
    let html = quality("text/html");
    html > 0.0 && html >= quality("application/json")
}

fn root_page(name: &str, version: &str, base: &str) -> String {
    let (name, version, base) = (escape(name), escape(version), escape(base));
    let rows: String = ENDPOINTS
        .iter()
        .map(|(what, call)| {
            let call = match call.strip_prefix("GET ") {
                Some(path) if !path.contains('{') => format!("GET <a href=\".{path}\">{path}</a>"),
                _ => (*call).to_owned(),
            };
            format!("<tr><th>{what}</th><td><code>{call}</code></td></tr>\n")
        })
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;\
         color:#1b1f24;background:#fff}}th{{text-align:left;padding-right:1.5rem;font-weight:600}}\
         td,th{{padding-block:.2rem}}code{{font-family:ui-monospace,monospace}}\
         pre{{background:#f3f4f6;padding:1rem;overflow-x:auto}}a{{color:#0a58ca}}\
         @media(prefers-color-scheme:dark){{body{{color:#e6e8eb;background:#14171a}}pre{{background:#1f2428}}\
         a{{color:#7ab0ff}}}}</style>\n</head>\n<body>\n<h1>{name}</h1>\n<p>{DESCRIPTION} Version {version}.</p>\n\
         <table>\n{rows}</table>\n<h2>Try it</h2>\n<pre><code>curl -X POST {base}/execute \\\n  \
         -H 'Content-Type: application/json' \\\n  -d '{{\"code\": \"print(2 + 2)\"}}'</code></pre>\n</body>\n</html>\n"
    )
}

/// Text as HTML text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The OpenAPI document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "service",
    responses(
        (status = 200, description = "This document.", body = inline(serde_json::Value)),
        (status = 500, description = "Internal error.", body = ErrorBody),
    )
)]
pub(crate) async fn openapi(State(state): State<AppState>) -> Response {
    let body = Body::from(state.document.clone());
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

/// Swagger UI. Its assets have relative addresses, so that it works below any prefix of a proxy.
pub(crate) async fn docs() -> Result<Response, ApiError> {
    let index = swagger_file("index.html")?;
    let html = String::from_utf8_lossy(&index.bytes)
        .replace("\"./", "\"docs/")
        .replace("\"index.css", "\"docs/index.css");
    documentation(&html)
}

/// The page's own address has no trailing slash: its relative links would break otherwise.
pub(crate) async fn docs_slash() -> Redirect {
    Redirect::permanent("../docs")
}

/// Swagger UI's scripts and styles.
pub(crate) async fn docs_asset(Path(name): Path<String>) -> Result<Response, ApiError> {
    let file = swagger_file(&name)?;
    let headers = [(header::CACHE_CONTROL, CACHE_ASSET), (header::CONTENT_TYPE, file.content_type.as_str())];
    Ok((headers, file.bytes.into_owned()).into_response())
}

fn swagger_file(name: &str) -> Result<utoipa_swagger_ui::SwaggerFile<'static>, ApiError> {
    static CONFIG: LazyLock<Arc<utoipa_swagger_ui::Config<'static>>> = LazyLock::new(|| {
        // The validator's badge would ask a server of Swagger's.
        let config = utoipa_swagger_ui::Config::from("openapi.json").validator_url("none");
        Arc::new(config.try_it_out_enabled(true).display_request_duration(true))
    });
    match utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => Ok(file),
        Ok(None) => Err(ApiError::new(ErrorCode::NotFound, "no such page")),
        Err(error) => {
            tracing::error!(%error, "failed to render Swagger UI");
            Err(ApiError::internal())
        }
    }
}

/// ReDoc: the script finds this element by itself.
pub(crate) async fn redoc() -> Result<Response, ApiError> {
    const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>API reference</title>\n\
         <style>body{margin:0}</style>\n</head>\n<body>\n<redoc spec-url=\"openapi.json\"></redoc>\n\
         <script src=\"redoc/redoc.standalone.js\"></script>\n</body>\n</html>\n";
    documentation(PAGE)
}

/// ReDoc's script, without its logo.
pub(crate) async fn redoc_script() -> Response {
    static SCRIPT: LazyLock<Bytes> =
        LazyLock::new(|| String::from_utf8_lossy(REDOC).replace(REDOC_LOGO, "data:,").into());
    let headers =
        [(header::CACHE_CONTROL, CACHE_ASSET), (header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (headers, Body::from(SCRIPT.clone())).into_response()
}

/// A page whose scripts, and no others, may run.
fn documentation(html: &str) -> Result<Response, ApiError> {
    let bytes = support::random_bytes::<16>().map_err(|error| {
        tracing::error!(%error, "failed to make a nonce");
        ApiError::internal()
    })?;
    let nonce = support::hex(&bytes);
    let html = html.replace("<script", &format!("<script nonce=\"{nonce}\""));
    Ok(page(&CSP_DOCS.replace("{nonce}", &nonce), Html(html)))
}

fn page(csp: &str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_SECURITY_POLICY, csp), (header::CACHE_CONTROL, "no-cache")];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_those_who_prefer_it() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("text/html", true),
            ("*/*", false),
            ("", false),
            ("application/json", false),
            ("application/json, text/html;q=0.5", false),
            ("text/html;q=0", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(prefers_html(&headers), html, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn redocs_script_is_the_published_one() {
        let readme = include_str!("../assets/README.md");
        let row = readme.lines().find(|line| line.starts_with("| `redoc.standalone.js`")).unwrap();
        assert!(row.contains(&support::sha256_hex(REDOC)), "{row}");
    }

    #[test]
    fn names_are_text_in_the_page() {
        let page = root_page("<script>alert(1)</script>", "1\"&", "http://x");
        assert!(
            !page.contains("<script>") && page.contains("&lt;script&gt;") && page.contains("1&quot;&amp;")
        );
    }
}
