//! The description of one container, with all of its isolation.

use crate::config::{DockerConfig, Flavour};
use crate::container_lease;
use crate::image::{AGENT_PATH, Facts};
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig};
use seccomp::{Arch, Policy};
use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// First uid of programs: after those of `executor-native`, because the kernel's per-user counts are shared.
const UID_FIRST: u32 = 0x7001_0000;
/// First uid if the engine maps users into a user namespace: those have 65,536 ids (subuid(5)), and lower
/// ones may belong to users of the image.
const UID_FIRST_MAPPED: u32 = 20_000;
/// Number of ids before one is used again.
const UID_COUNT: u64 = 40_000;
/// The agent is in the container's cgroup too: one process that the program's limit must not count.
const AGENT_PIDS: u32 = 1;
/// Additional processes of a runtime that is a process itself: gVisor's kernel has threads on the host, some
/// of its own and up to three for each of the program's. At this limit its kernel exits; the agent enforces
/// the program's own.
const GVISOR_PIDS: u32 = 200;
const GVISOR_PIDS_PER_TASK: u32 = 3;
/// The agent's capabilities where it is root: to become the program's user, to give it its files, to kill it
/// and to read what it left. As in the native executor, `confine::CONTAINER_CAPABILITIES`. And, until it has
/// hidden itself from the program's `/proc`, the capability to mount.
const CONTAINER_CAPABILITIES: [&str; 8] =
    ["SETUID", "SETGID", "SETPCAP", "CHOWN", "FOWNER", "KILL", "DAC_OVERRIDE", "SYS_ADMIN"];
/// The kernel kills these containers first when the host itself runs short of memory
/// (proc_pid_oom_score_adj(5)).
const OOM_SCORE: i64 = 500;

/// Size of `/dev/shm` in bytes, and its inodes: for semaphores and small blocks of shared memory. Large ones
/// belong in `/tmp`, whose limits are settings.
const SHARED_BYTES: u64 = 8 << 20;
const SHARED_INODES: u64 = 256;

/// Hidden files of the host's kernel: those that the engine hides by default, and all that reveal the host.
/// The program keeps its own processes in `/proc`, the files that its interpreter reads, and the counters of
/// its own cgroup. Without `/proc/stat` and `/sys/devices`, glibc counts the processors that the program may
/// run on (get_nprocs(3)).
const MASKED: [&str; 52] = [
    "/dev/mqueue",
    "/etc/resolv.conf",
    "/proc/acpi",
    "/proc/asound",
    "/proc/buddyinfo",
    "/proc/bus",
    "/proc/cgroups",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/consoles",
    "/proc/crypto",
    "/proc/devices",
    "/proc/diskstats",
    "/proc/dma",
    "/proc/driver",
    "/proc/execdomains",
    "/proc/fb",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/irq",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/modules",
    "/proc/pagetypeinfo",
    "/proc/partitions",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/schedstat",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/softirqs",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/sysvipc",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/tty",
    "/proc/vmallocinfo",
    "/proc/vmstat",
    "/proc/zoneinfo",
];

/// What is hidden below `/sys`: all but the number of processors and the container's own cgroup.
const MASKED_SYS: [&str; 11] = [
    "/sys/block",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/devices",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
    "/sys/power",
];

