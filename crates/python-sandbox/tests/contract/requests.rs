//! Every field of a request: its default, each bound, one past each bound, wrong types, unknown names.

use crate::support::{Answer, Server, base64};
use crate::{default_server, open_server};
use serde_json::{Value, json};

const MIB: usize = 1024 * 1024;

/// Sends `body` and checks that it is refused for `field`, with the bound in the message.
fn refused(server: &Server, body: &Value, field: &str, bound: &str) -> Answer {
    let answer = server.execute(body);
    assert_eq!(answer.status, 422, "{field}: {}", answer.text());
    assert_eq!(answer.str("/code"), "invalid_request");
    assert_eq!(answer.str("/details/field"), field, "{}", answer.text());
    assert!(answer.str("/message").contains(&format!("`{field}`")), "{}", answer.text());
    assert!(answer.str("/message").contains(bound), "{bound} is not in {}", answer.text());
    answer
}

fn good(server: &Server, body: &Value) -> Answer {
    let answer = server.execute(body);
    assert_eq!((answer.status, &answer.json["success"]), (200, &json!(true)), "{}", answer.text());
    answer
}

#[test]
fn code_is_required_and_bounded_in_characters() {
    let Some(server) = default_server() else { return };
    refused(server, &json!({}), "code", "missing");
    refused(server, &json!({"code": ""}), "code", "1 to 50000 characters");
    refused(server, &json!({"code": " \n\t\u{3000}"}), "code", "not only white space");
    for wrong in [json!(5), json!(null), json!(["print(1)"]), json!({"a": 1}), json!(true)] {
        refused(server, &json!({"code": wrong}), "code", "a string");
    }
    // Three bytes per character: characters count, not bytes.
    let longest = format!("print(1) #{}", "文".repeat(50_000 - 10));
    good(server, &json!({"code": longest}));
    refused(server, &json!({"code": format!("{longest}x")}), "code", "50001");
    good(server, &json!({"code": "\u{feff}print('a byte order mark')"}));
}

#[test]
fn timeout_is_seconds_from_1_to_30_and_10_by_default() {
    let Some(server) = default_server() else { return };
    for seconds in [json!(1), json!(30), json!(10.0)] {
        good(server, &json!({"code": "print(1)", "timeout": seconds}));
    }
    for seconds in [json!(0), json!(31), json!(-1), json!(u64::MAX), json!(1e300)] {
        refused(server, &json!({"code": "print(1)", "timeout": seconds}), "timeout", "1 to 30 seconds");
    }
    for wrong in [json!("5"), json!(1.5), json!(true), json!([1])] {
        refused(server, &json!({"code": "print(1)", "timeout": wrong}), "timeout", "an integer");
    }
}

#[test]
fn stdin_is_empty_by_default_and_at_most_1_mib() {
    let Some(server) = open_server() else { return };
    let count = "import sys\nprint(len(sys.stdin.buffer.read()))";
    assert_eq!(good(server, &json!({"code": count})).str("/stdout"), "0\n");
    let answer = good(server, &json!({"code": count, "stdin": "x".repeat(MIB)}));
    assert_eq!(answer.str("/stdout"), format!("{MIB}\n"));
    // Bytes count: the last character needs two.
    let longer = format!("{}é", "x".repeat(MIB - 1));
    refused(server, &json!({"code": count, "stdin": longer}), "stdin", "1048576 bytes");
    for wrong in [json!(5), json!(["a"])] {
        refused(server, &json!({"code": count, "stdin": wrong}), "stdin", "a string");
    }
}

