//! Tests of the keys in memory: over sequences of polls, and over a store whose answers the test sets.

use super::*;
use crate::store::StoreError;
use proptest::prelude::*;
use std::sync::Mutex;

const STALE_MAX: Duration = Duration::from_secs(3);

fn key_and_record() -> (KeyText, KeyRecord) {
    crate::test_records::key_and_record("a")
}

fn version(number: u64) -> Version {
    Version { store: [1; 16], number }
}

fn enabled(records: Vec<KeyRecord>) -> Result<Poll, StoreError> {
    Ok(Poll { state: StoreState::Enabled(version(1)), records: Some(records) })
}

fn never() -> Result<Poll, StoreError> {
    Ok(Poll { state: StoreState::Never, records: None })
}

fn broken() -> Result<Poll, StoreError> {
    Err(StoreError::Content("broken".to_owned()))
}

fn away() -> Result<Poll, StoreError> {
    Err(StoreError::Redis(redis_link::Failed::Away(std::io::Error::other("203.0.113.7"))))
}

fn config(requirement: Requirement) -> KeyringConfig {
    KeyringConfig { requirement, stale_max: STALE_MAX, directory: PathBuf::new() }
}

/// The state after these polls, a second apart.
fn after(requirement: Requirement, recorded: bool, polls: Vec<Result<Poll, StoreError>>) -> Snapshot {
    let config = config(requirement);
    let start = Snapshot::clone(&Shared::new(config.clone(), "test").snapshot());
    polls.into_iter().zip(0..).fold(start, |snapshot, (poll, second)| {
        snapshot.next(&config, Ok(recorded), poll, Duration::from_secs(second))
    })
}

fn word(snapshot: &Snapshot) -> &'static str {
    match snapshot.mode {
        Mode::Off => "off",
        Mode::On => "on",
        Mode::Unusable(_) => "unusable",
    }
}

#[test]
fn keys_that_were_required_once_are_required_for_ever() {
    use Requirement::{Always, OnceCreated};
    let one = || enabled(vec![key_and_record().1]);
    let named = || Ok(Poll { state: StoreState::Named(version(1)), records: Some(Vec::new()) });
    for (requirement, recorded, polls, expected) in [
        (OnceCreated, false, vec![never()], "off"),
        (OnceCreated, false, vec![never(), broken()], "unusable"),
        (OnceCreated, false, vec![never(), broken(), never()], "off"),
        (OnceCreated, false, vec![never(), away(), away(), away()], "off"),
        (OnceCreated, false, vec![never(), away(), away(), away(), away()], "unusable"),
        (OnceCreated, false, vec![away()], "unusable"),
        (OnceCreated, false, vec![broken()], "unusable"),
        (OnceCreated, false, vec![broken(), never()], "off"),
        (OnceCreated, true, vec![never()], "unusable"),
        (OnceCreated, true, vec![broken()], "unusable"),
        (OnceCreated, false, vec![one()], "on"),
        (OnceCreated, false, vec![never(), one()], "on"),
        (OnceCreated, false, vec![one(), never()], "unusable"),
        (OnceCreated, false, vec![one(), enabled(Vec::new())], "unusable"),
        (OnceCreated, false, vec![one(), never(), one()], "on"),
        (OnceCreated, false, vec![one(), broken()], "on"),
        (OnceCreated, false, vec![enabled(Vec::new())], "unusable"),
        (OnceCreated, false, vec![named()], "on"),
        (Always, false, vec![never()], "unusable"),
        (Always, false, vec![broken()], "unusable"),
        (Always, false, vec![one()], "on"),
    ] {
        let text = format!("{requirement:?} {recorded} {polls:?}");
        assert_eq!(word(&after(requirement, recorded, polls)), expected, "{text}");
    }
    let unknown = || Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
    for (recorded, poll) in [(Ok(true), away()), (unknown(), away()), (unknown(), never())] {
        let off = after(OnceCreated, false, vec![never()]);
        assert_eq!(word(&off.next(&config(OnceCreated), recorded, poll, Duration::ZERO)), "unusable");
    }
}

/// The verdict in one word.
fn judged(snapshot: &Snapshot, key: &KeyText, elapsed_s: f64, has_waited: bool) -> &'static str {
    let presented = Presented::Key(key, key.digest());
    let elapsed = Duration::from_secs_f64(elapsed_s);
    match snapshot.judge(&presented, Timestamp::now(), elapsed, STALE_MAX, has_waited) {
        Verdict::Open => "open",
        Verdict::Granted(_) => "granted",
        Verdict::Denied(Denied::Invalid) => "invalid",
        Verdict::Denied(Denied::Missing) => "missing",
        Verdict::Denied(Denied::Unavailable) => "unavailable",
        Verdict::Ask => "ask",
    }
}

