//! `keys`: creates, lists, rotates and revokes API keys, while services run.
//!
//! The settings must be those of the service: they say where its keys are. Standard output has the result
//! alone, so that a script can take the key from it.

use crate::cli::{CreateKeyArgs, KeysCommand, ListKeysArgs, RevokeKeyArgs, RotateKeyArgs};
use access::{
    Change, KeyFile, KeyId, KeyRecord, KeyStore, KeyText, OwnLimits, State, StoreError, StoreState, enabled,
};
use audit::KeyEvent;
use jiff::Timestamp;
use serde_json::{Value, json};
use settings::{AuditTarget, KeyStoreSettings, Settings};
use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use terminal::exit;

/// Why a command failed: one sentence for the operator.
struct Failed {
    text: String,
    code: ExitCode,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unknown(_) => exit::program_failed(),
            _ => exit::internal_error(),
        };
        Self { text: error.chain(), code }
    }
}

fn failed(text: String) -> Failed {
    Failed { text, code: exit::internal_error() }
}

/// Runs the command. Exit code 1: there is no such key; 2: any other failure.
pub(crate) fn run(command: KeysCommand, settings: &Settings) -> ExitCode {
    let done = as_owner(settings).and_then(|()| {
        let store = compose::key_store(settings).map_err(|error| failed(error.to_string()))?;
        let mut keys = Keys { settings, store };
        match command {
            KeysCommand::Create(args) => keys.create(args),
            KeysCommand::List(args) => keys.list(&args),
            KeysCommand::Rotate(args) => keys.rotate(&args),
            KeysCommand::Revoke(args) => keys.revoke(&args),
        }
    });
    match done {
        Ok(()) => exit::success(),
        Err(Failed { text, code }) => {
            terminal::message(&format!("python-sandbox: {text}"));
            code
        }
    }
}

/// Refuses to run as an ordinary user that does not own the data directory: the service could not use what
/// it makes. What root makes gets the directory's owner.
fn as_owner(settings: &Settings) -> Result<(), Failed> {
    let own = rustix::process::geteuid().as_raw();
    match settings.data_dir.metadata() {
        Ok(found) if found.uid() != own && own != 0 => Err(failed(format!(
            "`{}` belongs to user {} (hint: run this command as that user: setpriv --reuid={} --regid={} --clear-groups \
             python-sandbox keys ...)",
            settings.data_dir.display(),
            found.uid(),
            found.uid(),
            found.gid()
        ))),
        // A missing one is made by the store, or named by its error.
        _ => Ok(()),
    }
}

struct Keys<'a> {
    settings: &'a Settings,
    store: Box<dyn KeyStore>,
}

