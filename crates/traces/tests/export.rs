//! Spans on their way to a collector, which may not take them.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use http::{HeaderName, HeaderValue};
use service::TraceContext;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use testkit::{Answers, Collector};
use traces::{Config, Counts, Request, Sampler, Tracer};

/// Longest time for what takes a second or two.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Spans that the queue takes.
const QUEUE_SPANS_MAX: u64 = 8192;

fn start(collector: &Collector, timeout: Duration) -> Arc<Tracer> {
    let secret = (HeaderName::from_static("x-token"), HeaderValue::from_static("canary"));
    let config = Config {
        endpoint: format!("{}/v1/traces", collector.base()).parse().unwrap(),
        headers: vec![secret],
        timeout,
        ca_file: None,
        sampler: Sampler { is_parent_based: true, ratio: 1.0 },
        service_name: "test".into(),
        service_version: "1",
        resource: vec![("service.name".into(), "forged".into()), ("team".into(), "a".into())],
    };
    Tracer::start(config).unwrap()
}

fn request<'a>(place: &'a TraceContext, parent: Option<&'a TraceContext>) -> Request<'a> {
    Request {
        place,
        parent,
        request_id: "1",
        method: "GET",
        route: "/",
        status: 200,
        outcome: "ok",
        client: Ipv4Addr::LOCALHOST.into(),
        key: None,
        duration: Duration::from_millis(1),
    }
}

/// Makes `count` spans.
fn answer(tracer: &Tracer, count: u64) {
    for _ in 0..count {
        let place = tracer.begin(None);
        tracer.answered(&request(&place, None));
    }
}

