//! `/`, `/health`, the documentation pages and the OpenAPI document.

use crate::support::Server;
use crate::{default_server, open_server};
use serde_json::{Value, json};

#[test]
fn the_root_is_json_or_a_page_for_browsers() {
    let Some(server) = default_server() else { return };
    for accept in ["application/json", "*/*", "application/json, text/html;q=0.5", "image/png"] {
        let answer = server.send("GET", "/", &[("accept", accept)]);
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{accept}");
        assert_eq!(answer.str("/service"), "Python Sandbox");
        assert_eq!(answer.str("/version"), env!("CARGO_PKG_VERSION"));
        assert_eq!(answer.str("/status"), "running");
        assert!(answer.json["endpoints"].is_object() && !answer.str("/description").is_empty());
    }
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = server.send("GET", "/", &[("accept", browser)]);
    assert!(page.header("content-type").starts_with("text/html"), "{:?}", page.headers);
    assert!(page.text().contains("<h1>Python Sandbox</h1>"));
    assert!(page.header("vary").contains("accept"));
    assert_eq!(server.send("HEAD", "/", &[]).status, 200);
}

#[test]
fn the_applications_name_is_shown_and_harmless() {
    let Some(server) = Server::start(&[("APP_NAME", "<b>Ünser</b> & Co")]) else { return };
    assert_eq!(server.get("/").str("/service"), "<b>Ünser</b> & Co");
    let page = server.send("GET", "/", &[("accept", "text/html")]).text();
    assert!(page.contains("&lt;b&gt;Ünser&lt;/b&gt; &amp; Co") && !page.contains("<b>"), "{page}");
    assert!(server.get("/openapi.json").str("/info/title").contains("Ünser"));
    assert!(!server.get("/redoc").text().contains("<b>"));
    server.stop();
}

/// Every address in a page's markup.
fn references(html: &str) -> Vec<String> {
    let after = |mark: &str| -> Vec<String> {
        html.match_indices(mark)
            .filter_map(|(at, _)| html[at + mark.len()..].split('"').next().map(str::to_owned))
            .collect()
    };
    [after("src=\""), after("href=\"")].concat()
}

#[test]
fn the_documentation_needs_no_internet() {
    let Some(server) = default_server() else { return };
    for page in ["/docs", "/redoc"] {
        let answer = server.get(page);
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("text/html"));
        let csp = answer.header("content-security-policy");
        let (_, rest) = csp.split_once("script-src 'nonce-").expect("a nonce");
        let (nonce, rest) = rest.split_once("';").expect("nothing but the nonce");
        assert!(
            csp.contains("default-src 'none'") && nonce.len() == 32 && !rest.contains("script-src"),
            "{csp}"
        );
        let html = answer.text();
        let scripts = html.matches("<script").count();
        assert!(
            scripts > 0 && html.matches(&format!("<script nonce=\"{nonce}\"")).count() == scripts,
            "{html}"
        );
        assert!(!server.get(page).text().contains(nonce), "a nonce is used once");
        let found = references(&answer.text());
        assert!(!found.is_empty(), "{}", answer.text());
        for reference in found.iter().filter(|one| !one.starts_with("data:") && !one.starts_with('#')) {
            assert!(!reference.contains("//"), "{page} refers to {reference}");
            let asset =
                server.get(&format!("/{}", reference.trim_start_matches("./").trim_start_matches('/')));
            assert_eq!(asset.status, 200, "{page} refers to {reference}");
            assert!(!asset.body.is_empty());
        }
        // The policy refuses anything else that the script might request from other hosts.
        for elsewhere in ["http:", "https:", "*"] {
            assert!(!csp.split([' ', ';']).any(|word| word == elsewhere), "{csp}");
        }
    }
    assert_eq!(server.get("/docs/").status, 308);
}