impl Keys<'_> {
    /// All records, and whether a key was ever created.
    fn records(&mut self) -> Result<(Vec<KeyRecord>, bool), Failed> {
        let poll = self.store.poll(None)?;
        Ok((poll.records.unwrap_or_default(), poll.state != StoreState::Never))
    }

    /// The record with this id or name; of those with the name, one that is not revoked.
    fn find(&mut self, key: &str) -> Result<KeyRecord, Failed> {
        let (records, _) = self.records()?;
        let by_id = records.iter().find(|record| record.id.as_str() == key);
        let mut named: Vec<_> = records.iter().filter(|record| record.name.as_str() == key).collect();
        named.sort_by_key(|record| record.revoked_at.is_some());
        match by_id.or(named.first().copied()) {
            Some(record) => Ok(record.clone()),
            None => Err(StoreError::Unknown(support::one_line(key)).into()),
        }
    }

    fn is_file(&self) -> bool {
        matches!(self.settings.access.key_store, KeyStoreSettings::File(_))
    }

    fn create(&mut self, args: CreateKeyArgs) -> Result<(), Failed> {
        let key = KeyText::generate().map_err(|error| failed(format!("failed to make a key: {error}")))?;
        let record = KeyRecord {
            id: key.id(),
            name: args.name,
            digest: key.digest(),
            earlier: None,
            scopes: args.scopes,
            executors: args.executors,
            limits: OwnLimits {
                rate_per_minute: args.limits.rate,
                burst: args.limits.burst,
                concurrent: args.limits.concurrent,
                cpu_seconds: args.limits.cpu_seconds,
                stored_bytes: args.limits.stored_bytes,
            },
            created_at: Timestamp::now(),
            expires_at: args.expires,
            revoked_at: None,
        };
        if self.is_file() {
            terminal::message("put this entry into KEY_FILE; running services read it again:\n");
            terminal::message(&KeyFile::entry(&record));
            return print(&key, &record, args.json).map_err(|error| unprinted(&error));
        }
        std::fs::create_dir_all(&self.settings.data_dir).map_err(|error| {
            failed(format!("failed to make `{}`: {error}", self.settings.data_dir.display()))
        })?;
        let (_, was_enabled) = self.records()?;
        self.store.write(&Change::Create(Box::new(record.clone())))?;
        self.audit("created", &record);
        // The store knows it, too; a service records it when it reads the store.
        if let Err(error) = enabled::record(&compose::access_dir(self.settings)) {
            terminal::message(&format!(
                "python-sandbox: warning: failed to record that keys are required: {error}"
            ));
        }
        if !was_enabled && self.settings.access.require_key != Some(false) {
            terminal::message("from now on every request needs an API key");
            if self.settings.access.require_key.is_none() {
                terminal::message(
                    "set REQUIRE_API_KEY=true for the service, so that it stays closed also if it loses its data directory",
                );
            }
        }
        if !was_enabled
            && let Some(notice) =
                owner_notice(&compose::access_dir(self.settings), &compose::files_dir(self.settings))
        {
            terminal::message(&notice);
        }
        if self.settings.access.require_key == Some(false) {
            terminal::message("python-sandbox: warning: REQUIRE_API_KEY=false: nobody is asked for a key");
        }
        if let Some(caution) = self.store.caution() {
            terminal::message(&format!("python-sandbox: warning: {caution}"));
        }
        let printed = print(&key, &record, args.json);
        if printed.is_err() {
            // Nobody knows it.
            self.store.write(&Change::Revoke { id: record.id, at: Timestamp::now() })?;
            self.audit("revoked", &record);
        }
        printed.map_err(|error| failed(format!("failed to print the key, so it was not kept: {error}")))
    }

    /// Notes a change in the audit log, if that is a file. The change is made: a log that cannot be written is only
    /// worth a warning.
    fn audit(&self, change: &'static str, record: &KeyRecord) {
        let AuditTarget::File(path) = &self.settings.audit.target else { return };
        let owner = self.settings.data_dir.metadata().map_or(0, |found| found.uid());
        let event = KeyEvent {
            change,
            key_id: record.id.to_string(),
            key: record.name.to_string(),
            uid: rustix::process::getuid().as_raw(),
        };
        if let Err(error) = audit::append(path, owner, event) {
            terminal::message(&format!("python-sandbox: warning: {error}; the key is {change} nevertheless"));
        }
    }

    fn list(&mut self, args: &ListKeysArgs) -> Result<(), Failed> {
        let (mut records, is_enabled) = self.records()?;
        let now = Timestamp::now();
        records.retain(|record| args.all || record.is_usable(now));
        records.sort_by_key(|record| (record.created_at, record.id));
        let uses = self.uses();
        if args.json {
            let list: Vec<_> = records
                .iter()
                .map(|record| {
                    let mut shown = shown(record, now);
                    // Missing if it is not known: null would be a key without a use.
                    if let Some(uses) = &uses {
                        shown["last_used_at"] = uses.get(&record.id).copied().map(second).into();
                    }
                    shown
                })
                .collect();
            terminal::result(&format!("{:#}\n", Value::from(list)));
            return Ok(());
        }
        if !is_enabled {
            terminal::message("no API key was ever created: nobody is asked for one");
        }
        let titles = ["id", "name", "state", "scopes", "executors", "created", "last used", "expires"];
        let mut rows = vec![titles.map(str::to_owned)];
        rows.extend(records.iter().map(|record| {
            [
                record.id.to_string(),
                record.name.to_string(),
                state(record, now),
                record.scopes.to_string(),
                record.executors.as_ref().map_or_else(|| "all".to_owned(), |names| names.join(",")),
                day(Some(record.created_at)),
                uses.as_ref().map_or_else(|| "?".to_owned(), |uses| minute(uses.get(&record.id).copied())),
                day(record.expires_at),
            ]
        }));
        terminal::result(&columns(&rows));
        Ok(())
    }

    /// When keys were used last; `None`, with a message, if that is not known.
    fn uses(&mut self) -> Option<HashMap<KeyId, Timestamp>> {
        match self.store.uses() {
            Ok(Some(uses)) => Some(uses),
            Ok(None) => {
                terminal::message("the last use of keys is not recorded with KEY_FILE");
                None
            }
            Err(error) => {
                terminal::message(&format!(
                    "python-sandbox: warning: cannot read when keys were last used: {}",
                    error.chain()
                ));
                None
            }
        }
    }

    fn rotate(&mut self, args: &RotateKeyArgs) -> Result<(), Failed> {
        let mut record = self.find(&args.key)?;
        let key = KeyText::generate_for(record.id)
            .map_err(|error| failed(format!("failed to make a key: {error}")))?;
        if self.is_file() {
            record.digest = key.digest();
            terminal::message(
                "replace the key's entry in KEY_FILE by this one; the earlier text ends with it:\n",
            );
            terminal::message(&KeyFile::entry(&record));
            return print(&key, &record, args.json).map_err(|error| unprinted(&error));
        }
        let earlier_until = Timestamp::now()
            .checked_add(args.grace)
            .map_err(|error| failed(format!("the grace period is too long: {error}")))?;
        self.store.write(&Change::Rotate { id: record.id, digest: key.digest(), earlier_until })?;
        self.audit("rotated", &record);
        terminal::message(&if args.grace.is_zero() {
            "the earlier text does not work any more".to_owned()
        } else {
            format!("the earlier text works until {}", second(earlier_until))
        });
        let record = self.find(record.id.as_str())?;
        // The store keeps digests alone: the earlier text cannot become the current one again.
        print(&key, &record, args.json).map_err(|error| {
            failed(format!(
                "failed to print the new text of the key, which is valid already: {error} (hint: run `python-sandbox keys \
                 rotate {}` again; the earlier text ends then)",
                record.id
            ))
        })
    }

    fn revoke(&mut self, args: &RevokeKeyArgs) -> Result<(), Failed> {
        let record = self.find(&args.key)?;
        self.store.write(&Change::Revoke { id: record.id, at: Timestamp::now() })?;
        self.audit("revoked", &record);
        terminal::message(&format!("the key `{}` ({}) is revoked", record.name, record.id));
        Ok(())
    }
}