async fn wait_for(tracer: &Tracer, is_so: impl Fn(Counts) -> bool) {
    let waiting = async {
        while !is_so(tracer.counts()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(TIME_MAX, waiting).await;
    assert!(waited.is_ok(), "{:?}", tracer.counts());
}

/// The runtime has one thread, so the task does not run meanwhile.
#[tokio::test]
async fn a_queue_that_nobody_empties_is_bounded_and_what_it_lacks_is_counted() {
    let collector = Collector::start(Answers::Taken);
    let tracer = start(&collector, TIME_MAX);
    answer(&tracer, QUEUE_SPANS_MAX + 100);
    assert_eq!(tracer.counts(), Counts { exported: 0, dropped: 100, failed: 0 });
    wait_for(&tracer, |counts| counts.exported == QUEUE_SPANS_MAX).await;
    assert_eq!(collector.heads().len(), 16, "in batches");
    let resource = collector.resource();
    for (key, value) in [("service.name", "test"), ("service.version", "1"), ("team", "a")] {
        let found: Vec<_> = resource.iter().filter(|(name, _)| name == key).collect();
        assert!(found.len() == 1 && found[0].1 == value, "{resource:?}");
    }
    assert!(collector.heads()[0].contains("x-token: canary"));
}

#[tokio::test]
async fn a_batch_is_tried_again_where_that_may_help() {
    let collector = Collector::start(Answers::Status(503));
    let tracer = start(&collector, TIME_MAX);
    answer(&tracer, 1);
    let tried = async {
        while collector.heads().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIME_MAX, tried).await.unwrap();
    assert_eq!(tracer.counts(), Counts::default());
    collector.set(Answers::Taken);
    wait_for(&tracer, |counts| counts == Counts { exported: 1, dropped: 0, failed: 0 }).await;

    collector.set(Answers::Status(400));
    let before = collector.heads().len();
    answer(&tracer, 2);
    wait_for(&tracer, |counts| counts.failed == 2).await;
    assert_eq!(collector.heads().len(), before + 1, "once");
    collector.set(Answers::Rejected(1));
    answer(&tracer, 3);
    wait_for(&tracer, |counts| counts == Counts { exported: 3, dropped: 0, failed: 3 }).await;
    collector.set(Answers::Rejected(9));
    answer(&tracer, 3);
    // More than it was sent.
    wait_for(&tracer, |counts| counts == Counts { exported: 3, dropped: 0, failed: 6 }).await;
}

/// It refuses each batch, and asks to be tried again at once.
#[tokio::test]
async fn a_batch_is_tried_ever_more_rarely_whatever_the_collector_asks_for() {
    let collector = Collector::start(Answers::Status(503));
    let tracer = start(&collector, Duration::from_secs(3));
    answer(&tracer, 1);
    wait_for(&tracer, |counts| counts == Counts { exported: 0, dropped: 0, failed: 1 }).await;
    // After 0, 0.5 and 1.5 seconds; the next one would be after 3.5.
    assert!((1..=3).contains(&collector.heads().len()), "{:?}", collector.heads());
    // The task is still there.
    collector.set(Answers::Taken);
    answer(&tracer, 1);
    wait_for(&tracer, |counts| counts == Counts { exported: 1, dropped: 0, failed: 1 }).await;

    collector.set(Answers::Status(503));
    let (before, tracer) = (collector.heads().len(), start(&collector, TIME_MAX));
    answer(&tracer, 1);
    tracer.finish(TIME_MAX).await;
    assert_eq!(tracer.counts(), Counts { exported: 0, dropped: 0, failed: 1 });
    assert_eq!(collector.heads().len(), before + 1, "a stop waits for no second attempt");
}

#[tokio::test]
async fn a_batch_that_gets_no_answer_is_given_up_and_the_next_one_sent() {
    let collector = Collector::start(Answers::Nothing);
    let tracer = start(&collector, Duration::from_secs(1));
    answer(&tracer, 3);
    wait_for(&tracer, |counts| counts == Counts { exported: 0, dropped: 0, failed: 3 }).await;
    collector.set(Answers::Taken);
    let is_exported = |counts: Counts| {
        answer(&tracer, 1);
        counts.exported > 0
    };
    wait_for(&tracer, is_exported).await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let collector = Collector::start(Answers::Large);
    let tracer = start(&collector, Duration::from_secs(1));
    answer(&tracer, 1);
    wait_for(&tracer, |counts| counts == Counts { exported: 0, dropped: 0, failed: 1 }).await;
}

#[tokio::test]
async fn the_end_exports_what_is_left_and_is_bounded() {
    let collector = Collector::start(Answers::Taken);
    let tracer = start(&collector, TIME_MAX);
    answer(&tracer, 1000);
    tracer.finish(TIME_MAX).await;
    assert_eq!((tracer.counts().exported, collector.spans().len()), (1000, 1000));
    answer(&tracer, 1);
    assert_eq!(tracer.counts().dropped, 1, "too late");

    let collector = Collector::start(Answers::Nothing);
    let tracer = start(&collector, Duration::from_secs(3600));
    // More than a batch: some are on their way, and some wait.
    answer(&tracer, 1000);
    let finished = tokio::time::timeout(TIME_MAX, tracer.finish(Duration::from_millis(100))).await;
    assert!(finished.is_ok());
    assert_eq!(tracer.counts(), Counts { exported: 0, dropped: 0, failed: 1000 }, "lost, and counted");
}

#[tokio::test]
async fn a_place_is_that_of_the_caller_or_new_and_polls_have_no_span() {
    let collector = Collector::start(Answers::Taken);
    let tracer = start(&collector, TIME_MAX);
    let parent =
        TraceContext { trace_id: [7; 16], span_id: [8; 8], sampled: false, state: Some("a=1".into()) };
    let place = tracer.begin(Some(&parent));
    assert_eq!((place.trace_id, place.sampled, place.state.as_deref()), ([7; 16], false, Some("a=1")));
    assert_ne!(place.span_id, parent.span_id);
    // Not sampled, and not asked for.
    tracer.answered(&request(&place, Some(&parent)));
    let own = tracer.begin(None);
    assert!(own.sampled && own.trace_id != tracer.begin(None).trace_id);
    tracer.answered(&Request { route: "/health", ..request(&own, None) });
    let caller = TraceContext { sampled: true, ..parent };
    tracer.answered(&Request { route: "/health", ..request(&tracer.begin(Some(&caller)), Some(&caller)) });
    let forged = Request {
        route: "unmatched",
        method: "X\n",
        status: 500,
        outcome: "internal",
        ..request(&own, None)
    };
    tracer.answered(&forged);
    tracer.finish(TIME_MAX).await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!((spans[0].name.as_str(), spans[0].parent_id.as_str()), ("GET /health", "0808080808080808"));
    assert_eq!((spans[1].name.as_str(), spans[1].attribute("http.request.method")), ("HTTP", "_OTHER"));
    assert!(spans[1].failed && spans[1].attribute("http.route").is_empty(), "{spans:?}");
}
