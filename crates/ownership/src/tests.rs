//! The check on real directories. Files of other users take root to make.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

/// An id that owns nothing on any host.
const OTHER: u32 = 65_534;

/// Whether other users' files can be made; skips the test otherwise.
fn is_root() -> bool {
    rustix::process::geteuid().is_root() || testkit::skip("files of other users take root to make")
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(place.path()).unwrap();
    (place, path)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn cause(path: &Path) -> Option<(PathBuf, Cause)> {
    match check(path) {
        Ok(_) => None,
        Err(Refusal::Untrusted { at, cause, .. }) => Some((at, cause)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn ones_own_file_in_a_shared_directory_with_the_sticky_bit_is_good() {
    let (_place, root) = place();
    let shared = root.join("shared");
    fs::create_dir_all(shared.join("mine")).unwrap();
    mode(&shared, 0o1777);
    let file = shared.join("mine/.env");
    assert_eq!(check(&file).unwrap(), Found::Missing);
    fs::write(&file, "").unwrap();
    assert_eq!(check(&file).unwrap(), Found::There);
    assert_eq!(check(&shared.join("nowhere/else")).unwrap(), Found::Missing);
    // Others may create entries in it, so it does not count as ours.
    assert_eq!(cause(&shared), Some((shared.clone(), Cause::Everybody { mode: 0o1777 })));
    mode(&shared, 0o777);
    assert_eq!(cause(&file), Some((shared, Cause::Everybody { mode: 0o777 })));
}

#[test]
fn whoever_can_write_is_named_with_the_place() {
    let (_place, root) = place();
    let file = root.join("a/b/file");
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(&file, "").unwrap();
    mode(&file, 0o646);
    assert_eq!(cause(&file), Some((file.clone(), Cause::Everybody { mode: 0o646 })));
    mode(&file, 0o600);
    assert_eq!(cause(&file), None);
    if !is_root() {
        return;
    }
    for at in [file.clone(), root.join("a/b"), root.join("a")] {
        chown(&at, Some(OTHER), None).unwrap();
        assert_eq!(cause(&file), Some((at.clone(), Cause::Owner { uid: OTHER })));
        let said = check(&file).unwrap_err().to_string();
        assert!(said.contains(&OTHER.to_string()) && said.contains(at.to_str().unwrap()), "{said}");
        chown(&at, Some(0), None).unwrap();
        chown(&at, None, Some(OTHER)).unwrap();
        mode(&at, 0o770);
        assert_eq!(cause(&file), Some((at.clone(), Cause::Group { gid: OTHER, mode: 0o770 })));
        mode(&at, 0o750);
        assert_eq!(cause(&file), None);
    }
    // The owner of that file may control it, and no other user.
    chown(&file, Some(OTHER), None).unwrap();
    assert!(path_walk::check(&file, &Trusted::user(OTHER)).is_ok());
    assert!(path_walk::check(&file, &Trusted::user(OTHER - 1)).is_err());
}

#[test]
fn a_link_counts_by_its_place_and_by_its_target() {
    let (_place, root) = place();
    for name in ["good", "bad", "shared"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("file"), "").unwrap();
    }
    symlink("../good/file", root.join("bad/link")).unwrap();
    symlink("../bad/file", root.join("good/link")).unwrap();
    symlink(root.join("good/file"), root.join("shared/link")).unwrap();
    symlink(root.join("good/../bad"), root.join("good/directory")).unwrap();
    mode(&root.join("bad"), 0o777);
    mode(&root.join("shared"), 0o1777);
    let bad = Some((root.join("bad"), Cause::Everybody { mode: 0o777 }));
    assert_eq!(cause(&root.join("bad/link")), bad, "the place");
    assert_eq!(cause(&root.join("good/link")), bad, "the target");
    assert_eq!(cause(&root.join("good/directory/file")), bad, "on the way");
    assert_eq!(cause(&root.join("bad/../good/file")), bad, "by way of");
    assert_eq!(cause(&root.join("shared/link")), None, "a link of ours");
    symlink("loop", root.join("good/loop")).unwrap();
    assert!(matches!(check(&root.join("good/loop")), Err(Refusal::Examine { .. })));
    if is_root() {
        std::os::unix::fs::lchown(root.join("shared/link"), Some(OTHER), None).unwrap();
        let link = root.join("shared/link");
        assert_eq!(cause(&link), Some((link.clone(), Cause::Owner { uid: OTHER })), "a link of others");
        // Where only we can replace it, its owner does not matter.
        std::os::unix::fs::lchown(root.join("good/loop"), Some(OTHER), None).unwrap();
        fs::remove_file(root.join("good/loop")).unwrap();
        symlink("file", root.join("good/loop")).unwrap();
        std::os::unix::fs::lchown(root.join("good/loop"), Some(OTHER), None).unwrap();
        assert_eq!(cause(&root.join("good/loop")), None);
    }
}

#[test]
fn an_access_list_is_refused_where_the_mode_lets_the_group_write() {
    if !is_root() {
        return;
    }
    let (_place, root) = place();
    let file = root.join("file");
    fs::write(&file, "").unwrap();
    mode(&file, 0o660);
    // Root's own group has no other members; if it has, the check refuses because of them.
    if cause(&file).is_some() {
        return;
    }
    // Version 2, then (tag, permissions, id): the owner, one user, the group, the mask, others
    // (linux/posix_acl_xattr.h).
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 6, OTHER), (4, 0, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(&file, "system.posix_acl_access", &list, flags).is_err() {
        return testkit::skip("the file system has no access control lists");
    }
    assert_eq!(cause(&file), Some((file, Cause::AccessList)));
}

/// Checks a file system that `mount` makes, in the mount namespace of a child that runs the test again;
/// `None` if this machine cannot.
fn in_own_namespace(name: &str, variable: &str, script: &str) -> Option<String> {
    let place = tempfile::tempdir().unwrap();
    // utab belongs to the machine, and other tests read it, so the child has its own.
    let script = format!("mkdir -p /run/mount && mount -t tmpfs none /run/mount && {script} && exec \"$@\"");
    let test = std::env::current_exe().unwrap();
    let ran = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-ec", &script, "sh"])
        .arg(test)
        .args(["--exact", name, "--nocapture"])
        .env("PLACE", place.path())
        .env(variable, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let is_run = ran.status.success() && said.contains("1 passed");
    if !is_run && said.is_empty() {
        return testkit::skip(String::from_utf8_lossy(&ran.stderr));
    }
    assert!(is_run, "{said} {}", String::from_utf8_lossy(&ran.stderr));
    Some(said)
}

#[test]
fn a_file_system_that_udisks_mounted_is_refused() {
    const NAME: &str = "tests::a_file_system_that_udisks_mounted_is_refused";
    if let Some(place) = std::env::var_os("OWNERSHIP_TEST_MOUNTED") {
        let at = fs::canonicalize(place).unwrap().join("a b");
        fs::write(at.join("file"), "").unwrap();
        assert_eq!(cause(&at.join("file")), Some((at.clone(), Cause::UserMount)));
        assert_eq!(cause(&at.parent().unwrap().join("trusted")), None);
        let tree = check_tree(at.parent().unwrap(), 1).unwrap_err();
        assert!(matches!(&tree, Refusal::Untrusted { cause: Cause::UserMount, .. }), "{tree}");
    } else if is_root() {
        let script = "mkdir \"$PLACE/a b\" \"$PLACE/trusted\"; mount -t tmpfs -o mode=755 none \"$PLACE/trusted\"; \
            mount -t tmpfs -o mode=755,uhelper=udisks2 none \"$PLACE/a b\"";
        in_own_namespace(NAME, "OWNERSHIP_TEST_MOUNTED", script);
    }
}

#[test]
fn an_image_is_as_trusted_as_its_file() {
    const NAME: &str = "tests::an_image_is_as_trusted_as_its_file";
    if let Some(place) = std::env::var_os("OWNERSHIP_TEST_IMAGE") {
        let place = fs::canonicalize(place).unwrap();
        let (at, image) = (place.join("at"), place.join("image"));
        assert_eq!(check(&at).unwrap(), Found::There);
        chown(&image, Some(OTHER), None).unwrap();
        let refused = check(&at).unwrap_err();
        assert!(matches!(&refused, Refusal::Image { image: named, .. } if *named == image), "{refused}");
        assert!(refused.to_string().contains(&OTHER.to_string()), "{refused}");
        fs::remove_file(&image).unwrap();
        assert!(matches!(check(&at), Err(Refusal::Image { .. })), "a process that has it open may write");
    } else if is_root() {
        let script = "mkdir \"$PLACE/at\"; truncate -s 8M \"$PLACE/image\"; mkfs.ext4 -q \"$PLACE/image\" >&2; \
            mount -o loop \"$PLACE/image\" \"$PLACE/at\"";
        in_own_namespace(NAME, "OWNERSHIP_TEST_IMAGE", script);
    }
}

#[test]
fn a_tree_is_judged_as_deep_as_asked() {
    let (_place, root) = place();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b/code.py"), "").unwrap();
    symlink("/nowhere", root.join("a/link")).unwrap();
    assert!(check_tree(&root, usize::MAX).is_ok());
    mode(&root.join("a/b/code.py"), 0o666);
    assert!(check_tree(&root, 2).is_ok());
    let error = check_tree(&root, 3).unwrap_err().to_string();
    assert!(error.contains("a/b/code.py") && error.contains("everybody"), "{error}");
}

#[test]
fn the_end_of_a_way_is_examined_when_it_is_the_root() {
    assert_eq!(check(Path::new("/")).unwrap(), Found::There);
    assert!(matches!(check(Path::new("")), Err(Refusal::Examine { .. })));
}
