//! The native executor: whether it is used, what it needs from the host, how it is started.

use crate::unavailable::UnavailableExecutor;
use executor::Executor;
use executor_native::{NativeConfig, NativeExecutor, Total, Totals};
use runtime::Runtime;
use settings::Settings;
use std::sync::Arc;

/// The native executor's name in the settings and in answers.
pub const NATIVE: &str = executor_native::PROVIDER;

/// Whether these settings use the native executor, as the first one or as a fallback.
#[must_use]
pub fn uses_native(settings: &Settings) -> bool {
    settings.active_providers().contains(&NATIVE)
}

/// This host's view for the code that lays out cgroups, with messages for the subcommand `command`.
#[must_use]
pub fn host_view(command: &'static str) -> cgroup::HostView {
    executor_native::host_view(command)
}

/// The commands that let this program create user namespaces if AppArmor forbids it; `None` if it does not.
#[must_use]
pub fn apparmor_fix() -> Option<String> {
    executor_native::apparmor_restricts().then(executor_native::apparmor_fix)
}

/// Makes the cgroups of our own container writable, if the settings ask for it.
///
/// # Errors
/// The cause and its fix.
pub fn prepare_cgroups(settings: &Settings) -> Result<(), String> {
    if !settings.native_cgroup_remount {
        return Ok(());
    }
    cgroup::make_writable().map(drop).map_err(|error| support::error_chain(&error))
}

/// Starts the native executor, or returns an unusable one with the reason.
pub(crate) async fn start_native(
    settings: &Settings,
    runtime: &Runtime,
    command: &'static str,
) -> Arc<dyn Executor> {
    if let Err(why) = prepare_cgroups(settings) {
        return Arc::new(UnavailableExecutor::new(NATIVE, format!("failed to {why}")));
    }
    let config = NativeConfig {
        rootfs: runtime.rootfs.clone(),
        interpreter: runtime.interpreter.clone(),
        env: runtime.env.clone(),
        runtime_memory_bytes: settings.native_runtime_memory,
        disk_read_bytes_max: settings.native_disk_read_max,
        limits: settings.native_limits,
        templates: settings.native_templates.clone(),
        pool: settings.native_pool,
        totals: Totals {
            memory: total(settings.native_totals.memory),
            pids: total(settings.native_totals.pids),
        },
        cgroup_parent: settings.native_cgroup_parent.clone(),
        command,
        fail_cell_at: None,
        fail_program_at: None,
    };
    match NativeExecutor::start(config).await {
        Ok(executor) => Arc::new(executor),
        Err(error) => Arc::new(UnavailableExecutor::new(NATIVE, support::error_chain(&error))),
    }
}

fn total(total: settings::Total) -> Total {
    match total {
        settings::Total::Share => Total::Share,
        settings::Total::Fixed(amount) => Total::Fixed(amount),
        settings::Total::Unlimited => Total::Unlimited,
    }
}
