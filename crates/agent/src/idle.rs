//! Determines whether a program used CPU time: compares two readings of the CPU time of the sandbox's
//! processes.

use std::fs;
use std::time::Duration;

/// Clock ticks per second in `/proc/[pid]/stat`: USER_HZ, the same on every current Linux architecture.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time up to `1 / NEXT_TO_NOTHING` of the time between two readings counts as idle.
const NEXT_TO_NOTHING: u64 = 10;

/// CPU time in ticks of all visible processes except this one, including their reaped children; `None`
/// without `/proc`.
pub(crate) fn cpu_ticks() -> Option<u64> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    Some(
        processes
            .filter_map(|name| {
                ticks_of(&String::from_utf8_lossy(&fs::read(format!("/proc/{name}/stat")).ok()?))
            })
            .sum(),
    )
}

/// Fields 14 to 17 of proc_pid_stat(5). The name before them may contain anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

/// Whether processes that had used `before` ticks, and `after` ticks `time` later, were waiting.
pub(crate) fn waited(before: u64, after: u64, time: Duration) -> bool {
    // Less than before: a process that had used some is gone, so the others' usage is unknown.
    let Some(used) = after.checked_sub(before) else { return false };
    u128::from(used * 1000 / TICKS_PER_SECOND * NEXT_TO_NOTHING) <= time.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_hides_nothing() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 200 0 0 11 22 33 44 20 0 1 0 5 6 7";
        assert_eq!(ticks_of(stat), Some(110));
        assert_eq!(ticks_of("7 (x) S 1"), Some(0), "missing fields count as zero");
        assert_eq!(ticks_of("nonsense"), None);
    }

    #[test]
    fn a_tenth_is_next_to_nothing() {
        let second = Duration::from_secs(1);
        assert!(waited(5, 5, second) && waited(5, 15, second));
        assert!(!waited(5, 16, second) && !waited(0, 100, second) && !waited(9, 5, second));
    }
}
