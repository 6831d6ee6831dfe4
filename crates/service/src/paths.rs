//! Validation of input paths: relative, bounded, without special parts, and without conflicts. Pure.
//!
//! The sandbox opens them beneath its working directory and would not leave it; the check is here so that an
//! invalid path is a clear answer to the client instead of a failure in the sandbox.

use std::collections::HashSet;

/// Maximum length of a path in bytes (`PATH_MAX`, limits.h).
const PATH_BYTES_MAX: usize = 4096;
/// Maximum length of a part in bytes (`NAME_MAX`, limits.h).
const PART_BYTES_MAX: usize = 255;
/// Maximum number of parts: each one costs an inode, and more are never needed.
const PARTS_MAX: usize = 32;

/// The rules, for the error.
pub(crate) const ALLOWED: &str = "relative paths of at most 4096 bytes and 32 parts with at most 255 bytes each, \
     no empty, `.` or `..` part, no NUL, each path once, no file where another path needs a directory";

/// Checks all paths of one request; the error is the end of a sentence that begins with the field's name.
pub(crate) fn check_all<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut files = HashSet::new();
    let mut directories = HashSet::new();
    for (index, path) in paths.enumerate() {
        let number = index + 1;
        check(path).map_err(|problem| format!("has a path that {problem} (file number {number})"))?;
        if !files.insert(path) {
            return Err(format!("has the path of file number {number} twice"));
        }
        directories.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
    }
    if files.iter().any(|path| directories.contains(path)) {
        return Err("uses one path as a file and as a directory".to_owned());
    }
    Ok(())
}

fn check(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    if path.len() > PATH_BYTES_MAX {
        return Err("is longer than 4096 bytes");
    }
    if path.starts_with('/') {
        return Err("is absolute");
    }
    if path.contains('\0') {
        return Err("contains a NUL");
    }
    if path.split('/').count() > PARTS_MAX {
        return Err("has more than 32 parts");
    }
    for part in path.split('/') {
        match part {
            "" => return Err("has an empty part"),
            "." | ".." => return Err("has a part `.` or `..`"),
            _ if part.len() > PART_BYTES_MAX => return Err("has a part of more than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_paths_pass() {
        for path in ["a", "a/b/c.txt", "...", ".hidden", "naïve 文.csv", "a\nb", &"x".repeat(255)] {
            assert_eq!(check_all([path].into_iter()), Ok(()), "{path:?}");
        }
        assert_eq!(check_all(["a/b", "a/c", "ab"].into_iter()), Ok(()));
    }

    #[test]
    fn tricks_are_refused() {
        let long_part = "x".repeat(256);
        let long_path = "x/".repeat(2048) + "x";
        let deep = "x/".repeat(32) + "x";
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "a/../b",
            "./a",
            "a/.",
            "a//b",
            "a/",
            "a\0b",
            &long_part,
            &long_path,
            &deep,
        ] {
            assert!(check_all([path].into_iter()).is_err(), "{path:?}");
        }
    }

    #[test]
    fn conflicts_are_refused_in_both_orders() {
        for paths in [["a", "a"], ["a", "a/b"], ["a/b", "a"], ["a/b/c", "a/b"]] {
            assert!(check_all(paths.into_iter()).is_err(), "{paths:?}");
        }
    }
}
