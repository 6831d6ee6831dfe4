//! Overload: many more clients than the service admits at once, each of which asks again as soon as it is
//! refused. Refusing them must not take the time of the programs that are admitted.

use super::case::PRINT;
use super::client::{Address, Answer, Client};
use super::error::CaseError;
use super::load;
use super::stats::{ms, percentile};
use host_traces::{mib, rss_bytes};
use serde::Serialize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Multiples of what the service admits, slots and queue together.
const TIMES: [usize; 2] = [10, 40];
/// Clients of the unloaded service: enough to keep every core busy, few enough that none is refused.
const UNLOADED_CLIENTS_MAX: usize = 16;
/// Bounds on the time for which the unloaded service is measured, before and after each flood.
const UNLOADED_TIME: std::ops::RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(15);
/// Clients of the caller that floods the service, and requests of the other one.
const CALLER_FLOOD: usize = 160;
const CALLER_REQUESTS: usize = 1000;
/// Time for the service to answer the last refusals and to close their connections.
const SETTLE: Duration = Duration::from_secs(4);

/// The result.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Overload {
    /// Length of each flood in seconds.
    pub(super) flood_s: u64,
    /// Requests that the service admits: slots and queue.
    pub(super) capacity: usize,
    /// Longest time in the queue in seconds.
    pub(super) queue_timeout_s: u64,
    /// The floods.
    pub(super) floods: Vec<Flood>,
    /// Two callers with a key each.
    pub(super) callers: Option<Callers>,
}

/// One caller floods the service, another sends one request after the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Callers {
    /// Clients of the first.
    pub(super) clients: usize,
    /// Requests of the second, without and with the flood.
    pub(super) requests: usize,
    /// Median of their times without the flood.
    pub(super) unloaded_p50_ms: f64,
    /// Their 99th percentile.
    pub(super) unloaded_p99_ms: f64,
    /// Median of their times with the flood.
    pub(super) p50_ms: f64,
    /// Their 99th percentile.
    pub(super) p99_ms: f64,
    /// Requests that were refused or failed.
    pub(super) lost: usize,
    /// Programs per second of the flood.
    pub(super) flood_per_second: f64,
}

/// One flood, compared with the unloaded service before and after it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Flood {
    /// Clients.
    pub(super) clients: usize,
    /// Programs per second of the unloaded service, mean of before and after.
    pub(super) unloaded_per_second: f64,
    /// 99th percentile of their times, of both.
    pub(super) unloaded_p99_ms: f64,
    /// Programs per second during the flood.
    pub(super) per_second: f64,
    /// Median of the times of admitted programs.
    pub(super) p50_ms: f64,
    /// Their 99th percentile.
    pub(super) p99_ms: f64,
    /// Refusals per second.
    pub(super) refused_per_second: f64,
    /// Requests without an answer: the service closed or refused the connection.
    pub(super) unanswered: usize,
    /// Answers that are neither a result nor a refusal; the first of them.
    pub(super) wrong: Vec<String>,
    /// Open descriptors of the service before and after.
    pub(super) descriptors: [usize; 2],
    /// Resident memory of the service before and after, in MiB.
    pub(super) rss_mib: [f64; 2],
}

impl Flood {
    /// Part of the unloaded rate that is still run.
    pub(super) fn part(&self) -> f64 {
        if self.unloaded_per_second > 0.0 { self.per_second / self.unloaded_per_second } else { 0.0 }
    }
}

/// What the service with this pid admits, and how long each flood takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) pid: u32,
    pub(super) capacity: usize,
    pub(super) queue_timeout: Duration,
    pub(super) flood: Duration,
}

/// Floods the service. Blocks: all clients share one thread, which is all that they take of the cores.
pub(super) fn run(address: &Address, plan: Plan) -> Result<Overload, CaseError> {
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let clients = clients.map_err(|error| CaseError::Http(error.into()))?;
    let mut found = Overload {
        flood_s: plan.flood.as_secs(),
        capacity: plan.capacity,
        queue_timeout_s: plan.queue_timeout.as_secs(),
        floods: Vec::new(),
        callers: None,
    };
    for times in TIMES {
        found.floods.push(clients.block_on(flood(address, plan, times * plan.capacity)));
    }
    Ok(found)
}

async fn flood(address: &Address, plan: Plan, clients: usize) -> Flood {
    let unloaded_time = (plan.flood / 4).clamp(*UNLOADED_TIME.start(), *UNLOADED_TIME.end());
    let few = UNLOADED_CLIENTS_MAX.min(plan.capacity);
    let look = || (descriptors(plan.pid), rss_bytes(plan.pid).map_or(0.0, mib));
    let mut unloaded = clients_for(address, few, unloaded_time).await;
    let before = look();
    let mut flood = clients_for(address, clients, plan.flood).await;
    tokio::time::sleep(SETTLE).await;
    let after = look();
    let second = clients_for(address, few, unloaded_time).await;
    unloaded.times.extend(second.times);
    unloaded.elapsed += second.elapsed;
    let (unloaded_per_second, per_second) = (unloaded.per_second(), flood.per_second());
    Flood {
        clients,
        unloaded_per_second,
        unloaded_p99_ms: unloaded.percentile_ms(99),
        per_second,
        p50_ms: flood.percentile_ms(50),
        p99_ms: flood.percentile_ms(99),
        refused_per_second: flood.refused as f64 / flood.elapsed.as_secs_f64(),
        unanswered: flood.unanswered,
        wrong: flood.wrong.into_iter().chain(unloaded.wrong).chain(second.wrong).collect(),
        descriptors: [before.0, after.0],
        rss_mib: [before.1, after.1],
    }
}

