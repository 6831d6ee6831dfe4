//! The address of a client behind a proxy. The service logs it with a wrong API key.

use crate::errors::check_error;
use crate::support::{Launch, Server};
use serde_json::json;

/// Sends a wrong key, with these headers, as a proxy at 127.0.0.1 would.
fn send_wrong_key(server: &Server, headers: &[(&str, &str)]) {
    let headers = [&[("content-type", "application/json"), ("x-api-key", "psk_wrong")], headers].concat();
    let body = json!({"code": "print(1)"}).to_string();
    check_error(&server.post("/execute", body.as_bytes(), &headers), 401, "unauthenticated");
}

/// A service that requires keys.
fn start(settings: &[(&str, &str)]) -> Option<Server> {
    let launch = Launch::new().set("REQUIRE_API_KEY", "true").sets(settings);
    assert!(launch.run(&["keys", "create", "--name", "first"], "").status.success());
    launch.start()
}

#[test]
fn a_client_behind_a_trusted_proxy_is_known_by_its_own_address() {
    let settings = [("TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8")];
    let Some(server) = start(&settings) else { return };
    send_wrong_key(&server, &[("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2")]);
    let of = |address: &str| {
        server.log_line(&["requests with an invalid API key", &format!("client=\"{address}\"")])
    };
    assert!(of("203.0.113.9").is_some(), "{}", server.stderr_log());
    assert!(server.log_line(&["/execute", "status=401", "client=203.0.113.9"]).is_some());
    send_wrong_key(&server, &[("x-forwarded-for", "[2001:db8::7]:4711")]);
    assert!(of("2001:db8::/64").is_some(), "{}", server.stderr_log());
    // The other header says nothing, which is logged where the right one is missing.
    send_wrong_key(&server, &[("forwarded", "for=203.0.113.10")]);
    assert!(of("loopback").is_some(), "{}", server.stderr_log());
    assert!(server.log_line(&["a trusted proxy sends another header", "header=forwarded"]).is_some());
    assert!(server.log_line(&["PUBLIC_URL is not set"]).is_some());
    server.stop();
}

#[test]
fn the_standard_header_is_read_where_it_is_chosen() {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("TRUSTED_PROXY_HEADER", "forwarded"),
        ("PUBLIC_URL", "https://sandbox.example"),
    ];
    let Some(server) = start(&settings) else { return };
    send_wrong_key(
        &server,
        &[("forwarded", "for=\"1.1.1.1, for=203.0.113.9;proto=https"), ("x-forwarded-for", "1.1.1.2")],
    );
    let line = server.log_line(&["requests with an invalid API key", "client=\"203.0.113.9\""]);
    assert!(line.is_some(), "{}", server.stderr_log());
    assert!(!server.stderr_log().contains("PUBLIC_URL"), "{}", server.stderr_log());
    server.stop();
}

#[test]
fn nobody_is_believed_by_default() {
    let Some(server) = start(&[]) else { return };
    for header in [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")] {
        send_wrong_key(&server, &[header]);
    }
    assert!(server.log_line(&["requests with an invalid API key", "client=\"loopback\""]).is_some());
    assert!(server.log_line(&["a proxy passes requests on", "TRUSTED_PROXIES"]).is_some());
    let log = server.stderr_log();
    assert!(!log.contains("203.0.113.9"), "{log}");
    assert_eq!(log.matches("a proxy passes requests on").count(), 1, "{log}");
    server.stop();
}
