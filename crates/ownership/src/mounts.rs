//! Checks a file system by who mounted it: root as owner of an inode means nothing if others make the inodes.
//!
//! In this mount namespace an ordinary user can get a file system mounted only in these ways, and each leaves
//! a record:
//!
//! | means | its content comes from | record |
//! |---|---|---|
//! | FUSE, by fusermount3(1) | a process of the user | `user_id=` among the options of the super block, which the helper sets |
//! | udisks2: removable media, images through loop devices | the medium, the image | `uhelper=` in `/run/mount/utab` |
//! | an entry of fstab(5) with `user` | what the entry names | `user=NAME` in `/run/mount/utab`; without a name if root did it |
//! | the same with `users`, `owner` or `group` | the same, or what has its label now | only the entry: mount(8) keeps these out of utab |
//!
//! Mounts in another namespace are not visible from here. Network file systems, 9p and virtiofs take root or
//! an entry of fstab, so the administrator chose their server; what that lets others do is not checked.
//! Images: see [`crate::image`].
//!
//! If the table of mounts cannot be read, or lacks the mount, nothing is trusted: the kernel always has one,
//! so a /proc that does not show it is an error to repair. Only the mount of `/` may be missing, as in a
//! chroot, where it is above the root: the user who set that root chose this process's program, too.

use crate::error::{Cause, Refusal};
use crate::trusted::Trusted;
use crate::{accounts, file_check, image};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Of this process; proc_pid_mountinfo(5).
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The records of mount(8) and udisks2 in addition to the kernel's, for each mount point.
const UTAB: &str = "/run/mount/utab";

const FSTAB: &str = "/etc/fstab";

/// The tables of mounts.
struct Tables {
    mountinfo: String,
    utab: String,
    fstab: String,
}

/// Checks the file system that `at` is on. `depth` counts the images around it.
pub(crate) fn check(path: &Path, at: &Path, trusted: &Trusted, depth: u32) -> Result<(), Refusal> {
    let tables = Tables {
        mountinfo: read(at, MOUNTINFO)?,
        utab: read_where_there(at, UTAB)?,
        fstab: read_where_there(at, FSTAB)?,
    };
    let id = mount_id(at)?;
    let Some(mount) = tables.mounts().find(|mount| mount.id == id) else {
        let is_of_root = mount_id(Path::new("/"))? == id;
        return if is_of_root { Ok(()) } else { Err(Refusal::NoMount { at: at.to_owned() }) };
    };
    if let Some(cause) = tables.cause_against(&mount, trusted) {
        return file_check::refuse(path, at, cause);
    }
    image::check((path, at), (mount.device, &mount.source), trusted, depth)
}

/// One line of mountinfo.
struct Mount<'a> {
    id: u64,
    device: &'a str,
    point: String,
    kind: &'a str,
    source: String,
    super_options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (of_mount, of_file_system) = line.split_once(" - ")?;
        let mut fields = of_mount.split(' ');
        let id = fields.next()?.parse().ok()?;
        let (device, point) = (fields.nth(1)?, unescape(fields.nth(1)?));
        let mut fields = of_file_system.split(' ');
        let (kind, source) = (fields.next()?, unescape(fields.next()?));
        Some(Self { id, device, point, kind, source, super_options: fields.next()? })
    }
}

impl Tables {
    fn mounts(&self) -> impl Iterator<Item = Mount<'_>> {
        self.mountinfo.lines().filter_map(Mount::parse)
    }

    /// Why the file system of this mount is not trusted. A file system may be mounted in several places, so
    /// the records of all of them count.
    fn cause_against(&self, mount: &Mount<'_>, trusted: &Trusted) -> Option<Cause> {
        if ["fuse", "fuseblk"].contains(&mount.kind.split('.').next().unwrap_or_default()) {
            // The kernel always shows it; without it there is no ground for trust.
            match option(mount.super_options, "user_id").and_then(|uid| uid.parse().ok()) {
                Some(uid) if trusted.has(uid) => {}
                Some(uid) => return Some(Cause::FuseMount { uid }),
                None => return Some(Cause::UserMount),
            }
        }
        let points: Vec<String> =
            self.mounts().filter(|other| other.device == mount.device).map(|other| other.point).collect();
        let is_here = |point: &str| points.contains(&unescape(point));
        let mounted_for = self.utab.lines().filter(|line| field(line, "TARGET").is_some_and(is_here));
        let is_users = |options: &str| {
            option(options, "uhelper").is_some()
                || option(options, "user").is_some_and(|name| !accounts::is_trusted(name, trusted))
        };
        if mounted_for.filter_map(|line| field(line, "OPTS")).any(is_users) {
            return Some(Cause::UserMount);
        }
        let any_user_may = self.fstab.lines().any(|line| {
            let mut fields = line.split_whitespace().skip(1);
            fields.next().is_some_and(is_here)
                && fields.nth(1).is_some_and(|options| {
                    options.split(',').any(|option| ["users", "owner", "group"].contains(&option))
                })
        });
        any_user_may.then_some(Cause::UserMountable)
    }
}

/// The value of `NAME=` among comma-separated options.
fn option<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    options.split(',').find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
}

/// The value of `NAME=` in a line of utab.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

