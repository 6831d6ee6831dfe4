//! A limit on what all groups of one service use together, beside the limits of each.
//!
//! Limits of single sandboxes add up to more than a machine has as soon as enough of them run. Then the kernel would look
//! for a victim among all processes of the host; with a limit on the sum it looks among ours.

use std::fs;
use std::path::Path;

use super::error::CgroupError;
use super::layout::{Controller, Version};
use super::manager::Instance;

/// Part of the machine's memory, in percent, that all sandboxes may use together unless told otherwise: what is left is
/// the service's own and the host's.
const MEMORY_SHARE_PERCENT: u64 = 85;
/// Part of the machine's processes, in percent, likewise.
const PIDS_SHARE_PERCENT: u64 = 50;

/// One limit on the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Total {
    /// A share of what there is.
    #[default]
    Share,
    /// This much.
    Fixed(u64),
    /// None.
    Unlimited,
}

/// The limits on the sum that are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Memory in bytes.
    pub memory: Total,
    /// Processes and threads.
    pub pids: Total,
}

/// The limits on the sum that are in force; `None` for no limit of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalLimits {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

pub(super) fn limit(instance: &Instance, totals: &Totals) -> Result<TotalLimits, CgroupError> {
    let place_of = |controller| {
        let has = |place: &super::manager::Place| place.hierarchy.has(controller);
        instance.places.iter().position(has).unwrap_or(0)
    };
    let memory_place = place_of(Controller::Memory);
    let hierarchy = &instance.places[memory_place].hierarchy;
    let (file, none) = match hierarchy.version {
        Version::V1 => ("memory.limit_in_bytes", "-1"),
        Version::V2 => ("memory.max", "max"),
    };
    let group = instance.group(memory_place);
    let memory_bytes = match totals.memory {
        Total::Share => {
            let above = limits_above(&hierarchy.parent, file);
            machine_memory_bytes()
                .into_iter()
                .chain(above)
                .min()
                .map(|least| percent(least, MEMORY_SHARE_PERCENT))
        }
        Total::Fixed(bytes) => Some(bytes),
        Total::Unlimited => None,
    };
    match memory_bytes {
        Some(bytes) => group.write_bytes(file, bytes)?,
        None => group.write(file, none)?,
    }
    let pids_place = place_of(Controller::Pids);
    let hierarchy = &instance.places[pids_place].hierarchy;
    let pids = match totals.pids {
        Total::Share => {
            let above = limits_above(&hierarchy.parent, "pids.max");
            machine_pids().into_iter().chain(above).min().map(|least| percent(least, PIDS_SHARE_PERCENT))
        }
        Total::Fixed(pids) => Some(pids),
        Total::Unlimited => None,
    };
    let value = pids.map_or_else(|| "max".to_owned(), |pids| pids.to_string());
    instance.group(pids_place).write_exact("pids.max", &value)?;
    Ok(TotalLimits { memory_bytes, pids })
}

fn percent(whole: u64, share: u64) -> u64 {
    (whole / 100 * share).max(1)
}

/// The limits of the groups from `parent` up to the root of the hierarchy, which all bound us too. `max` and what v1 has for
/// it (a number beyond every machine) drop out in the minimum.
fn limits_above(parent: &Path, file: &str) -> Vec<u64> {
    limits_by(parent, |group| fs::read_to_string(group.join(file)).ok())
}

/// The same by what gives the text of a group's file.
fn limits_by(parent: &Path, text: impl Fn(&Path) -> Option<String>) -> Vec<u64> {
    parent.ancestors().filter_map(|group| text(group)?.trim().parse().ok()).collect()
}

fn machine_memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The smaller of the two bounds on all tasks of the machine (proc_sys_kernel(5)).
fn machine_pids() -> Option<u64> {
    let read = |name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse::<u64>().ok();
    ["pid_max", "threads-max"].into_iter().filter_map(read).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_this_machine_is_less_than_it_has() {
        let memory = machine_memory_bytes().unwrap();
        assert!(percent(memory, MEMORY_SHARE_PERCENT) < memory);
        assert!(percent(memory, MEMORY_SHARE_PERCENT) > memory / 2);
        assert!(machine_pids().unwrap() > 100);
        assert_eq!(percent(7, 50), 1, "never a limit of nothing");
    }

    #[test]
    fn only_numbers_are_limits() {
        let text = |group: &Path| match group.to_str()? {
            "/top/a/b" => Some("99\n".to_owned()),
            "/top/a" => Some("max\n".to_owned()),
            "/top" => Some("77\n".to_owned()),
            _ => None,
        };
        assert_eq!(limits_by(Path::new("/top/a/b"), text), [99, 77]);
    }
}
