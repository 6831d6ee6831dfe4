//! Moves files that wait to the object store while that is used.
//!
//! A file is removed here only once the store has confirmed it, or its link has expired. A process that is killed in
//! between leaves it waiting, and it is sent again under the same name. A file that the store does not take is tried
//! again later, ever more rarely, and holds up no other.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use storage::{Claimed, ObjectName};
use tokio::time::Instant;

use crate::body::Content;
use crate::failure::Failure;
use crate::request::NewObject;
use crate::state::{Core, count};

/// How many files are moved at once. Each is read from the disk in pieces.
const MOVES_AT_ONCE: usize = 2;

/// Longest time for moving one file; without progress it is given up much earlier.
const MOVE_TIME_MAX: Duration = Duration::from_secs(600);

/// How many names are listed at once.
const LISTED_MAX: usize = 256;

/// How often the spool is looked at: another process may have put a file there.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Time until a file that was not taken is tried again; it doubles with each failure.
const AGAIN_FIRST: Duration = Duration::from_secs(5);

/// Longest time until then.
const AGAIN_MAX: Duration = Duration::from_secs(600);

/// Files that are tried again later.
pub(crate) type Later = HashMap<ObjectName, Again>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Again {
    at: Instant,
    failed: u32,
}

/// How often a file is tried that the object store did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tries {
    /// By the service: again when it is due.
    Repeated,
    /// By a flush.
    Once,
}

/// What became of one file.
enum Outcome {
    /// It does not wait any more.
    Done,
    /// Another process has it.
    Taken,
    /// It failed here.
    Failed,
    /// The object store did not take it.
    Refused(Failure),
    /// Another one was refused before, or the store is not used any more.
    NotTried,
}

/// Works until it is dropped.
pub(crate) async fn run(core: Arc<Core>) {
    let mut later = Later::new();
    // Unless it was checked just now.
    core.check(LOOK_EVERY).await;
    loop {
        let next = round(&core, &mut later).await;
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = core.waits.notified() => {}
        }
    }
}

/// Does what there is to do now, and returns when there is more. A store that works again wakes the mover.
async fn round(core: &Core, later: &mut Later) -> Instant {
    let moved = move_waiting(core, later, Tries::Repeated).await;
    let look_at = Instant::now() + LOOK_EVERY;
    match moved {
        Ok(()) => later.values().map(|again| again.at).min().map_or(look_at, |at| at.min(look_at)),
        Err(error) => {
            tracing::warn!(%error, "failed to list the files that wait for the object store");
            look_at
        }
    }
}

