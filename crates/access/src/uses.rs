//! When keys were used last, for `keys list`: noted in memory with each request, and written to the store once a minute, by
//! a thread with a connection of its own. So neither a request nor a poll of the keys waits for it, and a service that is
//! killed loses a minute at most.

use crate::secret::KeyId;
use crate::store::{KeyStore, StoreError};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Time between two writes.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(crate) struct Uses {
    unwritten: Arc<Unwritten>,
    /// `None` once it was told to end.
    thread: Mutex<Option<Thread>>,
}

#[derive(Debug)]
struct Thread {
    /// Dropped, it tells the thread to end.
    end: SyncSender<()>,
    /// The thread drops the other side when it has ended.
    ended: Receiver<()>,
}

impl Uses {
    /// Starts to write to this store.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(store: Box<dyn KeyStore>) -> std::io::Result<Self> {
        let unwritten = Arc::<Unwritten>::default();
        let (end, told) = sync_channel(0);
        let (running, ended) = sync_channel(0);
        std::thread::Builder::new().name("key-uses".to_owned()).spawn({
            let unwritten = Arc::clone(&unwritten);
            move || {
                unwritten.follow(store, &told);
                drop::<SyncSender<()>>(running);
            }
        })?;
        Ok(Self { unwritten, thread: Mutex::new(Some(Thread { end, ended })) })
    }

    /// The key is used now.
    pub(crate) fn note(&self, id: KeyId, now: Timestamp) {
        support::lock(&self.unwritten.0).insert(id, now);
    }

    /// Writes what was not written yet, for the last time. Waits for that, at most `time_max`; false if it has not ended then.
    pub(crate) fn finish(&self, time_max: Duration) -> bool {
        let Some(Thread { end, ended }) = support::lock(&self.thread).take() else { return true };
        drop(end);
        ended.recv_timeout(time_max) == Err(RecvTimeoutError::Disconnected)
    }
}

/// The last uses that the store does not have yet: at most one for each key that it has.
#[derive(Debug, Default)]
struct Unwritten(Mutex<HashMap<KeyId, Timestamp>>);

impl Unwritten {
    /// The thread: writes until it is told to end, and then once more.
    fn follow(&self, mut store: Box<dyn KeyStore>, told: &Receiver<()>) {
        let mut is_failing = false;
        loop {
            let is_last = told.recv_timeout(WRITE_INTERVAL) == Err(RecvTimeoutError::Disconnected);
            match self.write(&mut *store) {
                Ok(()) if is_failing => {
                    tracing::info!(store = store.name(), "the last use of API keys is recorded again");
                    is_failing = false;
                }
                Err(error) if !is_failing => {
                    // Keys work without it.
                    tracing::warn!(
                        store = store.name(),
                        error = support::one_line(&error.chain()),
                        "failed to record when API keys were used last"
                    );
                    is_failing = true;
                }
                _ => {}
            }
            if is_last {
                return;
            }
        }
    }

    fn write(&self, store: &mut dyn KeyStore) -> Result<(), StoreError> {
        let uses: Vec<_> = std::mem::take(&mut *support::lock(&self.0)).into_iter().collect();
        if uses.is_empty() {
            return Ok(());
        }
        store.note_uses(&uses).inspect_err(|_| {
            // The next time tries again; what was noted meanwhile is later.
            let mut unwritten = support::lock(&self.0);
            for (id, at) in &uses {
                unwritten.entry(*id).or_insert(*at);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Change;
    use crate::store::{Poll, StoreState, Version};
    use crate::test_records::record;

    /// Each write.
    type Writes = Vec<Vec<(KeyId, Timestamp)>>;

    /// What was written; fails as often as the number says.
    #[derive(Debug, Clone, Default)]
    struct Written(Arc<Mutex<(u32, Writes)>>);

    impl KeyStore for Written {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn poll(&mut self, _: Option<&Version>) -> Result<Poll, StoreError> {
            Ok(Poll { state: StoreState::Never, records: None })
        }

        fn write(&mut self, _: &Change) -> Result<(), StoreError> {
            Ok(())
        }

        fn note_uses(&mut self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
            let mut written = support::lock(&self.0);
            if written.0 > 0 {
                written.0 -= 1;
                return Err(StoreError::Content("broken".to_owned()));
            }
            written.1.push(uses.to_vec());
            Ok(())
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_last_use_is_written_at_the_end_and_once() {
        let (store, id) = (Written::default(), record("a").id);
        let uses = Uses::start(Box::new(store.clone())).unwrap();
        for second in [121, 150] {
            uses.note(id, at(second));
        }
        assert!(support::lock(&store.0).1.is_empty(), "no request waits for a write");
        assert!(uses.finish(Duration::from_secs(30)));
        assert!(uses.finish(Duration::ZERO), "it has ended");
        assert_eq!(support::lock(&store.0).1, [vec![(id, at(150))]]);
    }

    #[test]
    fn what_could_not_be_written_is_written_later_unless_it_was_used_since() {
        let (mut store, unwritten) = (Written::default(), Unwritten::default());
        let (first, second) = (record("a").id, record("b").id);
        support::lock(&store.0).0 = 1;
        support::lock(&unwritten.0).extend([(first, at(1)), (second, at(2))]);
        assert!(unwritten.write(&mut store).is_err());
        support::lock(&unwritten.0).insert(second, at(3));
        for _ in 0..2 {
            unwritten.write(&mut store).unwrap();
        }
        let mut written = support::lock(&store.0).1.clone();
        written[0].sort();
        let mut expected = vec![(first, at(1)), (second, at(3))];
        expected.sort();
        assert_eq!(written, [expected], "once");
    }
}
