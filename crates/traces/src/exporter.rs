//! The queue of spans, and the task that sends them to the collector in batches.

use crate::client::{Client, Refusal};
use crate::span;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Spans in the queue, of about a kilobyte each.
const QUEUE_SPANS_MAX: usize = 8192;

/// Spans of one batch: what SDKs send by default.
const BATCH_SPANS_MAX: usize = 512;

/// How long spans wait for others of their batch.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Pause before the second attempt; each further one doubles it.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Spans so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken by the collector.
    pub exported: u64,
    /// Dropped, as the queue was full or the service had stopped.
    pub dropped: u64,
    /// Not taken by the collector, or not sent before the end.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Put into the queue.
    queued: AtomicU64,
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    is_failing: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Exporter {
    sender: Sender<Span>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Exporter {
    pub(crate) fn start(
        client: Client,
        timeout: Duration,
        resource: Vec<KeyValue>,
        version: &'static str,
    ) -> Self {
        let (sender, receiver) = channel(QUEUE_SPANS_MAX);
        let (shared, stop) = (Arc::new(Shared::default()), CancellationToken::new());
        let task = Task {
            client,
            timeout,
            resource,
            version,
            receiver,
            shared: Arc::clone(&shared),
            stop: stop.clone(),
        };
        let task = Mutex::new(Some(tokio::spawn(task.run())));
        Self { sender, shared, stop, task }
    }

    /// Adds spans to the queue, as far as there is space. Never waits.
    pub(crate) fn put(&self, spans: impl IntoIterator<Item = Span>) {
        for span in spans {
            let taken = self.sender.try_send(span).is_ok();
            let counter = if taken { &self.shared.queued } else { &self.shared.dropped };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { exported, dropped, failed, .. } = &*self.shared;
        Counts { exported: count(exported), dropped: count(dropped), failed: count(failed) }
    }

    pub(crate) async fn finish(&self, time_max: Duration) {
        self.stop.cancel();
        let Some(mut task) = support::lock(&self.task).take() else { return };
        if tokio::time::timeout(time_max, &mut task).await.is_err() {
            task.abort();
            // However it ends: what it has not counted by then is lost.
            let _ = task.await;
            let Counts { exported, failed, .. } = self.counts();
            let queued = self.shared.queued.load(Ordering::Relaxed);
            let lost = queued.saturating_sub(exported + failed);
            self.shared.failed.fetch_add(lost, Ordering::Relaxed);
            tracing::warn!(lost, "the last spans were not exported in time");
        }
    }
}

/// The task's own.
struct Task {
    client: Client,
    timeout: Duration,
    resource: Vec<KeyValue>,
    version: &'static str,
    receiver: Receiver<Span>,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Task {
    async fn run(mut self) {
        loop {
            let spans = self.next_batch().await;
            if spans.is_empty() {
                return;
            }
            self.export(spans).await;
        }
    }

    /// The next spans: as many as are there after a while, or a full batch. None once the service has stopped.
    async fn next_batch(&mut self) -> Vec<Span> {
        let mut spans = Vec::new();
        let first = tokio::select! {
            biased;
            count = self.receiver.recv_many(&mut spans, BATCH_SPANS_MAX) => count,
            () = self.stop.cancelled() => 0,
        };
        if first == 0 {
            return spans;
        }
        let until = Instant::now() + BATCH_INTERVAL;
        while spans.len() < BATCH_SPANS_MAX {
            let left = BATCH_SPANS_MAX - spans.len();
            let more = tokio::select! {
                biased;
                count = self.receiver.recv_many(&mut spans, left) => count,
                () = tokio::time::sleep_until(until) => 0,
                () = self.stop.cancelled() => 0,
            };
            if more == 0 {
                break;
            }
        }
        spans
    }

    async fn export(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let spans = span::resource_spans(self.resource.clone(), self.version, spans);
        let batch = Bytes::from(ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec());
        match self.send(batch).await {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.shared.exported.fetch_add(count - rejected, Ordering::Relaxed);
                self.shared.failed.fetch_add(rejected, Ordering::Relaxed);
                if self.shared.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("traces are exported again");
                }
            }
            Err(reason) => {
                self.shared.failed.fetch_add(count, Ordering::Relaxed);
                // One line when that begins; the rest is counted.
                if !self.shared.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(reason, "traces are not exported: the collector does not take them");
                }
            }
        }
    }

    /// Sends a batch, several times if need be, within the time limit.
    async fn send(&self, batch: Bytes) -> Result<u64, String> {
        let deadline = Instant::now() + self.timeout;
        let mut pause = RETRY_INTERVAL;
        loop {
            let (reason, after) =
                match tokio::time::timeout_at(deadline, self.client.send(batch.clone())).await {
                    Ok(Ok(rejected)) => return Ok(rejected),
                    Ok(Err(Refusal::Final(reason))) => return Err(reason),
                    Ok(Err(Refusal::Temporary(reason, after))) => (reason, after),
                    Err(_elapsed) => return Err("does not answer in time".to_owned()),
                };
            // At least our own pause: a collector that asks for none would get one request after the other.
            let next = next_attempt(Instant::now(), after.unwrap_or_default().max(pause), deadline);
            // While the service stops, nobody waits for a collector that is away.
            let Some(next) = next.filter(|_| !self.stop.is_cancelled()) else {
                return Err(reason.to_owned());
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.stop.cancelled() => {}
            }
            pause = pause.saturating_mul(2);
        }
    }
}

