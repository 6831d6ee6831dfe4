//! The keys that sign links: the current one, and earlier ones whose links may still be valid.
//!
//! ```text
//! root/key       32 random bytes, made once by whichever process is first
//! root/key.old   up to 8 times: 32 bytes of an earlier key, 8 bytes unix seconds (big endian) until which it is valid
//! ```
//!
//! [`rotate`] writes first the old keys, then the new one: whatever a crash leaves, every issued link stays
//! valid. A service checks for each link whether the files are still those it read (two stat(2), about a
//! microsecond), so a new key needs no restart.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use ownership::Cause;
use rustix::fs::AtFlags;

use super::config::OpenError;
use super::layout::{self, Layout, StoreLock};
use super::temp::TempFile;
use super::token::{Claims, KEY_BYTES, LinkKey};

pub(super) const KEY_FILE: &str = "key";
const OLD_KEYS_FILE: &str = "key.old";

/// Maximum number of earlier keys: each link is tried with all of them.
const OLD_KEYS_MAX: usize = 8;

/// An earlier key and the time until which it is valid.
const OLD_KEY_BYTES: usize = KEY_BYTES + 8;

/// How much longer an earlier key is valid than its links: a put that has read it may end a little later.
const ROTATION_GRACE: Duration = Duration::from_secs(60);

/// Permission bits that only the owner may have.
const GROUP_AND_OTHERS: u32 = 0o077;

/// The result of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotated {
    /// When the last link of the replaced key expires; `None` if all ended at once.
    pub links_end: Option<Timestamp>,
    /// Number of earlier keys that are kept now.
    pub kept: usize,
}

/// The keys as last read, and the files they are from.
#[derive(Debug)]
pub(super) struct Keys {
    read: RwLock<Read>,
}

#[derive(Debug)]
struct Read {
    stamps: [Option<Stamp>; 2],
    ring: Arc<Ring>,
}

/// Identifies one of several files of the same name: each is a new file.
type Stamp = (u64, i64, i64, i64);

/// All valid keys.
#[derive(Debug)]
pub(super) struct Ring {
    current: LinkKey,
    old: Vec<(LinkKey, i64)>,
}

impl Ring {
    /// The token for `claims`.
    pub(super) fn sign(&self, claims: &Claims) -> String {
        self.current.sign(claims)
    }

    /// The claims of `token`, if it was signed with a key that is valid at `now`.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let old = self.old.iter().filter(|(_, until)| now.as_second() < *until).map(|(key, _)| key);
        std::iter::once(&self.current).chain(old).find_map(|key| key.verify(token))
    }
}

impl Keys {
    /// Reads the keys of the store in `root`, or makes the first if there is none. Processes that start at
    /// the same time agree on one key: the check and the creation happen under the store's lock.
    pub(super) fn load_or_create(layout: &Layout, root: &Path) -> Result<Self, OpenError> {
        let lock = layout.lock().map_err(|source| OpenError::Lock { root: root.to_owned(), source })?;
        let failed = |step| move |source| OpenError::Key { step, path: root.join(KEY_FILE), source };
        if layout::inspect(layout.root(), KEY_FILE).map_err(failed("look for"))?.is_none() {
            // Removing the key means ending its links, and those of the keys before it.
            layout::remove_file(layout.root(), OLD_KEYS_FILE)
                .and_then(|_| publish(layout, &lock, KEY_FILE, &new_key()?, None))
                .map_err(failed("make"))?;
        }
        let stamps = stamps(layout);
        Ok(Self { read: RwLock::new(Read { stamps, ring: Arc::new(load(layout, root)?) }) })
    }

    /// The currently valid keys. If the files cannot be read, those that were read last, with a line in the
    /// log.
    pub(super) fn ring(&self, layout: &Layout) -> Arc<Ring> {
        let now = stamps(layout);
        {
            let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
            if read.stamps == now {
                return Arc::clone(&read.ring);
            }
        }
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        if read.stamps != now {
            // After a failure too: one line for each change, not for each link.
            read.stamps = now;
            match load(layout, Path::new("")) {
                Ok(ring) => {
                    tracing::info!(
                        earlier_keys = ring.old.len(),
                        "the link key has changed; using the new one"
                    );
                    read.ring = Arc::new(ring);
                }
                Err(error) => {
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(%error, cause, "the link key has changed but cannot be read; still using the previous one");
                }
            }
        }
        Arc::clone(&read.ring)
    }
}