#[test]
fn files_have_the_limits_of_output_files() {
    let Some(server) = default_server() else { return };
    let with = |files: Value| json!({"code": "print(1)", "files": files});
    let many = |count: usize| {
        let entries = (0..count).map(|number| (format!("f{number}"), json!(base64(b"x"))));
        Value::Object(entries.collect())
    };
    good(server, &with(many(10)));
    refused(server, &with(many(11)), "files", "at most 10 files");
    let largest = base64(&vec![b'x'; 10 * MIB]);
    let answer = good(
        server,
        &json!({"code": "print(len(open('a/b.bin', 'rb').read()))", "files": {"a/b.bin": largest}}),
    );
    assert_eq!(answer.str("/stdout"), format!("{}\n", 10 * MIB));
    let larger = base64(&vec![b'x'; 10 * MIB + 1]);
    refused(server, &with(json!({"a": larger})), "files", "10485760 bytes");
    let total =
        json!({"a": largest, "b": largest, "c": largest, "d": largest, "e": largest, "f": base64(b"x")});
    refused(server, &with(total), "files", "52428800 bytes");
    for wrong in [json!(5), json!([]), json!({"a": 5}), json!({"a": null})] {
        refused(server, &with(wrong), "files", "");
    }
    refused(
        server,
        &with(json!({"a": base64(b"x"), "b": "bm90\nIQ!"})),
        "files",
        "file number 2: it is invalid at character 8",
    );
    for path in ["", "/etc/passwd", "../a", "a/../../b", "a//b", "a/", ".", "a\0b", &"x".repeat(256)] {
        refused(server, &with(json!({path: base64(b"x")})), "files", "relative paths");
    }
    refused(server, &with(json!({"a": base64(b"x"), "a/b": base64(b"x")})), "files", "");
}

#[test]
fn files_of_any_lawful_name_arrive_as_they_were_sent() {
    let Some(server) = open_server() else { return };
    let names =
        ["naïve 文.csv", "-rf", "a\nb", "...", ".hidden", "a/b/c/d.txt", "con\u{202e}gpj.exe", "'\"$(x)`"];
    let files: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), json!(base64(name.as_bytes())))).collect();
    let code = "import json, os
found = {}
for directory, _, names in os.walk('.'):
    for name in names:
        path = os.path.join(directory, name)
        found[os.path.relpath(path)] = open(path, encoding='utf-8').read()
print(json.dumps(found))";
    let answer = good(server, &json!({"code": code, "files": files}));
    let found: Value = serde_json::from_str(answer.str("/stdout")).expect("the program printed JSON");
    for name in names {
        assert_eq!(found[name], name, "{found}");
    }
    assert_eq!(found.as_object().map(serde_json::Map::len), Some(names.len()));
    assert_eq!(answer.json["artifacts"], json!([]), "unchanged input files are not output");
}

#[test]
fn env_holds_64_names_and_32_kib_of_plain_words() {
    let Some(server) = open_server() else { return };
    let with = |env: Value| json!({"code": "print(1)", "env": env});
    let many = |count: usize, bytes: usize| {
        let entries = (0..count).map(|number| (format!("N{number:03}"), json!("v".repeat(bytes))));
        Value::Object(entries.collect())
    };
    good(server, &with(many(64, 508)));
    refused(server, &with(many(64, 509)), "env", "32768 bytes");
    refused(server, &with(many(65, 1)), "env", "64 entries");
    for name in ["", "1A", "A=B", "A B", "É", "A\0", "A-B"] {
        let answer = refused(server, &with(json!({name: "canary-of-the-client"})), "env", "names");
        assert!(!answer.text().contains("canary-of-the-client"));
    }
    refused(server, &with(json!({"A": "a\0b"})), "env", "NUL");
    for wrong in [json!(5), json!([]), json!({"A": 5}), json!({"A": null})] {
        refused(server, &with(wrong), "env", "");
    }
    let code = "import os\nprint(os.environ['GREETING'], os.environ['EMPTY'] == '')";
    let answer = good(server, &json!({"code": code, "env": {"GREETING": "grüß\n文", "EMPTY": ""}}));
    assert_eq!(answer.str("/stdout"), "grüß\n文 True\n");
}

#[test]
fn executor_is_an_active_one() {
    let Some(server) = default_server() else { return };
    let answer = good(server, &json!({"code": "print(1)", "executor": "native"}));
    assert_eq!(answer.str("/executor"), "native");
    for name in ["gvisor", "firecracker", "NATIVE", "", "no-such"] {
        refused(server, &json!({"code": "print(1)", "executor": name}), "executor", "native");
    }
    for wrong in [json!(5), json!([])] {
        refused(server, &json!({"code": "print(1)", "executor": wrong}), "executor", "a string");
    }
}