/// Warns if only a service that runs as root can read the keys in `access`, unless one has run: `files` is made by the service.
fn owner_notice(access: &Path, files: &Path) -> Option<String> {
    let owner = |directory: &Path| directory.metadata().ok().map(|found| found.uid());
    let is_roots = owner(access)? == 0 && owner(files) != Some(0);
    is_roots.then(|| {
        format!(
            "`{0}` belongs to root: a service that runs as another user cannot read it, and refuses every request (hint: \
             then run `chown -R USER {0}`, and make that user the owner of DATA_DIR)",
            access.display(),
        )
    })
}

/// Prints the text of a key, the only time.
fn print(key: &KeyText, record: &KeyRecord, as_json: bool) -> io::Result<()> {
    let text = if as_json {
        let mut shown = shown(record, Timestamp::now());
        shown["key"] = Value::from(key.expose());
        format!("{shown:#}\n")
    } else {
        format!("{}\n", key.expose())
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// The error for a key whose entry was printed but whose text was not.
fn unprinted(error: &io::Error) -> Failed {
    failed(format!("failed to print the key: {error} (hint: leave the entry out, and run the command again)"))
}

/// A record without its digests.
fn shown(record: &KeyRecord, now: Timestamp) -> Value {
    json!({
        "id": record.id.as_str(),
        "name": record.name.as_str(),
        "state": state(record, now).split(' ').next(),
        "scopes": record.scopes.iter().map(access::Scope::as_str).collect::<Vec<_>>(),
        "executors": record.executors,
        "limits": record.limits,
        "created_at": second(record.created_at),
        "expires_at": record.expires_at.map(second),
        "revoked_at": record.revoked_at.map(second),
        "earlier_until": match record.state(now) {
            State::Rotating(until) => Value::from(second(until)),
            _ => Value::Null,
        },
    })
}

fn state(record: &KeyRecord, now: Timestamp) -> String {
    match record.state(now) {
        State::Active => "active".to_owned(),
        State::Rotating(until) => format!("rotating until {}", second(until)),
        State::Expired => "expired".to_owned(),
        State::Revoked => "revoked".to_owned(),
    }
}

fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn day(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

fn minute(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%MZ").to_string())
}

/// Rows with their columns aligned.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_root_are_worth_a_notice_unless_the_service_runs_as_root() {
        let root = tempfile::tempdir().expect("a directory");
        let (access, files) = (root.path().join("access"), root.path().join("files"));
        std::fs::create_dir(&access).expect("made");
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(owner_notice(&access, &files).is_some(), is_root, "no service has run");
        std::fs::create_dir(&files).expect("made");
        assert_eq!(owner_notice(&access, &files), None, "it ran as this user");
        if is_root {
            std::os::unix::fs::chown(&files, Some(65_534), None).expect("given away");
            assert!(owner_notice(&access, &files).is_some(), "it ran as another");
        }
    }

    #[test]
    fn a_list_has_no_digest_and_columns_that_align() {
        let key = KeyText::generate().expect("random bytes");
        let now = Timestamp::now();
        let record = KeyRecord {
            id: key.id(),
            name: "ci".parse().expect("a name"),
            digest: key.digest(),
            earlier: Some((key.digest(), now + std::time::Duration::from_secs(60))),
            scopes: "execute,jobs".parse().expect("scopes"),
            executors: None,
            limits: OwnLimits::default(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        let shown = shown(&record, now);
        assert_eq!((&shown["state"], &shown["scopes"]), (&json!("rotating"), &json!(["execute", "jobs"])));
        assert!(!shown.to_string().contains(&key.digest().to_hex()));
        let rows = [["a", "bb"].map(str::to_owned), ["ccc", "d"].map(str::to_owned)];
        assert_eq!(columns(&rows), "a    bb\nccc  d\n");
    }
}
