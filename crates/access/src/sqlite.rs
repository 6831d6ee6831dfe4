//! The embedded store: `DATA_DIR/access/access.db`, SQLite. Several processes may use it.
//!
//! - Every change is one transaction that begins with a write lock: a transaction that first reads and then
//!   writes can fail although it may wait (SQLITE_BUSY_SNAPSHOT).
//! - `synchronous=FULL`: a change is on stable storage when [`KeyStore::write`] returns.
//! - The file is never opened and closed beside SQLite: closing any descriptor of a file releases all record
//!   locks that the process has on it (fcntl(2)), SQLite's too. Its identity is read by stat(2).
//! - SQLite's WAL is in shared memory, so the directory must be on a file system of this host.

use crate::enabled;
use crate::record::{Change, KeyRecord};
use crate::secret::KeyId;
use crate::store::{KEYS_MAX, KeyStore, Poll, StoreError, StoreState, Version};
use crate::stored::{json, parse, use_of};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};
use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE_NAME: &str = "access.db";

/// `PRAGMA user_version`: the tables' form. A higher one is of a later version of this program.
const FORM: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS store(
    one INTEGER PRIMARY KEY CHECK(one = 1), store_id BLOB NOT NULL, enabled_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS keys(
    id TEXT PRIMARY KEY, name TEXT NOT NULL, is_revoked INTEGER NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS names ON keys(name) WHERE is_revoked = 0;
PRAGMA user_version = 1;
";

/// Not in the stores of earlier versions of this form, which leave it alone.
const USES: &str = "
CREATE TABLE IF NOT EXISTS uses(id TEXT PRIMARY KEY, used_at INTEGER NOT NULL) STRICT;
";

/// How far in the future a recorded use may be, in seconds: the clocks of services differ.
const CLOCK_TOLERANCE_S: i64 = 60;

/// The store.
#[derive(Debug)]
pub struct SqliteStore {
    directory: PathBuf,
    /// How long a call waits for another process's lock.
    wait_max: Duration,
    /// Returns the kind of file system that a directory is on.
    file_system: fn(&Path) -> io::Result<u32>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Device and inode of the file.
    file: (u64, u64),
}

fn sqlite(step: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { step, source }
}

impl SqliteStore {
    /// The store's name in `KEY_STORE`.
    pub(crate) const NAME: &str = "embedded";

    /// Its file in this directory.
    pub(crate) fn path_in(directory: &Path) -> PathBuf {
        directory.join(FILE_NAME)
    }

    /// The store in `directory`, which need not exist. A call waits at most `wait_max` for another process.
    #[must_use]
    pub fn new(directory: &Path, wait_max: Duration) -> Self {
        Self { directory: directory.to_owned(), wait_max, file_system, open: None }
    }

    fn path(&self) -> PathBuf {
        Self::path_in(&self.directory)
    }

    fn io(&self, step: &'static str) -> impl Fn(io::Error) -> StoreError {
        let path = self.path().display().to_string();
        move |source| StoreError::Io { step, path: path.clone(), source }
    }

    /// Device and inode of the file, behind links; `None` if there is none. A link to nowhere is an error: somebody
    /// meant a store to be there.
    fn file(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let path = self.path();
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        match path.metadata() {
            Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
            Err(error) if is_missing(&error) && path.symlink_metadata().is_err_and(|e| is_missing(&e)) => {
                Ok(None)
            }
            Err(error) => Err(self.io("look for")(error)),
        }
    }

    /// The open database; `None` if there is none.
    fn opened(&mut self) -> Result<Option<&mut Connection>, StoreError> {
        let Some(file) = self.file()? else {
            self.open = None;
            return Ok(None);
        };
        if self.open.as_ref().is_none_or(|open| open.file != file) {
            self.open = None;
            self.open = Some(Open { connection: self.connect()?, file });
        }
        Ok(self.open.as_mut().map(|open| &mut open.connection))
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        ownership::check(&self.directory).map(drop)?;
        ownership::check(&self.path()).map(drop)?;
        self.refuse_shared()?;
        // Not created here: then nobody would have checked its owner and mode.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path(), flags).map_err(sqlite("open"))?;
        connection.busy_timeout(self.wait_max).map_err(sqlite("open"))?;
        let form: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite("read"))?;
        if form > FORM {
            let text = format!("it was written by a later version (form {form}, this version reads {FORM})");
            return Err(StoreError::Content(text));
        }
        for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("trusted_schema", "OFF")] {
            connection.pragma_update(None, name, value).map_err(sqlite("configure"))?;
        }
        Ok(connection)
    }

    /// Refuses file systems on which processes of several hosts do not share memory: WAL would lose changes, and a
    /// revocation on one host would not be seen on another.
    fn refuse_shared(&self) -> Result<(), StoreError> {
        let found = (self.file_system)(&self.directory).map_err(self.io("find the file system of"))?;
        if SHARED_FILE_SYSTEMS.contains(&found) {
            return Err(StoreError::Content(format!(
                "`{}` is on a file system that several hosts may share ({found:#x}), where the embedded store would lose \
                 changes (hint: set KEY_STORE=redis or KEY_FILE, or a DATA_DIR on a local disk)",
                self.directory.display()
            )));
        }
        Ok(())
    }

    /// The open database, created if there is none.
    fn create(&mut self) -> Result<&mut Connection, StoreError> {
        if self.file()?.is_none() {
            self.refuse_shared()?;
            enabled::make_directory(&self.directory).map_err(self.io("make the directory of"))?;
            match enabled::create(&self.path()) {
                // Another process was first.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => drop(made.map_err(self.io("make"))?),
            }
        }
        let gone = || io::Error::new(io::ErrorKind::NotFound, "it was removed in this moment");
        let gone = self.io("open")(gone());
        let connection = self.opened()?.ok_or(gone)?;
        Ok(connection)
    }
}