/// Decodes `\040` for a space and the like, as all three tables write them.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                plain.extend(&part.as_bytes()[3..]);
            }
            None => {
                plain.push(b'\\');
                plain.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The id of the mount that `at` is on. Not found by device: files of btrfs and overlayfs have others than
/// their mount.
fn mount_id(at: &Path) -> Result<u64, Refusal> {
    let opened = rustix::fs::open(at, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let opened = opened.map_err(|errno| Refusal::Examine { path: at.to_owned(), source: errno.into() })?;
    // Since Linux 3.15.
    let info = format!("/proc/self/fdinfo/{}", opened.as_raw_fd());
    let text = read(at, &info)?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or_else(|| Refusal::NoMount { at: at.to_owned() })
}

fn read_where_there(at: &Path, table: &str) -> Result<String, Refusal> {
    match read(at, table) {
        Err(Refusal::Mounts { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Any user may have a mount point whose name is not UTF-8; that must not fail.
fn read(at: &Path, table: &str) -> Result<String, Refusal> {
    match std::fs::read(table) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(source) => Err(Refusal::Mounts { at: at.to_owned(), table: table.into(), source }),
    }
}

/// Three tables, separated by NUL: mountinfo, utab and fstab. Users choose devices, mount points and labels
/// in them.
///
/// # Panics
/// If a FUSE mount is trusted that is not root's.
#[cfg(fuzzing)]
pub fn fuzz(text: &str) {
    let mut parts = text.splitn(3, '\0').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let tables = Tables { mountinfo: next(), utab: next(), fstab: next() };
    // Root, which every process trusts.
    let trusted = Trusted::user(0);
    for mount in tables.mounts() {
        let cause = tables.cause_against(&mount, &trusted);
        if mount.kind == "fuse" && option(mount.super_options, "user_id") != Some("0") {
            assert!(
                cause.is_some()
                    || option(mount.super_options, "user_id").is_some_and(|uid| uid.parse() == Ok(0))
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        31 26 0:25 / /home rw - btrfs /dev/vdb rw\n\
        98 26 0:44 / /root/r rw,nosuid - fuse.sshfs host: rw,user_id=0,group_id=0,allow_other\n\
        99 26 0:45 / /home/mallory/m rw,nosuid - fuse.sshfs host: rw,user_id=1001,group_id=1001,allow_other\n\
        100 26 0:46 / /home/mallory/n rw,nosuid - fuse x rw,allow_other\n\
        101 26 0:47 / /sys/fs/fuse/connections rw - fusectl none rw\n\
        102 26 7:0 / /run/media/mallory/a\\040disk rw,nosuid,nodev shared:9 master:2 - ext4 /dev/loop0 rw\n\
        103 26 7:0 /etc /srv/etc rw,nosuid,nodev - ext4 /dev/loop0 rw\n\
        104 26 8:1 / /mnt/user rw,nosuid,nodev,noexec - ext4 /dev/sda1 rw\n\
        105 26 8:2 / /mnt/root rw - ext4 /dev/sda2 rw\n\
        106 26 8:3 / /mnt/users rw,nosuid,nodev,noexec - ext4 /dev/sda3 rw\n\
        107 26 8:17 / /media/data rw - fuseblk /dev/sdb1 rw,user_id=0,group_id=0,allow_other\n";
    const UTAB: &str = "SRC=/dev/loop0 TARGET=/run/media/mallory/a\\040disk ROOT=/ OPTS=uhelper=udisks2\n\
        ID=104 SRC=/dev/sda1 TARGET=/mnt/user ROOT=/ OPTS=user=nosuchuser\n\
        SRC=/dev/sda2 TARGET=/mnt/root ROOT=/ ATTRS=x OPTS=user\n\
        SRC=/dev/sdb1 TARGET=/media/data ROOT=/ OPTS=uhelper=udisks2\n\
        SRC=host: TARGET=/root/r ROOT=/ OPTS=_netdev,user=root\n";
    const FSTAB: &str = "# /dev/vdb /home btrfs users 0 0\nUUID=1 / ext4 defaults 0 1\n\
        LABEL=x\t/mnt/users  ext4  noauto,users 0 0\n/dev/vdb /home btrfs userspace,grpquota 0 0\n";

    fn cause(id: u64, trusted: u32) -> Option<Cause> {
        let tables = Tables { mountinfo: MOUNTINFO.into(), utab: UTAB.into(), fstab: FSTAB.into() };
        let mount = tables.mounts().find(|mount| mount.id == id).unwrap();
        tables.cause_against(&mount, &Trusted::user(trusted))
    }

    #[test]
    fn what_root_mounted_is_trusted() {
        for id in [26, 31, 98, 101, 105] {
            assert_eq!(cause(id, 0), None, "{id}");
        }
    }

    #[test]
    fn what_a_user_mounted_is_not() {
        assert_eq!(cause(99, 0), Some(Cause::FuseMount { uid: 1001 }));
        assert_eq!(cause(99, 1001), None, "one's own");
        assert_eq!(cause(100, 0), Some(Cause::UserMount), "no user is recorded as serving it");
        assert_eq!(cause(102, 0), Some(Cause::UserMount), "udisks2");
        assert_eq!(cause(103, 0), Some(Cause::UserMount), "the same file system at another place");
        assert_eq!(cause(104, 0), Some(Cause::UserMount), "an entry with `user`");
        assert_eq!(cause(106, 0), Some(Cause::UserMountable));
        assert_eq!(cause(107, 0), Some(Cause::UserMount), "NTFS, which root serves for udisks2");
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("/a\\040b\\134c"), "/a b\\c");
        assert_eq!(unescape("/\\9\\04\\777é"), "/\\9\\04\\777é");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_refused_with_what_helps() {
        let place = tempfile::tempdir().unwrap();
        let table = place.path().join("mountinfo");
        let said = read(Path::new("/x"), table.to_str().unwrap()).unwrap_err().to_string();
        assert!(said.contains("`/x`") && said.contains("mount -t proc"), "{said}");
        assert_eq!(read_where_there(Path::new("/x"), table.to_str().unwrap()).unwrap(), "");
        std::fs::create_dir(&table).unwrap();
        assert!(read_where_there(Path::new("/x"), table.to_str().unwrap()).is_err());
    }
}