#[test]
fn null_means_not_given_for_every_field_with_a_default() {
    let Some(server) = open_server() else { return };
    for field in ["timeout", "stdin", "files", "env", "executor"] {
        good(server, &json!({"code": "print(1)", field: null}));
    }
    let code = "import os, sys\nprint(repr(sys.stdin.read()), os.listdir('.'))";
    let all =
        json!({"code": code, "timeout": null, "stdin": null, "files": null, "env": null, "executor": null});
    assert_eq!(good(server, &all).str("/stdout"), "'' []\n");
}

#[test]
fn content_is_read_from_any_base64_that_means_one_thing() {
    let Some(server) = open_server() else { return };
    let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let standard = base64(&bytes);
    // With line breaks as `base64` and MIME write them.
    let lines: Vec<&str> =
        (0..standard.len()).step_by(76).map(|n| &standard[n..standard.len().min(n + 76)]).collect();
    for text in [
        standard.clone(),
        lines.join("\n") + "\n",
        lines.join("\r\n"),
        standard.trim_end_matches('=').to_owned(),
        standard.replace('+', "-").replace('/', "_"),
        standard.trim_end_matches('=').replace('+', "-").replace('/', "_"),
    ] {
        let code = "print(open('f', 'rb').read() == bytes(range(256)) * 3 + bytes(range(232)))";
        assert_eq!(good(server, &json!({"code": code, "files": {"f": text}})).str("/stdout"), "True\n");
    }
    let with = |text: &str| json!({"code": "print(1)", "files": {"f": text}});
    refused(server, &with("data:text/plain;base64,eA=="), "files", "follows the comma");
    refused(server, &with("eHh4e"), "files", "middle of a byte");
    refused(server, &with("eA==eA=="), "files", "at character 5");
}

#[test]
fn a_byte_order_mark_before_the_body_is_ignored() {
    let Some(server) = default_server() else { return };
    let body = "\u{feff}{\"code\":\"print('é')\"}";
    let answer = server.post("/execute", body.as_bytes(), &[("content-type", "application/json")]);
    assert_eq!((answer.status, answer.str("/stdout")), (200, "é\n"), "{}", answer.text());
}

