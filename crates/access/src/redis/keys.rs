//! The shared store of keys: Redis, for services on several hosts.
//!
//! - Reading is one script, so that the records are those of the version. It returns them only if they changed.
//! - A change is made here, of the records that were read, and written by one script that refuses if the version is
//!   no longer theirs; then it is made again.
//! - The version is the time of Redis, so that a Redis that lost its last changes, and was then changed otherwise,
//!   never has one that was seen before.
//!
//! The store has its own connection and its own runtime: it is called from a thread, and an outage must not depend on
//! what else waits for Redis.

use crate::record::{Change, KeyRecord};
use crate::redis::names::Names;
use crate::secret::KeyId;
use crate::store::{KEYS_MAX, KeyStore, Poll, StoreError, StoreState, Version};
use crate::stored::{json, parse, use_of};
use jiff::Timestamp;
use redis_link::{Connection, Failed, RedisConfig, Script};
use std::collections::HashMap;
use std::fmt;
use tokio::runtime::{Builder, Runtime};

static POLL: Script = Script::new(include_str!("poll.lua"));
static WRITE: Script = Script::new(include_str!("write.lua"));
static NOTE_USES: Script = Script::new(include_str!("note_uses.lua"));
static USES: Script = Script::new("return redis.call('HGETALL', KEYS[3])");

/// Attempts of a change while others change the keys.
const ATTEMPTS_MAX: u32 = 20;

/// Uses of keys that one script records: Redis does nothing else meanwhile.
const USES_AT_ONCE: usize = 500;

/// The store.
pub struct RedisStore {
    config: RedisConfig,
    names: Names,
    /// Made at the first call: a runtime must not be dropped where another one runs.
    runtime: Option<Runtime>,
    connection: Option<Connection>,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("config", &self.config).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// The store in this Redis; the names of all its keys begin with `prefix`.
    #[must_use]
    pub fn new(config: RedisConfig, prefix: &str) -> Self {
        Self { config, names: Names::new(prefix), runtime: None, connection: None }
    }

    /// Runs a script, on a new connection if there is none.
    fn run(&mut self, script: &Script, arguments: &[&str]) -> Result<Vec<String>, StoreError> {
        let Self { config, names, runtime, connection } = self;
        let keys = [names.meta.as_str(), names.records.as_str(), names.uses.as_str()];
        let answered = runtime_of(runtime)?.block_on(async {
            let open = match connection.take() {
                Some(open) => open,
                None => Connection::open(config).await?,
            };
            let answered = open.run(script, &keys, arguments).await;
            // One that failed is of no use.
            *connection = (!matches!(answered, Err(Failed::Away(_)))).then_some(open);
            answered
        });
        Ok(answered?)
    }

    fn read(&mut self, seen: Option<&Version>) -> Result<Poll, StoreError> {
        let (store, number) = match seen {
            Some(seen) => (support::hex(&seen.store), seen.number.to_string()),
            None => (String::new(), String::new()),
        };
        let answer = self.run(&POLL, &[&store, &number])?;
        let mut texts = answer.iter().map(String::as_str);
        let invalid = || StoreError::Content("its id or its version".to_owned());
        let word = texts.next();
        if word == Some("never") {
            return Ok(Poll { state: StoreState::Never, records: None });
        }
        let mut version = || {
            let store = id_from_hex(texts.next()?)?;
            Some(Version { store, number: texts.next()?.parse().ok()? })
        };
        let state = StoreState::Enabled(version().ok_or_else(invalid)?);
        match word {
            Some("same") => Ok(Poll { state, records: None }),
            Some("all") => {
                let mut records = Vec::new();
                while let (Some(id), Some(json)) = (texts.next(), texts.next()) {
                    records.push(parse(id, json)?);
                }
                Ok(Poll { state, records: Some(records) })
            }
            _ => Err(invalid()),
        }
    }
}

fn runtime_of(runtime: &mut Option<Runtime>) -> Result<&Runtime, StoreError> {
    match runtime {
        Some(runtime) => Ok(runtime),
        None => {
            let made = Builder::new_current_thread().enable_all().build().map_err(StoreError::Runtime)?;
            Ok(runtime.insert(made))
        }
    }
}

fn id_from_hex(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    Some(number.to_be_bytes())
}

/// The record that the change makes.
fn changed(change: &Change, records: &[KeyRecord]) -> Result<KeyRecord, StoreError> {
    let find = |id: KeyId| {
        let found = records.iter().find(|record| record.id == id);
        found.cloned().ok_or_else(|| StoreError::Unknown(id.to_string()))
    };
    match change {
        Change::Create(record) => {
            if records.len() >= KEYS_MAX {
                return Err(StoreError::Full);
            }
            let is_taken = |other: &KeyRecord| {
                other.id == record.id || other.revoked_at.is_none() && other.name == record.name
            };
            if records.iter().any(is_taken) {
                return Err(StoreError::NameTaken(record.name.to_string()));
            }
            Ok(KeyRecord::clone(record))
        }
        Change::Rotate { id, digest, earlier_until } => {
            let mut record = find(*id)?;
            record.rotate(*digest, *earlier_until)?;
            Ok(record)
        }
        Change::Revoke { id, at } => {
            let mut record = find(*id)?;
            record.revoke(*at);
            Ok(record)
        }
    }
}

