//! Hints for steps of the launcher or of the first sandbox that the kernel refuses.
//!
//! A refusal has several possible causes, and the errno is the same for most: EPERM or EACCES. Facts about
//! the host, which [`Situation`] holds, tell them apart.

use crate::container_options::CONTAINER_OPTIONS;
use std::io;
use std::path::Path;

/// Names a unit's hardening or a container's filter, and where to read what each directive blocks.
const UNIT: &str = "of a systemd unit (deploy/README.md says what each blocks)";

/// The path of the program in the profile in deploy/apparmor.
const PROFILE_PATH: &str = "/usr/local/bin/python-sandbox";

/// How to allow this program user namespaces where AppArmor restricts them.
#[must_use]
pub fn apparmor_fix() -> String {
    apparmor_fix_for(std::env::current_exe().ok().as_deref().and_then(Path::to_str).unwrap_or(PROFILE_PATH))
}

fn apparmor_fix_for(program: &str) -> String {
    const INSTALLED: &str = "/etc/apparmor.d/python-sandbox";
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "/._-+".contains(char);
    let copy = if program != PROFILE_PATH && program.chars().all(is_plain) {
        format!("sed 's|{PROFILE_PATH}|{program}|' deploy/apparmor/python-sandbox >{INSTALLED}")
    } else {
        format!("cp deploy/apparmor/python-sandbox {INSTALLED}")
    };
    format!("as root, in the directory of the source: {copy} && apparmor_parser -r {INSTALLED}")
}

/// The facts about this host that the hints need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Situation {
    /// Not root on the host: namespaces are made in a user namespace of our own.
    pub(crate) rootless: bool,
    /// AppArmor removes the capabilities in user namespaces that this program makes.
    pub(crate) apparmor_restricts: bool,
    /// `user.max_user_namespaces` is 0.
    pub(crate) namespaces_off: bool,
    /// `kernel.unprivileged_userns_clone`, a setting of Debian's kernels, is 0.
    pub(crate) clone_refused: bool,
}

impl Situation {
    /// The host's facts.
    pub(crate) fn of_host(rootless: bool) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        Self {
            rootless,
            apparmor_restricts: apparmor_restricts(),
            namespaces_off: read("/proc/sys/user/max_user_namespaces") == "0",
            clone_refused: read("/proc/sys/kernel/unprivileged_userns_clone") == "0",
        }
    }
}

/// Whether AppArmor removes the capabilities in user namespaces that this process makes: Ubuntu's setting,
/// since 23.10.
#[must_use]
pub fn apparmor_restricts() -> bool {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1"
        && is_restricted(&read("/proc/self/attr/apparmor/current"))
}

/// Whether AppArmor's restriction applies to a process with this label: one without a profile, or whose
/// profile does not lift it. `NAME (unconfined)` is a profile that only grants permissions, as ours in
/// deploy/apparmor.
fn is_restricted(label: &str) -> bool {
    label == "unconfined" || !label.ends_with("(unconfined)")
}

/// The usual fix for a refused step of the launcher.
pub(crate) fn of_step(step: &str, refusal: &io::Error, situation: &Situation) -> String {
    let errno = refusal.raw_os_error();
    let is_refused = matches!(errno, Some(1 | 13));
    match (step, situation.rootless) {
        ("make a user namespace", _) if errno == Some(28) || situation.namespaces_off => {
            "user namespaces are disabled; as root: sysctl -w user.max_user_namespaces=15000".to_owned()
        }
        // The namespace is made, but without capabilities: which step fails first depends on the kernel
        // version.
        (_, true) if is_refused && situation.apparmor_restricts => {
            format!(
                "AppArmor removes the capabilities in user namespaces here (Ubuntu's default); {}",
                apparmor_fix()
            )
        }
        ("make a user namespace", true) if situation.clone_refused => {
            "unprivileged user namespaces are disabled; as root: sysctl -w kernel.unprivileged_userns_clone=1"
                .to_owned()
        }
        ("make a user namespace" | "deny setgroups" | "map the user id" | "map the group id", true)
            if is_refused =>
        {
            format!(
                "user namespaces are blocked; RestrictNamespaces= {UNIT} may block them, or the seccomp filter of a \
                 container: run it with --security-opt seccomp=unconfined"
            )
        }
        ("make /proc" | "mount /proc" | "make the sandbox's namespaces" | "mount", true) => {
            MASKED_PROC.to_owned()
        }
        (_, true) if is_refused => {
            format!(
                "RestrictNamespaces= or SystemCallFilter= {UNIT} may block it, or the seccomp filter of a container"
            )
        }
        (_, false) if is_refused => {
            format!(
                "root lacks a capability or a system call; start a container with {CONTAINER_OPTIONS} (docs/deployment.md); elsewhere \
                 CapabilityBoundingSet=, RestrictNamespaces= or SystemCallFilter= {UNIT} may block it"
            )
        }
        _ => "run `python-sandbox doctor`".to_owned(),
    }
}

