//! Output files: which are returned, how they are described, and their links.

use crate::answers::check_shape;
use crate::errors::check_error;
use crate::open_server;
use crate::support::{Answer, Launch, Server, base64, command};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

fn paths(answer: &Answer, list: &str, field: &str) -> Vec<String> {
    let entries = answer.json[list].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| entry[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// The path of a link below the service's address.
fn token_path(url: &str) -> String {
    url.find("/files/").map(|at| url[at..].to_owned()).unwrap_or_else(|| panic!("no link: {url}"))
}

#[test]
fn a_file_is_described_and_its_link_downloads_it() {
    let Some(server) = open_server() else { return };
    let code = "import os\nos.makedirs('sub/deep')\nopen('sub/deep/b.csv', 'w').write('a,b\\n1,2\\n')\n\
                open('a.html', 'w').write('<script>alert(1)</script>')\nopen('empty', 'w')";
    let answer = server.program(code);
    check_shape(&answer);
    assert_eq!(paths(&answer, "artifacts", "path"), ["a.html", "empty", "sub/deep/b.csv"], "sorted by path");
    assert_eq!(paths(&answer, "artifacts", "name"), ["a.html", "empty", "b.csv"]);
    assert_eq!(paths(&answer, "artifacts", "media_type")[2], "text/csv");
    for (index, content) in [&b"<script>alert(1)</script>"[..], b"", b"a,b\n1,2\n"].iter().enumerate() {
        let artifact = &answer.json["artifacts"][index];
        assert_eq!(artifact["size_bytes"], json!(content.len()));
        let sha256: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(artifact["sha256"], json!(sha256));
        let url = artifact["url"].as_str().unwrap_or_default();
        assert!(url.starts_with(&format!("{}/files/", server.base)), "{url}");
        let file = server.get(url);
        assert_eq!((file.status, file.body.as_slice()), (200, *content));
        assert!(file.header("content-disposition").starts_with("attachment"), "{:?}", file.headers);
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(file.header("content-security-policy").contains("sandbox"));
        assert_eq!(file.header("etag"), format!("\"{sha256}\""));
        let head = server.send("HEAD", url, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["content-length", "content-disposition", "content-type", "etag"] {
            assert_eq!(head.header(name), file.header(name), "{name}");
        }
        let known = server.send("GET", url, &[("if-none-match", file.header("etag"))]);
        assert_eq!((known.status, known.body.len()), (304, 0));
        // The link grants access to the file: it must not be in the log.
        assert!(!server.stderr_log().contains(token_path(url).trim_start_matches("/files/")));
    }
}

#[test]
fn what_does_not_fit_into_the_store_is_skipped_and_health_says_so() {
    let launch = Launch::new().set("STORAGE_MAX_SIZE", "1m").set("STORAGE_LINK_LIFETIME", "6");
    let Some(server) = launch.start() else { return };
    let write =
        || server.program("for i in range(3): open(f'f{i}', 'wb').write(bytes(400000))\nprint('ran')");
    let answer = write();
    check_shape(&answer);
    assert_eq!((&answer.json["success"], answer.str("/stdout")), (&json!(true), "ran\n"));
    assert_eq!(paths(&answer, "artifacts", "path"), ["f0", "f1"], "{}", answer.text());
    assert_eq!(answer.json["skipped_files"], json!([{"path": "f2", "reason": "storage_full"}]));
    let full = write();
    assert_eq!(paths(&full, "skipped_files", "reason"), ["storage_full"; 3], "{}", full.text());
    // No valid link was removed to make space, and /health reports the shortage.
    for url in paths(&answer, "artifacts", "url") {
        assert_eq!(server.get(&url).status, 200);
    }
    // Small files still fill the remaining space.
    for _ in 0..8 {
        server.program("for i in range(10): open(f's{i}', 'w')");
    }
    let said = crate::support::wait_until(Duration::from_secs(12), || {
        let storage = &server.get("/health").json["storage"];
        storage["healthy"] == false
            && storage["reason"].as_str().is_some_and(|why| why.contains("STORAGE_MAX_SIZE"))
    });
    assert!(said, "{}", server.get("/health").text());
    // When the links have expired there is space again, without a restart or a command.
    assert!(crate::support::wait_until(Duration::from_secs(30), || {
        paths(&write(), "artifacts", "path").len() == 2
            && server.get("/health").json["storage"]["healthy"] == true
    }));
    server.stop();
}

#[test]
fn a_new_link_key_needs_no_restart_and_ends_no_link() {
    let launch = Launch::new();
    let Some(server) = launch.start() else { return };
    let link = |code: &str| token_path(server.program(code).str("/artifacts/0/url"));
    let before = link("open('f', 'w').write('before')");
    let rotate = |arguments: &[&str]| {
        let output = Launch::new().in_dir(&server.dir).run(arguments, "");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(rotate(&["rotate-link-key"]).contains("new key"));
    let after = link("open('f', 'w').write('after')");
    assert_eq!((server.get(&before).text(), server.get(&after).text()), ("before".into(), "after".into()));
    assert!(server.log_line(&["link key has changed"]).is_some());
    rotate(&["rotate-link-key", "--end-links"]);
    for path in [&before, &after] {
        check_error(&server.get(path), 403, "link_invalid");
    }
    assert_eq!(server.get(&link("open('f', 'w').write('x')")).status, 200);
    server.stop();
}

#[test]
fn links_live_five_hours() {
    let Some(server) = open_server() else { return };
    let answer = server.program("open('f', 'w').write('x')");
    let expires: jiff::Timestamp = answer.str("/artifacts/0/expires_at").parse().expect("RFC 3339");
    assert!(answer.str("/artifacts/0/expires_at").ends_with('Z'));
    let left_s = expires.as_second() - jiff::Timestamp::now().as_second();
    assert!((17_900..=18_001).contains(&left_s), "{left_s}");
}

#[test]
fn names_are_safe_in_headers_whatever_they_are() {
    let Some(server) = open_server() else { return };
    let names = [
        "naïve 文.csv",
        "a\"; filename=\"evil.exe",
        "new\r\nSet-Cookie: a=b",
        "-rf",
        "back\\slash",
        "\u{202e}gpj.exe",
        "%2e%2e%2f",
        "null.html\t",
        ".curlrc",
        " .bashrc",
        "\u{200b}.netrc",
        "CON",
        "nul.txt",
        "trailing. . ",
    ];
    // No more than MAX_FILE_COUNT in each program.
    for names in names.chunks(10) {
        let code = format!("for name in {}: open(name, 'w').write('x')", json!(names));
        let answer = server.program(&code);
        let mut given = names.to_vec();
        given.sort_unstable();
        assert_eq!(
            paths(&answer, "artifacts", "path"),
            given,
            "the path is the program's: {}",
            answer.text()
        );
        for name in paths(&answer, "artifacts", "name") {
            assert!(!name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
            assert!(!name.contains(['/', '\\', '\u{202e}', '\u{200b}', '\n', '\t', '"', ':']), "{name:?}");
            assert!(!["CON", "nul.txt"].contains(&name.as_str()), "{name:?}");
        }
        for url in paths(&answer, "artifacts", "url") {
            let file = server.get(&url);
            assert_eq!((file.status, file.text().as_str()), (200, "x"));
            let header = file.header("content-disposition");
            assert!(header.starts_with("attachment; filename="), "{header}");
            assert!(header.is_ascii() && !header.contains('\n'), "{header}");
            assert_eq!(file.header("set-cookie"), "");
            // Safe for `curl -OJ`: no configuration file, option, device or hidden file.
            let plain = header.split('"').nth(1).unwrap_or_default();
            assert!(!plain.is_empty() && !plain.starts_with(['.', '-', ' ']), "{header}");
            assert!(!plain.ends_with(['.', ' ']), "{header}");
        }
    }
}

#[test]
fn what_is_no_regular_file_is_skipped_and_says_why() {
    let Some(server) = open_server() else { return };
    let code = "import os, socket
os.symlink('/etc/passwd', 'link')
os.symlink('/proc/self/environ', 'link2')
os.symlink('/tmp', 'directory_link')
os.mkfifo('fifo')
open(b'\\xff.txt', 'w').write('x')
open('/tmp/outside', 'w').write('x')
os.link('/tmp/outside', 'hard')
open('good', 'w').write('x')
open('closed', 'w').write('secret'); os.chmod('closed', 0)
os.mkdir('shut'); open('shut/in', 'w').write('x'); os.chmod('shut', 0)";
    let answer = server.program(code);
    check_shape(&answer);
    let skipped = answer.json["skipped_files"].as_array().cloned().unwrap_or_default();
    let reason = |path: &str| {
        let entry = skipped.iter().find(|entry| entry["path"] == path);
        entry.map(|entry| entry["reason"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    assert_eq!(reason("link"), "symlink", "{}", answer.text());
    assert_eq!(reason("link2"), "symlink");
    assert_eq!(reason("directory_link"), "symlink");
    assert_eq!(reason("fifo"), "fifo");
    assert_eq!(reason("hard"), "hard_link");
    assert_eq!(reason("\u{fffd}.txt"), "name_not_utf8");
    let kept = paths(&answer, "artifacts", "path");
    assert!(kept.contains(&"good".to_owned()), "{kept:?}");
    assert!(!answer.text().contains("root:x:0"));
    assert!(paths(&answer, "skipped_files", "path").is_sorted());
}

#[test]
fn files_over_a_limit_are_skipped_and_the_rest_is_kept() {
    let settings = [("MAX_FILE_SIZE", "1000"), ("MAX_TOTAL_SIZE", "2500"), ("MAX_FILE_COUNT", "4")];
    let Some(server) = Server::start(&settings) else { return };
    let write = |sizes: &[usize]| {
        let lines: Vec<String> = sizes
            .iter()
            .enumerate()
            .map(|(index, size)| format!("open('f{index}', 'wb').write(bytes({size}))"))
            .collect();
        server.program(&lines.join("\n"))
    };
    let large = write(&[1000, 1001, 10]);
    assert_eq!(paths(&large, "artifacts", "path"), ["f0", "f2"], "{}", large.text());
    assert_eq!(large.json["skipped_files"], json!([{"path": "f1", "reason": "too_large"}]));
    assert_eq!(large.json["success"], true);
    let total = write(&[1000, 1000, 501, 500]);
    assert_eq!(paths(&total, "artifacts", "path"), ["f0", "f1", "f3"], "{}", total.text());
    assert_eq!(total.json["skipped_files"], json!([{"path": "f2", "reason": "total_too_large"}]));
    let many = write(&[1, 1, 1, 1, 1, 1]);
    assert_eq!(paths(&many, "artifacts", "path").len(), 4, "{}", many.text());
    assert_eq!(paths(&many, "skipped_files", "reason"), ["too_many", "too_many"]);
    // The same limits bound the input.
    for files in [
        json!({"a": base64(&[0; 1001])}),
        json!({"a": base64(&[0; 1000]), "b": base64(&[0; 1000]), "c": base64(&[0; 501])}),
        json!({"a": "", "b": "", "c": "", "d": "", "e": ""}),
    ] {
        let answer = server.execute(json!({"code": "print(1)", "files": files}));
        assert_eq!((answer.status, answer.str("/details/field")), (422, "files"), "{}", answer.text());
    }
    server.stop();
}

#[test]
fn an_input_file_that_was_changed_is_output() {
    let Some(server) = open_server() else { return };
    let answer = server.execute(json!({
        "code": "open('changed', 'a').write('more')\nopen('new', 'w').write('x')",
        "files": {"changed": base64(b"some"), "same": base64(b"same")},
    }));
    assert_eq!(paths(&answer, "artifacts", "path"), ["changed", "new"], "{}", answer.text());
    assert_eq!(server.get(answer.str("/artifacts/0/url")).text(), "somemore");
}

#[test]
fn a_changed_link_is_403() {
    let Some(server) = open_server() else { return };
    let answer = server.program("open('f', 'w').write('x')");
    let path = token_path(answer.str("/artifacts/0/url"));
    assert_eq!(server.get(&path).status, 200);
    let token: Vec<char> = path.trim_start_matches("/files/").chars().collect();
    // Every part of the token, not only its signature.
    for index in (0..token.len()).step_by(7).chain([token.len() - 1]) {
        let mut changed = token.clone();
        changed[index] = if changed[index] == 'A' { 'B' } else { 'A' };
        let changed: String = changed.into_iter().collect();
        let answer = server.get(&format!("/files/{changed}"));
        assert!(
            answer.status == 403 || answer.status == 200 && index == token.len() - 1,
            "{index}: {}",
            answer.text()
        );
    }
    for bad in ["x", "AAAA", "%00", "%ff", "..%2f..%2fetc%2fpasswd", &"A".repeat(5000)] {
        check_error(&server.get(&format!("/files/{bad}")), 403, "link_invalid");
    }
    let shorter: String = token[..token.len() - 4].iter().collect();
    check_error(&server.get(&format!("/files/{shorter}")), 403, "link_invalid");
}

#[test]
fn an_expired_link_is_410_and_links_survive_a_restart() {
    let launch = Launch::new().set("STORAGE_LINK_LIFETIME", "15");
    let Some(server) = launch.start() else { return };
    let answer = server.program("open('f', 'w').write('survives')");
    let path = token_path(answer.str("/artifacts/0/url"));
    let dir = server.stop();
    let Some(server) = Launch::new().in_dir(&dir).start() else { return };
    let file = server.get(&path);
    assert_eq!((file.status, file.text().as_str()), (200, "survives"), "{}", file.text());
    assert!(crate::support::wait_until(Duration::from_secs(20), || server.get(&path).status != 200));
    let late = server.get(&path);
    check_error(&late, 410, "link_expired");
    assert!(late.str("/message").contains("expired"), "{}", late.text());
    // A link of another service is not valid here.
    let Some(other) = open_server() else { return };
    check_error(&other.get(&path), 403, "link_invalid");
    server.stop();
}

#[test]
fn without_storage_files_are_listed_as_skipped() {
    for settings in [[("STORAGE_ENABLED", "false")], [("STORAGE_PROVIDER", "disabled")]] {
        let Some(server) = Server::start(&settings) else { return };
        let answer = server.program("open('f', 'w').write('x')\nprint('ran')");
        check_shape(&answer);
        assert_eq!((&answer.json["success"], &answer.json["files"]), (&json!(true), &json!([])));
        assert_eq!(answer.json["skipped_files"], json!([{"path": "f", "reason": "storage_disabled"}]));
        check_error(&server.get("/files/abc"), 404, "not_found");
        let storage = server.get("/health").json["storage"].clone();
        assert_eq!(
            (&storage["enabled"], &storage["provider"]),
            (&json!(false), &json!("disabled")),
            "{storage}"
        );
        server.stop();
    }
}

#[test]
fn the_excel_request_of_the_issue_gives_a_workbook() {
    let Some(server) = open_server() else { return };
    let code = "import pandas as pd
df = pd.DataFrame({'Name': ['Ann', 'Bob', 'Søren'], 'Age': [25, 30, 35]})
df.to_excel('/tmp/output/data.xlsx', index=False)
print('Excel file created')";
    let answer = server.execute(json!({"code": code, "timeout": 30}));
    check_shape(&answer);
    assert_eq!(answer.json["success"], true, "{}", answer.text());
    assert_eq!(answer.str("/artifacts/0/name"), "data.xlsx");
    assert!(answer.str("/artifacts/0/media_type").contains("spreadsheetml.sheet"));
    let file = server.get(answer.str("/files/0"));
    assert!(file.header("content-disposition").contains("data.xlsx"));
    // Back into a sandbox, which has a reader for such files.
    let check = "import openpyxl\nsheet = openpyxl.load_workbook('data.xlsx').active\n\
                 print([[cell.value for cell in row] for row in sheet.rows])";
    let read =
        server.execute(json!({"code": check, "files": {"data.xlsx": base64(&file.body)}, "timeout": 30}));
    let expected = "[['Name', 'Age'], ['Ann', 25], ['Bob', 30], ['Søren', 35]]\n";
    assert_eq!(read.str("/stdout"), expected, "{}", read.text());
    // And by an independent reader.
    let path = server.dir.path().join("data.xlsx");
    std::fs::write(&path, &file.body).expect("written");
    let path = path.to_string_lossy();
    match command(&["python3", "-m", "zipfile", "--test", &path]) {
        Ok(said) => assert!(said.contains("Done testing"), "{said}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_same_content_is_kept_for_each_file_and_each_has_its_own_link() {
    let Some(server) = open_server() else { return };
    let code = "open('one', 'w').write('same')\nopen('two', 'w').write('same')";
    let answer = server.program(code);
    let digests = paths(&answer, "artifacts", "sha256");
    assert_eq!(digests[0], digests[1]);
    // With deduplication, the next answer with the same content would be faster for any client.
    let objects =
        crate::support::command(&["find", &server.dir.data().join("files").to_string_lossy(), "-type", "f"]);
    assert!(!objects.expect("listed").contains(&digests[0]), "a file is named by its content");
    let urls: Vec<Value> = answer.json["files"].as_array().cloned().unwrap_or_default();
    assert_ne!(urls[0], urls[1]);
    assert!(server.get(urls[1].as_str().unwrap_or_default()).header("content-disposition").contains("two"));
}
