//! `setup`: prepares the runtime, or gives a user the cgroups that the native executor needs.

use crate::cli::SetupArgs;
use cgroup::Delegated;
use runtime::{Progress, Runtime, SetupOptions};
use settings::{Settings, size_display};
use std::process::ExitCode;
use terminal::exit;

/// Runs the command.
pub(crate) fn run(args: &SetupArgs, settings: &Settings) -> ExitCode {
    match &args.delegate_cgroups {
        Some(user) => delegate_cgroups(user, args),
        None => prepare(args, settings),
    }
}

fn prepare(args: &SetupArgs, settings: &Settings) -> ExitCode {
    if let Some(rootfs) = &settings.runtime_rootfs {
        let rootfs = rootfs.display();
        terminal::message(&format!(
            "nothing to do: programs run in your own root file system, RUNTIME_ROOTFS={rootfs}"
        ));
        return exit::success();
    }
    let options = SetupOptions {
        data_dir: settings.data_dir.clone(),
        python: args.python.clone(),
        packages: args.packages.as_deref().and_then(|name| name.parse().ok()).or(settings.runtime_packages),
        force: args.force,
    };
    let mut line = Line(terminal::Progress::start());
    let made = runtime::setup(&options, &mut line);
    drop(line);
    match made {
        Ok(runtime) => {
            let (major, minor, micro) = runtime.python_version;
            let packages = support::counted(runtime.packages.len(), "package");
            let rootfs = runtime.rootfs.display();
            let list = runtime.list.map(|list| format!(" (`{list}`)")).unwrap_or_default();
            terminal::message(&format!(
                "the runtime is ready: Python {major}.{minor}.{micro} with {packages}{list} in {rootfs}"
            ));
            tell_if_another_is_used(&runtime, settings);
            exit::success()
        }
        Err(error) => {
            terminal::message(&format!("failed to prepare the runtime: {}", support::error_chain(&error)));
            exit::internal_error()
        }
    }
}

/// The service uses the list that the settings name, or else the last one requested, which may differ from
/// this one.
fn tell_if_another_is_used(made: &Runtime, settings: &Settings) {
    let used = compose::load_runtime(settings).ok().and_then(|runtime| runtime.list);
    if let (Some(made), Some(used)) = (made.list, used)
        && made != used
    {
        terminal::message(&format!(
            "the service would use `{used}`; set RUNTIME_PACKAGES={made} for this one"
        ));
    }
}

fn delegate_cgroups(user: &str, args: &SetupArgs) -> ExitCode {
    let ids = match user_ids(user) {
        Ok(ids) => ids,
        Err(problem) => {
            terminal::message(&problem);
            return exit::internal_error();
        }
    };
    let view = compose::host_view("serve");
    match cgroup::delegate(&view, ids.0, ids.1, &args.delegated_limits()) {
        Ok(delegated) => {
            for directory in &delegated.directories {
                terminal::message(&format!("{user} may now use {}", directory.display()));
            }
            tell_limits(user, &delegated);
            exit::success()
        }
        Err(error) => {
            terminal::message(&format!("failed to {}", support::error_chain(&error)));
            exit::internal_error()
        }
    }
}

/// Prints the limits on the user's programs together: no other limit of the user applies to a process in
/// these cgroups.
fn tell_limits(user: &str, delegated: &Delegated) {
    let said =
        |limit: Option<u64>, shown: fn(u64) -> String| limit.map_or_else(|| "no limit".to_owned(), shown);
    terminal::message(&format!(
        "limits on all programs there together: memory: {}; processes and threads: {}; CPU: {}",
        said(delegated.memory_bytes, size_display),
        said(delegated.pids_max, |count| count.to_string()),
        said(delegated.cpu_quota_us, |quota| format!("{quota} of each 100000 microseconds")),
    ));
    let missing = [
        (delegated.memory_bytes, "--memory-max"),
        (delegated.pids_max, "--pids-max"),
        (delegated.cpu_quota_us, "--cpu-quota"),
    ];
    let missing: Vec<_> =
        missing.into_iter().filter(|(limit, _)| limit.is_none()).map(|(_, option)| option).collect();
    if !missing.is_empty() {
        terminal::message(&format!(
            "limits set on {user} elsewhere do not apply to programs there; set them here (hint: {})",
            missing.join(", ")
        ));
    }
}

/// User and group id of a name or number, from passwd(5).
fn user_ids(user: &str) -> Result<(u32, u32), String> {
    let text = std::fs::read_to_string("/etc/passwd")
        .map_err(|error| format!("failed to read /etc/passwd: {error}"))?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?;
        let gid = fields.next()?.parse().ok()?;
        (name == user || uid == user).then_some((uid.parse().ok()?, gid))
    });
    // A number without an entry is a user of a container; by convention its group has the same number.
    found.or_else(|| user.parse().ok().map(|uid| (uid, uid))).ok_or_else(|| {
        format!("there is no user `{user}` in /etc/passwd (hint: give a name or a numeric id)")
    })
}

/// Progress on a terminal; plain lines elsewhere.
struct Line(terminal::Progress);

impl Progress for Line {
    fn step(&mut self, index: usize, total: usize, name: &str) {
        let text = format!("[{index}/{total}] {name}");
        if self.0.is_hidden() {
            terminal::message(&text);
        } else {
            self.0.set(&text);
        }
    }

    fn detail(&mut self, text: &str) {
        let text = format!("      {text}");
        if self.0.is_hidden() {
            terminal::message(&text);
        } else {
            self.0.print_above(&text);
        }
    }
}
