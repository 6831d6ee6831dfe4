//! Whether an engine enforces the limits that are requested: according to its own description, and to what a
//! first sandbox reads from its own cgroup. An engine ignores a requested limit that it cannot enforce and
//! starts the container all the same, so requesting is no proof.

use crate::error::EngineError;
use bollard::models::{SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum};
use executor::SandboxLimits;

/// The largest page of any kernel that this runs on.
const PAGE_BYTES_MAX: u64 = 64 << 10;

/// Python that prints, one per line, the limits of a sandbox's cgroup (v1 and v2), the size of its `/tmp`,
/// and the host's swap. Missing values are left out. Needs `os`.
pub(crate) const PROOF: &str = r#"
for name, path in {
    "memory": "memory/memory.limit_in_bytes", "memory2": "memory.max",
    "both": "memory/memory.memsw.limit_in_bytes", "swap2": "memory.swap.max",
    "pids": "pids/pids.max", "pids2": "pids.max",
    "quota": "cpu/cpu.cfs_quota_us", "period": "cpu/cpu.cfs_period_us", "cpu2": "cpu.max",
}.items():
    try:
        print(name, open("/sys/fs/cgroup/" + path).read().strip())
    except OSError:
        pass
tmp = os.statvfs("/tmp")
print("tmp", tmp.f_blocks * tmp.f_frsize)
try:
    print(*[line for line in open("/proc/meminfo") if line.startswith("SwapTotal:")])
except OSError:
    pass
"#;

/// The limits that the engine says it cannot enforce. Swap is not among them: without swap on the host there
/// is nothing to limit, and only the proof can tell.
///
/// # Errors
/// The missing limits, with the fix.
pub(crate) fn check_claims(info: &SystemInfo) -> Result<(), EngineError> {
    let rootless = info.security_options.iter().flatten().any(|option| option.starts_with("name=rootless"));
    let version_2 = info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_2);
    // Podman reports what its host could do, not what it can do there without root.
    let none = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::NONE) || (rootless && !version_2);
    let claims = [("memory", info.memory_limit), ("processes", info.pids_limit), ("CPU", info.cpu_cfs_quota)];
    let missing: Vec<_> =
        claims.iter().filter(|(_, claim)| none || *claim != Some(true)).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let hint = match (rootless, version_2) {
        (true, false) => {
            "ordinary users cannot use cgroup v1: boot the host with \
             systemd.unified_cgroup_hierarchy=1, or use an engine that runs as root"
        }
        (true, true) => {
            "delegate the cgroups to the engine's user: `Delegate=cpu cpuset memory pids` in \
             /etc/systemd/system/user@.service.d/delegate.conf, and start the engine with `systemctl --user`"
        }
        (false, _) => {
            "the engine's host lacks these cgroup controllers: see `docker info`, and boot it with cgroup_enable=memory \
             if memory is missing"
        }
    };
    Err(EngineError::Unlimited { missing: missing.join(", "), hint })
}

/// Whether a runtime of the engine uses cgroups at all: from inside gVisor that cannot be seen.
///
/// # Errors
/// If it was told not to.
pub(crate) fn check_runtime(runtime: &str, info: &SystemInfo) -> Result<(), EngineError> {
    let arguments = info.runtimes.iter().flatten().filter(|(name, _)| *name == runtime);
    let mut arguments = arguments.flat_map(|(_, runtime)| runtime.runtime_args.iter().flatten());
    if arguments.any(|argument| argument.trim_start_matches('-').starts_with("ignore-cgroups")) {
        return Err(EngineError::Unlimited {
            missing: "memory, processes, CPU".to_owned(),
            hint: "remove --ignore-cgroups from the runtime's `runtimeArgs` in /etc/docker/daemon.json",
        });
    }
    Ok(())
}

