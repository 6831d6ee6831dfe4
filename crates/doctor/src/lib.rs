//! `doctor`: attacks every protection from a real sandbox and reports which ones hold.
//!
//! Properties of the host are checked first, because they show what to fix. Then each protection is attacked
//! by a program that acts like an attacker, in a sandbox that the configured executor creates exactly as for
//! a client, with decoys on the host that must stay untouched. At the end the host is compared with its state
//! before.

mod attack;
mod finding;
mod host;
mod proof;
mod protections;

use attack::{Attack, AttackError};
use executor::{Chain, Executor, Health};
use finding::{Finding, State};
use host_traces::Snapshot;
use proof::Allowed;
use protections::Protection;
use settings::Settings;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use terminal::exit;

/// A variable in the doctor's own environment that no program may see. Its value begins with
/// `doctor-canary-`.
const CANARY_VARIABLE: &str = "SANDBOX_CHECK_CANARY";

/// The advice if a protection did not hold: that is a bug here or in the kernel, no setting fixes it.
const FIX_FAILED: &str = "do not run untrusted programs on this host; report it, see SECURITY.md";

/// The advice for a protection that the executor itself reports as missing.
const FIX_UNCLAIMED: &str = "use another executor if this matters, see docs/executors.md";

/// Restarts this program, with the same command line and the canary variable in its environment, then does
/// `work`. The binary calls this before anything else of `doctor`.
///
/// A process cannot put a variable into its own initial environment, where `/proc/<pid>/environ` would show
/// it.
pub fn with_canary(work: impl FnOnce() -> ExitCode) -> ExitCode {
    if std::env::var_os(CANARY_VARIABLE).is_some() {
        return work();
    }
    let failed = |error: std::io::Error| {
        terminal::message(&format!("failed to start with a canary variable: {error}"));
        exit::internal_error()
    };
    match std::env::current_exe() {
        Ok(program) => {
            let value = format!("doctor-canary-{}", std::process::id());
            let mut command = std::process::Command::new(program);
            command.args(std::env::args_os().skip(1)).env(CANARY_VARIABLE, value);
            // Returns only if it failed.
            failed(command.exec())
        }
        Err(error) => failed(error),
    }
}

/// Checks everything and prints the findings, as a table or as JSON. Exit code 0: all proved; 1: something is
/// missing or did not hold; 2: doctor itself failed.
pub async fn run(json: bool, settings: &Settings) -> ExitCode {
    let findings = match examine(settings, json).await {
        Ok(findings) => findings,
        Err(error) => {
            terminal::message(&format!("failed to set up decoys: {error}"));
            return exit::internal_error();
        }
    };
    if json {
        match serde_json::to_string_pretty(&findings) {
            Ok(text) => terminal::result(&format!("{text}\n")),
            Err(error) => {
                terminal::message(&format!("failed to write the findings: {error}"));
                return exit::internal_error();
            }
        }
    } else {
        terminal::result(&finding::table(&findings));
    }
    let all_proved = findings.iter().all(|finding| finding.state == State::Proved);
    if all_proved { exit::success() } else { exit::program_failed() }
}

async fn examine(settings: &Settings, quiet: bool) -> std::io::Result<Vec<Finding>> {
    let loaded = compose::load_runtime_if_needed(settings);
    let mut findings = host::facts(settings, &loaded);
    findings.extend(host::object_store(settings).await);
    let protections = protections::protections();
    let Ok(runtime) = loaded else {
        findings.extend(all_missing(&protections, "there is no Python runtime", "python-sandbox setup"));
        return Ok(findings);
    };
    // Without a runtime no program could have changed it.
    let rootfs = runtime.as_ref().map_or(Path::new(""), |runtime| &runtime.rootfs);
    let before = Snapshot::own(rootfs);
    let executors = compose::start_executors(settings, runtime.as_ref(), "doctor").await;
    for executor in &executors {
        let health = executor.health().await;
        if executor.name() == compose::NATIVE {
            findings.push(host::user_namespaces(health.healthy));
        }
        let is_first = executor.name() == settings.provider;
        if !health.healthy && !is_first {
            // Programs still run: a fallback is only needed when the first executor fails.
            let reason = health.reason.unwrap_or_else(|| "unknown".to_owned());
            findings.push(Finding::host(
                &format!("fallback {}", executor.name()),
                format!("not usable: {reason}"),
            ));
            continue;
        }
        findings.push(executor_finding(executor.name(), &health));
        let attack = Attack::prepare(Allowed {
            limits: settings.exec_limits_max,
            sandbox: compose::limits_of(settings, executor.name()),
        })?;
        if !health.healthy {
            let why = format!("the executor {} is not usable", executor.name());
            findings.extend(all_missing(&protections, &why, "see the executor's line above"));
            continue;
        }
        for (index, protection) in protections.iter().enumerate() {
            if !quiet {
                terminal::message(&format!("[{}/{}] {}", index + 1, protections.len(), protection.name));
            }
            findings.push(attack_one(&attack, protection, executor.as_ref(), &health).await);
        }
    }
    compose::stop_executors(&Chain::new(executors)).await;
    findings.push(host_clean(&before));
    Ok(findings)
}

fn executor_finding(name: &str, health: &Health) -> Finding {
    let name = format!("executor {name}");
    if health.healthy {
        let enforced: Vec<&str> =
            health.protections.iter().filter(|(_, is)| is.enforced).map(|(name, _)| *name).collect();
        return Finding::host(&name, format!("healthy: {}", enforced.join(", ")));
    }
    let reason = health.reason.clone().unwrap_or_else(|| "unknown".to_owned());
    Finding::host_missing(&name, reason, "follow the hints in this line and those above")
}

fn all_missing<'a>(
    protections: &'a [Protection],
    why: &'a str,
    fix: &'a str,
) -> impl Iterator<Item = Finding> + 'a {
    protections.iter().map(move |protection| Finding {
        kind: "wall",
        name: protection.name.to_owned(),
        state: State::Missing,
        detail: format!("not tried: {why}"),
        fix: Some(fix.to_owned()),
    })
}

async fn attack_one(
    attack: &Attack,
    protection: &Protection,
    executor: &dyn Executor,
    health: &Health,
) -> Finding {
    let unclaimed =
        protection.reported_as.and_then(|name| health.protections.get(name)).filter(|is| !is.enforced);
    let (state, detail, fix) = match (attack.on(protection, executor).await, unclaimed) {
        (Ok(seen), _) => (State::Proved, format!("{} ({seen})", protection.guarantee), None),
        (Err(AttackError::Broken(what)), Some(protection)) => {
            (State::Missing, format!("{what}: {}", protection.detail), Some(FIX_UNCLAIMED))
        }
        (Err(AttackError::Broken(what)), None) => {
            (State::Failed, format!("{}: {what}", protection.guarantee), Some(FIX_FAILED))
        }
        (Err(AttackError::Sandbox(error)), _) => {
            (State::Missing, format!("not tried: {}", error.chain()), Some("see the host findings above"))
        }
    };
    Finding { kind: "wall", name: protection.name.to_owned(), state, detail, fix: fix.map(str::to_owned) }
}

fn host_clean(before: &Snapshot) -> Finding {
    let left = before.left();
    let (state, detail, fix) = if left.is_empty() {
        (State::Proved, "no process, mount or cgroup is left".to_owned(), None)
    } else {
        (State::Failed, format!("left behind: {}", left.join(", ")), Some(FIX_FAILED.to_owned()))
    };
    Finding { kind: "wall", name: "host clean after".to_owned(), state, detail, fix }
}
