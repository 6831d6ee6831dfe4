//! The figures' context: the machine, the kernel, the load.

use serde::Serialize;
use std::fs;

/// A machine.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    /// The processor's name according to the kernel.
    pub(super) cpu: String,
    /// Processors that this process may use.
    pub(super) cores: usize,
    /// True in a virtual machine, if the processor reports it.
    pub(super) virtual_machine: bool,
    /// Memory in bytes.
    pub(super) memory_bytes: u64,
    /// The kernel's name and release.
    pub(super) kernel: String,
}

impl Machine {
    /// Reads the properties of this machine.
    pub(super) fn detect() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let uname = rustix::system::uname();
        // Arm kernels report no model name; use the architecture.
        let cpu = field(&cpuinfo, "model name").unwrap_or_else(|| uname.machine().to_string_lossy().into());
        Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            virtual_machine: field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_bytes: host_traces::total_bytes().unwrap_or(0),
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
        }
    }
}

/// Load average over one minute (proc_loadavg(5)).
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The first value of a name in a file of `name : value` lines.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t: 85\nmodel name\t: A CPU: fast\nflags : a hypervisor\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU: fast"));
        assert_eq!(field(text, "name"), None);
    }

    #[test]
    fn this_machine_has_what_a_table_needs() {
        let machine = Machine::detect();
        assert!(machine.cores > 0 && machine.memory_bytes > 0 && !machine.cpu.is_empty());
        assert!(load_average().is_some());
    }
}