/// Whether the limits that [`PROOF`] printed are the requested ones. `swap_bytes` is memory and swap
/// together.
///
/// # Errors
/// The limits that are not, with the fix.
pub(crate) fn check_proof(
    printed: &str,
    limits: &SandboxLimits,
    swap_bytes: u64,
    pids_max: u32,
) -> Result<(), EngineError> {
    let value = |name: &str| {
        printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix([' ', ':'])).map(str::trim)
    };
    // `max` and -1 do not parse as numbers here: both mean no limit.
    let number = |text: &str| text.parse::<u64>().ok();
    let at_most = |names: [&str; 2], most: u64| {
        names.iter().find_map(|name| value(name)).and_then(number).is_some_and(|found| found <= most)
    };
    let quota = match value("cpu2") {
        Some(both) => {
            both.split_once(' ').and_then(|(quota, period)| Some((number(quota)?, number(period)?)))
        }
        None => value("quota").and_then(number).zip(value("period").and_then(number)),
    };
    let cpu = quota.is_some_and(|(quota, period)| {
        u128::from(quota) * u128::from(limits.cpu_period_us)
            <= u128::from(limits.cpu_quota_us) * u128::from(period)
    });
    // In kilobytes. A host that hides it is assumed to have swap.
    let no_swap = value("SwapTotal").is_some_and(|total| total.split(' ').next() == Some("0"));
    let swap = match value("swap2") {
        Some(swap) => number(swap).is_some_and(|swap| swap <= swap_bytes.saturating_sub(limits.memory_bytes)),
        None => value("both").and_then(number).is_some_and(|both| both <= swap_bytes),
    };
    let held = [
        ("memory", at_most(["memory2", "memory"], limits.memory_bytes)),
        ("processes", at_most(["pids2", "pids"], u64::from(pids_max))),
        ("CPU", cpu),
        ("swap", swap || no_swap),
        // The kernel rounds up.
        ("disk", at_most(["tmp"; 2], limits.disk_bytes.next_multiple_of(PAGE_BYTES_MAX))),
    ];
    let missing: Vec<_> = held.iter().filter(|(_, held)| !held).map(|(name, _)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let hint = if missing == ["swap"] {
        "disable it on the engine's host, `swapoff -a`, or boot it with swapaccount=1"
    } else {
        "see the warnings of `docker info`"
    };
    Err(EngineError::Unlimited { missing: missing.join(", "), hint })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;

    /// Descriptions of engines: rootless or not, version, driver, memory, processes, CPU.
    fn says(
        rootless: bool,
        version_2: bool,
        driver: SystemInfoCgroupDriverEnum,
        claims: [Option<bool>; 3],
    ) -> Result<(), String> {
        use SystemInfoCgroupVersionEnum::{_1, _2};
        let option = if rootless { "name=rootless" } else { "name=seccomp,profile=default" };
        let info = SystemInfo {
            security_options: Some(vec![option.to_owned()]),
            cgroup_version: Some(if version_2 { _2 } else { _1 }),
            cgroup_driver: Some(driver),
            memory_limit: claims[0],
            pids_limit: claims[1],
            cpu_cfs_quota: claims[2],
            swap_limit: Some(false),
            ..SystemInfo::default()
        };
        check_claims(&info).map_err(|error| error.to_string())
    }

    #[test]
    fn an_engine_is_trusted_only_with_what_it_can_enforce() {
        use SystemInfoCgroupDriverEnum::{CGROUPFS, NONE, SYSTEMD};
        let (all, none) = ([Some(true); 3], [Some(false); 3]);
        assert_eq!(says(false, false, CGROUPFS, all), Ok(()), "version 1");
        assert_eq!(says(false, true, SYSTEMD, all), Ok(()), "version 2");
        assert_eq!(says(true, true, SYSTEMD, all), Ok(()), "rootless with delegation");
        let refused = [
            ("rootless Docker on version 1", says(true, false, NONE, none), "unified_cgroup_hierarchy"),
            ("rootless Podman on version 1", says(true, false, CGROUPFS, all), "unified_cgroup_hierarchy"),
            ("rootless without systemd", says(true, true, NONE, none), "Delegate="),
            (
                "rootless, CPU not delegated",
                says(true, true, SYSTEMD, [Some(true), Some(true), Some(false)]),
                "CPU",
            ),
            (
                "a kernel without it",
                says(false, false, CGROUPFS, [Some(false), Some(true), Some(true)]),
                "memory",
            ),
            (
                "an engine that does not say",
                says(false, false, CGROUPFS, [Some(true), None, Some(true)]),
                "processes",
            ),
        ];
        for (engine, answer, word) in refused {
            let reason = answer.unwrap_err();
            assert!(reason.contains(word) && reason.contains("hint"), "{engine}: {reason}");
        }
    }

    const V1: &str = "memory 134217728\nboth 134217728\npids 51\nquota 50000\nperiod 100000\ntmp 1048576\nSwapTotal:   0 kB\n";
    const V2: &str =
        "memory2 134217728\nswap2 0\npids2 51\ncpu2 50000 100000\ntmp 1048576\nSwapTotal:  2097148 kB\n";

    fn proof(printed: &str) -> Result<(), String> {
        let limits = SandboxLimits {
            memory_bytes: 128 << 20,
            cpu_quota_us: 50_000,
            cpu_period_us: 100_000,
            pids_max: 50,
            disk_bytes: 1 << 20,
            disk_inodes: 0,
        };
        check_proof(printed, &limits, 128 << 20, 51).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_as_asked_for_are_proved() {
        assert_eq!(proof(V1), Ok(()));
        assert_eq!(proof(V2), Ok(()));
        // Tighter is valid too, whatever the period.
        assert_eq!(proof(&V2.replace("50000 100000", "10000 20000").replace("pids2 51", "pids2 20")), Ok(()));
    }

    #[test]
    fn a_limit_that_is_not_there_is_named() {
        for (printed, from, to, word) in [
            (V1, "memory 134217728", "memory 9223372036854771712", "memory"),
            (V1, "pids 51", "pids max", "processes"),
            (V1, "quota 50000", "quota -1", "CPU"),
            (V1, "quota 50000\n", "", "CPU"),
            (V2, "memory2 134217728", "memory2 max", "memory"),
            (V2, "pids2 51", "pids2 max", "processes"),
            (V2, "cpu2 50000", "cpu2 max", "CPU"),
            (V2, "cpu2 50000", "cpu2 60000", "CPU"),
            (V2, "tmp 1048576", "tmp 12638248960", "disk"),
            (V2, "swap2 0", "swap2 max", "swap"),
            (V2, "swap2 0\n", "", "swapoff"),
        ] {
            let reason = proof(&printed.replace(from, to)).unwrap_err();
            assert!(reason.contains(word), "{to}: {reason}");
        }
        assert!(proof("").unwrap_err().contains("memory, processes, CPU, swap, disk"));
    }

    #[test]
    fn swap_that_cannot_be_limited_is_harmless_where_there_is_none() {
        let unlimited = V1.replace("both 134217728\n", "");
        assert_eq!(proof(&unlimited), Ok(()));
        assert!(proof(&unlimited.replace("  0 kB", "  8 kB")).unwrap_err().contains("swapoff"));
        assert!(proof(&unlimited.replace("SwapTotal:   0 kB", "")).is_err(), "unknown");
    }

    #[test]
    fn a_runtime_that_ignores_control_groups_is_refused() {
        let info = |argument: &str| {
            let runtime = bollard::models::Runtime {
                runtime_args: Some(vec![argument.to_owned()]),
                ..Default::default()
            };
            SystemInfo { runtimes: Some([("runsc".to_owned(), runtime)].into()), ..SystemInfo::default() }
        };
        assert!(check_runtime("runsc", &info("--network=none")).is_ok());
        for argument in ["--ignore-cgroups", "-ignore-cgroups=true"] {
            let words = check_runtime("runsc", &info(argument)).unwrap_err().to_string();
            assert!(words.contains("memory") && words.contains("daemon.json"), "{words}");
            assert!(check_runtime("other", &info(argument)).is_ok());
        }
    }
}
