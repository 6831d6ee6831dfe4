//! Log lines: to standard error, as text or JSON. Every line of a request carries its `request_id`, because the
//! HTTP layer works inside a span that has it.

use crate::settings::LogSettings;
use std::io::IsTerminal;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

/// Starts the log of the service.
pub(crate) fn start(settings: &LogSettings) {
    start_at(settings, settings.level);
}

/// Starts the log of a command whose user looks at results: only what went wrong, unless more was asked for.
pub(crate) fn start_quiet(settings: &LogSettings) {
    // Levels are ordered by verbosity: the default INFO becomes WARN, DEBUG and TRACE stay.
    let level = if settings.level == Level::INFO { Level::WARN } else { settings.level };
    start_at(settings, level);
}

fn start_at(settings: &LogSettings, level: Level) {
    // Libraries below us are quieter by one step; their debug lines are about sockets, not about requests.
    let filter = Targets::new().with_default(level).with_targets([
        ("hyper", level.min(Level::INFO)),
        ("hyper_util", level.min(Level::INFO)),
        ("mio", level.min(Level::INFO)),
    ]);
    let base = fmt::layer().with_writer(std::io::stderr);
    let lines = if settings.json {
        base.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        base.with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    // A second start is no harm: the first one stays.
    let _ = registry().with(lines.with_filter(filter)).try_init();
}