#[test]
fn known_keys_are_accepted_for_a_time_and_unknown_ones_ask() {
    let (known, record) = key_and_record();
    let (unknown, _) = key_and_record();
    let other_text = KeyText::generate_for(known.id()).unwrap();
    let fresh = after(Requirement::OnceCreated, false, vec![enabled(vec![record.clone()])]);
    assert_eq!(judged(&fresh, &known, 0.9, false), "granted");
    assert_eq!(judged(&fresh, &known, 1.1, false), "ask");
    assert_eq!(judged(&fresh, &known, 1.1, true), "unavailable");
    for wrong in [&unknown, &other_text] {
        assert_eq!(judged(&fresh, wrong, 0.1, false), "ask");
        assert_eq!(judged(&fresh, wrong, 0.1, true), "invalid");
    }
    let stale =
        after(Requirement::OnceCreated, false, vec![enabled(vec![record.clone()]), broken(), broken()]);
    assert_eq!(judged(&stale, &known, 2.9, false), "granted");
    assert_eq!(judged(&stale, &known, 3.1, false), "unavailable");
    assert_eq!(judged(&stale, &unknown, 0.1, false), "unavailable");
    assert_eq!(stale.problem(Duration::from_secs(2), STALE_MAX), None);
    let problem = stale.problem(Duration::from_secs(4), STALE_MAX).unwrap();
    assert!(!problem.contains("broken"), "details are for the log: {problem}");
    for ended in [
        KeyRecord { revoked_at: Some(Timestamp::now()), ..record.clone() },
        KeyRecord { expires_at: Some(Timestamp::now()), ..record.clone() },
    ] {
        let snapshot = after(Requirement::OnceCreated, false, vec![enabled(vec![ended])]);
        assert_eq!(judged(&snapshot, &known, 0.1, false), "invalid");
    }
    let lost = after(Requirement::OnceCreated, true, vec![never()]);
    assert_eq!(judged(&lost, &known, 0.1, false), "unavailable");
}

proptest! {
    /// Polls that fail, and that take long: a key that was revoked before a poll was sent is not accepted
    /// once the last poll that succeeded before it is too old.
    #[test]
    fn a_revoked_key_is_never_accepted_for_longer(
        polls in prop::collection::vec((any::<bool>(), 0..2000u64), 1..30),
        revoked_ms in 0..20_000u64,
        asked_ms in 0..40_000u64,
    ) {
        let (key, record) = key_and_record();
        let revoked = KeyRecord { revoked_at: Some(Timestamp::UNIX_EPOCH), ..record.clone() };
        let mut snapshot = after(Requirement::OnceCreated, false, Vec::new());
        let mut clock = 0;
        for (succeeds, took_ms) in polls {
            let (sent, ended) = (clock, clock + took_ms);
            clock = ended + 250;
            if ended > asked_ms {
                break;
            }
            let now = if sent >= revoked_ms { &revoked } else { &record };
            let poll = if succeeds { enabled(vec![now.clone()]) } else { broken() };
            snapshot = snapshot.next(&config(Requirement::OnceCreated), Ok(false), poll, Duration::from_millis(sent));
        }
        let elapsed = asked_ms as f64 / 1000.0;
        let is_failing = snapshot.failure.is_some();
        let bound = if is_failing { STALE_MAX } else { AGE_MAX };
        if asked_ms > revoked_ms + u64::try_from(bound.as_millis()).unwrap() {
            prop_assert_ne!(judged(&snapshot, &key, elapsed, false), "granted");
        }
    }
}

/// A store whose answer the test sets, and the keys whose use it was told.
#[derive(Debug, Clone, Default)]
struct Scripted(Arc<Mutex<Vec<KeyRecord>>>, Arc<Mutex<Vec<KeyId>>>);

impl KeyStore for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn poll(&mut self, _: Option<&Version>) -> Result<Poll, StoreError> {
        let records = support::lock(&self.0).clone();
        if records.is_empty() { never() } else { enabled(records) }
    }

    fn write(&mut self, _: &crate::record::Change) -> Result<(), StoreError> {
        Ok(())
    }

    fn note_uses(&mut self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        support::lock(&self.1).extend(uses.iter().map(|(id, _)| *id));
        Ok(())
    }
}

#[test]
fn a_store_that_is_away_is_noticed_before_no_key_is_accepted() {
    let (_, record) = key_and_record();
    let read = || enabled(vec![record.clone()]);
    for (polls, is_store_up) in [(vec![read()], true), (vec![read(), away()], false)] {
        let shared = Shared::new(config(Requirement::OnceCreated), "test");
        *shared.snapshot.write().unwrap() = Arc::new(after(Requirement::OnceCreated, false, polls));
        let health = Keyring { shared: Arc::new(shared), wake: None, uses: None }.health();
        assert_eq!((health.is_store_up, health.problem), (is_store_up, None));
    }
}