/// Makes a new key. See [`crate::LocalStore::rotate_key`].
pub(super) fn rotate(
    layout: &Layout,
    root: &Path,
    now: Timestamp,
    link_lifetime: Duration,
    end_links: bool,
) -> Result<Rotated, OpenError> {
    let lock = layout.lock().map_err(|source| OpenError::Lock { root: root.to_owned(), source })?;
    let failed = |step| move |source| OpenError::Key { step, path: root.join(KEY_FILE), source };
    // The service must be able to read the files made here, even if root makes them for another user.
    let Some(owner) = layout::inspect(layout.root(), KEY_FILE).map_err(failed("look for"))? else {
        return Err(OpenError::NoKey { root: root.to_owned() });
    };
    let owner = Some((owner.uid(), owner.gid()));
    let mut rotated = Rotated { links_end: None, kept: 0 };
    if end_links {
        layout::remove_file(layout.root(), OLD_KEYS_FILE).map_err(failed("remove the keys older than"))?;
    } else {
        let ring = load(layout, root)?;
        let links_end = now.checked_add(link_lifetime + ROTATION_GRACE).unwrap_or(Timestamp::MAX);
        let mut old: Vec<_> = ring.old.into_iter().filter(|(_, until)| now.as_second() < *until).collect();
        if old.len() >= OLD_KEYS_MAX {
            return Err(OpenError::TooManyKeys { kept: old.len() });
        }
        old.push((ring.current, links_end.as_second()));
        let bytes: Vec<u8> = old
            .iter()
            .flat_map(|(key, until)| key.as_bytes().iter().copied().chain(until.to_be_bytes()))
            .collect();
        publish(layout, &lock, OLD_KEYS_FILE, &bytes, owner).map_err(failed("keep"))?;
        rotated = Rotated { links_end: Some(links_end), kept: old.len() };
    }
    new_key().and_then(|key| publish(layout, &lock, KEY_FILE, &key, owner)).map_err(failed("replace"))?;
    Ok(rotated)
}

fn load(layout: &Layout, root: &Path) -> Result<Ring, OpenError> {
    let (current, path) = (read(layout, root, KEY_FILE)?, root.join(KEY_FILE));
    let Some(current) = current else {
        return Err(OpenError::Key { step: "read", path, source: io::ErrorKind::NotFound.into() });
    };
    let length =
        |path, bytes: &[u8], expected| OpenError::KeyLength { path, length: bytes.len() as u64, expected };
    let Ok(bytes) = <[u8; KEY_BYTES]>::try_from(current.as_slice()) else {
        return Err(length(path, &current, KEY_BYTES));
    };
    let old = read(layout, root, OLD_KEYS_FILE)?.unwrap_or_default();
    let (entries, rest) = old.as_chunks::<OLD_KEY_BYTES>();
    if !rest.is_empty() || entries.len() > OLD_KEYS_MAX {
        return Err(length(root.join(OLD_KEYS_FILE), &old, OLD_KEY_BYTES));
    }
    let entry = |entry: &[u8; OLD_KEY_BYTES]| {
        let (&key, until) = entry.split_first_chunk::<KEY_BYTES>()?;
        Some((LinkKey::new(key), i64::from_be_bytes(until.try_into().ok()?)))
    };
    Ok(Ring { current: LinkKey::new(bytes), old: entries.iter().filter_map(entry).collect() })
}

