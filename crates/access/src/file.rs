//! The key file (`KEY_FILE`): TOML that the operator writes, for deployments whose files never change.
//!
//! ```toml
//! [[key]]
//! id = "0123456789"
//! name = "ci"
//! sha256 = "…64 digits…"
//! scopes = "execute,jobs"
//! ```
//! `keys create` prints such an entry. The file is read again when it changed, whole or not at all: a file that
//! is half written is an error, and the earlier keys are used meanwhile (`KEY_STALE_MAX`).

use crate::record::{Change, KeyRecord, OwnLimits, Scopes};
use crate::secret::Digest;
use crate::store::{KEYS_MAX, KeyStore, Poll, StoreError, StoreState, Version};
use jiff::Timestamp;
use ownership::ReadError;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest file in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// The store.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    /// Of the file that was read last, and how many were read.
    read: Option<(Stamp, u64)>,
}

/// Identifies one state of the file: device, inode, size, and when content and inode were changed. A writer can set the
/// former time, as copying programs do, but not the latter.
type Stamp = (u64, u64, u64, [i64; 4]);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    key: Vec<Entry>,
}

/// One key, as the file has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    sha256: String,
    #[serde(default = "default_scopes")]
    scopes: String,
    executors: Option<Vec<String>>,
    expires_at: Option<String>,
    rate_per_minute: Option<u32>,
    burst: Option<u32>,
    concurrent: Option<u32>,
    cpu_seconds: Option<u64>,
    stored_bytes: Option<u64>,
}

fn default_scopes() -> String {
    Scopes::DEFAULT.to_owned()
}

impl Entry {
    fn into_record(self) -> Result<KeyRecord, String> {
        let name = self.name.clone();
        let wrong = |what: &str| format!("key `{}`: {what}", support::one_line(&name));
        let expires_at = match &self.expires_at {
            None => None,
            Some(text) => Some(
                text.parse::<Timestamp>()
                    .map_err(|_| wrong("`expires_at` is not a time such as 2027-01-01T00:00:00Z"))?,
            ),
        };
        Ok(KeyRecord {
            id: self.id.parse().map_err(|_| wrong("`id` is not ten letters and digits"))?,
            name: self.name.parse().map_err(|error| wrong(&format!("`name`: {error}")))?,
            digest: Digest::from_hex(&self.sha256)
                .ok_or_else(|| wrong("`sha256` is not 64 hexadecimal digits"))?,
            earlier: None,
            scopes: self.scopes.parse().map_err(|error| wrong(&format!("`scopes`: {error}")))?,
            executors: self.executors,
            limits: OwnLimits {
                rate_per_minute: self.rate_per_minute,
                burst: self.burst,
                concurrent: self.concurrent,
                cpu_seconds: self.cpu_seconds,
                stored_bytes: self.stored_bytes,
            },
            created_at: Timestamp::UNIX_EPOCH,
            expires_at,
            revoked_at: None,
        })
    }
}

impl KeyFile {
    /// The file at this path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), read: None }
    }

    /// The entry of a key, for the operator to put into the file.
    #[must_use]
    pub fn entry(record: &KeyRecord) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let mut entry = format!(
            "[[key]]\nid = \"{}\"\nname = {}\nsha256 = \"{}\"\nscopes = \"{}\"\n",
            record.id,
            quoted(record.name.as_str()),
            record.digest.to_hex(),
            record.scopes
        );
        if let Some(executors) = &record.executors {
            let list: Vec<_> = executors.iter().map(|name| quoted(name)).collect();
            entry += &format!("executors = [{}]\n", list.join(", "));
        }
        if let Some(end) = record.expires_at {
            entry += &format!("expires_at = \"{end}\"\n");
        }
        let limits = record.limits;
        let numbers = [
            ("rate_per_minute", limits.rate_per_minute.map(u64::from)),
            ("burst", limits.burst.map(u64::from)),
            ("concurrent", limits.concurrent.map(u64::from)),
            ("cpu_seconds", limits.cpu_seconds),
            ("stored_bytes", limits.stored_bytes),
        ];
        entry
            .extend(numbers.into_iter().filter_map(|(name, number)| Some(format!("{name} = {}\n", number?))));
        entry
    }

    fn stamp(&self) -> Result<Stamp, StoreError> {
        let metadata = self.path.metadata().map_err(self.io("look for"))?;
        let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
        Ok((metadata.dev(), metadata.ino(), metadata.size(), times))
    }

    fn io(&self, step: &'static str) -> impl Fn(std::io::Error) -> StoreError {
        let path = self.path.display().to_string();
        move |source| StoreError::Io { step, path: path.clone(), source }
    }

    fn load(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let (bytes, _) = ownership::read(&self.path, BYTES_MAX).map_err(|error| match error {
            ReadError::Untrusted(source) => StoreError::Untrusted(source),
            ReadError::Io(source) if source.kind() == ErrorKind::FileTooLarge => {
                StoreError::Content(format!("KEY_FILE is larger than {BYTES_MAX} bytes"))
            }
            ReadError::Io(source) => self.io("read")(source),
        })?;
        let text = String::from_utf8(bytes).map_err(std::io::Error::other).map_err(self.io("read"))?;
        parse(&text).map_err(|what| StoreError::Content(format!("KEY_FILE: {what}")))
    }
}