/// Magic numbers of statfs(2), of Linux 6.18's `magic.h` and of the file systems' own sources, for file systems that
/// several hosts may have mounted: NFS, SMB, SMB 2, CIFS, 9p, AFS, kAFS, Coda, Ceph, FUSE (also virtiofs, SSHFS and
/// GlusterFS), GFS2, OCFS2, Lustre, GPFS, BeeGFS, folders of VirtualBox.
const SHARED_FILE_SYSTEMS: [u32; 16] = [
    0x0000_6969,
    0x0000_517B,
    0xFE53_4D42,
    0xFF53_4D42,
    0x0102_1997,
    0x5346_414F,
    0x6B41_4653,
    0x7375_7245,
    0x00C3_6400,
    0x6573_5546,
    0x0116_1970,
    0x7461_636F,
    0x0BD0_0BD0,
    0x4750_4653,
    0x1983_0326,
    0x786F_4256,
];

/// The magic number of the file system that this directory, or the first one above that exists, is on.
#[allow(
    clippy::cast_sign_loss,
    clippy::unnecessary_cast,
    clippy::cast_possible_truncation,
    reason = "a magic number has 32 bits; the type of the field depends on the architecture"
)]
fn file_system(directory: &Path) -> io::Result<u32> {
    let at = directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(directory);
    Ok(rustix::fs::statfs(at)?.f_type as u32)
}

impl KeyStore for SqliteStore {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn poll(&mut self, seen: Option<&Version>) -> Result<Poll, StoreError> {
        let before = self.open.as_ref().map(|open| open.file);
        if self.opened()?.is_none() {
            return Ok(Poll { state: StoreState::Never, records: None });
        }
        let Some(open) = &mut self.open else {
            return Ok(Poll { state: StoreState::Never, records: None });
        };
        // Another file may have the same version: a copy of the store that was changed otherwise.
        let seen = seen.filter(|_| before == Some(open.file));
        let polled = read(&mut open.connection, seen);
        if polled.is_err() {
            // A damaged file may be replaced by a good one with the same inode.
            self.open = None;
        }
        polled
    }

    fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        let connection = self.create()?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite("lock"))?;
        transaction.execute_batch(TABLES).map_err(sqlite("make the tables of"))?;
        let failed = sqlite("change");
        let store_id: [u8; 16] = support::random_bytes().map_err(|source| StoreError::Io {
            step: "make an id for",
            path: FILE_NAME.to_owned(),
            source,
        })?;
        transaction
            .execute(
                "INSERT INTO store(one, store_id, enabled_at, version) VALUES(1, ?1, ?2, 1)
                 ON CONFLICT(one) DO UPDATE SET version = version + 1",
                params![store_id.as_slice(), Timestamp::now().as_second()],
            )
            .map_err(&failed)?;
        apply(&transaction, change)?;
        transaction.commit().map_err(failed)
    }

    fn note_uses(&mut self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let Some(connection) = self.opened()? else { return Ok(()) };
        let noted = note_uses(connection, uses);
        // Nothing is held until the next minute: the file may be replaced meanwhile.
        self.open = None;
        noted
    }

    fn uses(&mut self) -> Result<Option<HashMap<KeyId, Timestamp>>, StoreError> {
        let failed = sqlite("read");
        let Some(connection) = self.opened()? else { return Ok(Some(HashMap::new())) };
        if !has_table(connection, "uses")? {
            return Ok(Some(HashMap::new()));
        }
        let mut statement = connection.prepare("SELECT id, used_at FROM uses").map_err(&failed)?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
            .map_err(&failed)?;
        let mut uses = HashMap::new();
        for row in rows {
            let (id, second) = row.map_err(&failed)?;
            uses.extend(use_of(&id, second));
        }
        Ok(Some(uses))
    }
}

/// See [`KeyStore::note_uses`].
fn note_uses(connection: &mut Connection, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite("lock"))?;
    if !has_table(&transaction, "keys")? {
        return Ok(());
    }
    transaction.execute_batch(USES).map_err(sqlite("make the tables of"))?;
    let failed = sqlite("change");
    // A recorded time behind this is from a wrong clock.
    let future = Timestamp::now().as_second().saturating_add(CLOCK_TOLERANCE_S);
    let mut statement = transaction
        .prepare(
            "INSERT INTO uses(id, used_at) SELECT id, ?2 FROM keys WHERE id = ?1 AND is_revoked = 0
             ON CONFLICT(id) DO UPDATE SET used_at = CASE WHEN used_at > ?3 THEN excluded.used_at
                                                      ELSE max(used_at, excluded.used_at) END",
        )
        .map_err(&failed)?;
    for (id, at) in uses {
        statement.execute(params![id.as_str(), at.as_second(), future]).map_err(&failed)?;
    }
    drop(statement);
    transaction.commit().map_err(failed)
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, StoreError> {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = ?1", [name], |row| row.get::<_, i64>(0))
        .map(|count| count > 0)
        .map_err(sqlite("read"))
}

fn apply(transaction: &rusqlite::Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    let failed = sqlite("change");
    match change {
        Change::Create(record) => {
            let count: i64 =
                transaction.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).map_err(&failed)?;
            if usize::try_from(count).is_ok_and(|count| count >= KEYS_MAX) {
                return Err(StoreError::Full);
            }
            let added = transaction.execute(
                "INSERT INTO keys(id, name, is_revoked, record) VALUES(?1, ?2, 0, ?3)",
                params![record.id.as_str(), record.name.as_str(), json(record)?],
            );
            match added {
                Ok(_) => Ok(()),
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                    Err(StoreError::NameTaken(record.name.to_string()))
                }
                Err(error) => Err(failed(error)),
            }
        }
        Change::Rotate { id, digest, earlier_until } => {
            let mut record = find(transaction, *id)?;
            record.rotate(*digest, *earlier_until)?;
            replace(transaction, &record)
        }
        Change::Revoke { id, at } => {
            let mut record = find(transaction, *id)?;
            record.revoke(*at);
            replace(transaction, &record)
        }
    }
}

fn find(transaction: &rusqlite::Transaction<'_>, id: KeyId) -> Result<KeyRecord, StoreError> {
    let found: Option<String> = transaction
        .query_row("SELECT record FROM keys WHERE id = ?1", [id.as_str()], |row| row.get(0))
        .optional()
        .map_err(sqlite("read"))?;
    found.map_or_else(|| Err(StoreError::Unknown(id.to_string())), |json| parse(id.as_str(), &json))
}