#[test]
fn the_openapi_document_describes_every_path_and_refers_to_nothing_outside() {
    let Some(server) = default_server() else { return };
    let answer = server.get("/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert!(answer.str("/openapi").starts_with("3."));
    let paths = answer.json["paths"].as_object().cloned().unwrap_or_default();
    for path in ["/", "/execute", "/health", "/files/{token}", "/openapi.json"] {
        assert!(paths.contains_key(path), "{path}");
    }
    for status in ["200", "400", "403", "413", "415", "421", "422", "500", "503"] {
        assert!(paths["/execute"]["post"]["responses"][status].is_object(), "{status}");
    }
    let mut references = Vec::new();
    collect_references(&answer.json, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is outside"));
        assert!(answer.json.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let request = &answer.json["components"]["schemas"]["ExecuteRequest"]["properties"];
    assert_eq!(request["code"]["maxLength"], 50_000, "{request}");
    assert_eq!(
        (&request["timeout"]["maximum"], &request["timeout"]["default"]),
        (&json!(30), &json!(10)),
        "{request}"
    );
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "$ref" => found.push(text.clone()),
                    field => collect_references(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[test]
fn the_documents_bounds_are_the_settings() {
    let settings = [("MAX_CODE_LENGTH", "77"), ("MAX_TIMEOUT", "7"), ("FORBIDDEN_IMPORTS", "")];
    let Some(server) = Server::start(&settings) else { return };
    let document = server.get("/openapi.json").json;
    let request = &document["components"]["schemas"]["ExecuteRequest"]["properties"];
    assert_eq!(request["code"]["maxLength"], 77);
    assert_eq!((&request["timeout"]["maximum"], &request["timeout"]["default"]), (&json!(7), &json!(7)));
    server.stop();
}

#[test]
fn health_tells_every_field_of_the_contract() {
    let Some(server) = open_server() else { return };
    let health = server.get("/health");
    assert_eq!((health.status, health.str("/status")), (200, "healthy"), "{}", health.text());
    assert_eq!(health.str("/version"), env!("CARGO_PKG_VERSION"));
    let executor = &health.json["executor"];
    assert_eq!((&executor["provider"], &executor["name"]), (&json!("native"), &json!("native")));
    assert_eq!((&executor["healthy"], &executor["fallbacks"]), (&json!(true), &json!("docker")));
    assert_eq!(executor["active_providers"], json!(["native", "docker"]));
    // The executors in this build; `firecracker` is reserved for later.
    assert_eq!(executor["available_providers"], json!(["native", "docker", "gvisor", "kata"]));
    let native = &executor["providers"]["native"];
    assert_eq!((&native["healthy"], &native["reason"]), (&json!(true), &Value::Null));
    assert!(native["warm"].is_u64());
    let protections = native["protections"].as_object().cloned().unwrap_or_default();
    assert!(protections.len() >= 8, "{protections:?}");
    for (name, protection) in &protections {
        assert!(
            protection["enforced"].is_boolean() && protection["detail"].is_string(),
            "{name}: {protection}"
        );
    }
    let storage = &health.json["storage"];
    let expected = (&json!(true), &json!("local"), &json!(true));
    assert_eq!((&storage["enabled"], &storage["provider"], &storage["healthy"]), expected, "{storage}");
    assert_eq!(server.send("HEAD", "/health", &[]).status, 200);
}

#[test]
fn every_answer_has_the_headers_that_keep_browsers_safe() {
    let Some(server) = default_server() else { return };
    for path in ["/", "/health", "/docs", "/redoc", "/openapi.json", "/nowhere", "/files/x"] {
        let answer = server.get(path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "without TLS browsers ignore it");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "CORS is off");
        assert!(!answer.header("x-request-id").is_empty());
        assert_eq!(answer.header("server"), "");
    }
    let answer = server.program("open('picture.png', 'w').write('x')");
    assert_eq!(answer.header("cache-control"), "no-store");
    let file = server.get(answer.str("/files/0"));
    assert_eq!(file.header("cross-origin-resource-policy"), "cross-origin");
    assert!(file.header("content-security-policy").contains("default-src 'none'"), "{:?}", file.headers);
    assert_eq!(file.header("x-content-type-options"), "nosniff");
}

#[test]
fn cors_is_for_listed_origins_alone() {
    let Some(server) = Server::start(&[("CORS_ORIGINS", "https://app.example")]) else { return };
    let from = |origin: &str| server.send("GET", "/health", &[("origin", origin)]);
    assert_eq!(from("https://app.example").header("access-control-allow-origin"), "https://app.example");
    assert_eq!(from("https://evil.example").header("access-control-allow-origin"), "");
    let asked = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let preflight = server.send("OPTIONS", "/execute", &asked);
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    assert!(preflight.header("access-control-allow-headers").contains("content-type"));
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    server.stop();
}
