//! The files of cgroup v1 (kernel Documentation/admin-guide/cgroup-v1).

use crate::error::CgroupError;
use crate::group::Group;
use crate::limits::GroupLimits;

const MEMORY_LIMIT: &str = "memory.limit_in_bytes";
/// Memory and swap together. Only with CONFIG_SWAP, and on some kernels only with `swapaccount=1`.
pub(crate) const MEMORY_AND_SWAP_LIMIT: &str = "memory.memsw.limit_in_bytes";
/// How often memory and swap together reached their limit; missing if swap is not accounted.
pub(crate) const MEMORY_AND_SWAP_FAILURES: &str = "memory.memsw.failcnt";

/// What every sandbox's group inherits from its instance: the OOM killer on, and no swapping by the group's
/// own reclaim.
pub(crate) fn prepare_memory(instance: Group<'_>) -> Result<(), CgroupError> {
    instance.write("memory.oom_control", "0")?;
    // Old kernels account a child's memory in its parent only when told to; newer ones refuse to change it.
    if instance.read_if_present("memory.use_hierarchy")?.is_some_and(|text| text.trim() == "0") {
        instance.write("memory.use_hierarchy", "1")?;
    }
    // With 0, reclaim at the group's limit never swaps (v1/memory.rst, 5.3). Missing without CONFIG_SWAP.
    if instance.read_if_present("memory.swappiness")?.is_some() {
        instance.write_exact("memory.swappiness", "0")?;
    }
    Ok(())
}

pub(crate) fn set_memory(sandbox: Group<'_>, limits: &GroupLimits) -> Result<(), CgroupError> {
    sandbox.write_bytes(MEMORY_LIMIT, limits.memory_bytes)
}

/// The limit on memory and swap may not be below the memory limit: when raising, call this before
/// [`set_memory`], otherwise after it.
pub(crate) fn set_memory_and_swap(sandbox: Group<'_>, limits: &GroupLimits) -> Result<(), CgroupError> {
    sandbox.write_bytes(MEMORY_AND_SWAP_LIMIT, limits.memory_bytes)
}

pub(crate) fn set_cpu(sandbox: Group<'_>, limits: &GroupLimits) -> Result<(), CgroupError> {
    sandbox.write_exact("cpu.cfs_period_us", &limits.cpu_period_us.to_string())?;
    let quota = limits.cpu_quota_us.map_or_else(|| "-1".to_owned(), |quota| quota.to_string());
    sandbox.write_exact("cpu.cfs_quota_us", &quota)
}

pub(crate) fn memory_peak_bytes(sandbox: Group<'_>) -> Result<Option<u64>, CgroupError> {
    sandbox.number("memory.max_usage_in_bytes").map(Some)
}

/// Any write resets these (v1/memory.rst, 5.4 and "memory.failcnt").
pub(crate) fn reset_memory_peak(sandbox: Group<'_>) -> Result<(), CgroupError> {
    sandbox.write("memory.max_usage_in_bytes", "0")?;
    sandbox.write("memory.failcnt", "0")?;
    match sandbox.read_if_present(MEMORY_AND_SWAP_FAILURES)? {
        Some(_) => sandbox.write(MEMORY_AND_SWAP_FAILURES, "0"),
        None => Ok(()),
    }
}

pub(crate) fn oom_kills(sandbox: Group<'_>) -> Result<u64, CgroupError> {
    Ok(sandbox.keyed("memory.oom_control", "oom_kill")?.unwrap_or(0))
}

pub(crate) fn cpu_time_us(sandbox: Group<'_>) -> Result<u64, CgroupError> {
    Ok(sandbox.number("cpuacct.usage")? / 1_000)
}