#[test]
fn variables_of_the_interpreter_work_or_are_refused() {
    let Some(server) = open_server() else { return };
    let code = "import warnings, sys\nwarnings.warn('w')\nbreakpoint()\nprint(sys.stdout.errors)";
    let env = json!({"PYTHONWARNINGS": "ignore", "PYTHONBREAKPOINT": "0", "PYTHONIOENCODING": "utf-8:replace",
                     "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "random", "PYTHONUTF8": "1", "PYTHON_VERSION": "3"});
    let answer = good(server, &json!({"code": code, "env": env}));
    assert_eq!((answer.str("/stdout"), answer.str("/stderr")), ("replace\n", ""));
    for (name, value, words) in [
        ("PYTHONHASHSEED", "0", "already has its seed"),
        ("PYTHONHOME", "/tmp", "leave it out"),
        ("PYTHONPLATLIBDIR", "lib", "leave it out"),
        ("PYTHONINSPECT", "1", "leave it out"),
        ("PYTHONVERBOSE", "1", "leave it out"),
        ("PYTHONUTF8", "0", "UTF-8"),
        ("PYTHONTRACEMALLOC", "many", "1 to 65535"),
    ] {
        let answer = refused(server, &json!({"code": "print(1)", "env": {name: value}}), "env", words);
        assert!(answer.str("/message").contains(name), "{}", answer.text());
    }
}

#[test]
fn input_that_does_not_fit_is_the_disk_limit_and_harms_no_executor() {
    let settings =
        [("NATIVE_TMP_SIZE", "1m"), ("NATIVE_TMP_INODES", "64"), ("EXECUTOR_FALLBACK_PROVIDERS", "")];
    let Some(server) = Server::start(&settings) else { return };
    let large = json!({"code": "print(1)", "files": {"a": base64(&vec![b'x'; 2 * MIB])}});
    // More levels than inodes.
    let path = |number: usize| (format!("{number}/{}", "d/".repeat(30) + "f"), json!(base64(b"x")));
    let many = json!({"code": "print(1)", "files": Value::Object((0..5).map(path).collect())});
    for (body, unit, value, setting) in
        [(&large, "bytes", 1_048_576, "NATIVE_TMP_SIZE"), (&many, "files", 64, "NATIVE_TMP_INODES")]
    {
        for _ in 0..3 {
            let answer = server.execute(body);
            assert_eq!(
                (answer.status, answer.str("/outcome/kind")),
                (200, "disk_limit"),
                "{}",
                answer.text()
            );
            let limit = &answer.json["outcome"]["limit"];
            assert_eq!(
                (&limit["name"], &limit["unit"], &limit["value"], &limit["setting"]),
                (&json!("disk"), &json!(unit), &json!(value), &json!(setting))
            );
            assert_eq!((&answer.json["success"], answer.str("/stdout")), (&json!(false), ""));
            assert!(answer.str("/error").contains("was not started"), "{}", answer.text());
            assert_eq!(server.output_of("print('well')"), "well\n");
        }
    }
    assert_eq!(server.get("/health").str("/status"), "healthy");
    assert!(
        !server.stderr_log().contains("executor failed before the program started"),
        "{}",
        server.stderr_log()
    );
    server.stop();
    // Files in /tmp count as memory.
    let settings =
        [("NATIVE_MEMORY", "32m"), ("NATIVE_TMP_SIZE", "128m"), ("EXECUTOR_FALLBACK_PROVIDERS", "")];
    let Some(server) = Server::start(&settings) else { return };
    let content = base64(&vec![b'x'; 10 * MIB]);
    let files: serde_json::Map<_, _> = (0..5).map(|n| (format!("f{n}"), json!(content))).collect();
    let answer = server.execute(json!({"code": "print(1)", "files": files}));
    assert_eq!((answer.status, answer.str("/outcome/kind")), (200, "out_of_memory"), "{}", answer.text());
    assert_eq!(answer.str("/outcome/limit/setting"), "NATIVE_MEMORY");
    assert_eq!(server.output_of("print('well')"), "well\n");
    assert!(
        !server.stderr_log().contains("executor failed before the program started"),
        "{}",
        server.stderr_log()
    );
    server.stop();
}

#[test]
fn an_executor_that_is_not_usable_is_named_with_what_it_lacks() {
    let settings = [("DOCKER_HOST", "unix:///nowhere/secret/docker.sock")];
    let Some(server) = Server::start(&settings) else { return };
    let answer = server.execute(json!({"code": "print(1)", "executor": "docker"}));
    crate::errors::check_error(&answer, 503, "executor_unavailable");
    let message = answer.str("/message");
    assert!(message.starts_with("executor `docker` is not usable: there is no Docker engine"), "{message}");
    assert!(message.contains("usable now: native") && message.contains("/health"), "{message}");
    assert!(!answer.text().contains("nowhere") && !answer.text().contains("secret"), "{message}");
    assert_eq!(server.output_of("print('native is')"), "native is\n");
    server.stop();
}

#[test]
fn unknown_and_doubled_fields_are_named() {
    let Some(server) = default_server() else { return };
    refused(server, &json!({"code": "print(1)", "tmeout": 5}), "tmeout", "code, timeout, stdin, files, env");
    refused(server, &json!({"code": "print(1)", "language": "python"}), "language", "");
    let json_type = [("content-type", "application/json")];
    let twice = server.post("/execute", br#"{"code":"print(1)","code":"print(2)"}"#, &json_type);
    assert_eq!((twice.status, twice.str("/details/field")), (422, "code"));
    for body in
        ["", "{", "[]", "null", "\"print(1)\"", "{\"code\":\"print(1)\"} trailing", "\u{0}", "{'code':1}"]
    {
        let answer = server.post("/execute", body.as_bytes(), &json_type);
        assert_eq!((answer.status, answer.str("/details/field")), (422, "body"), "{body}: {}", answer.text());
    }
    let not_utf8 = server.post("/execute", b"{\"code\":\"print('\xff')\"}", &json_type);
    assert_eq!(not_utf8.status, 422, "{}", not_utf8.text());
    let deep = format!("{{\"code\":\"print(1)\",\"env\":{}", "[".repeat(200_000));
    assert_eq!(server.post("/execute", deep.as_bytes(), &json_type).status, 422);
}