/// Moves every file that is due, as long as the store is used.
pub(crate) async fn move_waiting(core: &Core, later: &mut Later, tries: Tries) -> io::Result<()> {
    let mut moved = 0_usize;
    while !core.availability.is_away() {
        let count_max = LISTED_MAX + later.len();
        let mut names = core.local.waiting_longest(count_max).await?;
        if names.len() < count_max {
            let waiting: HashSet<&ObjectName> = names.iter().collect();
            later.retain(|name, _| waiting.contains(name));
        }
        let now = Instant::now();
        names.retain(|name| later.get(name).is_none_or(|again| tries == Tries::Repeated && again.at <= now));
        if names.is_empty() {
            if moved > 0 && later.is_empty() {
                core.note_none_waits().await;
            }
            return Ok(());
        }
        let mut refused = Vec::new();
        let stop = AtomicBool::new(false);
        let moves = names.into_iter().map(async |name| {
            let is_stopped = stop.load(Ordering::Relaxed) || core.availability.is_away();
            let outcome = if is_stopped { Outcome::NotTried } else { move_one(core, &name).await };
            (name, outcome)
        });
        let mut outcomes = stream::iter(moves).buffer_unordered(MOVES_AT_ONCE);
        while let Some((name, outcome)) = outcomes.next().await {
            match outcome {
                Outcome::Done => {
                    moved += 1;
                    later.remove(&name);
                }
                Outcome::Taken | Outcome::Failed => put_off(later, name),
                Outcome::Refused(failure) => {
                    put_off(later, name.clone());
                    if failure.kind.is_of_the_store() {
                        refused.push(name);
                        // Perhaps none can be moved now.
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                Outcome::NotTried => {}
            }
        }
        if !refused.is_empty() {
            // Is it the store, or these files?
            core.check(Duration::ZERO).await;
            if core.availability.is_away() {
                for name in &refused {
                    later.remove(name);
                }
            }
        }
    }
    Ok(())
}

fn put_off(later: &mut Later, name: ObjectName) {
    let again = later.entry(name).or_insert(Again { at: Instant::now(), failed: 0 });
    let pause = AGAIN_FIRST.saturating_mul(1 << again.failed.min(8)).min(AGAIN_MAX);
    *again = Again { at: Instant::now() + pause, failed: again.failed.saturating_add(1) };
}

async fn move_one(core: &Core, name: &ObjectName) -> Outcome {
    let moved = async {
        let Some(claimed) = core.local.claim(name).await? else { return Ok(Outcome::Taken) };
        if claimed.is_over() {
            claimed.give_up().await?;
            return Ok(Outcome::Done);
        }
        let object = object(&claimed)?;
        match core.upload(name, object, Instant::now() + MOVE_TIME_MAX).await {
            Ok(()) => {
                claimed.finish().await?;
                count(&core.counters.moved);
                tracing::debug!(object = name.as_str(), "moved a file to the object store");
                Ok(Outcome::Done)
            }
            Err(failure) => {
                count(&core.counters.failed);
                let reason = core.explain(&failure);
                tracing::warn!(object = name.as_str(), %failure, reason, "the object store did not take a file; it waits");
                Ok(Outcome::Refused(failure))
            }
        }
    };
    moved.await.unwrap_or_else(|error: io::Error| {
        count(&core.counters.failed);
        tracing::warn!(%error, object = name.as_str(), "failed to move a file to the object store; it waits");
        Outcome::Failed
    })
}

fn object(claimed: &Claimed) -> io::Result<NewObject> {
    // The offset is shared, and not used.
    let file = claimed.file().try_clone()?;
    Ok(NewObject {
        content: Content::File(Arc::new(file), claimed.size_bytes()),
        digest: *claimed.digest(),
        file_name: claimed.file_name().to_owned(),
        media_type: claimed.media_type().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use storage::{LocalConfig, LocalStore, NewFile, SystemClock};
    use url::Url;

    use super::*;
    use crate::config::{GivenLinks, Provider, S3Config};
    use crate::credentials::S3Credentials;
    use crate::request::Requests;

    /// An object store that is not there.
    fn nowhere(local: LocalStore) -> Core {
        let endpoint = Url::parse("http://127.0.0.1:1").unwrap();
        let config = S3Config {
            provider: Provider::S3,
            bucket: "bucket".into(),
            region: "us-east-1".into(),
            link_endpoint: endpoint.clone(),
            endpoint,
            path_style: true,
            prefix: String::new(),
            credentials: S3Credentials::new("key".to_owned().into(), "secret".to_owned().into(), None),
            credentials_file: None,
            links: GivenLinks::Presigned,
            link_lifetime: Duration::from_secs(18_000),
            retention: Duration::from_secs(604_800),
            ca_file: None,
        };
        let requests = Requests::open(&config, Arc::new(SystemClock)).unwrap();
        Core::new(config, requests, local, Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn a_flush_tries_each_file_once() {
        let place = tempfile::tempdir().unwrap();
        let local = LocalStore::open(LocalConfig::new(place.path())).unwrap();
        let name = ObjectName::random().unwrap();
        let file = NewFile {
            request_id: "test".into(),
            path: "a.csv".into(),
            media_type: "text/csv".into(),
            content: "a".into(),
        };
        local.put_waiting(name.clone(), file).await.unwrap();
        let core = nowhere(local);
        // It was tried, and would be due again: moving the others took long.
        let mut later = Later::from([(name, Again { at: Instant::now(), failed: 1 })]);
        move_waiting(&core, &mut later, Tries::Once).await.unwrap();
        assert_eq!(core.counts().failed, 0);
        move_waiting(&core, &mut later, Tries::Repeated).await.unwrap();
        assert_eq!(core.counts().failed, 1);
    }

    /// As long as no file was found to be the reason, none is put off for it.
    #[tokio::test]
    async fn a_store_that_is_away_is_tried_with_few_files_and_puts_none_off() {
        let place = tempfile::tempdir().unwrap();
        let local = LocalStore::open(LocalConfig::new(place.path())).unwrap();
        for _ in 0..5 {
            let file = NewFile {
                request_id: "test".into(),
                path: "a.csv".into(),
                media_type: "text/csv".into(),
                content: "a".into(),
            };
            local.put_waiting(ObjectName::random().unwrap(), file).await.unwrap();
        }
        let core = nowhere(local);
        // Of a file that does not wait any more.
        let mut later =
            Later::from([(ObjectName::random().unwrap(), Again { at: Instant::now(), failed: 1 })]);
        move_waiting(&core, &mut later, Tries::Repeated).await.unwrap();
        assert!(core.availability.is_away());
        assert!((1..=MOVES_AT_ONCE as u64).contains(&core.counts().failed), "{:?}", core.counts());
        assert!(later.is_empty(), "{later:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_not_taken_is_tried_ever_more_rarely() {
        let (mut later, name) = (Later::new(), ObjectName::random().unwrap());
        let pauses: Vec<_> = (0..10)
            .map(|_| {
                put_off(&mut later, name.clone());
                later[&name].at - Instant::now()
            })
            .collect();
        assert_eq!(pauses[..3], [AGAIN_FIRST, 2 * AGAIN_FIRST, 4 * AGAIN_FIRST]);
        assert_eq!(pauses[7..], [AGAIN_MAX; 3]);
    }
}