#[tokio::test]
async fn a_key_works_at_the_first_try_and_the_state_is_recorded() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("access");
    let store = Scripted::default();
    let config = KeyringConfig {
        requirement: Requirement::OnceCreated,
        stale_max: STALE_MAX,
        directory: directory.clone(),
    };
    let keyring = Keyring::open(config, Box::new(store.clone()), None).unwrap();
    assert_eq!((keyring.health().state, keyring.usable_keys()), (KeysState::Off, Some(0)));
    assert!(matches!(keyring.authenticate(Some(b"anything")).await, Ok(None)));
    let (first, record) = key_and_record();
    support::lock(&store.0).push(record);
    while keyring.health().state == KeysState::Off {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(enabled::is_recorded(&directory).unwrap());
    let text = first.expose().as_bytes();
    assert_eq!(keyring.authenticate(Some(text)).await.unwrap().unwrap().id, first.id());
    assert_eq!(keyring.authenticate(None).await.unwrap_err(), Denied::Missing);
    assert_eq!(keyring.authenticate(Some(b"psk_x")).await.unwrap_err(), Denied::Invalid);
    let (second, record) = key_and_record();
    let unknown = keyring.authenticate(Some(second.expose().as_bytes())).await;
    assert_eq!(unknown.unwrap_err(), Denied::Invalid);
    support::lock(&store.0).push(record);
    assert!(keyring.authenticate(Some(second.expose().as_bytes())).await.unwrap().is_some());
    assert_eq!(keyring.usable_keys(), Some(2));
}

#[tokio::test]
async fn only_a_key_that_is_accepted_is_used() {
    let root = tempfile::tempdir().unwrap();
    let store = Scripted::default();
    let config = KeyringConfig {
        requirement: Requirement::OnceCreated,
        stale_max: STALE_MAX,
        directory: root.path().join("access"),
    };
    let [(used, record), (unused, other), (revoked, mut ended), (unknown, _)] =
        [(); 4].map(|()| key_and_record());
    let forged = KeyText::generate_for(unused.id()).unwrap();
    ended.revoke(Timestamp::UNIX_EPOCH);
    support::lock(&store.0).extend([record, other, ended]);
    let keyring = Keyring::open(config, Box::new(store.clone()), Some(Box::new(store.clone()))).unwrap();
    for (key, is_accepted) in [(&used, true), (&forged, false), (&revoked, false), (&unknown, false)] {
        let answer = keyring.authenticate(Some(key.expose().as_bytes())).await;
        assert_eq!(answer.is_ok(), is_accepted);
    }
    assert!(keyring.finish(Duration::from_secs(30)));
    assert_eq!(*support::lock(&store.1), [used.id()]);
}

#[test]
fn keys_that_are_in_the_embedded_store_are_found() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(other_store("redis", root.path()), None);
    std::fs::write(root.path().join("access.db"), "").unwrap();
    assert!(other_store("redis", root.path()).unwrap().contains("KEY_STORE=embedded"));
    assert_eq!(other_store("embedded", root.path()), None);
}

#[test]
fn a_poll_without_a_change_leaves_nothing_to_compare() {
    let read = after(Requirement::OnceCreated, false, vec![enabled(vec![key_and_record().1])]);
    let config = config(Requirement::OnceCreated);
    let same = Ok(Poll { state: StoreState::Enabled(version(1)), records: None });
    for poll in [same, away(), broken()] {
        assert!(read.has_keys_of(&read.next(&config, Ok(true), poll, Duration::ZERO)));
    }
    let changed = read.next(&config, Ok(true), enabled(vec![key_and_record().1]), Duration::ZERO);
    assert!(!read.has_keys_of(&changed));
}

/// A flood of unknown keys: a key that is valid is not called invalid, and no further request waits.
#[tokio::test(start_paused = true)]
async fn when_too_many_wait_nobody_is_called_invalid() {
    let (_known, record) = key_and_record();
    let (unknown, _) = key_and_record();
    let snapshot = after(Requirement::OnceCreated, false, vec![enabled(vec![record])]);
    let shared = Shared::new(config(Requirement::OnceCreated), "test");
    *shared.snapshot.write().unwrap() = Arc::new(snapshot);
    shared.waiting.store(WAITING_MAX, Ordering::Relaxed);
    let keyring = Keyring { shared: Arc::new(shared), wake: None, uses: None };
    let begun = tokio::time::Instant::now();
    let denied = keyring.authenticate(Some(unknown.expose().as_bytes())).await;
    assert_eq!((denied.unwrap_err(), begun.elapsed()), (Denied::Unavailable, Duration::ZERO));
}

#[tokio::test]
async fn without_keys_nobody_is_asked() {
    let keyring = Keyring::off();
    assert!(matches!(keyring.authenticate(None).await, Ok(None)));
    assert_eq!(keyring.health().state, KeysState::ForcedOff);
}
