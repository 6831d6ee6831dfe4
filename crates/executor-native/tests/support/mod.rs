//! A native executor on this host, or a loud skip.

#![allow(dead_code, reason = "each test file uses its part")]

use executor::{PoolSize, SandboxLimits};
use executor_native::{NativeConfig, NativeExecutor, TemplateSpec, Totals};

/// The contract's default limits.
pub(crate) fn limits() -> SandboxLimits {
    SandboxLimits {
        memory_bytes: 128 << 20,
        cpu_quota_us: 100_000,
        cpu_period_us: 100_000,
        pids_max: 50,
        disk_bytes: 64 << 20,
        disk_inodes: 16_384,
    }
}

/// The template of the default settings.
pub(crate) fn data_template() -> TemplateSpec {
    let preload =
        ["numpy", "pandas", "openpyxl", "xlsxwriter", "matplotlib.pyplot"].map(str::to_owned).into();
    TemplateSpec { name: "data".to_owned(), preload }
}

/// The configuration, or `None` with a loud skip if the runtime is not prepared. `PYTHON_SANDBOX_TEST_ROOTFS`
/// names another root file system, as `RUNTIME_ROOTFS` does for the service.
pub(crate) fn config() -> Option<NativeConfig> {
    let found = match std::env::var_os("PYTHON_SANDBOX_TEST_ROOTFS") {
        Some(rootfs) => runtime::Runtime::from_rootfs(rootfs.as_ref()),
        None => runtime::Runtime::load(&testkit::data_dir()),
    };
    match found {
        Ok(runtime) => Some(NativeConfig {
            rootfs: runtime.rootfs,
            interpreter: runtime.interpreter,
            env: runtime.env,
            runtime_memory_bytes: 0,
            disk_read_bytes_max: Some(100 << 20),
            limits: limits(),
            // Its imports take longer on an emulated processor than a template may.
            templates: Some(if testkit::patience() > 1 { Vec::new() } else { vec![data_template()] }),
            pool: PoolSize { min: 1, max: 4 },
            totals: Totals::default(),
            cgroup_parent: None,
            command: "serve",
            fail_cell_at: None,
            fail_program_at: None,
        }),
        Err(error) => testkit::skip(&error),
    }
}

/// The configuration with the runtime in memory, whatever its size. Every other test has it on its disk.
pub(crate) fn config_in_memory() -> Option<NativeConfig> {
    Some(NativeConfig { runtime_memory_bytes: 4 << 30, ..config()? })
}

/// An executor with default limits.
pub(crate) async fn native() -> Option<NativeExecutor> {
    match NativeExecutor::start(config()?).await {
        Ok(native) => Some(native),
        Err(error) => testkit::skip(&error),
    }
}

/// An executor with default limits that has a template with the scientific packages too: importing those
/// takes more than the default memory limit leaves.
pub(crate) async fn native_with_science() -> Option<NativeExecutor> {
    let mut config = config_in_memory()?;
    let modules =
        ["pandas", "matplotlib.pyplot", "scipy.stats", "seaborn", "sklearn.ensemble", "statsmodels.api"];
    let science = TemplateSpec { name: "science".to_owned(), preload: modules.map(str::to_owned).into() };
    config.templates.get_or_insert_default().push(science);
    match NativeExecutor::start(config).await {
        Ok(native) => Some(native),
        Err(error) => testkit::skip(&error),
    }
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The launcher: the one child of its monitor.
pub(crate) fn launcher(native: &NativeExecutor) -> u32 {
    let monitor = native.monitor_pid().unwrap_or_default();
    match children(monitor)[..] {
        [launcher] => launcher,
        ref others => panic!("the monitor {monitor} has the children {others:?}"),
    }
}