fn replace(transaction: &rusqlite::Transaction<'_>, record: &KeyRecord) -> Result<(), StoreError> {
    transaction
        .execute(
            "UPDATE keys SET is_revoked = ?2, record = ?3 WHERE id = ?1",
            params![record.id.as_str(), record.revoked_at.is_some(), json(record)?],
        )
        .map(drop)
        .map_err(sqlite("change"))
}

/// Reads the records in one transaction, so that they are those of the version.
fn read(connection: &mut Connection, seen: Option<&Version>) -> Result<Poll, StoreError> {
    let failed = sqlite("read");
    let transaction = connection.transaction().map_err(&failed)?;
    let store: Option<(Vec<u8>, i64)> = if has_table(&transaction, "store")? {
        transaction
            .query_row("SELECT store_id, version FROM store", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(&failed)?
    } else {
        None
    };
    let Some((store, number)) = store else {
        return Ok(Poll { state: StoreState::Never, records: None });
    };
    let invalid = || StoreError::Content("its id or its version".to_owned());
    let version = Version {
        store: store.try_into().map_err(|_| invalid())?,
        number: u64::try_from(number).map_err(|_| invalid())?,
    };
    if seen == Some(&version) {
        return Ok(Poll { state: StoreState::Enabled(version), records: None });
    }
    let mut statement = transaction.prepare("SELECT id, record FROM keys").map_err(&failed)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(&failed)?;
    let mut records = Vec::new();
    for row in rows {
        let (id, json) = row.map_err(&failed)?;
        records.push(parse(&id, &json)?);
    }
    Ok(Poll { state: StoreState::Enabled(version), records: Some(records) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::KeyText;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const WAIT: Duration = Duration::from_secs(5);

    fn record(name: &str) -> KeyRecord {
        let expires_at = Timestamp::from_second(1_900_000_000).ok();
        KeyRecord { expires_at, ..crate::test_records::record(name) }
    }

    /// The records, as another process would read them.
    fn records(directory: &Path) -> Vec<KeyRecord> {
        SqliteStore::new(directory, WAIT).poll(None).unwrap().records.unwrap()
    }

    #[test]
    fn keys_are_created_rotated_and_revoked() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        let mut store = SqliteStore::new(&directory, WAIT);
        assert_eq!(store.poll(None).unwrap().state, StoreState::Never);
        assert!(!directory.exists(), "asking makes nothing");
        let first = record("a");
        store.write(&Change::Create(Box::new(first.clone()))).unwrap();
        let read = &records(&directory)[0];
        assert_eq!(format!("{first:?}"), format!("{read:?}"));
        assert!(read.digest.is(&first.digest));

        let until = Timestamp::from_second(1_850_000_000).unwrap();
        let digest = KeyText::generate().unwrap().digest();
        store.write(&Change::Rotate { id: first.id, digest, earlier_until: until }).unwrap();
        let read = &records(&directory)[0];
        assert!(read.digest.is(&digest) && read.earlier.as_ref().unwrap().0.is(&first.digest));

        let taken = store.write(&Change::Create(Box::new(record("a"))));
        assert!(matches!(taken, Err(StoreError::NameTaken(_))), "{taken:?}");
        store.write(&Change::Revoke { id: first.id, at: until }).unwrap();
        store.write(&Change::Revoke { id: first.id, at: until + WAIT }).unwrap();
        assert_eq!(records(&directory)[0].revoked_at, Some(until), "the first time counts");
        let rotated = store.write(&Change::Rotate { id: first.id, digest, earlier_until: until });
        assert!(matches!(rotated, Err(StoreError::Revoked(_))), "{rotated:?}");
        store.write(&Change::Create(Box::new(record("a")))).unwrap();
        let unknown = store.write(&Change::Revoke { id: record("x").id, at: until });
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
        assert_eq!(records(&directory).len(), 2);
        for name in ["", "access.db", "access.db-wal", "access.db-shm"] {
            let mode = directory.join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
    }

    #[test]
    fn a_change_of_another_process_is_seen_and_no_change_reads_nothing() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        let (mut ours, mut theirs) = (SqliteStore::new(&directory, WAIT), SqliteStore::new(&directory, WAIT));
        theirs.write(&Change::Create(Box::new(record("a")))).unwrap();
        let StoreState::Enabled(version) = ours.poll(None).unwrap().state else { panic!("enabled") };
        assert!(ours.poll(Some(&version)).unwrap().records.is_none());
        theirs.write(&Change::Create(Box::new(record("b")))).unwrap();
        assert_eq!(ours.poll(Some(&version)).unwrap().records.unwrap().len(), 2);
        // Writers wait for each other.
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let directory = &directory;
                scope.spawn(move || {
                    let mut store = SqliteStore::new(directory, WAIT);
                    for number in 0..5 {
                        store
                            .write(&Change::Create(Box::new(record(&format!("{writer}-{number}")))))
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(records(&directory).len(), 22);
    }

    #[test]
    fn a_store_that_is_lost_damaged_or_not_ours_says_so() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        let mut store = SqliteStore::new(&directory, WAIT);
        store.write(&Change::Create(Box::new(record("a")))).unwrap();
        let path = directory.join(FILE_NAME);
        let others = fs::Permissions::from_mode(0o666);
        fs::set_permissions(&path, others).unwrap();
        let untrusted = SqliteStore::new(&directory, WAIT).poll(None);
        assert!(matches!(untrusted, Err(StoreError::Untrusted(_))), "{untrusted:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

        fs::rename(&directory, root.path().join("away")).unwrap();
        assert_eq!(store.poll(None).unwrap().state, StoreState::Never);
        fs::rename(root.path().join("away"), &directory).unwrap();
        assert_eq!(store.poll(None).unwrap().records.unwrap().len(), 1, "it is back");

        drop(store);
        fs::remove_file(directory.join("access.db-wal")).ok();
        for damage in
            [&b"not a database, but long enough to look like one, at least to somebody"[..], &[0; 8192]]
        {
            fs::write(&path, damage).unwrap();
            let read = SqliteStore::new(&directory, WAIT).poll(None);
            let opens = matches!(&read, Ok(Poll { state: StoreState::Enabled(_), .. }));
            assert!(!opens, "{read:?}");
        }
    }

    #[test]
    fn the_last_use_of_known_keys_is_kept_and_is_no_change_for_services() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        let at = |second| Timestamp::from_second(second).unwrap();
        let open = || SqliteStore::new(&directory, WAIT);
        let (mut service, mut writer, mut command) = (open(), open(), open());
        let [used, revoked, unknown] = ["a", "b", "c"].map(record);
        writer.note_uses(&[(unknown.id, at(60))]).unwrap();
        assert!(!directory.exists(), "noting makes nothing");
        for record in [&used, &revoked] {
            command.write(&Change::Create(Box::new(record.clone()))).unwrap();
        }
        assert_eq!(command.uses().unwrap(), Some(HashMap::new()));
        writer.note_uses(&[(revoked.id, at(50))]).unwrap();
        command.write(&Change::Revoke { id: revoked.id, at: at(55) }).unwrap();
        let StoreState::Enabled(seen) = service.poll(None).unwrap().state else { panic!("enabled") };
        for second in [120, 180, 60] {
            let [used, revoked, unknown] = [&used, &revoked, &unknown].map(|record| (record.id, at(second)));
            writer.note_uses(&[used, revoked, unknown]).unwrap();
        }
        // Of a clock that was an hour ahead.
        let ahead = Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap();
        writer.note_uses(&[(used.id, ahead)]).unwrap();
        assert_eq!(command.uses().unwrap().unwrap()[&used.id].as_second(), ahead.as_second());
        writer.note_uses(&[(used.id, at(180))]).unwrap();
        let uses = HashMap::from([(used.id, at(180)), (revoked.id, at(50))]);
        assert_eq!(command.uses().unwrap(), Some(uses));
        assert!(service.poll(Some(&seen)).unwrap().records.is_none(), "no change");
    }

    #[test]
    fn another_file_is_read_also_if_its_version_is_that_of_the_last() {
        let root = tempfile::tempdir().unwrap();
        let (directory, copy) = (root.path().join("access"), root.path().join("copy"));
        let mut store = SqliteStore::new(&directory, WAIT);
        store.write(&Change::Create(Box::new(record("a")))).unwrap();
        drop(store);
        fs::create_dir(&copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(directory.join(FILE_NAME), copy.join(FILE_NAME)).unwrap();
        let (mut ours, mut other) = (SqliteStore::new(&directory, WAIT), SqliteStore::new(&copy, WAIT));
        ours.write(&Change::Create(Box::new(record("b")))).unwrap();
        other.write(&Change::Create(Box::new(record("c")))).unwrap();
        drop(other);
        let StoreState::Enabled(version) = ours.poll(None).unwrap().state else { panic!("enabled") };
        let names = |poll: Poll| {
            let records = poll.records.expect("read again");
            let mut names: Vec<_> = records.iter().map(|record| record.name.to_string()).collect();
            names.sort();
            names
        };
        fs::rename(&directory, root.path().join("away")).unwrap();
        fs::rename(&copy, &directory).unwrap();
        let poll = ours.poll(Some(&version)).unwrap();
        assert_eq!(poll.state, StoreState::Enabled(version.clone()), "the same version");
        assert_eq!(names(poll), ["a", "c"]);

        // The same behind a link; one to nowhere is no store that never had a key.
        let target = |name: &str| root.path().join(name).join(FILE_NAME);
        let link = root.path().join("linked");
        fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink(target("access"), link.join(FILE_NAME)).unwrap();
        let mut linked = SqliteStore::new(&link, WAIT);
        assert_eq!(names(linked.poll(None).unwrap()), ["a", "c"]);
        fs::remove_file(link.join(FILE_NAME)).unwrap();
        std::os::unix::fs::symlink(target("away"), link.join(FILE_NAME)).unwrap();
        assert_eq!(names(linked.poll(Some(&version)).unwrap()), ["a", "b"]);
        fs::rename(root.path().join("away"), root.path().join("gone")).unwrap();
        assert!(matches!(linked.poll(Some(&version)), Err(StoreError::Io { .. })));
    }

    #[test]
    fn a_file_system_that_several_hosts_share_is_refused_also_if_the_store_exists() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        let on = |found: u32| match found {
            0 => SqliteStore::new(&directory, WAIT),
            0x6969 => SqliteStore { file_system: |_| Ok(0x6969), ..SqliteStore::new(&directory, WAIT) },
            _ => SqliteStore { file_system: |_| Ok(0x6573_5546), ..SqliteStore::new(&directory, WAIT) },
        };
        let refused = on(0x6969).write(&Change::Create(Box::new(record("a"))));
        assert!(matches!(refused, Err(StoreError::Content(_))), "{refused:?}");
        assert!(!directory.exists());
        on(0).write(&Change::Create(Box::new(record("a")))).unwrap();
        for found in [0x6969, 0x6573_5546] {
            let refused = on(found).poll(None);
            assert!(matches!(refused, Err(StoreError::Content(_))), "{found:#x}: {refused:?}");
        }
    }

    #[test]
    fn a_later_form_and_a_broken_record_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("access");
        SqliteStore::new(&directory, WAIT).write(&Change::Create(Box::new(record("a")))).unwrap();
        let sql =
            |text: &str| Connection::open(directory.join(FILE_NAME)).unwrap().execute_batch(text).unwrap();
        sql("UPDATE keys SET record = '{}'");
        let broken = SqliteStore::new(&directory, WAIT).poll(None);
        assert!(matches!(broken, Err(StoreError::Content(_))), "{broken:?}");
        sql("PRAGMA user_version = 2");
        let later = SqliteStore::new(&directory, WAIT).poll(None).unwrap_err().to_string();
        assert!(later.contains("later version"), "{later}");
    }
}