/// The container for the `serial`th sandbox of a template that has imported `preload`.
pub(crate) fn describe(
    config: &DockerConfig,
    facts: &Facts,
    owner: &str,
    preload: &[String],
    serial: u64,
) -> ContainerCreateBody {
    let uid_first = if facts.maps_users { UID_FIRST_MAPPED } else { UID_FIRST };
    let uid = uid_first + u32::try_from(serial % UID_COUNT).unwrap_or(0);
    ContainerCreateBody {
        image: Some(facts.image_id.clone()),
        hostname: Some("sandbox".to_owned()),
        user: Some(if config.flavour.agent_is_root() { "0:0".to_owned() } else { format!("{uid}:{uid}") }),
        entrypoint: Some(vec![AGENT_PATH.to_owned()]),
        cmd: Some(agent_arguments(config, facts, preload, uid)),
        working_dir: Some("/".to_owned()),
        labels: Some(container_lease::labels(owner, config.flavour)),
        network_disabled: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // The agent ends when its input ends, and so do the containers of a killed service. One that is
        // paused waits for the next start's sweep.
        stdin_once: Some(true),
        tty: Some(false),
        host_config: Some(host_config(config, facts, uid, serial)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(config: &DockerConfig, facts: &Facts, uid: u32, serial: u64) -> HostConfig {
    let limits = &config.limits;
    let profile = if facts.podman { profile_path(config).display().to_string() } else { profile() };
    let tmpfs = |path: &str, bytes: u64, inodes: u64| {
        let options = if facts.podman {
            // Podman knows no other options. There are no other users in the container that could use the
            // permissions.
            format!("size={bytes},mode=1777")
        } else {
            format!("size={bytes},nr_inodes={inodes},mode=0700,uid={uid},gid={uid}")
        };
        (path.to_owned(), format!("rw,noexec,nosuid,nodev,{options}"))
    };
    let text = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let mut security = vec!["no-new-privileges:true".to_owned(), format!("seccomp={profile}")];
    if facts.podman {
        // Podman ignores `masked_paths`.
        security.push(format!("mask={}", [&MASKED[..], &MASKED_SYS].concat().join(":")));
    }
    HostConfig {
        auto_remove: Some(true),
        cap_add: config.flavour.agent_is_root().then(|| text(&CONTAINER_CAPABILITIES)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        cpu_period: Some(signed(limits.cpu_period_us)),
        cpu_quota: Some(signed(limits.cpu_quota_us)),
        cpuset_cpus: cpus(limits.cpu_count(), facts.cpus, serial),
        init: Some(false),
        ipc_mode: Some("none".to_owned()),
        // The agent's output is the protocol; an engine that logged it would keep programs' output on its
        // disk.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        masked_paths: Some([text(&MASKED), text(&MASKED_SYS)].concat()),
        memory: Some(signed(limits.memory_bytes)),
        memory_swap: Some(signed(swap_bytes(config))),
        network_mode: Some("none".to_owned()),
        oom_score_adj: Some(OOM_SCORE),
        pids_limit: Some(i64::from(pids_max(config))),
        privileged: Some(false),
        // Everything that would be read-only is hidden.
        readonly_paths: Some(Vec::new()),
        // Podman would mount an unlimited file system over /tmp. There, the program's user keeps it from
        // writing, since the whole image belongs to root, and so does Landlock.
        readonly_rootfs: Some(!facts.podman),
        runtime: config.runtime.clone(),
        security_opt: Some(security),
        tmpfs: Some(HashMap::from([
            tmpfs("/tmp", limits.disk_bytes, limits.disk_inodes),
            tmpfs("/dev/shm", SHARED_BYTES, SHARED_INODES),
        ])),
        ..HostConfig::default()
    }
}

/// The engine's seccomp profile.
fn profile() -> String {
    Policy::builtin().container_profile(Arch::native())
}

/// Its path for Podman, which takes no inline profile but opens a file. Beside the state directory, which
/// holds services.
fn profile_path(config: &DockerConfig) -> PathBuf {
    config.state_dir.with_extension("seccomp.json")
}

/// Writes it there, atomically.
pub(crate) fn write_profile(config: &DockerConfig, owner: &str) -> io::Result<()> {
    let path = profile_path(config);
    let new = path.with_extension(format!("{owner}.new"));
    // Left by an attempt that failed.
    let _ = fs::remove_file(&new);
    // Readable by all, whatever the umask: Podman may run as another user.
    let mut file = File::options().write(true).create_new(true).mode(0o644).open(&new)?;
    file.write_all(profile().as_bytes())?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    fs::rename(new, path)
}

/// Process limit of the container.
pub(crate) fn pids_max(config: &DockerConfig) -> u32 {
    let programs = config.limits.pids_max;
    let others = match config.flavour {
        Flavour::Gvisor => programs.saturating_mul(GVISOR_PIDS_PER_TASK).saturating_add(GVISOR_PIDS),
        Flavour::Docker | Flavour::Kata => AGENT_PIDS,
    };
    programs.saturating_add(others)
}

/// Memory and swap together.
pub(crate) fn swap_bytes(config: &DockerConfig) -> u64 {
    config.memory_swap_bytes.max(config.limits.memory_bytes)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// As many CPUs as the quota is worth, in turn, so that `os.cpu_count()` is right; `None` for all.
fn cpus(wanted: u32, there: u32, serial: u64) -> Option<String> {
    if wanted >= there {
        return None;
    }
    let first = u32::try_from(serial % u64::from(there)).unwrap_or(0);
    let numbers: Vec<String> = (0..wanted).map(|offset| ((first + offset) % there).to_string()).collect();
    Some(numbers.join(","))
}

fn agent_arguments(config: &DockerConfig, facts: &Facts, preload: &[String], uid: u32) -> Vec<String> {
    let mut arguments = vec!["init".to_owned(), facts.interpreter.clone()];
    let mut add = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    add("--cpus", config.limits.cpu_count().to_string());
    add("--file-bytes", config.limits.disk_bytes.to_string());
    if config.flavour.agent_is_root() {
        add("--uid", uid.to_string());
    }
    if !config.flavour.is_linux() {
        // The cgroup around gVisor counts the threads of its kernel, so its limit is not the program's.
        add("--tasks-max", config.limits.pids_max.to_string());
    }
    for (name, value) in &facts.env {
        add("--env", format!("{name}={value}"));
    }
    for module in preload {
        add("--preload", module.clone());
    }
    if !config.flavour.is_linux() {
        arguments.extend(["--no-notify".to_owned(), "--no-landlock".to_owned()]);
    }
    if config.flavour.agent_is_root() {
        arguments.push("--cover-first-process".to_owned());
    }
    arguments
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;
    use crate::config::EngineAddress;
    use executor::{PoolSize, SandboxLimits};
    use std::time::Duration;

    fn config(flavour: Flavour) -> DockerConfig {
        DockerConfig {
            flavour,
            engine: EngineAddress::default(),
            runtime: Some("r".to_owned()),
            image: "image".to_owned(),
            timeout: Duration::from_secs(1),
            limits: SandboxLimits {
                memory_bytes: 1 << 27,
                cpu_quota_us: 50_000,
                cpu_period_us: 100_000,
                pids_max: 50,
                disk_bytes: 1 << 26,
                disk_inodes: 100,
            },
            memory_swap_bytes: 0,
            templates: Vec::new(),
            pool: PoolSize { min: 0, max: 0 },
            state_dir: "/nowhere".into(),
        }
    }

    fn facts(maps_users: bool) -> Facts {
        Facts { maps_users, cpus: 4, interpreter: "/usr/bin/python3".to_owned(), ..Facts::default() }
    }

    #[test]
    fn every_wall_is_in_the_description() {
        let body = describe(&config(Flavour::Docker), &facts(false), "owner", &["json".to_owned()], 6);
        let host = body.host_config.unwrap();
        assert_eq!(body.user.as_deref(), Some("1879113734:1879113734"));
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.ipc_mode.as_deref(), Some("none"));
        assert_eq!((host.cap_drop.unwrap(), host.cap_add), (vec!["ALL".to_owned()], None));
        assert_eq!((host.readonly_rootfs, host.privileged), (Some(true), Some(false)));
        assert_eq!(
            (host.memory, host.memory_swap),
            (Some(1 << 27), Some(1 << 27)),
            "no swap beyond the memory"
        );
        assert_eq!((host.cpu_quota, host.cpu_period), (Some(50_000), Some(100_000)));
        assert_eq!(host.cpuset_cpus.as_deref(), Some("2"));
        assert_eq!(host.pids_limit, Some(51));
        let tmp = &host.tmpfs.unwrap()["/tmp"];
        assert!(tmp.contains("size=67108864,nr_inodes=100") && tmp.contains("noexec"), "{tmp}");
        let options = host.security_opt.unwrap();
        assert!(options[0].starts_with("no-new-privileges") && options[1].starts_with("seccomp={"));
        assert!(body.cmd.unwrap().ends_with(&["--preload".to_owned(), "json".to_owned()]));
        assert_eq!((host.binds, host.mounts, host.devices, body.env), (None, None, None, None));
    }

    #[test]
    fn an_engine_that_maps_users_gets_ids_that_it_has() {
        let body = describe(&config(Flavour::Docker), &facts(true), "owner", &[], 45_535);
        assert_eq!(body.user.as_deref(), Some("25535:25535"));
    }

    #[test]
    fn podman_is_asked_in_its_own_words() {
        let facts = Facts { podman: true, ..facts(false) };
        let host = describe(&config(Flavour::Docker), &facts, "owner", &[], 0).host_config.unwrap();
        let options = host.security_opt.unwrap();
        assert!(options[1] == "seccomp=/nowhere.seccomp.json", "a file: {options:?}");
        assert!(options[2].starts_with("mask=/dev/mqueue:") && options[2].contains(":/proc/stat:"));
        assert_eq!(host.tmpfs.unwrap()["/tmp"], "rw,noexec,nosuid,nodev,size=67108864,mode=1777");
        assert_eq!(host.readonly_rootfs, Some(false), "or it covers /tmp");
    }

    #[test]
    fn gvisor_is_not_asked_for_what_its_kernel_lacks() {
        let body = describe(&config(Flavour::Gvisor), &facts(false), "owner", &[], 0);
        let arguments = body.cmd.unwrap();
        assert_eq!(body.user.as_deref(), Some("0:0"));
        assert!(arguments.contains(&"--uid".to_owned()), "the program has its own user");
        assert!(
            arguments.contains(&"--no-notify".to_owned()) && arguments.contains(&"--no-landlock".to_owned())
        );
        assert!(!arguments.contains(&"--no-seccomp".to_owned()));
        assert!(arguments.windows(2).any(|pair| pair == ["--tasks-max", "50"]), "{arguments:?}");
    }

    #[test]
    fn programs_take_their_turns_on_the_cpus() {
        assert_eq!(cpus(1, 2, 3).as_deref(), Some("1"));
        assert_eq!(cpus(2, 3, 2).as_deref(), Some("2,0"));
        assert_eq!(cpus(2, 2, 0), None);
    }
}
