//! Counts HTTP requests. Knows no HTTP: its words are given to it.

use crate::catalog;
use crate::registry::Registry;
use prometheus::{Error, Histogram, IntCounter, IntCounterVec, IntGauge};
use std::sync::OnceLock;
use std::time::Duration;

/// The methods that a route of the API has; others are counted together.
const METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "POST"];
/// The statuses that the API has; others are counted together.
const STATUSES: [u16; 25] = [
    200, 204, 206, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 410, 413, 415, 416, 421, 422, 429, 431,
    499, 500, 502, 503,
];
/// A method, or a status, that is not in the list.
const OTHER: &str = "other";
/// A route that is not in the list: no route has the request's path.
const UNMATCHED: &str = "unmatched";

/// See the module. Counting takes no lock and allocates nothing, except at the first request of its kind.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    /// The counters of `requests` by route, method and status, each made when it is first needed.
    by_kind: Vec<OnceLock<IntCounter>>,
    /// The routes, and the time of the requests of each.
    routes: Vec<(&'static str, Histogram)>,
    errors: Vec<(&'static str, IntCounter)>,
    in_progress: IntGauge,
}

impl HttpMetrics {
    pub(crate) fn new(
        registry: &Registry,
        routes: &[&'static str],
        codes: &[&'static str],
    ) -> Result<Self, Error> {
        let durations = registry.histograms(&catalog::HTTP_DURATION)?;
        let errors = registry.counters(&catalog::HTTP_ERRORS)?;
        let in_progress = registry.gauges(&catalog::HTTP_IN_PROGRESS)?;
        let routes = routes.iter().chain([&UNMATCHED]);
        let routes: Vec<_> = routes
            .map(|route| Ok((*route, durations.get_metric_with_label_values(&[route])?)))
            .collect::<Result<_, Error>>()?;
        let kinds = routes.len() * (METHODS.len() + 1) * (STATUSES.len() + 1);
        Ok(Self {
            requests: registry.counters(&catalog::HTTP_REQUESTS)?,
            by_kind: (0..kinds).map(|_| OnceLock::new()).collect(),
            routes,
            errors: codes
                .iter()
                .map(|code| Ok((*code, errors.get_metric_with_label_values(&[code])?)))
                .collect::<Result<_, Error>>()?,
            in_progress: in_progress.get_metric_with_label_values::<&str>(&[])?,
        })
    }

    /// A request has arrived.
    pub fn began(&self) {
        self.in_progress.inc();
    }

    /// A request that began has its answer, or its client went away. `route` is the path's template, `code` that of
    /// an error.
    pub fn answered(&self, method: &str, route: &str, status: u16, duration: Duration, code: Option<&str>) {
        self.in_progress.dec();
        let unmatched = self.routes.len() - 1;
        let route = self.routes.iter().position(|(known, _)| *known == route).unwrap_or(unmatched);
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len());
        let status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        if let Some((_, histogram)) = self.routes.get(route) {
            histogram.observe(duration.as_secs_f64());
        }
        self.request(route, method, status);
        if let Some(code) = code
            && let Some((_, counter)) = self.errors.iter().find(|(known, _)| *known == code)
        {
            counter.inc();
        }
    }

    fn request(&self, route: usize, method: usize, status: usize) {
        let index = (route * (METHODS.len() + 1) + method) * (STATUSES.len() + 1) + status;
        let (Some(counter), Some((route, _))) = (self.by_kind.get(index), self.routes.get(route)) else {
            return;
        };
        let made = counter.get_or_init(|| {
            let status = STATUSES.get(status).map_or_else(|| OTHER.to_owned(), ToString::to_string);
            let method = METHODS.get(method).copied().unwrap_or(OTHER);
            self.requests.with_label_values(&[method, route, status.as_str()])
        });
        made.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(registry: &Registry, name: &str) -> Vec<String> {
        let text = registry.render().unwrap();
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    #[test]
    fn no_request_makes_a_series_of_its_own() {
        let registry = Registry::default();
        let metrics = HttpMetrics::new(&registry, &["/execute"], &["busy"]).unwrap();
        for number in 0..1000 {
            let name = format!("X{number}");
            metrics.began();
            metrics.answered(&name, &name, 600 + number, Duration::ZERO, Some(&name));
        }
        let requests = lines(&registry, "python_sandbox_http_requests_total");
        let expected =
            "python_sandbox_http_requests_total{method=\"other\",route=\"unmatched\",status=\"other\"} 1000";
        assert_eq!(requests, [expected]);
        assert_eq!(
            lines(&registry, "python_sandbox_http_errors_total"),
            ["python_sandbox_http_errors_total{code=\"busy\"} 0"]
        );
        assert_eq!(
            lines(&registry, "python_sandbox_http_requests_in_progress"),
            ["python_sandbox_http_requests_in_progress 0"]
        );
    }

    #[test]
    fn a_duration_is_counted_in_seconds() {
        let registry = Registry::default();
        let metrics = HttpMetrics::new(&registry, &["/a"], &[]).unwrap();
        metrics.began();
        metrics.answered("GET", "/a", 200, Duration::from_millis(1500), None);
        let sum = lines(&registry, "python_sandbox_http_request_duration_seconds_sum{route=\"/a\"}");
        assert_eq!(sum, ["python_sandbox_http_request_duration_seconds_sum{route=\"/a\"} 1.5"]);
    }

    #[test]
    fn each_kind_of_request_has_its_own_series() {
        let registry = Registry::default();
        let routes = ["/a", "/b"];
        let metrics = HttpMetrics::new(&registry, &routes, &["busy"]).unwrap();
        let kinds = || {
            let statuses = STATUSES.into_iter();
            routes.iter().flat_map(move |route| METHODS.map(|method| (*route, method))).zip(statuses.cycle())
        };
        for (number, ((route, method), status)) in (1..).zip(kinds()) {
            for _ in 0..number {
                metrics.began();
                metrics.answered(method, route, status, Duration::from_millis(3), None);
            }
        }
        let found = lines(&registry, "python_sandbox_http_requests_total");
        for (number, ((route, method), status)) in (1..).zip(kinds()) {
            let labels = format!("{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {number}");
            assert!(found.iter().any(|line| line.ends_with(&labels)), "{labels}: {found:?}");
        }
        assert_eq!(found.len(), routes.len() * METHODS.len());
    }
}
