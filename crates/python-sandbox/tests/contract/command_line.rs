//! `run` and `doctor` with the real binary and real sandboxes.

use crate::answers::check_shape;
use crate::support::{Answer, Launch, is_root, run, runtime_is_prepared};
use serde_json::Value;
use std::process::Output;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn seen(output: &Output) -> (Option<i32>, String, String) {
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn run_passes_output_and_exit_code_through() {
    if !runtime_is_prepared() {
        return;
    }
    for (code, exit_code, stdout, stderr) in [
        ("print('out')", 0, "out\n", ""),
        ("raise SystemExit(3)", 3, "", ""),
        ("raise SystemExit('said')", 1, "", "said\n"),
    ] {
        let output = run(&[], &["run", "-c", code], "");
        assert_eq!(seen(&output), (Some(exit_code), stdout.to_owned(), stderr.to_owned()), "{code}");
    }
    let failed = run(&[], &["run", "-c", "print('before')\n1/0"], "");
    let (code, stdout, stderr) = seen(&failed);
    assert_eq!((code, stdout.as_str()), (Some(1), "before\n"));
    assert!(stderr.contains("File \"main.py\", line 2") && stderr.contains("ZeroDivisionError"), "{stderr}");
    let late = run(&[], &["run", "--timeout", "1", "-c", "while True: pass"], "");
    assert_eq!(late.status.code(), Some(124));
    assert!(text(&late.stderr).contains("timeout"), "{}", text(&late.stderr));
}

#[test]
fn run_reads_programs_and_input_from_files_and_from_standard_input() {
    if !runtime_is_prepared() {
        return;
    }
    let launch = Launch::new()
        .file("program.py", "print(input(), 'file')")
        .file("input.txt", "from a file\n")
        .set("FORBIDDEN_IMPORTS", "");
    let output = launch.run(&["run", "program.py", "--stdin", "input.txt"], "");
    assert_eq!(seen(&output).1, "from a file file\n", "{}", text(&output.stderr));
    let output = launch.run(&["run", "-"], "print('from standard input')");
    assert_eq!(seen(&output), (Some(0), "from standard input\n".to_owned(), String::new()));
    let output = launch.run(&["run", "program.py", "--stdin", "-"], "piped");
    assert_eq!(seen(&output).1, "piped file\n");
}

#[test]
fn run_json_is_the_answer_of_the_api() {
    if !runtime_is_prepared() {
        return;
    }
    let output = run(&[], &["run", "--json", "-c", "print('x')\nraise SystemExit(4)"], "");
    assert_eq!(output.status.code(), Some(4));
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    let headers =
        [("content-type", "application/json"), ("x-request-id", json["request_id"].as_str().unwrap_or(""))];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let answer = Answer { status: 200, headers, body: output.stdout.clone(), json };
    check_shape(&answer);
    assert_eq!((answer.str("/stdout"), answer.number("/exit_code")), ("x\n", 4.0));

    let refused = run(&[], &["run", "--json", "-c", "import os"], "");
    assert_eq!(refused.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&refused.stdout).expect("JSON and nothing else");
    assert!(json["error"].as_str().unwrap_or_default().starts_with("Validation failed"), "{json}");
    assert_eq!((&json["exit_code"], &json["code"]), (&(-1).into(), &"validation_failed".into()));
    assert_eq!(json["violations"][0]["code"], "forbidden-import", "as over HTTP: {json}");
}

#[test]
fn run_out_saves_files_and_replaces_none() {
    if !runtime_is_prepared() {
        return;
    }
    let launch = Launch::new();
    let code = "open('result.txt', 'w').write('new')\nprint('ran')";
    let output = launch.run(&["run", "--out", "results", "-c", code], "");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "ran\n"));
    let path = launch.work_dir().cwd().join("results/result.txt");
    assert_eq!(std::fs::read_to_string(&path).expect("saved"), "new");
    std::fs::write(&path, "mine").expect("written");
    let again = launch.run(&["run", "--out", "results", "-c", code], "");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), "mine");
    assert!(text(&again.stderr).contains("not saved"), "{}", text(&again.stderr));
    let without = launch.run(&["run", "-c", code], "");
    assert!(text(&without.stderr).contains("--out"), "{}", text(&without.stderr));
}

#[test]
fn run_tells_its_faults_from_the_programs() {
    if !runtime_is_prepared() {
        return;
    }
    let rejected = run(&[], &["run", "-c", "import os"], "");
    assert_eq!(rejected.status.code(), Some(1));
    assert!(text(&rejected.stderr).contains("Validation failed") && text(&rejected.stderr).contains("os"));
    for args in
        [&["run", "--timeout", "99", "-c", "print(1)"][..], &["run", "-c", " "], &["run", "nowhere.py"]]
    {
        let output = run(&[], args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    // No cgroups can exist below a kernel file.
    let output = run(&[("NATIVE_CGROUP_PARENT", "/cgroup.procs/x")], &["run", "-c", "print(1)"], "");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("doctor"), "{}", text(&output.stderr));
}

/// The exit code and the findings of `doctor --json`.
pub(crate) fn doctor(launch: &Launch) -> (Option<i32>, Vec<Value>) {
    let _host = crate::host_alone();
    let output = launch.run(&["doctor", "--json"], "");
    let findings: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    (output.status.code(), findings.as_array().cloned().unwrap_or_default())
}

/// It runs beside the services of the other tests, as an operator would run it beside a production service.
#[test]
fn doctor_proves_every_wall_beside_a_working_service() {
    if !runtime_is_prepared() {
        return;
    }
    if !is_root() {
        return testkit::skip("these tests are not root's");
    }
    let (code, findings) = doctor(&Launch::new());
    let wrong: Vec<_> = findings.iter().filter(|finding| finding["state"] != "proved").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(code, Some(0));
    let walls = findings.iter().filter(|finding| finding["kind"] == "wall").count();
    assert!(walls >= 20, "{walls}");
    for finding in &findings {
        assert!(finding["name"].is_string() && finding["detail"].is_string(), "{finding}");
    }
}
