//! Checks that a protection held: pure functions of results, each returns what was observed or what broke.

use executor::{ExecLimits, ExecResult, OutcomeKind, SandboxLimits};

/// The limits of the attack programs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    /// Limits of each execution, except its time.
    pub(super) limits: ExecLimits,
    /// Limits of the sandbox.
    pub(super) sandbox: SandboxLimits,
}

impl Allowed {
    /// The CPU quota in CPUs; never more than the host has.
    pub(super) fn cpus(&self) -> f64 {
        // Both are far below 2^52, where f64 is exact.
        #[expect(clippy::cast_precision_loss, reason = "microseconds within the settings' bounds")]
        let quota = self.sandbox.cpu_quota_us as f64 / self.sandbox.cpu_period_us as f64;
        quota
    }
}

/// How to check that a protection held.
pub(super) enum Proof {
    /// The program's own verdict, in one run.
    Verdict,
    /// The program's own verdict in the second of two runs.
    SecondVerdict,
    /// The outcome.
    Outcome(OutcomeKind),
    /// This function's check of the result.
    Result(fn(&ExecResult, &Allowed) -> Result<String, String>),
    /// Two runs that print different things.
    Differ,
}

/// The verdict that the program printed. A kill for a blocked system call also counts as held.
pub(super) fn verdict(result: &ExecResult) -> Result<String, String> {
    let said = result.stdout.text.lines().rev().find_map(|line| line.strip_prefix("VERDICT "));
    match said.and_then(|said| said.split_once(' ')) {
        Some(("held", detail)) => Ok(detail.to_owned()),
        Some((_, detail)) => Err(detail.to_owned()),
        None if result.kind() == OutcomeKind::DeniedSyscall => {
            Ok(format!("ended at the system call `{}`", result.verdict.syscall().unwrap_or("?")))
        }
        None => {
            let last = result.stderr.text.lines().last().unwrap_or_default();
            Err(format!("the attack gave no verdict: {} {last}", result.kind().as_str()))
        }
    }
}

pub(super) fn outcome(result: &ExecResult, kind: OutcomeKind) -> Result<String, String> {
    let told = match &result.verdict.limit {
        Some(limit) => format!("{} at {} {}", result.kind().as_str(), limit.value, limit.limit.unit()),
        None => result.kind().as_str().to_owned(),
    };
    if result.kind() == kind { Ok(told) } else { Err(format!("the outcome is `{told}`")) }
}

pub(super) fn differ(first: &ExecResult, second: &ExecResult) -> Result<String, String> {
    let (first, second) = (first.stdout.text.trim(), second.stdout.text.trim());
    if first.is_empty() || second.is_empty() {
        return Err("the program printed nothing".to_owned());
    }
    let same: Vec<&str> =
        first.split(' ').filter(|part| second.split(' ').any(|other| other == *part)).collect();
    if same.is_empty() {
        Ok("all differ".to_owned())
    } else {
        Err(format!("the same in both: {}", same.join(" ")))
    }
}

/// Ended within twice its limit, with its earlier output.
pub(super) fn ended_in_time(result: &ExecResult, _: &Allowed) -> Result<String, String> {
    let wall_ms = result.usage.wall_time.as_millis();
    if result.kind() != OutcomeKind::Timeout {
        return Err(format!("the outcome is `{}`", result.kind().as_str()));
    }
    if wall_ms > 4000 {
        return Err(format!("it ran {wall_ms} ms with a limit of 2000 ms"));
    }
    if !result.stdout.text.contains("before") {
        return Err("its earlier output was lost".to_owned());
    }
    Ok(format!("ended after {wall_ms} ms with a limit of 2000 ms"))
}

/// Truncated at the limit, with the full length counted.
pub(super) fn output_was_capped(result: &ExecResult, allowed: &Allowed) -> Result<String, String> {
    // The service inserts the line between head and tail.
    let ours = |line: &&str| line.starts_with("[... ") && line.ends_with(" bytes omitted ...]");
    let text = &result.stdout.text;
    let marker = text.lines().find(ours).map_or(0, |line| line.len() + 2);
    let (kept, written) = ((text.len() - marker) as u64, result.stdout.bytes);
    let fits = kept <= allowed.limits.output_bytes_max && result.stdout.truncated && written == 8192 * 1024;
    let told = format!("{kept} of {written} bytes kept");
    if fits && result.success() { Ok(told) } else { Err(told) }
}

/// The regular file was collected, the links and the pipe were skipped.
pub(super) fn only_the_regular_file(result: &ExecResult, _: &Allowed) -> Result<String, String> {
    let files: Vec<&str> = result.files.iter().map(|file| file.path.as_str()).collect();
    if files != ["good.txt"] {
        return Err(format!("collected: {files:?}"));
    }
    let skipped: Vec<String> =
        result.skipped.iter().map(|file| format!("{} ({})", file.path, file.reason.as_str())).collect();
    if skipped.len() == 4 {
        Ok(format!("skipped {}", skipped.join(", ")))
    } else {
        Err(format!("skipped {skipped:?}"))
    }
}

/// The process beyond the limit was refused, or the program was ended for it.
pub(super) fn processes_were_limited(result: &ExecResult, _: &Allowed) -> Result<String, String> {
    match &result.verdict.limit {
        Some(limit) if result.kind() == OutcomeKind::ProcessLimit => {
            let seen = limit.used.map_or_else(|| "more".to_owned(), |used| used.to_string());
            Ok(format!("ended when it had {seen}, with a limit of {}", limit.value))
        }
        _ => verdict(result),
    }
}

/// Allows a quarter more than the quota: a busy host starts and stops its clocks late. Measured twice: by the
/// kernel's accounting, which in gVisor includes time in which the quota kept the program from running, and
/// by the processes themselves, which miss short pauses. Both are upper bounds of the true value, so the
/// smaller one counts.
pub(super) fn cpu_within_quota(result: &ExecResult, allowed: &Allowed) -> Result<String, String> {
    if !result.success() {
        return Err(format!("the program ended with `{}`", result.kind().as_str()));
    }
    let quota = allowed.cpus();
    let accounted = result.usage.cpu_time.as_secs_f64() / result.usage.wall_time.as_secs_f64().max(0.001);
    let said = result.stdout.text.lines().find_map(|line| line.strip_prefix("RAN ")?.parse::<f64>().ok());
    let used = said.map_or(accounted, |said| said.min(accounted));
    let told = format!("{used:.2} CPUs used with a quota of {quota:.2}");
    if used <= quota * 1.25 + 0.05 { Ok(told) } else { Err(told) }
}

/// The exit code of the process, not the one that it printed.
pub(super) fn the_true_end(result: &ExecResult, _: &Allowed) -> Result<String, String> {
    let wall_ms = result.usage.wall_time.as_millis();
    let told = format!("exit code {} after {wall_ms} ms", result.verdict.exit_code);
    if result.verdict.exit_code == 7 && !result.success() && wall_ms < 5000 { Ok(told) } else { Err(told) }
}
