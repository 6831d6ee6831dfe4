//! A total limit on all groups of one service, in addition to the limits of each.
//!
//! With enough sandboxes the sum of their limits exceeds the machine. Then the kernel would choose a victim
//! among all processes of the host; with a total limit it chooses among ours.

use std::fs;

use crate::above::{limits_above, scripted_files};
use crate::controller::Controller;
use crate::error::CgroupError;
use crate::instance::Instance;
use crate::layout::Version;
use crate::meminfo::host_memory_bytes;

/// Default share of the machine's memory for all sandboxes together, in percent: the rest is for the service
/// and the host.
const MEMORY_SHARE_PERCENT: u64 = 85;
/// Default share of the machine's processes, in percent.
const PIDS_SHARE_PERCENT: u64 = 50;

/// One total limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Total {
    /// A share of what the machine has.
    #[default]
    Share,
    /// This value.
    Fixed(u64),
    /// No limit.
    Unlimited,
}

/// The requested total limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Memory in bytes.
    pub memory: Total,
    /// Processes and threads.
    pub pids: Total,
}

/// The total limits in effect; `None` for no limit of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TotalLimits {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

pub(crate) fn limit(instance: &Instance, totals: &Totals) -> Result<TotalLimits, CgroupError> {
    let memory_part = instance.part_of(Controller::Memory);
    let hierarchy = &instance.parts[memory_part].hierarchy;
    let (file, _) = scripted_files(hierarchy.version);
    let none = match hierarchy.version {
        Version::V1 => "-1",
        Version::V2 => "max",
    };
    let group = instance.group(memory_part);
    let memory_bytes = match totals.memory {
        Total::Share => {
            let above = limits_above(&hierarchy.parent, file);
            host_memory_bytes("MemTotal")
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
    let pids_part = instance.part_of(Controller::Pids);
    let hierarchy = &instance.parts[pids_part].hierarchy;
    let pids = match totals.pids {
        Total::Share => {
            let above = limits_above(&hierarchy.parent, "pids.max");
            machine_pids().into_iter().chain(above).min().map(|least| percent(least, PIDS_SHARE_PERCENT))
        }
        Total::Fixed(pids) => Some(pids),
        Total::Unlimited => None,
    };
    let value = pids.map_or_else(|| "max".to_owned(), |pids| pids.to_string());
    instance.group(pids_part).write_exact("pids.max", &value)?;
    Ok(TotalLimits { memory_bytes, pids })
}

fn percent(whole: u64, share: u64) -> u64 {
    (whole / 100 * share).max(1)
}

/// The smaller of the two limits on all tasks of the machine (proc_sys_kernel(5)).
fn machine_pids() -> Option<u64> {
    let read = |name| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse::<u64>().ok();
    ["pid_max", "threads-max"].into_iter().filter_map(read).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_this_machine_is_less_than_it_has() {
        let memory = host_memory_bytes("MemTotal").unwrap();
        assert!(percent(memory, MEMORY_SHARE_PERCENT) < memory);
        assert!(percent(memory, MEMORY_SHARE_PERCENT) > memory / 2);
        assert!(machine_pids().unwrap() > 100);
        assert_eq!(percent(7, 50), 1, "never a limit of zero");
    }
}
