//! Checks what this host can enforce, and starts the executor only if that is everything.

use crate::container_options::CONTAINER_OPTIONS;
use crate::disk_reads::DiskReads;
use crate::error::StartError;
use crate::factory::{RETRY_PAUSE, Remover, SandboxFactory};
use crate::hint::{self, Situation};
use crate::launcher_client::{LauncherClient, LauncherError, RootFacts};
use crate::runtime_location::RuntimeLocation;
use cgroup::{HostView, Layout, LimitState, Manager, ManagerConfig, TotalLimits, Totals};
use executor::{PoolSize, Protection, SandboxLimits, TemplateSpec, Templates};
use launcher::{LauncherConfig, ProgramConfig, TemplateConfig, UserIds};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The provider's name.
pub const PROVIDER: &str = "native";

/// The settings of [`Totals`].
pub(crate) const MEMORY_TOTAL: &str = "NATIVE_MEMORY_TOTAL";
pub(crate) const PIDS_TOTAL: &str = "NATIVE_PIDS_TOTAL";

/// Processes and threads of the launcher and its templates: numeric libraries have a thread per core in each
/// template, up to 64. The limit also stops an import that forks without end.
const HELPER_PIDS_MAX: u64 = 1024;

/// Open files that an ordinary user's service should be allowed: four times those of a program.
const FILES_MIN: u64 = 4096;

/// Configuration of the native executor.
#[derive(Debug, Clone)]
pub struct NativeConfig {
    /// The runtime's root file system, absolute.
    pub rootfs: PathBuf,
    /// The interpreter, absolute path inside it.
    pub interpreter: String,
    /// The runtime's environment for programs.
    pub env: Vec<(String, String)>,
    /// Maximum size in bytes of a copy of the runtime in memory; a larger one stays on its disk. 0 for no
    /// copy.
    pub runtime_memory_bytes: u64,
    /// Bytes per second that all sandboxes together may read from the disk of a runtime that is not in
    /// memory; `None` for no limit.
    pub disk_read_bytes_max: Option<u64>,
    /// Limits of each sandbox.
    pub limits: SandboxLimits,
    /// Templates to fork interpreters from, besides the lean one; `None` for a fresh interpreter for every
    /// program.
    pub templates: Option<Vec<TemplateSpec>>,
    /// Idle sandboxes for each template.
    pub pool: PoolSize,
    /// Limits of all sandboxes together.
    pub totals: Totals,
    /// Parent of the cgroups, relative to the root of each hierarchy; `None` to find one.
    pub cgroup_parent: Option<String>,
    /// The command that the user typed, for hints: `serve`, `run`, ...
    pub command: &'static str,
    /// For tests: the step of making the launcher or a sandbox that is made to fail.
    pub fail_cell_at: Option<String>,
    /// For tests: the number of the step of starting a program that is made to fail.
    pub fail_program_at: Option<u8>,
}

/// What [`start`] made.
pub(crate) struct Started {
    pub(crate) factory: Arc<SandboxFactory>,
    pub(crate) remover: Arc<Remover>,
    /// All protections but [`root_protections`].
    pub(crate) protections: BTreeMap<&'static str, Protection>,
}

/// Checks the host, removes the leftovers of a killed predecessor, and starts the launcher. Blocks.
pub(crate) fn start(config: &NativeConfig) -> Result<Started, StartError> {
    let uid = rustix::process::geteuid();
    // Root in another user namespace has no privileges on the host, and no ids but its own.
    let rootless = !confine::is_host_root();
    let mut protections = BTreeMap::new();
    raise_file_limit();
    check_kernel(&mut protections)?;
    let groups = open_groups(config, &mut protections)?;
    let report = groups.sweep();
    if report.instances_removed > 0 || !report.failures.is_empty() {
        tracing::info!(
            removed = report.instances_removed,
            killed = report.processes_killed,
            failures = ?report.failures,
            "removed the leftovers of an earlier service"
        );
    }
    let user_map = rootless.then(|| UserIds { uid: uid.as_raw(), gid: rustix::process::getegid().as_raw() });
    let templates = Templates::new(config.templates.as_deref());
    let totals = limit_totals(config, &groups, &mut protections)?;
    let group = groups.create_for_helpers(HELPER_PIDS_MAX).map_err(|error| cgroup_error(&error))?;
    let runtime = RuntimeLocation::choose(&config.rootfs, config.runtime_memory_bytes, groups.memory_left());
    let read_ahead = config.pool.max > 0;
    let reads = DiskReads {
        reads: groups.reads(),
        rootfs: config.rootfs.clone(),
        bytes_max: config.disk_read_bytes_max,
    };
    let launcher_config = launcher_config(config, &templates, user_map);
    let launcher = LauncherClient::new(launcher_config, group, reads, runtime, read_ahead)
        .map_err(StartError::LauncherClient)?;
    launcher.ensure_running().map_err(|error| start_error(error, rootless))?;
    protections.extend(namespace_protections(rootless));
    let factory = Arc::new(SandboxFactory::new(launcher, groups, config.limits, totals, templates, rootless));
    // Weak: a thread that removes must not keep the launcher alive.
    let retried = Arc::downgrade(&factory);
    let retry = move |goes_on: &dyn Fn() -> bool| {
        if let Some(factory) = retried.upgrade() {
            factory.retry_leftovers(goes_on);
        }
    };
    let remover = Arc::new(Remover::start(RETRY_PAUSE, retry).map_err(StartError::LauncherClient)?);
    Ok(Started { factory, remover, protections })
}