/// The bytes of a key file that only its owner can have read; `None` if it is missing.
fn read(layout: &Layout, root: &Path, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let path = root.join(name);
    let failed = |source| OpenError::Key { step: "read", path: path.clone(), source };
    match layout::inspect(layout.root(), name).map_err(failed)? {
        None => return Ok(None),
        Some(metadata) if !metadata.is_file() => return Err(OpenError::KeyKind { path }),
        Some(_) => {}
    }
    let Some((file, metadata)) = layout::open_file(layout.root(), name).map_err(failed)? else {
        return Ok(None);
    };
    ownership::check_open(&path, &metadata).or_else(|source| match source {
        // A mode with fewer bits is allowed; the next lines make sure.
        ownership::Refusal::Untrusted { cause: Cause::Everybody { .. } | Cause::Group { .. }, .. } => Ok(()),
        source => Err(OpenError::Untrusted { source }),
    })?;
    let mode = layout::permissions(&metadata);
    if mode & GROUP_AND_OTHERS != 0 {
        return Err(OpenError::KeyPermissions { path, mode });
    }
    let mut bytes = Vec::new();
    // One byte more than a valid file has, so that a longer one is noticed.
    let most = (OLD_KEYS_MAX * OLD_KEY_BYTES + 1) as u64;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

fn stamps(layout: &Layout) -> [Option<Stamp>; 2] {
    [KEY_FILE, OLD_KEYS_FILE].map(|name| {
        let stat = rustix::fs::statat(layout.root(), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Some((stat.st_ino, stat.st_mtime, nanoseconds, stat.st_size))
    })
}

fn new_key() -> io::Result<[u8; KEY_BYTES]> {
    support::random_bytes()
}

/// Creates a file that is complete under its name or missing, and that survives a power failure: links are
/// issued right after.
fn publish(
    layout: &Layout,
    lock: &StoreLock,
    name: &str,
    bytes: &[u8],
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    let mut temp = TempFile::create(layout, lock)?;
    temp.file().write_all(bytes)?;
    if let Some((uid, gid)) = owner {
        let now = temp.file().metadata()?;
        if (now.uid(), now.gid()) != (uid, gid) {
            std::os::unix::fs::fchown(temp.file(), Some(uid), Some(gid))?;
        }
    }
    temp.file().sync_all()?;
    temp.publish(layout.root(), name)?;
    File::from(layout.root().try_clone_to_owned()?).sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::PathBuf;

    use super::*;

    fn load_or_create(layout: &Layout, root: &Path) -> Result<Keys, OpenError> {
        Keys::load_or_create(layout, root)
    }

    fn claims(expires_at: Timestamp) -> Claims {
        Claims::new([1; 32], [2; 32], expires_at, "a.txt", "text/plain")
    }

    fn opened() -> (tempfile::TempDir, PathBuf, Layout) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("store");
        let layout = Layout::open(&root).unwrap();
        (place, root, layout)
    }

    #[test]
    fn a_key_is_made_once_and_private() {
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        let first = fs::read(root.join("key")).unwrap();
        load_or_create(&layout, &root).unwrap();
        assert_eq!(fs::read(root.join("key")).unwrap(), first);
        assert_eq!(first.len(), KEY_BYTES);
        assert_ne!(first, [0; KEY_BYTES]);
        assert_eq!(fs::metadata(root.join("key")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn a_key_that_others_can_reach_is_refused() {
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(root.join("key"), fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(&layout, &root).unwrap_err();
            assert!(matches!(error, OpenError::KeyPermissions { mode: m, .. } if m == mode), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(root.join("key"), fs::Permissions::from_mode(0o400)).unwrap();
        load_or_create(&layout, &root).unwrap();
    }

    #[test]
    fn a_key_or_directory_of_somebody_else_is_refused() {
        // Creating one takes root.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        std::os::unix::fs::chown(root.join("key"), Some(65_534), None).unwrap();
        let error = load_or_create(&layout, &root).unwrap_err();
        assert!(matches!(error, OpenError::Untrusted { .. }), "{error}");
        std::os::unix::fs::chown(root.join("key"), Some(0), None).unwrap();
        for directory in ["objects", "tmp", "."] {
            std::os::unix::fs::chown(root.join(directory), Some(65_534), None).unwrap();
            let error = Layout::open(&root).unwrap_err();
            assert!(matches!(error, OpenError::Untrusted { .. }), "{directory}: {error}");
            std::os::unix::fs::chown(root.join(directory), Some(0), None).unwrap();
        }
        assert!(Layout::open(&root).is_ok());
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_kept() {
        let (_place, root, layout) = opened();
        for length in [0, 31, 33] {
            fs::write(root.join("key"), vec![7; length]).unwrap();
            fs::set_permissions(root.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
            let error = load_or_create(&layout, &root).unwrap_err();
            assert!(matches!(error, OpenError::KeyLength { length: l, .. } if l == length as u64));
            assert_eq!(fs::metadata(root.join("key")).unwrap().len(), length as u64);
        }
    }

    #[test]
    fn a_key_that_is_no_file_is_refused() {
        let (place, root, layout) = opened();
        let elsewhere = place.path().join("elsewhere");
        fs::write(&elsewhere, [1; KEY_BYTES]).unwrap();
        fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&elsewhere, root.join("key")).unwrap();
        assert!(matches!(load_or_create(&layout, &root), Err(OpenError::KeyKind { .. })));
        fs::remove_file(root.join("key")).unwrap();
        fs::create_dir(root.join("key")).unwrap();
        assert!(matches!(load_or_create(&layout, &root), Err(OpenError::KeyKind { .. })));
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_new_key_signs_at_once_and_links_of_the_one_before_live_until_they_end() {
        let (_place, root, layout) = opened();
        let keys = load_or_create(&layout, &root).unwrap();
        let now = Timestamp::now();
        let at = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).unwrap();
        let before = keys.ring(&layout).sign(&claims(at(3600)));

        let rotated = rotate(&layout, &root, now, HOUR, false).unwrap();
        assert_eq!(rotated.kept, 1);
        let after = keys.ring(&layout).sign(&claims(at(3600)));
        assert_ne!(before, after, "the service that runs signs with the new key");
        for ring in [keys.ring(&layout), load_or_create(&layout, &root).unwrap().ring(&layout)] {
            assert!(ring.verify(&before, at(3599)).is_some() && ring.verify(&after, at(3599)).is_some());
            // Forged after the key was replaced, to outlive any link that it made.
            assert!(ring.verify(&before, at(3600 + 61)).is_none() && ring.verify(&after, at(7200)).is_some());
        }
        for name in ["key", "key.old"] {
            assert_eq!(fs::metadata(root.join(name)).unwrap().mode() & 0o7777, 0o600, "{name}");
        }
    }

    #[test]
    fn all_links_can_be_ended_at_once() {
        let (_place, root, layout) = opened();
        let keys = load_or_create(&layout, &root).unwrap();
        let now = Timestamp::now();
        let first = keys.ring(&layout).sign(&claims(now));
        rotate(&layout, &root, now, HOUR, false).unwrap();
        let second = keys.ring(&layout).sign(&claims(now));
        assert_eq!(rotate(&layout, &root, now, HOUR, true).unwrap(), Rotated { links_end: None, kept: 0 });
        for token in [first, second] {
            assert!(keys.ring(&layout).verify(&token, now).is_none());
        }
        // The same by hand: only the key is removed.
        let third = keys.ring(&layout).sign(&claims(now));
        rotate(&layout, &root, now, HOUR, false).unwrap();
        fs::remove_file(root.join("key")).unwrap();
        let keys = load_or_create(&layout, &root).unwrap();
        assert!(keys.ring(&layout).verify(&third, now).is_none() && !root.join("key.old").exists());
    }

    #[test]
    fn earlier_keys_are_bounded_and_go_when_their_time_is_over() {
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        let now = Timestamp::now();
        for kept in 1..=OLD_KEYS_MAX {
            assert_eq!(rotate(&layout, &root, now, HOUR, false).unwrap().kept, kept);
        }
        let key = fs::read(root.join("key")).unwrap();
        let error = rotate(&layout, &root, now, HOUR, false).unwrap_err();
        assert!(matches!(error, OpenError::TooManyKeys { kept: OLD_KEYS_MAX }), "{error}");
        assert_eq!(fs::read(root.join("key")).unwrap(), key);
        let later = now.checked_add(HOUR + ROTATION_GRACE).unwrap();
        assert_eq!(rotate(&layout, &root, later, HOUR, false).unwrap().kept, 1);
    }

    #[test]
    fn keys_that_cannot_be_read_any_more_stay_in_use() {
        let (_place, root, layout) = opened();
        let keys = load_or_create(&layout, &root).unwrap();
        let now = Timestamp::now();
        let token = keys.ring(&layout).sign(&claims(now));
        fs::write(root.join("key"), "short").unwrap();
        assert!(keys.ring(&layout).verify(&token, now).is_some());
        fs::remove_file(root.join("key")).unwrap();
        assert!(keys.ring(&layout).verify(&token, now).is_some());
        fs::write(root.join("key.old"), [0; OLD_KEY_BYTES + 1]).unwrap();
        assert!(keys.ring(&layout).verify(&token, now).is_some());
        assert!(matches!(rotate(&layout, &root, now, HOUR, false), Err(OpenError::NoKey { .. })));
    }

    #[test]
    fn earlier_keys_that_others_can_reach_or_that_are_none_are_refused() {
        let (_place, root, layout) = opened();
        load_or_create(&layout, &root).unwrap();
        rotate(&layout, &root, Timestamp::now(), HOUR, false).unwrap();
        fs::set_permissions(root.join("key.old"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_create(&layout, &root), Err(OpenError::KeyPermissions { .. })));
        fs::set_permissions(root.join("key.old"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(root.join("key.old"), [0; OLD_KEY_BYTES - 1]).unwrap();
        assert!(matches!(load_or_create(&layout, &root), Err(OpenError::KeyLength { .. })));
    }
}
