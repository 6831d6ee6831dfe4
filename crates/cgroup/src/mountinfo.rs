//! Parses `/proc/self/mountinfo` and `/proc/self/cgroup` (proc(5), cgroups(7)). Pure.

use std::path::PathBuf;

/// One mount of a cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The mounted directory of the hierarchy; `/` unless part of it was bind-mounted.
    pub(crate) root: String,
    /// The mount point.
    pub(crate) point: PathBuf,
    /// Whether the mount or its file system is read-only.
    pub(crate) read_only: bool,
    /// The version, and for v1 the names of its controllers (along with other mount options, which are
    /// harmless).
    pub(crate) kind: MountKind,
}

/// The version of a mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountKind {
    V1(Vec<String>),
    V2,
}

/// All cgroup mounts, in the order of the table. Lines of another form are skipped.
pub(crate) fn cgroup_mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_mount).collect()
}

/// `36 35 98:0 <root> <point> <options> [optional fields...] - <type> <source> <super options>`
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point, options) = (left.next()?, left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (fs_type, super_options) = (right.next()?, right.nth(1).unwrap_or(""));
    let kind = match fs_type {
        "cgroup" => MountKind::V1(super_options.split(',').map(str::to_owned).collect()),
        "cgroup2" => MountKind::V2,
        _ => return None,
    };
    let read_only = options.split(',').chain(super_options.split(',')).any(|option| option == "ro");
    Some(Mount { root: unescape(root), point: PathBuf::from(unescape(point)), read_only, kind })
}

/// Space, tab, newline and backslash are written as `\` and three octal digits.
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after.get(..3);
        match digits.and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            // The kernel escapes only ASCII, so the number is a character by itself.
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The group of this process in each hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    v1: Vec<(Vec<String>, String)>,
    v2: Option<String>,
}

impl Membership {
    /// Parses `/proc/self/cgroup`: lines `<id>:<controllers>:<path>`, where v2 has no controllers.
    pub(crate) fn parse(proc_self_cgroup: &str) -> Self {
        let mut own = Self::default();
        for line in proc_self_cgroup.lines() {
            // The path comes last, as it may contain a colon.
            let mut fields = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if id == "0" && controllers.is_empty() {
                own.v2 = Some(path.to_owned());
            } else {
                own.v1.push((controllers.split(',').map(str::to_owned).collect(), path.to_owned()));
            }
        }
        own
    }

    /// Whether the kernel has this controller in a v1 hierarchy. Each controller is in one hierarchy at a
    /// time.
    pub(crate) fn on_v1(&self, controller: &str) -> bool {
        self.v1.iter().any(|(controllers, _)| controllers.iter().any(|name| name == controller))
    }

    /// Our own group in the v2 hierarchy.
    pub(crate) fn v2(&self) -> Option<&str> {
        self.v2.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_escapes_and_optional_fields() {
        let text = "36 31 0:33 /a\\040b /sys/fs/c\\134g ro,nosuid shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct\n\
                    22 27 0:21 / /proc rw,relatime - proc proc rw\nbroken line\n\
                    41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let mounts = cgroup_mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].root, "/a b");
        assert_eq!(mounts[0].point, PathBuf::from("/sys/fs/c\\g"));
        assert!(mounts[0].read_only && !mounts[1].read_only);
        assert!(matches!(&mounts[0].kind, MountKind::V1(options) if options.contains(&"cpuacct".to_owned())));
        assert_eq!(mounts[1].kind, MountKind::V2);
    }

    #[test]
    fn membership_keeps_colons_in_paths() {
        let own = Membership::parse("4:cpu,cpuacct:/x\n0::/a:b\n1:name=systemd:/\n");
        assert!(own.on_v1("cpuacct") && !own.on_v1("memory"));
        assert_eq!(own.v2(), Some("/a:b"));
    }

    #[test]
    fn unfinished_escapes_stay_as_they_are() {
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("a\\é40"), "a\\é40");
    }
}
