//! When a refusal is answered.
//!
//! A client that ignores `Retry-After`, or that tries keys or paths, asks again as soon as it is refused. Thousands of refusals a second
//! then take the CPU time of the programs that were admitted. So the first refusals of a caller are answered
//! at once, and those beyond a rate later: such a client waits, at the cost of a connection and a timer.
//! Nothing but the head of its answer is in memory meanwhile, and work that was admitted is never delayed. While other
//! connections wait for a slot, a refusal closes its own.
//!
//! Behind a proxy a flood has the connections of all other clients, too: where half of all are those of its delayed refusals, further
//! ones are answered at once. A peer that is a client itself takes connections from nobody but itself.

use crate::connection::Connection;
use crate::connections::State;
use crate::error;
use axum::response::Response;
use http::{HeaderValue, header};
use service::Share;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Refusals a second that one caller gets without delay, and as many at once.
const SHARE_PER_SECOND: u32 = 20;

/// The same for all callers together: a caller may have many addresses.
const ALL_PER_SECOND: u32 = 200;

/// Longest delay of a refusal. Longer ones would make proxies in front give up.
const DELAY_MAX: Duration = Duration::from_secs(2);

/// Callers whose refusals are counted; of further ones, only the rate of all together counts.
const SHARES_MAX: usize = 4096;

/// The rates of refusals.
#[derive(Debug)]
pub(crate) struct Pace {
    epoch: Instant,
    meters: Mutex<Meters>,
}

#[derive(Debug)]
struct Meters {
    all: Meter,
    shares: HashMap<Share, Meter>,
}

impl Default for Pace {
    fn default() -> Self {
        let meters = Meters { all: Meter::new(ALL_PER_SECOND), shares: HashMap::new() };
        Self { epoch: Instant::now(), meters: Mutex::new(meters) }
    }
}

impl Pace {
    /// How long to hold a response to a caller of this share: not at all, unless it is a refusal that costs nothing to provoke.
    pub(crate) fn delay_of(&self, response: &Response, share: Share) -> Duration {
        if error::is_paced(response) { self.delay(share) } else { Duration::ZERO }
    }

    fn delay(&self, share: Share) -> Duration {
        let now = self.epoch.elapsed();
        let mut meters = support::lock(&self.meters);
        if meters.shares.len() >= SHARES_MAX && !meters.shares.contains_key(&share) {
            meters.shares.retain(|_, meter| meter.is_behind(now));
            if meters.shares.len() >= SHARES_MAX {
                return meters.all.delay(now);
            }
        }
        let own = meters.shares.entry(share).or_insert_with(|| Meter::new(SHARE_PER_SECOND)).delay(now);
        // What a caller's own rate delays takes nothing of the rate of all.
        if own.is_zero() { meters.all.delay(now) } else { own }
    }
}

/// Holds a refusal to `client` for this long; its connection may be closed for another peer meanwhile.
pub(crate) async fn hold(
    response: &mut Response,
    delay: Duration,
    client: IpAddr,
    connection: Option<&Connection>,
) {
    let has_delayed_max = |connection: &Connection| {
        client != connection.address.to_canonical() && connection.progress.has_delayed_max()
    };
    if delay.is_zero() || connection.is_some_and(has_delayed_max) {
        return;
    }
    if let Some(connection) = connection {
        connection.progress.set(State::Refused);
    }
    let _refused = connection.map(Refused);
    tokio::time::sleep(delay).await;
    if let Some(connection) = connection
        && !connection.held.is_empty()
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Ends the connection of a refusal while others wait, also if the client resets the request before its answer. HTTP/2 has no
/// `Connection: close`.
struct Refused<'a>(&'a Connection);

impl Drop for Refused<'_> {
    fn drop(&mut self) {
        if !self.0.held.is_empty() {
            self.0.ending.cancel();
        }
    }
}

/// A rate with a burst of one second (GCRA).
#[derive(Debug, Clone, Copy)]
struct Meter {
    interval: Duration,
    /// When all refusals so far would have been sent at this rate.
    arrival: Duration,
}