/// One caller with this key floods the service, the other one has the second key. Blocks as [`run`] does.
pub(super) fn run_callers(address: &Address, keys: &[String; 2]) -> Result<Callers, CaseError> {
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let clients = clients.map_err(|error| CaseError::Http(error.into()))?;
    let fields = serde_json::json!({ "code": PRINT.code });
    let requests = keys.each_ref().map(|key| Arc::<[u8]>::from(address.execute_as(Some(key), &fields)));
    Ok(clients.block_on(callers(address, requests)))
}

async fn callers(address: &Address, [flood, light]: [Arc<[u8]>; 2]) -> Callers {
    let mut client = Client::new(address);
    // The service must have seen the keys, and its pool must be full.
    one_after_the_other(&mut client, &light, CALLER_REQUESTS / 10).await;
    let mut alone = one_after_the_other(&mut client, &light, CALLER_REQUESTS).await;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut working = JoinSet::new();
    for _ in 0..CALLER_FLOOD {
        working.spawn(client_loop(Client::new(address), Arc::clone(&flood), Arc::clone(&tally)));
    }
    one_after_the_other(&mut client, &light, CALLER_REQUESTS / 10).await;
    support::lock(&tally).times.clear();
    let begun = Instant::now();
    let mut beside = one_after_the_other(&mut client, &light, CALLER_REQUESTS).await;
    let flooded = support::lock(&tally).times.len();
    let flood_per_second = flooded as f64 / begun.elapsed().as_secs_f64();
    working.shutdown().await;
    Callers {
        clients: CALLER_FLOOD,
        requests: CALLER_REQUESTS,
        unloaded_p50_ms: alone.percentile_ms(50),
        unloaded_p99_ms: alone.percentile_ms(99),
        p50_ms: beside.percentile_ms(50),
        p99_ms: beside.percentile_ms(99),
        lost: 2 * CALLER_REQUESTS - alone.times.len() - beside.times.len(),
        flood_per_second,
    }
}

async fn one_after_the_other(client: &mut Client, request: &[u8], count: usize) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..count {
        let begun = Instant::now();
        match client.send(request).await {
            Ok(answer) => tally.note(&answer, begun.elapsed()),
            Err(_) => tally.unanswered += 1,
        }
    }
    tally
}

/// What the clients got.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) times: Vec<Duration>,
    refused: usize,
    unanswered: usize,
    wrong: Vec<String>,
    elapsed: Duration,
}

impl Tally {
    /// Counts an answer. Of those that are wrong, the first is kept.
    fn note(&mut self, answer: &Answer, time: Duration) {
        match answer.status {
            200 => match load::checked(answer, &PRINT) {
                Ok(_) => self.times.push(time),
                Err(error) if self.wrong.is_empty() => self.wrong.push(support::error_chain(&error)),
                Err(_) => {}
            },
            429 | 503 => self.refused += 1,
            _ if self.wrong.is_empty() => self.wrong.push(support::error_chain(&answer.unexpected())),
            _ => {}
        }
    }

    fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    pub(super) fn percentile_ms(&mut self, percent: usize) -> f64 {
        self.times.sort_unstable();
        percentile(&self.times, percent).map_or(0.0, ms)
    }
}

/// This number of clients, each of which sends the program again and again, whatever the answer.
async fn clients_for(address: &Address, count: usize, time: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let request: Arc<[u8]> = address.execute(&serde_json::json!({ "code": PRINT.code })).into();
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for _ in 0..count {
        working.spawn(client_loop(Client::new(address), Arc::clone(&request), Arc::clone(&tally)));
    }
    tokio::time::sleep(time).await;
    let elapsed = begun.elapsed();
    let mut found = std::mem::take(&mut *support::lock(&tally));
    // Programs that were admitted last are ended by this.
    working.shutdown().await;
    found.elapsed = elapsed;
    found
}

/// Sends the program for ever.
async fn client_loop(mut client: Client, request: Arc<[u8]>, tally: Arc<Mutex<Tally>>) {
    loop {
        let begun = Instant::now();
        let sent = client.send(&request).await;
        {
            let mut tally = support::lock(&tally);
            match sent {
                Ok(answer) => tally.note(&answer, begun.elapsed()),
                Err(_) => tally.unanswered += 1,
            }
        }
        // A connection that is refused at once must not keep this thread from all others.
        tokio::task::yield_now().await;
    }
}

/// Open descriptors of a process.
fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn results_refusals_and_anything_else_are_told_apart() {
        let good = r#"{"success":true,"stdout":"1\n","stderr":"","execution_time":0.001}"#;
        let mut tally = Tally { elapsed: Duration::from_secs(2), ..Tally::default() };
        for (status, body) in [(200, good), (503, ""), (429, ""), (500, "x"), (200, "{}"), (200, good)] {
            tally.note(&answer(status, body), Duration::from_millis(10));
        }
        assert_eq!((tally.times.len(), tally.refused, tally.wrong.len()), (2, 2, 1));
        assert!((tally.per_second() - 1.0).abs() < 1e-9);
        assert!((tally.percentile_ms(99) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_part_that_is_still_run_is_of_the_unloaded_rate() {
        let flood = Flood { unloaded_per_second: 400.0, per_second: 300.0, ..Flood::default() };
        assert!((flood.part() - 0.75).abs() < 1e-9);
        assert!(Flood::default().part().abs() < 1e-9);
    }

    #[test]
    fn descriptors_are_counted() {
        assert!(descriptors(std::process::id()) > 2);
        assert_eq!(descriptors(u32::MAX), 0);
    }
}