fn start_error(error: LauncherError, rootless: bool) -> StartError {
    match error {
        LauncherError::Io(error) => StartError::LauncherClient(error),
        LauncherError::Refused { step, source } => {
            let hint = hint::of_step(&step, &source, &Situation::of_host(rootless));
            StartError::Refused { step, refusal: source, hint }
        }
    }
}

/// Raises the limit of open files of this process, and of the launcher after it, to the maximum: each sandbox
/// takes some. In a user namespace with one id the kernel also counts the descriptors in flight through
/// sockets, of all sandboxes and the service together, against the limit of the process that sends one more.
/// Ours must be far above the program's, or a program could exhaust the count and keep every other one from
/// starting.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        tracing::warn!(%error, "failed to raise the limit on open files");
    }
    if most.is_some_and(|most| most < FILES_MIN) {
        tracing::warn!(
            most,
            "the hard limit on open files is low: a program can keep others from starting; raise it"
        );
    }
}

fn launcher_config(
    config: &NativeConfig,
    templates: &Templates,
    user_map: Option<UserIds>,
) -> LauncherConfig {
    LauncherConfig {
        rootfs: config.rootfs.to_string_lossy().into_owned(),
        // Every start has its own.
        runtime_memory_bytes: None,
        cpu_count: config.limits.cpu_count(),
        user_map,
        program: ProgramConfig {
            interpreter: config.interpreter.clone(),
            env: config.env.clone(),
            cpu_count: config.limits.cpu_count(),
            file_bytes_max: config.limits.disk_bytes,
            seccomp: true,
            notify: true,
            tasks_max: None,
            landlock: true,
            fail_at: config.fail_program_at,
        },
        templates: template_configs(templates),
        // The host's side of the launcher counts them.
        cgroups: 0,
        fail_at: config.fail_cell_at.clone(),
    }
}

fn template_configs(templates: &Templates) -> Vec<TemplateConfig> {
    templates
        .ids()
        .filter(|id| templates.number(*id).is_some())
        .map(|id| TemplateConfig { name: templates.name(id).to_owned(), preload: templates.preload(id) })
        .collect()
}

fn enforced(detail: impl Into<String>) -> Protection {
    Protection { enforced: true, detail: detail.into() }
}

fn check_kernel(protections: &mut BTreeMap<&'static str, Protection>) -> Result<(), StartError> {
    if !confine::probe_user_notification() {
        return Err(StartError::Kernel {
            what: "seccomp user notification",
            hint: "Linux 5.5 or newer with CONFIG_SECCOMP_FILTER; in gVisor use another executor; or the seccomp filter \
                   of the unit or container forbids seccomp(2): add it to SystemCallFilter=, or \
                   --security-opt seccomp=unconfined",
        });
    }
    protections.insert("seccomp", enforced("allow-list; blocked system calls are named in the verdict"));
    let abi = confine::landlock_abi();
    let landlock = if abi > 0 {
        enforced(format!(
            "landlock ABI {abi}: files, TCP, signals and abstract sockets as far as this ABI covers them"
        ))
    } else {
        Protection {
            enforced: false,
            detail: "the kernel has no Landlock (a second layer: mounts and seccomp work without it)"
                .to_owned(),
        }
    };
    protections.insert("landlock", landlock);
    Ok(())
}

fn cgroup_error(error: &dyn std::error::Error) -> StartError {
    StartError::Cgroup(support::error_chain(error))
}

