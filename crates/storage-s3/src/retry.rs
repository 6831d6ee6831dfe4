//! When a request is repeated: only what may succeed, ever more rarely, and never beyond its deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::request::Requests;

/// Maximum number of attempts.
const ATTEMPTS_MAX: u32 = 4;

/// The longest wait before the second attempt; it doubles with each.
const WAIT_FIRST_MAX: Duration = Duration::from_millis(100);

/// The longest wait of our own choice.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// The longest wait that the store may ask for. Meanwhile the request holds up others.
const ASKED_MAX: Duration = Duration::from_secs(30);

/// Any number, to spread what would happen at once. Without random bytes everything waits as long.
pub(crate) fn random() -> u32 {
    support::random_bytes().map_or(u32::MAX, u32::from_ne_bytes)
}

/// The attempts of one request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retries {
    failed: u32,
}

impl Retries {
    /// How long to wait before the next attempt after this failure; `None`: give up. `left` is the time until the
    /// deadline, `random` any number: clients that failed together must not come back together.
    #[must_use]
    pub fn next(&mut self, failure: &Failure, left: Duration, random: u32) -> Option<Duration> {
        self.failed += 1;
        if !failure.kind.is_repeated() || self.failed >= ATTEMPTS_MAX {
            return None;
        }
        let bound = WAIT_FIRST_MAX.saturating_mul(1 << (self.failed - 1).min(8)).min(WAIT_MAX);
        // Full jitter: anything from nothing to the bound.
        let chosen = bound.mul_f64(f64::from(random) / f64::from(u32::MAX));
        let wait = failure.retry_after.map_or(chosen, |asked| chosen.max(asked.min(ASKED_MAX)));
        (wait < left).then_some(wait)
    }

    /// How many attempts have failed.
    #[must_use]
    pub fn failed(self) -> u32 {
        self.failed
    }
}

/// Sends a request until it succeeds, there is no sense in another attempt, or `by` is over. Counts repetitions in
/// `requests`.
pub(crate) async fn repeated<T, Answering>(
    requests: &Requests,
    by: Instant,
    mut send: impl FnMut() -> Answering,
) -> Result<T, Failure>
where
    Answering: Future<Output = Result<T, Failure>>,
{
    let mut retries = Retries::default();
    loop {
        let failure = match send().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let left = by.saturating_duration_since(Instant::now());
        let Some(wait) = retries.next(&failure, left, random()) else { return Err(failure) };
        tokio::time::sleep(wait).await;
        requests.counts().note_retry();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::failure::FailureKind;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn only_what_may_succeed_is_repeated() {
        use FailureKind as Kind;
        for (kind, repeated) in [
            (Kind::Unreachable, true),
            (Kind::UnknownHost, true),
            (Kind::Timeout, true),
            (Kind::Cut, true),
            (Kind::ServerError, true),
            (Kind::Busy, true),
            (Kind::Interrupted, true),
            (Kind::Damaged, true),
            (Kind::Tls, false),
            (Kind::NoSuchBucket, false),
            (Kind::WrongRegion, false),
            (Kind::UnknownKey, false),
            (Kind::WrongSecret, false),
            (Kind::ExpiredToken, false),
            (Kind::Clock, false),
            (Kind::Forbidden, false),
            (Kind::NotFound, false),
            (Kind::Unexpected, false),
        ] {
            let next = Retries::default().next(&Failure::without_answer(kind), LONG, 0);
            assert_eq!(next.is_some(), repeated, "{kind:?}");
        }
    }

    #[test]
    fn the_store_may_ask_for_a_longer_wait_and_gets_it_if_there_is_time() {
        let asked = Duration::from_secs(7);
        let failure = Failure { retry_after: Some(asked), ..Failure::without_answer(FailureKind::Busy) };
        assert_eq!(Retries::default().next(&failure, LONG, 0), Some(asked));
        assert_eq!(Retries::default().next(&failure, asked, 0), None);
        // But not for any.
        let hours = Failure { retry_after: Some(Duration::from_secs(86_400)), ..failure };
        assert_eq!(Retries::default().next(&hours, LONG, 0), Some(ASKED_MAX));
    }

    proptest! {
        #[test]
        fn attempts_and_waits_are_bounded(left_ms in 0..20_000_u64, randoms in any::<[u32; 10]>()) {
            let failure = Failure::without_answer(FailureKind::Timeout);
            let (mut retries, mut left) = (Retries::default(), Duration::from_millis(left_ms));
            let mut waits = 0;
            for random in randoms {
                let Some(wait) = retries.next(&failure, left, random) else { break };
                prop_assert!(wait < left && wait <= WAIT_MAX);
                left -= wait;
                waits += 1;
            }
            prop_assert!(waits < ATTEMPTS_MAX && retries.failed() <= ATTEMPTS_MAX);
        }
    }
}
