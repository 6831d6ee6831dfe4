//! The shipped dashboard and alerts on a real service: Prometheus scrapes it while it works, and every query returns data.

use crate::prometheus::{Prometheus, is_installed, promtool, shipped};
use crate::support::{Server, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;
use testkit::{Answers, Collector, S3Server};

/// Longest time until every query has data: some scrapes, and a program of each kind between two.
const DATA_TIME_MAX: Duration = Duration::from_secs(90);

fn dashboard() -> Value {
    let text = fs::read_to_string(shipped("deploy/grafana/python-sandbox.json")).expect("it is shipped");
    serde_json::from_str(&text).expect("JSON")
}

/// The panels that show something.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

fn exprs(panel: &Value) -> impl Iterator<Item = &str> {
    panel["targets"]
        .as_array()
        .expect("queries")
        .iter()
        .map(|target| target["expr"].as_str().expect("a query"))
}

/// A query as Grafana sends it.
fn filled_in(expr: &str) -> String {
    expr.replace("$__rate_interval", "30s").replace("$job", "python-sandbox").replace("$instance", ".*")
}

/// An alert's expression, whose comparisons return 0 or 1 instead of leaving out what is not so: it then has a value
/// wherever it can be evaluated.
fn evaluated(expr: &str) -> String {
    [" == ", " != ", " > ", " < ", " >= ", " <= "]
        .iter()
        .fold(expr.to_owned(), |expr, operator| expr.replace(operator, &format!("{operator}bool ")))
}

/// Programs of many kinds, some of which find the service busy.
fn work(server: &Server) {
    let bodies = [
        json!({"code": "open('/tmp/output/a.txt', 'w').write('1' * 1000)\nprint('x' * 20000)"}),
        json!({"code": "raise SystemExit(3)"}),
        json!({"code": "import pandas"}),
        json!({"code": "import time\ntime.sleep(0.3)"}),
        json!({"code": "import os"}),
        json!({"code": ""}),
    ];
    std::thread::scope(|scope| {
        for body in &bodies {
            scope.spawn(move || server.execute(body));
        }
    });
}

#[test]
fn every_query_has_data_of_a_real_service() {
    if !is_installed() {
        return;
    }
    let Some(store) = S3Server::start() else { return };
    let store_endpoint = format!("http://{}", store.address());
    let collector = Collector::start(Answers::Taken);
    let endpoint = collector.base();
    let settings = [
        ("STORAGE_PROVIDER", "s3"),
        ("STORAGE_S3_BUCKET", S3Server::BUCKET),
        ("STORAGE_S3_ENDPOINT", &*store_endpoint),
        ("STORAGE_S3_PATH_STYLE", "true"),
        ("STORAGE_S3_ACCESS_KEY", S3Server::ACCESS_KEY),
        ("STORAGE_S3_SECRET_KEY", S3Server::SECRET_KEY),
        ("MAX_CONCURRENT", "1"),
        ("MAX_WAITING", "2"),
        ("AUDIT_LOG", "stderr"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
    ];
    let Some(mut server) = Server::start_with_templates(&settings) else { return };
    let rules = fs::read_to_string(shipped("deploy/prometheus/alerts.yaml")).expect("it is shipped");
    // Only the times are others.
    let at_once = rules.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("for: ") {
            format!("{:indent$}for: 1s\n", "")
        } else {
            format!("{line}\n")
        }
    });
    let target = server.base.trim_start_matches("http://").to_owned();
    let prometheus = Prometheus::start(&at_once.collect::<String>(), &[&target]);

    let dashboard = dashboard();
    let mut without_data: BTreeSet<String> =
        panels(&dashboard).into_iter().flat_map(exprs).map(filled_in).collect();
    let rules = prometheus.rules();
    let queries = rules.iter().map(|rule| rule["query"].as_str().expect("a query"));
    without_data.extend(queries.map(evaluated));
    assert!(without_data.len() > 60, "{} queries", without_data.len());
    let mut errors = BTreeSet::new();
    wait_until(DATA_TIME_MAX * testkit::patience(), || {
        work(&server);
        without_data.retain(|expr| match prometheus.values(expr) {
            Ok(values) => values.is_empty(),
            Err(error) => {
                errors.insert(error);
                false
            }
        });
        without_data.is_empty() || !errors.is_empty()
    });
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(without_data.is_empty(), "no data for {without_data:#?}\n{}", prometheus.log());

    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let query = filled_in(query);
        let inside = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')'));
        let (series, label) = inside.and_then(|inside| inside.rsplit_once(", ")).expect("a label's values");
        assert!(
            !prometheus.values(&format!("count by ({label}) ({series})")).expect("valid").is_empty(),
            "{query}"
        );
    }
    for rule in prometheus.rules() {
        assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule}");
    }

    // What Prometheus's own tool thinks of names, types and help texts.
    let page = server.get("/metrics").text();
    let output = promtool(&["check".as_ref(), "metrics".as_ref()], page.as_bytes());
    assert_eq!(output, (true, String::new()));

    let firing = prometheus.firing();
    for critical in
        ["SandboxDown", "SandboxNotReady", "SandboxStorageDown", "SandboxFilesLost", "SandboxInternalErrors"]
    {
        assert!(!firing.iter().any(|name| name == critical), "{firing:?}");
    }
    server.child.kill().expect("it runs");
    let is_down = || prometheus.firing().iter().any(|name| name == "SandboxDown");
    assert!(wait_until(DATA_TIME_MAX, is_down), "{:?}", prometheus.get("alerts"));
}

#[test]
fn the_dashboard_shows_every_metric_with_its_unit() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title}: its id exists twice");
        let number = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        assert!(number("x") + number("w") <= 24, "{title}: beyond the right edge");
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
    }
    let mut shown = String::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().expect("a title");
        let description = panel["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{title}: {description}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: its unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().expect("queries") {
            assert!(!target["legendFormat"].as_str().unwrap_or_default().is_empty(), "{title}: its legend");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
        for expr in exprs(panel) {
            // Without them, every service that Prometheus knows would be in the picture.
            let selectors = expr.matches('{').count();
            assert_eq!(expr.matches("{job=~\"$job\", instance=~\"$instance\"").count(), selectors, "{expr}");
            shown.push_str(expr);
        }
    }
    for metric in telemetry::METRICS {
        let is_shown =
            ["{", "_bucket{", "_sum{"].iter().any(|end| shown.contains(&format!("{}{end}", metric.name)));
        assert!(is_shown, "{} is in no panel", metric.name);
    }
}
