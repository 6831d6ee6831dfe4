//! Whether a program used CPU time: what the processes of the sandbox have used, read twice.

use std::fs;
use std::time::Duration;

/// Clock ticks of a second in `/proc/[pid]/stat`: USER_HZ, the same on every architecture that Linux has today.
const TICKS_PER_SECOND: u64 = 100;

/// Part of the time between two readings that counts as next to nothing: one in this many.
const NEXT_TO_NOTHING: u64 = 10;

/// CPU time of all processes in sight but this one, with that of children they have waited for, in ticks; `None` where
/// there is no `/proc`.
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

/// Fields 14 to 17 of proc_pid_stat(5). The name before them may hold anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

/// Whether processes that had used `before` ticks and have used `after` ticks `time` later were waiting.
pub(crate) fn waited(before: u64, after: u64, time: Duration) -> bool {
    // Less than before: a process that had used some is gone, and how much the others used is not known.
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
        assert_eq!(ticks_of("7 (x) S 1"), Some(0), "fields that are not there count nothing");
        assert_eq!(ticks_of("nonsense"), None);
    }

    #[test]
    fn a_tenth_is_next_to_nothing() {
        let second = Duration::from_secs(1);
        assert!(waited(5, 5, second) && waited(5, 15, second));
        assert!(!waited(5, 16, second) && !waited(0, 100, second) && !waited(9, 5, second));
    }
}
