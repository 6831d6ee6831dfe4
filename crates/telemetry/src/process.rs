//! The service's own process, from `/proc/self` (proc_pid_stat(5), proc_pid_status(5), proc_pid_limits(5)): a few small files,
//! so no crate for them.

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ticks of the times in `/proc`: USER_HZ, the same on x86_64 and aarch64 (the kernel's include/uapi/asm-generic/param.h). It, and
/// the size of a page, could be read from the auxiliary vector; but before Linux 6.4 that is a file, which an undumpable process of an
/// ordinary user may not open (proc_pid_auxv(5)).
const TICKS_PER_S: u64 = 100;

/// The process now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) cpu_time: Duration,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    /// Seconds since 1970.
    pub(crate) started_s: u64,
    /// Open descriptors; `None` where they cannot be listed.
    pub(crate) fds: Option<u64>,
    /// The limit on them; `None` without one.
    pub(crate) fds_max: Option<u64>,
}

/// Reads the process; `None` where `/proc` is not readable.
pub(crate) fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let Stat { cpu_ticks, threads, start_ticks } = parse_stat(&stat)?;
    let ticks = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000) / TICKS_PER_S);
    let boot = clock_gettime(ClockId::Boottime);
    let since_boot = Duration::from_secs(u64::try_from(boot.tv_sec).unwrap_or(0));
    let age = since_boot.saturating_sub(ticks(start_ticks));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The one in `read_dir` is closed again.
    let fds = fs::read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1));
    Some(Process {
        cpu_time: ticks(cpu_ticks),
        resident_bytes: resident_bytes(&status)?,
        threads,
        started_s: now.saturating_sub(age).as_secs(),
        fds,
        fds_max: fs::read_to_string("/proc/self/limits").ok().and_then(|limits| fds_max(&limits)),
    })
}

/// Fields of `/proc/self/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
}

/// The process's name, field 2, may contain anything, so fields are counted from its last parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<_> = after_name.split_ascii_whitespace().collect();
    // Field 3 is the first of them.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat { cpu_ticks: field(14)? + field(15)?, threads: field(20)?, start_ticks: field(22)? })
}

/// Resident memory, which `/proc/self/status` has in KiB, whatever it calls them.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit on open files.
fn fds_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_the_name_of_the_process() {
        let rest = "S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 12 0 9000 1000 77 18446744073709551615";
        for name in ["python-sandbox", "a) R 9 9 9", ""] {
            let expected = Stat { cpu_ticks: 175, threads: 12, start_ticks: 9000 };
            assert_eq!(parse_stat(&format!("7 ({name}) {rest}")), Some(expected), "{name}");
        }
        assert_eq!(parse_stat("7 (x) S 1"), None);
        assert_eq!(parse_stat(""), None);
        assert_eq!(
            resident_bytes("Name:\tVmRSS: 1 kB\nVmHWM:\t    9 kB\nVmRSS:\t   77 kB\n"),
            Some(77 * 1024)
        );
        assert_eq!(resident_bytes("Name:\ta\n"), None);
        let limits = "Limit Soft Hard Units\nMax open files            1024                 4096     files\n";
        assert_eq!(fds_max(limits), Some(1024));
        assert_eq!(
            fds_max("Max open files            unlimited            unlimited            files"),
            None
        );
    }

    #[test]
    fn this_process_is_what_it_is() {
        let process = read().expect("Linux has /proc");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        assert!(process.threads >= 1 && process.resident_bytes > 1 << 20, "{process:?}");
        assert!((now - 24 * 3600..=now + 2).contains(&process.started_s), "{process:?}");
        let files: Vec<_> = (0..10).map(|_| fs::File::open("/dev/null").expect("it exists")).collect();
        let more = read().expect("Linux has /proc");
        assert!(more.fds >= Some(files.len() as u64 + 3), "{more:?}");
    }
}