/// In a user namespace the kernel mounts a `/proc` only if another is visible with nothing mounted over its
/// parts (user_namespaces(7), mount_too_revealing() in fs/namespace.c).
const MASKED_PROC: &str = "something is mounted over parts of this /proc, so the kernel does not let a sandbox mount its own; \
    in a systemd unit set ProtectKernelTunables=no and ProtectKernelLogs=no, run a container with --security-opt \
    systempaths=unconfined --security-opt seccomp=unconfined";

/// The usual fix for a step of the first sandbox; `None` where the step's error says all that is known.
pub(crate) fn of_setup_step(step: &str) -> Option<&'static str> {
    match step {
        "join the cgroups" => Some(
            "a user can only move processes below the group that it was started in: leave NATIVE_CGROUP_PARENT empty, \
             and start the service with `systemd-run --user --scope -p Delegate=yes python-sandbox serve`",
        ),
        // Programs would see the host's own name, so the sandbox is not made.
        "name the host" => Some(
            "ProtectHostname=yes of a systemd unit forbids it, even for a sandbox's own host name: \
             set ProtectHostname=no",
        ),
        "make /proc" => Some(MASKED_PROC),
        "make a cgroup namespace" => {
            Some("RestrictNamespaces= of a systemd unit must leave `user mnt pid net ipc uts cgroup`")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Situation =
        Situation { rootless: true, apparmor_restricts: false, namespaces_off: false, clone_refused: false };

    fn hint(step: &str, errno: i32, situation: &Situation) -> String {
        of_step(step, &io::Error::from_raw_os_error(errno), situation)
    }

    #[test]
    fn apparmors_restriction_is_named_at_whichever_step_it_strikes() {
        let ubuntu = Situation { apparmor_restricts: true, ..USER };
        let steps = [
            "make a user namespace",
            "deny setgroups",
            "map the user id",
            "map the group id",
            "stop mounts from propagating",
            "mount",
            "make the sandbox's namespaces",
        ];
        for (step, errno) in steps.into_iter().flat_map(|step| [(step, 1), (step, 13)]) {
            let hint = hint(step, errno, &ubuntu);
            assert!(
                hint.contains("AppArmor") && hint.contains("deploy/apparmor/python-sandbox"),
                "{step}: {hint}"
            );
            assert!(!super::of_step(step, &io::Error::from_raw_os_error(errno), &USER).contains("AppArmor"));
        }
        // Where the cause is not AppArmor, the hint does not mention it; nor for root, which it does not
        // restrict.
        assert!(!hint("mount", 12, &ubuntu).contains("AppArmor"));
        assert!(!hint("mount", 1, &Situation { rootless: false, ..ubuntu }).contains("AppArmor restricts"));
    }

    #[test]
    fn the_profile_is_made_for_where_the_program_is() {
        assert!(
            apparmor_fix_for(PROFILE_PATH).contains("cp deploy/apparmor/python-sandbox /etc/apparmor.d/")
        );
        let built = apparmor_fix_for("/home/me/src/target/release/python-sandbox");
        assert!(
            built.contains(
                "sed 's|/usr/local/bin/python-sandbox|/home/me/src/target/release/python-sandbox|'"
            )
        );
        assert!(!apparmor_fix_for("/home/it's mine/x").contains("it's"), "not into a shell");
        let profile = include_str!("../../../deploy/apparmor/python-sandbox");
        assert_eq!(
            profile.matches(&format!("profile python-sandbox {PROFILE_PATH} flags=(unconfined)")).count(),
            1
        );
        assert!(profile.contains("\n  userns,\n"));
    }

    #[test]
    fn a_profile_that_gives_rights_is_not_restricted() {
        assert!(
            is_restricted("unconfined") && is_restricted("docker-default (enforce)") && is_restricted("")
        );
        assert!(!is_restricted("python-sandbox (unconfined)"));
    }

    #[test]
    fn other_causes_have_their_own_words() {
        assert!(hint("make a user namespace", 28, &USER).contains("max_user_namespaces"));
        assert!(
            hint("make a user namespace", 1, &Situation { clone_refused: true, ..USER })
                .contains("unprivileged_userns_clone")
        );
        assert!(hint("make a user namespace", 1, &USER).contains("RestrictNamespaces="));
        assert!(hint("make /proc", 1, &USER).contains("systempaths=unconfined"));
        let root = Situation { rootless: false, ..USER };
        let refused = hint("make the sandbox's namespaces", 1, &root);
        assert!(refused.contains("--cap-add SYS_ADMIN --cap-add SYS_CHROOT"), "{refused}");
        assert!(!refused.contains("--privileged"), "{refused}");
        assert!(hint("pivot", 5, &root).contains("doctor"));
        // A part of the step "mount", with its own name.
        assert!(of_setup_step("make /proc").is_some_and(|hint| hint.contains("ProtectKernelTunables=no")));
        for step in ["join the cgroups", "name the host"] {
            assert!(launcher::SETUP_STEPS.iter().any(|known| known.as_str() == step), "{step}");
            assert!(of_setup_step(step).is_some(), "{step}");
        }
    }
}