/// The records of a file.
fn parse(text: &str) -> Result<Vec<KeyRecord>, String> {
    let content: Content = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        // The message of the parser repeats no value.
        format!("line {line}, column {column}: {}", support::one_line(error.message()))
    })?;
    if content.key.len() > KEYS_MAX {
        return Err(format!("it has more than {KEYS_MAX} keys"));
    }
    let records = content.key.into_iter().map(Entry::into_record).collect::<Result<Vec<_>, _>>()?;
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    for record in &records {
        if !ids.insert(record.id) || !names.insert(record.name.as_str()) {
            return Err(format!("key `{}`: its id or its name is there twice", record.name));
        }
    }
    Ok(records)
}

impl KeyStore for KeyFile {
    fn name(&self) -> &'static str {
        "file"
    }

    fn poll(&mut self, seen: Option<&Version>) -> Result<Poll, StoreError> {
        let stamp = self.stamp()?;
        if let Some((read, number)) = self.read
            && read == stamp
            && seen.is_some_and(|seen| seen.number == number)
        {
            let version = Version { store: [0; 16], number };
            return Ok(Poll { state: StoreState::Named(version), records: None });
        }
        let records = self.load()?;
        if self.stamp()? != stamp {
            return Err(StoreError::Content("KEY_FILE changed while it was read".to_owned()));
        }
        let number = self.read.map_or(0, |(_, number)| number) + 1;
        self.read = Some((stamp, number));
        let version = Version { store: [0; 16], number };
        Ok(Poll { state: StoreState::Named(version), records: Some(records) })
    }

    fn write(&mut self, change: &Change) -> Result<(), StoreError> {
        Err(StoreError::ReadOnly(match change {
            Change::Create(_) => "put the entry of the new key into it",
            Change::Rotate { .. } => "replace the `sha256` of the key in it",
            Change::Revoke { .. } => "delete the key's entry from it",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn record(name: &str) -> KeyRecord {
        KeyRecord {
            scopes: "metrics".parse().unwrap(),
            limits: OwnLimits { burst: Some(7), ..OwnLimits::default() },
            // It is not in the file.
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::from_second(1_900_000_000).ok(),
            ..crate::test_records::record(name)
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_printed() {
        let (a, b) = (record("a \"quoted\" \\ name"), record("b"));
        let read = parse(&(KeyFile::entry(&a) + "\n" + &KeyFile::entry(&b))).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", [&a, &b]));
        assert!(read[0].digest.is(&a.digest));
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_position_or_its_key() {
        let good = KeyFile::entry(&record("a"));
        for (text, expected) in [
            (format!("{good}scope = \"x\"\n"), "line 9, column 1"),
            (format!("{good}burst = 1"), "duplicate"),
            ("[[key]]\nid = 1".to_owned(), "line 2"),
            (good.replace("metrics", "all"), "key `a`: `scopes`"),
            (good.replace("sha256 = \"", "sha256 = \"0"), "key `a`: `sha256`"),
            (good.replace("2030", "x"), "key `a`: `expires_at`"),
            (good.clone() + &good, "twice"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_changed_also_behind_a_link() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        write("one", &KeyFile::entry(&record("a")));
        write("two", &(KeyFile::entry(&record("a")) + &KeyFile::entry(&record("b"))));
        let link = root.path().join("keys.toml");
        symlink("one", &link).unwrap();
        let mut file = KeyFile::new(&link);
        let count = |poll: Poll| poll.records.map(|records| records.len());
        let polled = file.poll(None).unwrap();
        let StoreState::Named(version) = polled.state.clone() else { panic!("named") };
        assert_eq!(count(polled), Some(1));
        assert_eq!(count(file.poll(Some(&version)).unwrap()), None);
        symlink("two", root.path().join("new")).unwrap();
        fs::rename(root.path().join("new"), &link).unwrap();
        assert_eq!(count(file.poll(Some(&version)).unwrap()), Some(2));

        // As long as before, in the same file, and with its earlier time.
        let path = root.path().join("two");
        let modified = path.metadata().unwrap().modified().unwrap();
        let StoreState::Named(version) = file.poll(None).unwrap().state else { panic!("named") };
        let text = fs::read_to_string(&path).unwrap().replace("metrics", "execute");
        // The clock of the file system is coarse.
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, text).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert_eq!(count(file.poll(Some(&version)).unwrap()), Some(2));

        write("two", "[[key");
        assert!(matches!(file.poll(None), Err(StoreError::Content(_))));
        write("two", &"#".repeat(usize::try_from(BYTES_MAX).unwrap() + 1));
        let error = file.poll(None).unwrap_err();
        assert!(
            matches!(&error, StoreError::Content(text) if text == "KEY_FILE is larger than 1048576 bytes"),
            "{error}"
        );
        write("two", "");
        fs::set_permissions(root.path().join("two"), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(file.poll(None), Err(StoreError::Untrusted(_))));
        fs::remove_file(&link).unwrap();
        assert!(matches!(file.poll(None), Err(StoreError::Io { .. })));
        assert!(matches!(file.write(&Change::Create(Box::new(record("c")))), Err(StoreError::ReadOnly(_))));
    }
}
