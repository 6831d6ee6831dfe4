//! Checks a store that is not used, and reads its credentials again. Beside the moves, which may take hours: neither
//! waits for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::state::Core;

/// How often the file with the credentials is read again while the store is used.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// The same while it is not: new credentials may be what it needs.
const RENEW_AWAY_EVERY: Duration = Duration::from_secs(2);

/// Works until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    // Unless health was asked first.
    core.check(RENEW_EVERY).await;
    loop {
        core.renew_credentials().await;
        if core.availability.away().is_some_and(|away| away.check_at <= Instant::now()) {
            core.check(Duration::ZERO).await;
        }
        let next = core.availability.away().map_or_else(
            || Instant::now() + RENEW_EVERY,
            |away| away.check_at.min(Instant::now() + RENEW_AWAY_EVERY),
        );
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = core.fails.notified() => {}
        }
    }
}