impl Meter {
    fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second, arrival: Duration::ZERO }
    }

    /// Counts a refusal: the delay that keeps the rate, or [`DELAY_MAX`].
    fn delay(&mut self, now: Duration) -> Duration {
        let free_until = now + Duration::from_secs(1);
        self.arrival = (self.arrival.max(now) + self.interval).min(free_until + DELAY_MAX);
        self.arrival.saturating_sub(free_until)
    }

    fn is_behind(&self, now: Duration) -> bool {
        self.arrival > now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Connections;
    use crate::held::HeldLine;
    use crate::progress::Requests;
    use service::Subscriber;
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    fn share(number: u8) -> Share {
        Share::Subscriber(Subscriber::V4([192, 0, 2, number]))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_are_at_once_and_the_rest_at_the_rate() {
        let pace = Pace::default();
        for number in 0..20 {
            assert_eq!(pace.delay(share(1)), Duration::ZERO, "{number}");
        }
        for number in 1..=40 {
            assert_eq!(pace.delay(share(1)), Duration::from_millis(50) * number);
        }
        for _ in 0..1000 {
            assert_eq!(pace.delay(share(1)), DELAY_MAX);
        }
        // Another caller is not affected, until all together are too many.
        for number in 0..100 {
            assert_eq!(pace.delay(share(2 + number / 20)), Duration::ZERO, "{number}");
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(pace.delay(share(1)), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_ask_again_at_once_get_no_more_than_the_rate() {
        let pace = Pace::default();
        let (begun, mut refusals) = (Instant::now(), 0);
        // Forty clients of one caller, each with its next request when its refusal arrives.
        let mut due = [Duration::ZERO; 40];
        while begun.elapsed() < Duration::from_secs(60) {
            for due in &mut due {
                if *due <= begun.elapsed() {
                    *due = begun.elapsed() + pace.delay(share(1));
                    refusals += 1;
                }
            }
            tokio::time::advance(Duration::from_millis(5)).await;
        }
        assert!((1100..=1300).contains(&refusals), "{refusals} in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_is_reset_gives_its_connection_up_if_others_wait() {
        let address = "192.0.2.1".parse().unwrap();
        let taken = Connections::new(1, 0).take(address).unwrap();
        let ending = CancellationToken::new();
        let progress = Requests::new(Arc::clone(&taken.slot), ending.clone()).begin(CancellationToken::new());
        let connection = Connection { address, progress, held: HeldLine::new(1), ending };
        let reset = async || {
            let (mut response, delay) = (Response::default(), Duration::from_secs(2));
            let held = hold(&mut response, delay, address, Some(&connection));
            assert!(tokio::time::timeout(delay / 2, held).await.is_err());
            connection.ending.is_cancelled()
        };
        assert!(!reset().await);
        let _waiting = connection.held.join(address).unwrap();
        assert!(reset().await);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_behind_a_proxy_are_delayed_on_half_of_all_connections() {
        let address = "192.0.2.1".parse().unwrap();
        let connections = Connections::new(4, 0);
        let taken: Vec<_> = (0..4).map(|_| connections.take(address).unwrap()).collect();
        let refuse = |number: usize, client: &'static str| {
            let (ending, slot) = (CancellationToken::new(), Arc::clone(&taken[number].slot));
            let progress = Requests::new(slot, ending.clone()).begin(CancellationToken::new());
            let connection = Connection { address, progress, held: HeldLine::new(1), ending };
            async move {
                let (mut response, begun) = (Response::default(), Instant::now());
                let client = client.parse().unwrap();
                hold(&mut response, Duration::from_secs(2), client, Some(&connection)).await;
                begun.elapsed()
            }
        };
        let delayed = [0, 1].map(|number| tokio::spawn(refuse(number, "192.0.2.7")));
        tokio::task::yield_now().await;
        assert_eq!(refuse(2, "192.0.2.8").await, Duration::ZERO);
        assert_eq!(refuse(2, "192.0.2.1").await, Duration::from_secs(2), "not behind it");
        for delayed in delayed {
            assert_eq!(delayed.await.unwrap(), Duration::from_secs(2));
        }
        assert_eq!(refuse(2, "192.0.2.8").await, Duration::from_secs(2), "the others are over");
    }

    #[test]
    fn callers_without_number_take_no_memory_without_bound() {
        let pace = Pace::default();
        for number in 0..u64::try_from(2 * SHARES_MAX).unwrap() {
            pace.delay(Share::Subscriber(Subscriber::V6Network(number.to_be_bytes())));
        }
        assert!(support::lock(&pace.meters).shares.len() <= SHARES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn all_callers_together_have_a_rate() {
        let pace = Pace::default();
        for number in 0..ALL_PER_SECOND {
            assert_eq!(pace.delay(share(u8::try_from(number / 10).unwrap())), Duration::ZERO, "{number}");
        }
        assert_eq!(pace.delay(share(100)), Duration::from_secs(1) / ALL_PER_SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_without_number_do_not_make_one_that_is_delayed_forgotten() {
        let pace = Pace::default();
        let other = |number: usize| {
            Share::Subscriber(Subscriber::V6Network(u64::try_from(number).unwrap().to_be_bytes()))
        };
        for _ in 0..1000 {
            pace.delay(share(1));
        }
        for number in 1..SHARES_MAX {
            pace.delay(other(number));
        }
        // Now the others have had less than their rate, and are forgotten.
        tokio::time::advance(Duration::from_secs(1)).await;
        pace.delay(other(SHARES_MAX));
        assert_eq!(support::lock(&pace.meters).shares.len(), 2);
        let delay = pace.delay(share(1));
        assert!(delay > DELAY_MAX / 2, "{delay:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_closes_its_connection_if_others_wait() {
        let address = "192.0.2.1".parse().unwrap();
        let taken = Connections::new(1, 0).take(address).unwrap();
        let ending = CancellationToken::new();
        let progress = Requests::new(Arc::clone(&taken.slot), ending.clone()).begin(CancellationToken::new());
        let connection = Connection { address, progress, held: HeldLine::new(1), ending };
        let closes = async || {
            let mut response = Response::default();
            hold(&mut response, Duration::from_secs(1), address, Some(&connection)).await;
            response.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
        };
        assert!(!closes().await);
        let _waiting = connection.held.join(address).unwrap();
        assert!(closes().await);
    }
}