/// Limits what all sandboxes use together, with the launcher and its templates.
fn limit_totals(
    config: &NativeConfig,
    groups: &Manager,
    protections: &mut BTreeMap<&'static str, Protection>,
) -> Result<TotalLimits, StartError> {
    let limits = groups.limit_total(&config.totals).map_err(|error| cgroup_error(&error))?;
    let protection = |limit: Option<u64>, what: &str, setting: &str| match limit {
        Some(limit) => enforced(format!("cgroup: all sandboxes together have {limit} {what}")),
        None => Protection { enforced: false, detail: format!("{setting} disables it") },
    };
    protections
        .insert("memory_total_limit", protection(limits.memory_bytes, "bytes of memory", MEMORY_TOTAL));
    protections.insert("process_total_limit", protection(limits.pids, "processes and threads", PIDS_TOTAL));
    Ok(limits)
}

/// This process and its host, for the detection of cgroups. `command` is the command that the user typed;
/// hints name it.
#[must_use]
pub fn host_view(command: &'static str) -> HostView {
    HostView { euid: confine::euid_outside(), command, container_options: CONTAINER_OPTIONS }
}

fn open_groups(
    config: &NativeConfig,
    protections: &mut BTreeMap<&'static str, Protection>,
) -> Result<Manager, StartError> {
    let view = host_view(config.command);
    let layout =
        Layout::detect_host(&view, config.cgroup_parent.as_deref()).map_err(|error| cgroup_error(&error))?;
    let manager = Manager::open(layout, ManagerConfig::default()).map_err(|error| cgroup_error(&error))?;
    let mut missing = Vec::new();
    for limit in manager.check() {
        let name = match limit.kind {
            cgroup::LimitKind::Memory => "memory_limit",
            cgroup::LimitKind::Swap => "swap_limit",
            cgroup::LimitKind::Pids => "process_limit",
            cgroup::LimitKind::Cpu => "cpu_limit",
        };
        let protection = match limit.state {
            LimitState::Enforced => enforced("cgroup"),
            LimitState::Weak { why, fix } => enforced(format!("cgroup, but {why} (hint: {fix})")),
            LimitState::Missing { why, fix } => {
                missing.push(format!("{} limit: {why} (hint: {fix})", limit.kind));
                Protection { enforced: false, detail: why }
            }
        };
        protections.insert(name, protection);
    }
    if missing.is_empty() { Ok(manager) } else { Err(StartError::Cgroup(missing.join("; "))) }
}

/// The protections of a sandbox's files. They depend on what the current launcher found possible.
pub(crate) fn root_protections(root: &RootFacts) -> [(&'static str, Protection); 2] {
    let devices = if root.own_devices {
        "separate nodes for each sandbox"
    } else {
        "the host's nodes, read-only mounts: a user namespace cannot make its own"
    };
    [("runtime", enforced(root.runtime.to_string())), ("devices", enforced(devices))]
}

fn namespace_protections(rootless: bool) -> [(&'static str, Protection); 7] {
    let user = if rootless {
        enforced("user namespace with one id; the agent is shielded by its pid namespace, not by another uid")
    } else {
        enforced("a separate uid above 0x70000000, no groups, no capability, no_new_privs")
    };
    [
        ("namespaces", enforced("mount, pid, net, ipc, uts, cgroup")),
        (
            "helpers",
            enforced(
                "launcher, templates and agents: a seccomp filter and a reduced set of capabilities each, in a pid namespace and a \
                 cgroup that end with the service",
            ),
        ),
        ("network", enforced("empty network namespace, sockets blocked")),
        (
            "root_file_system",
            enforced(
                "read-only, a separate view of the runtime for each sandbox; the host's root is not mounted",
            ),
        ),
        ("writable_file_system", enforced("tmpfs on /tmp, bounded in bytes and inodes, noexec")),
        ("user", user),
        ("wall_time_limit", enforced("the agent's clock, backed by the host's")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launcher_gets_every_template_in_its_order_and_none_without_them() {
        let scientific = TemplateSpec { name: "scientific".to_owned(), preload: vec!["numpy".to_owned()] };
        let configs = template_configs(&Templates::new(Some(&[scientific])));
        assert_eq!(configs.iter().map(|config| &*config.name).collect::<Vec<_>>(), ["lean", "scientific"]);
        assert!(configs[1].preload.contains(&"numpy".to_owned()));
        assert_eq!(template_configs(&Templates::new(None)), []);
    }
}
