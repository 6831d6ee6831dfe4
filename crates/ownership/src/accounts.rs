//! Users and groups of this machine, from passwd(5) and group(5). Directory services are not asked: that
//! would require the system's resolver, which a static program cannot load.

use crate::trusted::Trusted;

/// A user in a message: with the name if it is known.
pub(crate) fn user(uid: u32) -> String {
    match name_in(&read("/etc/passwd"), uid) {
        Some(name) => format!("user `{name}` (uid {uid})"),
        None => format!("the user with uid {uid}"),
    }
}

/// A group in a message.
pub(crate) fn group(gid: u32) -> String {
    match name_in(&read("/etc/group"), gid) {
        Some(name) => format!("group `{name}` (gid {gid})"),
        None => format!("the group with gid {gid}"),
    }
}

/// Whether all members of the group are trusted, as far as this machine's own files say; see the crate.
pub(crate) fn is_own_group(gid: u32, trusted: &Trusted) -> bool {
    is_own_group_in(&read("/etc/passwd"), &read("/etc/group"), gid, trusted)
}

/// Whether a user of this name is known here and trusted.
pub(crate) fn is_trusted(name: &str, trusted: &Trusted) -> bool {
    uid_of(&read("/etc/passwd"), name).is_some_and(|uid| trusted.has(uid))
}

fn uid_of(passwd: &str, name: &str) -> Option<u32> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    number(line, 2)
}

fn is_own_group_in(passwd: &str, group: &str, gid: u32, trusted: &Trusted) -> bool {
    let is_trusted = |uid: Option<u32>| uid.is_some_and(|uid| trusted.has(uid));
    let mut with_it_as_primary = passwd.lines().filter(|line| number(line, 3) == Some(gid)).peekable();
    let mut known_as = group.lines().filter(|line| number(line, 2) == Some(gid)).peekable();
    with_it_as_primary.peek().is_some()
        && known_as.peek().is_some()
        && with_it_as_primary.all(|line| is_trusted(number(line, 2)))
        && known_as.all(|line| {
            let members = field(line, 3).unwrap_or_default();
            members
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .all(|name| is_trusted(uid_of(passwd, name)))
        })
}

/// The name for the id in the third field, which both files have.
fn name_in(text: &str, id: u32) -> Option<String> {
    let line = text.lines().find(|line| number(line, 2) == Some(id))?;
    let name: String = field(line, 0)?.chars().filter(|char| !char.is_control()).collect();
    (!name.is_empty()).then_some(name)
}

fn field(line: &str, index: usize) -> Option<&str> {
    line.split(':').nth(index)
}

fn number(line: &str, index: usize) -> Option<u32> {
    field(line, index)?.parse().ok()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n\
        bob:x:1001:1001::/home/bob:/bin/sh\ncarl:x:1002:100::/home/carl:/bin/sh\ndora:x:1003:100::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nstaff:x:50:\nusers:x:100:\nalice:x:1000:alice\nbob:x:1001:alice\n";

    #[test]
    fn a_group_is_ones_own_only_without_others() {
        let own = |uid, gid| is_own_group_in(PASSWD, GROUP, gid, &Trusted::user(uid));
        assert!(own(1000, 1000), "a user private group");
        assert!(own(1000, 0) && own(0, 0), "root's");
        assert!(!own(1001, 1001), "alice is a member");
        assert!(!own(1002, 100), "dora has it too");
        assert!(!own(1000, 50) && !own(0, 50), "any user may join it");
        assert!(!own(0, 1000), "alice is not root");
        assert!(!own(1000, 4242), "it is unknown");
        let joined = GROUP.replace("alice:x:1000:alice", "alice:x:1000:alice,stranger");
        assert!(
            !is_own_group_in(PASSWD, &joined, 1000, &Trusted::user(1000)),
            "a member of a directory service"
        );
    }

    #[test]
    fn names_are_shown_where_they_are_known() {
        assert_eq!(name_in(PASSWD, 1001).as_deref(), Some("bob"));
        assert_eq!(name_in(PASSWD, 7), None);
        assert_eq!(user(0), "user `root` (uid 0)");
        assert_eq!(user(4_000_000_000), "the user with uid 4000000000");
    }
}
