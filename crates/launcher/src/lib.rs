//! The launcher of the native executor: the process between the service and its sandboxes.
//!
//! ```text
//! executor-native ── packets: message ──> run ──┬── clone ──> sandbox: its first process, the agent
//!                                               └── clone ──> template: an interpreter that forks into sandboxes
//! ```
//! The executor uses the messages, the packets and the names of the steps, and starts the executable of this
//! crate. That is a separate executable, without the service's code, because it forks: it is single-threaded,
//! and each sandbox starts as a copy of it.

mod filters;
mod message;
mod monitor;
mod networks;
mod packet;
mod run;
mod sandbox_init;
mod template;

pub use agent::ProgramConfig;
pub use message::{CreateSandbox, LauncherConfig, LauncherReply, TemplateConfig, UserIds};
pub use packet::{receive_packet, send_packet};
pub use run::{LAUNCHER_STEPS, run};
pub use sandbox_init::{SETUP_STEPS, SetupStep};