impl KeyStore for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn poll(&mut self, seen: Option<&Version>) -> Result<Poll, StoreError> {
        self.read(seen)
    }

    fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        let new_store: [u8; 16] = support::random_bytes().map_err(|source| StoreError::Io {
            step: "make an id for",
            path: "the key store in Redis".to_owned(),
            source,
        })?;
        let now = Timestamp::now().as_second().to_string();
        for _ in 0..ATTEMPTS_MAX {
            let Poll { state, records } = self.read(None)?;
            let record = changed(change, &records.unwrap_or_default())?;
            let (store, number) = match state {
                StoreState::Enabled(seen) => (support::hex(&seen.store), seen.number.to_string()),
                StoreState::Never | StoreState::Named(_) => (String::new(), String::new()),
            };
            let json = json(&record)?;
            let arguments =
                [&store, &number, &support::hex(&new_store), &now, record.id.as_str(), json.as_str()];
            let answer = self.run(&WRITE, &arguments)?;
            if answer.first().is_some_and(|word| word == "done") {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    fn note_uses(&mut self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let noted = uses.chunks(USES_AT_ONCE).try_for_each(|part| {
            let texts: Vec<String> =
                part.iter().flat_map(|(id, at)| [id.to_string(), at.as_second().to_string()]).collect();
            self.run(&NOTE_USES, &texts.iter().map(String::as_str).collect::<Vec<_>>()).map(drop)
        });
        // Until the next minute the server or something between may end it without notice.
        self.connection = None;
        noted
    }

    fn uses(&mut self) -> Result<Option<HashMap<KeyId, Timestamp>>, StoreError> {
        let answer = self.run(&USES, &[])?;
        let pairs = answer.chunks_exact(2);
        Ok(Some(pairs.filter_map(|pair| use_of(&pair[0], pair[1].parse().ok()?)).collect()))
    }

    fn caution(&mut self) -> Option<String> {
        let Self { runtime: Some(runtime), connection: Some(connection), .. } = self else { return None };
        let setting = async |name: &str| connection.server_setting(name).await.ok().flatten();
        let (append, sync, policy) = runtime.block_on(async {
            (setting("appendonly").await, setting("appendfsync").await, setting("maxmemory-policy").await)
        });
        if append.is_some_and(|value| value == "no") {
            return Some("Redis loses API keys when it ends: appendonly is off (hint: appendonly yes, appendfsync always)".to_owned());
        }
        if let Some(sync) = sync.filter(|sync| sync != "always") {
            return Some(format!(
                "Redis may lose what it acknowledged, also the revocation of an API key, if its host fails: appendfsync is \
                 {} (hint: appendfsync always)",
                support::one_line(&sync)
            ));
        }
        let may_evict = policy.filter(|policy| policy != "noeviction")?;
        Some(format!(
            "Redis may evict API keys: maxmemory-policy is {} (hint: maxmemory-policy noeviction)",
            support::one_line(&may_evict)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::KeyText;
    use crate::test_records::record;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use testkit::{Keeps, RedisServer};

    fn store(server: &RedisServer) -> RedisStore {
        let address = server.url().parse().unwrap();
        RedisStore::new(RedisConfig { address, ca_file: None, time_max: Duration::from_secs(5) }, "test")
    }

    fn create(store: &mut RedisStore, name: &str) -> Result<KeyRecord, StoreError> {
        let record = record(name);
        store.write(&Change::Create(Box::new(record.clone()))).map(|()| record)
    }

    fn version(store: &mut RedisStore) -> Version {
        match store.poll(None).unwrap().state {
            StoreState::Enabled(version) => version,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_created_rotated_and_revoked_and_others_see_it() {
        let Some(server) = RedisServer::start(Keeps::Everything) else { return };
        let (mut ours, mut theirs) = (store(&server), store(&server));
        assert_eq!(ours.poll(None).unwrap().state, StoreState::Never);
        let first = create(&mut ours, "a").unwrap();
        let read = theirs.poll(None).unwrap().records.unwrap();
        assert_eq!(format!("{:?}", [&first]), format!("{read:?}"));
        assert!(read[0].digest.is(&first.digest));
        let seen = version(&mut theirs);
        assert!(theirs.poll(Some(&seen)).unwrap().records.is_none(), "nothing changed");

        let until = Timestamp::from_second(1_850_000_000).unwrap();
        let digest = KeyText::generate().unwrap().digest();
        ours.write(&Change::Rotate { id: first.id, digest, earlier_until: until }).unwrap();
        let read = theirs.poll(Some(&seen)).unwrap().records.unwrap();
        assert!(read[0].digest.is(&digest) && read[0].earlier.as_ref().unwrap().0.is(&first.digest));
        assert!(matches!(create(&mut theirs, "a"), Err(StoreError::NameTaken(_))));
        ours.write(&Change::Revoke { id: first.id, at: until }).unwrap();
        let rotated = theirs.write(&Change::Rotate { id: first.id, digest, earlier_until: until });
        assert!(matches!(rotated, Err(StoreError::Revoked(_))), "{rotated:?}");
        create(&mut theirs, "a").unwrap();
        let unknown = theirs.write(&Change::Revoke { id: record("x").id, at: until });
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
        assert_eq!(theirs.caution(), None);
    }

    #[test]
    fn the_last_use_of_known_keys_is_kept_and_is_no_change_for_services() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let (mut command, mut service) = (store(&server), store(&server));
        let at = |second| Timestamp::from_second(second).unwrap();
        let unknown = record("c");
        service.note_uses(&[(unknown.id, at(60))]).unwrap();
        assert_eq!(command.uses().unwrap(), Some(HashMap::new()));
        assert_eq!(command.poll(None).unwrap().state, StoreState::Never, "noting makes nothing");
        let [used, revoked] = ["a", "b"].map(|name| create(&mut command, name).unwrap());
        service.note_uses(&[(revoked.id, at(50))]).unwrap();
        command.write(&Change::Revoke { id: revoked.id, at: at(55) }).unwrap();
        let seen = version(&mut service);
        for second in [120, 180, 60] {
            let [used, revoked, unknown] = [&used, &revoked, &unknown].map(|record| (record.id, at(second)));
            service.note_uses(&[used, revoked, unknown]).unwrap();
        }
        // Of a clock that was an hour ahead.
        let ahead = Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap();
        service.note_uses(&[(used.id, ahead)]).unwrap();
        assert_eq!(command.uses().unwrap().unwrap()[&used.id].as_second(), ahead.as_second());
        service.note_uses(&[(used.id, at(180))]).unwrap();
        let uses = HashMap::from([(used.id, at(180)), (revoked.id, at(50))]);
        assert_eq!(command.uses().unwrap(), Some(uses));
        assert!(service.poll(Some(&seen)).unwrap().records.is_none(), "no change");
    }

    #[test]
    fn more_uses_than_one_script_records_are_recorded() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let mut store = store(&server);
        let last = create(&mut store, "a").unwrap().id;
        let at = Timestamp::from_second(60).unwrap();
        let mut uses: Vec<_> = (0..USES_AT_ONCE).map(|_| (record("b").id, at)).collect();
        uses.push((last, at));
        store.note_uses(&uses).unwrap();
        assert_eq!(store.uses().unwrap(), Some(HashMap::from([(last, at)])));
    }

    #[test]
    fn writers_at_the_same_time_neither_lose_a_key_nor_take_a_name_twice() {
        let Some(server) = RedisServer::start(Keeps::Everything) else { return };
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut store = store(&server);
                    for number in 0..10 {
                        match create(&mut store, &number.to_string()) {
                            Ok(_) => drop(made.fetch_add(1, Ordering::Relaxed)),
                            Err(error) => assert!(matches!(error, StoreError::NameTaken(_)), "{error}"),
                        }
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 10);
        assert_eq!(store(&server).poll(None).unwrap().records.unwrap().len(), 10);
    }

    #[test]
    fn a_store_that_is_lost_or_damaged_says_so_and_comes_back() {
        let Some(mut server) = RedisServer::start(Keeps::Everything) else { return };
        let mut store = store(&server);
        create(&mut store, "a").unwrap();
        let before = version(&mut store);
        server.kill();
        assert!(matches!(store.poll(None), Err(StoreError::Redis(Failed::Away(_)))));
        assert!(matches!(create(&mut store, "b"), Err(StoreError::Redis(Failed::Away(_)))));
        server.restart();
        assert_eq!(version(&mut store), before, "nothing was lost");

        // The last change is lost, and another one made: not the version that was seen.
        let lost = create(&mut store, "b").unwrap();
        let seen = version(&mut store);
        server.ask(&["HSET", "{test}:keys:meta", "version", &before.number.to_string()]);
        server.ask(&["HDEL", "{test}:keys:records", lost.id.as_str()]);
        create(&mut store, "c").unwrap();
        assert!(store.poll(Some(&seen)).unwrap().records.is_some());
        server.ask(&["HSET", "{test}:keys:records", record("x").id.as_str(), "{}"]);
        assert!(matches!(store.poll(None), Err(StoreError::Content(_))));
        server.ask(&["DEL", "{test}:keys:meta"]);
        let damaged = store.poll(None);
        assert!(matches!(damaged, Err(StoreError::Redis(Failed::Refused(_)))), "{damaged:?}");
        server.ask(&["FLUSHALL"]);
        assert_eq!(store.poll(None).unwrap().state, StoreState::Never);
    }

    #[test]
    fn a_server_that_forgets_is_reported() {
        let Some(server) = RedisServer::start(Keeps::Nothing) else { return };
        let mut store = store(&server);
        create(&mut store, "a").unwrap();
        assert!(store.caution().unwrap().contains("appendonly"));
        server.ask(&["CONFIG", "SET", "appendonly", "yes"]);
        server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        assert!(store.caution().unwrap().contains("allkeys-lru"));
    }
}