/// When the next attempt may begin. None: only after the deadline. The collector chooses the pause, which may be more than
/// an instant can hold.
fn next_attempt(now: Instant, pause: Duration, deadline: Instant) -> Option<Instant> {
    now.checked_add(pause).filter(|next| *next < deadline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::refusal;
    use crate::{Config, Sampler};
    use http::header::RETRY_AFTER;
    use http::{HeaderMap, HeaderValue, StatusCode};

    #[test]
    fn a_pause_of_any_length_ends_no_task() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(10);
        for (text, seconds) in [("0", Some(0)), ("9", Some(9)), ("10", None), ("18446744073709551615", None)]
        {
            let value = HeaderValue::from_static(text);
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
            let Refusal::Temporary(_, Some(pause)) = refusal(StatusCode::SERVICE_UNAVAILABLE, &headers)
            else {
                panic!("{text} is no pause");
            };
            let expected = seconds.map(|seconds| now + Duration::from_secs(seconds));
            assert_eq!(next_attempt(now, pause, deadline), expected, "{text}");
        }
    }

    /// By OTLP's table of codes that may be retried.
    #[test]
    fn only_what_may_help_is_tried_again() {
        for (status, is_temporary) in [
            (400, false),
            (401, false),
            (404, false),
            (413, false),
            (429, true),
            (500, false),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
            (505, false),
        ] {
            let refusal = refusal(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
            assert_eq!(matches!(refusal, Refusal::Temporary(_, None)), is_temporary, "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn spans_wait_for_others_until_their_batch_is_full() {
        let config = Config {
            endpoint: "http://127.0.0.1:1/v1/traces".parse().unwrap(),
            headers: Vec::new(),
            timeout: Duration::from_secs(1),
            ca_file: None,
            sampler: Sampler { is_parent_based: true, ratio: 1.0 },
            service_name: "test".into(),
            service_version: "1",
            resource: Vec::new(),
        };
        let (sender, receiver) = channel(QUEUE_SPANS_MAX);
        let mut task = Task {
            client: Client::new(&config).unwrap(),
            timeout: config.timeout,
            resource: Vec::new(),
            version: "1",
            receiver,
            shared: Arc::default(),
            stop: CancellationToken::new(),
        };
        sender.try_send(Span::default()).unwrap();
        let second = async {
            tokio::time::sleep(BATCH_INTERVAL / 2).await;
            sender.try_send(Span::default()).unwrap();
        };
        let (batch, ()) = tokio::join!(task.next_batch(), second);
        assert_eq!(batch.len(), 2);
        let begun = Instant::now();
        for _ in 0..=BATCH_SPANS_MAX {
            sender.try_send(Span::default()).unwrap();
        }
        assert_eq!((task.next_batch().await.len(), begun.elapsed()), (BATCH_SPANS_MAX, Duration::ZERO));
    }
}
