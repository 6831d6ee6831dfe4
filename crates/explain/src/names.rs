//! Which settings raise the limits of which executor.

use executor::Limit;

/// The settings of one executor's limits; empty where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingNames {
    /// Memory of a sandbox.
    pub memory: &'static str,
    /// Memory of all sandboxes together.
    pub memory_total: &'static str,
    /// Processes and threads.
    pub pids: &'static str,
    /// Bytes in `/tmp`.
    pub disk: &'static str,
    /// Files and directories in `/tmp`.
    pub inodes: &'static str,
}

const NATIVE: SettingNames = SettingNames {
    memory: "NATIVE_MEMORY",
    memory_total: "NATIVE_MEMORY_TOTAL",
    pids: "NATIVE_PIDS_LIMIT",
    disk: "NATIVE_TMP_SIZE",
    inodes: "NATIVE_TMP_INODES",
};

/// Settings of the executors behind an engine.
const DOCKER: SettingNames = SettingNames {
    memory: "DOCKER_MEMORY",
    memory_total: "",
    pids: "DOCKER_PIDS_LIMIT",
    disk: "DOCKER_TMP_SIZE",
    inodes: "DOCKER_TMP_INODES",
};

const NONE: SettingNames = SettingNames { memory: "", memory_total: "", pids: "", disk: "", inodes: "" };

impl SettingNames {
    /// The settings of an executor, by the name that settings and responses use.
    #[must_use]
    pub fn of(executor: &str) -> &'static Self {
        match executor {
            "native" => &NATIVE,
            "docker" | "gvisor" | "kata" => &DOCKER,
            _ => &NONE,
        }
    }

    /// The setting that raises a limit.
    #[must_use]
    pub fn of_limit(&self, limit: Limit) -> &'static str {
        match limit {
            Limit::WallTime => "MAX_TIMEOUT",
            Limit::Memory => self.memory,
            Limit::MemoryTotal => self.memory_total,
            Limit::Pids => self.pids,
            Limit::DiskBytes => self.disk,
            Limit::DiskInodes => self.inodes,
            Limit::Output => "MAX_OUTPUT_TOTAL_SIZE",
            _ => "",
        }
    }
}

/// `, or raise SETTING`, if there is a setting.
pub(crate) fn or_raise(setting: &str) -> String {
    if setting.is_empty() { String::new() } else { format!(", or raise {setting}") }
}

/// ` (SETTING)`, if there is a setting.
pub(crate) fn in_brackets(setting: &str) -> String {
    if setting.is_empty() { String::new() } else { format!(" ({setting})") }
}
