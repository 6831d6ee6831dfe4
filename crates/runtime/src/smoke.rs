//! Checks a finished tree by running its interpreter in it.
//!
//! Helpers of util-linux and coreutils make the tree the root, in new namespaces (a user namespace too if we
//! are not root), read-only, with an empty `/tmp`: nothing of it outlives the check. If the machine does not
//! allow that, the check is skipped with a message; `python-sandbox doctor` checks the runtime again in a
//! real sandbox.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::command::{command, run};
use crate::error::SetupError;
use crate::manifest::Manifest;
use crate::progress::Progress;

/// The code that runs inside; see the file.
const SMOKE: &str = include_str!("../../../runtime/build/smoke.py");
/// Makes `$0` the root as in a sandbox, then runs the rest. The mounts end with the namespace.
const ENTER: &str = r#"
    mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" &&
    mount -t tmpfs -o size=64m tmpfs "$0/tmp" &&
    mount -t tmpfs -o size=64m tmpfs "$0/dev" && mkdir "$0/dev/shm" && exec chroot "$0" "$@"
"#;

/// Runs the check. `rootfs` is the tree that `manifest` describes.
pub(crate) fn check(
    rootfs: &Path,
    manifest: &Manifest,
    progress: &mut dyn Progress,
) -> Result<(), SetupError> {
    let Some(wrapper) =
        [&[][..], &["--user", "--map-root-user"][..]].into_iter().find(|wrapper| can_enter(wrapper))
    else {
        progress.detail("not checked: cannot create namespaces here (see `python-sandbox doctor`)");
        return Ok(());
    };
    let mut python = enter(wrapper, rootfs);
    python.arg(&manifest.interpreter).args(["-I", "-B", "-c", SMOKE]);
    // The environment of programs, except for the search path: the helpers are the machine's.
    python.env_clear().envs(&manifest.env).env("PATH", helpers_path());
    let packages = run(&mut python).map_err(|source| SetupError::Smoke { source })?;
    progress.detail(&format!("{} packages load and work inside", packages.trim()));
    Ok(())
}

/// Whether namespaces, mounts and chroot work, tried on the machine's own root.
fn can_enter(wrapper: &[&str]) -> bool {
    let script = "mount -t tmpfs tmpfs /tmp && exec chroot / true";
    let mut trial = command("unshare");
    trial.env("PATH", helpers_path()).args(wrapper).args(["--mount", "sh", "-c", script]);
    run(&mut trial).is_ok()
}

fn enter(wrapper: &[&str], rootfs: &Path) -> Command {
    let mut entered = command("unshare");
    entered.args(wrapper).args(["--mount", "sh", "-c", ENTER]).arg(rootfs);
    entered
}

/// Search path for the helpers. `chroot` is often in `/usr/sbin`, which ordinary users do not search.
fn helpers_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}
