//! The shipped alerts: valid for `promtool`, and each tested from both sides of every number in it.

use crate::prometheus::{Prometheus, is_installed, promtool, shipped};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

/// An alert as Prometheus has read it.
struct Alert {
    name: String,
    expr: String,
    for_s: u64,
    labels: Value,
    annotations: Value,
}

fn alerts() -> Vec<Alert> {
    let rules = fs::read_to_string(shipped("deploy/prometheus/alerts.yaml")).expect("it is shipped");
    let rules = Prometheus::start(&rules, &[]).rules();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let alert = |rule: &Value| Alert {
        name: text(&rule["name"]),
        expr: text(&rule["query"]),
        for_s: Duration::from_secs_f64(rule["duration"].as_f64().expect("a number")).as_secs(),
        labels: rule["labels"].clone(),
        annotations: rule["annotations"].clone(),
    };
    rules.iter().map(alert).collect()
}

/// The output of `promtool test rules` with these alerts in the file's place, JSON for YAML.
fn test(alerts: &[Alert], change: impl Fn(&Alert) -> (String, u64)) -> (bool, String) {
    let rule = |alert: &Alert| {
        let (expr, for_s) = change(alert);
        json!({"alert": alert.name, "expr": expr, "for": format!("{for_s}s"), "labels": alert.labels,
               "annotations": alert.annotations})
    };
    let rules: Vec<_> = alerts.iter().map(rule).collect();
    let dir = tempfile::tempdir().expect("a directory");
    let groups = json!({"groups": [{"name": "changed", "rules": rules}]}).to_string();
    fs::write(dir.path().join("alerts.yaml"), groups).expect("written");
    let cases = dir.path().join("alerts.test.yaml");
    fs::copy(shipped("deploy/prometheus/alerts.test.yaml"), &cases).expect("copied");
    promtool(&["test".as_ref(), "rules".as_ref(), cases.as_ref()], b"")
}

/// The expression with its threshold number `index`, of those that are not 0 or 1, multiplied.
fn scaled(expr: &str, index: usize, factor: f64) -> Option<String> {
    let words: Vec<&str> = expr.split(' ').collect();
    let is_threshold = |at: &usize| {
        let number = words[*at].parse::<f64>();
        matches!(words[at - 1], ">" | "<") && number.is_ok_and(|number| number != 0.0)
    };
    let at = (1..words.len()).filter(is_threshold).nth(index)?;
    let number = words[at].parse::<f64>().expect("it was parsed") * factor;
    Some([&words[..at], &[number.to_string().as_str()], &words[at + 1..]].concat().join(" "))
}

#[test]
fn every_file_is_valid() {
    if !is_installed() {
        return;
    }
    for (command, file) in [
        (["check", "config"], "prometheus.yml"),
        (["check", "rules"], "alerts.yaml"),
        (["test", "rules"], "alerts.test.yaml"),
    ] {
        let path = shipped("deploy/prometheus").join(file);
        let args: Vec<&OsStr> = command.iter().map(OsStr::new).chain([path.as_os_str()]).collect();
        let (is_valid, output) = promtool(&args, b"");
        assert!(is_valid && !output.contains("FAILED"), "{file}: {output}");
    }
}

/// The test of an alert must notice when the alert always or never fires, or when a threshold or its `for` is another.
#[test]
fn the_test_of_each_alert_notices_every_change() {
    if !is_installed() {
        return;
    }
    let alerts = alerts();
    assert!(alerts.len() > 10, "{} alerts", alerts.len());
    let same = test(&alerts, |alert| (alert.expr.clone(), alert.for_s));
    assert!(same.0, "{}", same.1);

    type Change = Box<dyn Fn(&Alert) -> Option<(String, u64)>>;
    let mut changes: Vec<(String, Change)> = vec![
        ("never fires".to_owned(), Box::new(|alert| Some(("vector(0) > 1".to_owned(), alert.for_s)))),
        ("always fires".to_owned(), Box::new(|alert| Some(("vector(1)".to_owned(), alert.for_s)))),
        ("at once".to_owned(), Box::new(|alert| (alert.for_s > 0).then(|| (alert.expr.clone(), 0)))),
        (
            "later".to_owned(),
            Box::new(|alert| (alert.for_s > 0).then(|| (alert.expr.clone(), 2 * alert.for_s))),
        ),
    ];
    for (index, factor) in [(0, 1.5), (0, 0.6), (1, 1.5), (1, 0.6)] {
        let change: Change = Box::new(move |alert| Some((scaled(&alert.expr, index, factor)?, alert.for_s)));
        changes.push((format!("threshold {index} times {factor}"), change));
    }
    for (what, change) in changes {
        let (_, output) =
            test(&alerts, |alert| change(alert).unwrap_or_else(|| (alert.expr.clone(), alert.for_s)));
        for alert in alerts.iter().filter(|alert| change(alert).is_some()) {
            let is_noticed = output.contains(&format!("alertname: {},", alert.name));
            assert!(is_noticed, "{what}: no case of {} fails\n{output}", alert.name);
        }
    }
    let thresholds = alerts.iter().filter(|alert| scaled(&alert.expr, 0, 2.0).is_some()).count();
    assert!(thresholds >= 5, "{thresholds} alerts have a threshold: is it still found?");
}

/// Whoever is woken by an alert finds what to do.
#[test]
fn each_alert_has_a_section_of_its_own() {
    let read = |path: &str| fs::read_to_string(shipped(path)).expect("it is shipped");
    let (rules, document) = (read("deploy/prometheus/alerts.yaml"), read("docs/alerts.md"));
    let value = |line: &str, key: &str| line.trim().strip_prefix(key).map(str::to_owned);
    let names: Vec<_> = rules.lines().filter_map(|line| value(line, "- alert: ")).collect();
    let runbooks: Vec<_> = rules.lines().filter_map(|line| value(line, "runbook: ")).collect();
    let expected: Vec<_> =
        names.iter().map(|name| format!("docs/alerts.md#{}", name.to_lowercase())).collect();
    assert_eq!(runbooks, expected);
    let sections: Vec<_> = document.lines().filter_map(|line| value(line, "## ")).collect();
    assert_eq!(sections, names, "sections of docs/alerts.md, and alerts");
}
