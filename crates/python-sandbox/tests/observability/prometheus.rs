//! The real Prometheus, and `promtool`.

use crate::support::{Tool, find, send};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the directory with both programs.
const VARIABLE: &str = "PYTHON_SANDBOX_TEST_PROMETHEUS";

/// The programs, or a reported skip.
pub(crate) fn is_installed() -> bool {
    let are_there = ["prometheus", "promtool"].iter().all(|name| find(VARIABLE, name).is_some());
    are_there
        || testkit::skip(format_args!(
            "there is no Prometheus in ${VARIABLE} or PATH (`make test` installs it)"
        ))
}

/// A shipped file.
pub(crate) fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Output and success of `promtool`.
pub(crate) fn promtool(args: &[&OsStr], stdin: &[u8]) -> (bool, String) {
    let path = find(VARIABLE, "promtool").expect("it was looked for");
    let mut child = Command::new(path)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut pipe = child.stdin.take().expect("piped");
    // One that reads no input closes the pipe early.
    let _ = std::io::Write::write_all(&mut pipe, stdin);
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    base: String,
    tool: Tool,
}

impl Prometheus {
    /// Starts one with these rules. It scrapes the targets (`host:port`) and evaluates the rules every second.
    pub(crate) fn start(rules: &str, targets: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = serde_json::json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "python-sandbox", "static_configs": [{"targets": targets}]}],
        });
        fs::write(dir.path().join("rules.yaml"), rules).expect("written");
        // JSON is YAML.
        fs::write(dir.path().join("prometheus.yml"), config.to_string()).expect("written");
        let mut command = Command::new(find(VARIABLE, "prometheus").expect("it was looked for"));
        command.current_dir(dir.path()).args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ]);
        // It listens before it has read its configuration.
        let listens = |log: &str| {
            let is_ready = log.contains("Server is ready to receive web requests");
            let (_, rest) = log.split_once("msg=\"Listening on\" address=").filter(|_| is_ready)?;
            rest.split_whitespace().next().map(|address| format!("http://{address}"))
        };
        let (tool, base) = Tool::start(dir, &mut command, listens);
        Self { base, tool }
    }

    /// The data of an answer of its API.
    pub(crate) fn get(&self, path: &str) -> Result<Value, String> {
        let answer = send("GET", &format!("{}/api/v1/{path}", self.base), &[], None);
        match &answer.json["data"] {
            Value::Null => Err(format!("{path}: {}", answer.text())),
            data => Ok(data.clone()),
        }
    }

    /// The values that an expression has now, without those that are not numbers.
    pub(crate) fn values(&self, expr: &str) -> Result<Vec<f64>, String> {
        let encoded = utf8_percent_encode(expr, NON_ALPHANUMERIC);
        let data = self.get(&format!("query?query={encoded}"))?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        let values = series.iter().filter_map(|one| one["value"][1].as_str()?.parse::<f64>().ok());
        Ok(values.filter(|value| !value.is_nan()).collect())
    }

    /// The rules, as it has read them.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let data = self.get("rules").unwrap_or_else(|error| panic!("{error}"));
        let groups = data["groups"].as_array().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
    }

    /// Names of the alerts that fire.
    pub(crate) fn firing(&self) -> Vec<String> {
        let data = self.get("alerts").unwrap_or_else(|error| panic!("{error}"));
        let alerts = data["alerts"].as_array().expect("alerts").iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        firing.filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned)).collect()
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        self.tool.log()
    }
}
