//! Properties of the host that the protections depend on.

use super::finding::Finding;
use runtime::{LoadError, Runtime};
use settings::Settings;
use std::net::TcpListener;
use std::path::Path;

/// The oldest kernel with every required system call (`confine`).
const KERNEL_MIN: (u32, u32) = (5, 12);

/// Free space in bytes below which the data directory counts as full: ten times the largest set of output
/// files.
const FREE_BYTES_MIN: u64 = 500 * 1024 * 1024;

/// All host findings.
pub(super) fn facts(settings: &Settings, runtime: &Result<Option<Runtime>, LoadError>) -> Vec<Finding> {
    // Containers get their cgroups from the engine.
    let is_native = compose::uses_native(settings);
    let facts = [
        Some(kernel()),
        Some(landlock()),
        Some(seccomp_notify()),
        is_native.then(|| cgroups(settings)),
        Some(python_runtime(runtime)),
        Some(data_dir(&settings.data_dir)),
        Some(disk_space(&settings.data_dir)),
        Some(port(settings)),
    ];
    facts.into_iter().flatten().collect()
}

/// What the service does with the object store, tried once; `None` without one.
pub(super) async fn object_store(settings: &Settings) -> Option<Finding> {
    const NAME: &str = "object store";
    let checks = match compose::check_object_store(settings).await {
        Ok(checks) => checks,
        Err(error) => {
            let detail = support::error_chain(&error);
            return Some(Finding::host_missing(
                NAME,
                detail,
                "correct the settings STORAGE_S3_ or STORAGE_R2_",
            ));
        }
    };
    let problem = |is_needed: bool| {
        checks.iter().filter(|check| check.is_needed == is_needed).find_map(|check| {
            check.problem.as_ref().map(|problem| format!("{} failed: {problem}", check.what))
        })
    };
    match (problem(true), problem(false)) {
        _ if checks.is_empty() => None,
        (Some(problem), _) => Some(Finding::host_missing(NAME, problem, "see docs/storage.md")),
        (None, Some(problem)) => {
            let detail = format!("files are stored and downloaded, but old ones are not removed: {problem}");
            Some(Finding::host(NAME, detail))
        }
        (None, None) => Some(Finding::host(NAME, "a file was stored, downloaded, listed and removed")),
    }
}

fn kernel() -> Finding {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut parts =
        release.split(|char: char| !char.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let (major, minor) = KERNEL_MIN;
    if version >= KERNEL_MIN {
        Finding::host("kernel", release)
    } else {
        Finding::host_missing("kernel", release, format!("boot Linux {major}.{minor} or newer"))
    }
}

fn landlock() -> Finding {
    match confine::landlock_abi() {
        0 => Finding::host_missing(
            "landlock",
            "not in this kernel, or disabled",
            "use Linux 5.13 or newer with `landlock` in the boot parameter lsm=",
        ),
        abi => Finding::host("landlock", format!("ABI {abi}")),
    }
}

fn seccomp_notify() -> Finding {
    if confine::probe_user_notification() {
        Finding::host("seccomp notification", "blocked system calls can be named in answers")
    } else {
        Finding::host_missing(
            "seccomp notification",
            "the kernel cannot notify of blocked system calls",
            "use Linux 5.5 or newer, outside of a container or unit that filters seccomp(2): \
             --security-opt seccomp=unconfined, or add `seccomp` to SystemCallFilter=",
        )
    }
}

/// Only ordinary users need them, for the native executor; root creates the other namespaces directly.
/// Several things can forbid them (kernel settings, AppArmor profiles, seccomp filters), so an executor that
/// has started proves them, and the settings are read only to explain a failure.
pub(super) fn user_namespaces(native_is_healthy: bool) -> Finding {
    const NAME: &str = "user namespaces";
    if confine::is_host_root() {
        return Finding::host(NAME, "not needed as root");
    }
    if native_is_healthy {
        return Finding::host(NAME, "the native executor has created one");
    }
    let read =
        |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let missing = |problem: &str, fix: &str| Finding::host_missing(NAME, problem, fix);
    if read("/proc/sys/user/max_user_namespaces") == "0" {
        missing("user.max_user_namespaces is 0", "sudo sysctl user.max_user_namespaces=15000")
    } else if read("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        missing("not allowed for ordinary users", "sudo sysctl kernel.unprivileged_userns_clone=1")
    } else if let Some(fix) = compose::apparmor_fix() {
        missing("AppArmor removes their capabilities", &fix)
    } else {
        Finding::host(NAME, "no kernel setting forbids them")
    }
}

fn cgroups(settings: &Settings) -> Finding {
    // If this fails, the finding below shows the consequence.
    let _ = compose::prepare_cgroups(settings);
    let view = compose::host_view("doctor");
    match cgroup::Layout::detect_host(&view, settings.native_cgroup_parent.as_deref()) {
        Ok(layout) => {
            let places: Vec<String> =
                layout.hierarchies().iter().map(|hierarchy| hierarchy.parent.display().to_string()).collect();
            Finding::host("cgroups", places.join(", "))
        }
        Err(error) => {
            let fixes = error.fixes().join("; or ");
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Finding::host_missing("cgroups", error.problem() + &cause, fixes)
        }
    }
}

fn python_runtime(runtime: &Result<Option<Runtime>, LoadError>) -> Finding {
    match runtime {
        Ok(None) => Finding::host("Python runtime", "none prepared; programs run in the image DOCKER_IMAGE"),
        Ok(Some(runtime)) => {
            let (major, minor, micro) = runtime.python_version;
            let packages = support::counted(runtime.packages.len(), "package");
            Finding::host("Python runtime", format!("{major}.{minor}.{micro}, {packages} ({})", runtime.id))
        }
        Err(error) => {
            let fix = match error {
                LoadError::Incomplete { .. } => {
                    "set RUNTIME_ROOTFS to a tree that has all of it, or leave it empty"
                }
                LoadError::Untrusted { .. } => {
                    "python-sandbox setup --force, or set RUNTIME_ROOTFS to a tree that no other user can write to"
                }
                _ => "python-sandbox setup",
            };
            Finding::host_missing("Python runtime", compose::no_runtime(error), fix)
        }
    }
}

fn data_dir(path: &Path) -> Finding {
    match tempfile::tempfile_in(path) {
        Ok(_) => Finding::host("data directory", format!("{} is writable", path.display())),
        Err(error) => Finding::host_missing(
            "data directory",
            format!("{}: {error}", path.display()),
            "python-sandbox setup, or set DATA_DIR to your own directory",
        ),
    }
}

fn disk_space(path: &Path) -> Finding {
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{} MiB free", free >> 20);
            if free >= FREE_BYTES_MIN {
                Finding::host("disk space", detail)
            } else {
                Finding::host_missing("disk space", detail, "free some space, or lower STORAGE_MAX_SIZE")
            }
        }
        Err(error) => Finding::host_missing(
            "disk space",
            format!("{}: {error}", path.display()),
            "python-sandbox setup",
        ),
    }
}

fn port(settings: &Settings) -> Finding {
    let (host, port) = (settings.host.as_str(), settings.port);
    match TcpListener::bind((host, port)) {
        Ok(_) => Finding::host("port", format!("{host} port {port} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::host("port", format!("{host} port {port} is in use, perhaps by this service"))
        }
        Err(error) => Finding::host_missing(
            "port",
            format!("{host} port {port}: {error}"),
            "choose other HOST and PORT settings",
        ),
    }
}
