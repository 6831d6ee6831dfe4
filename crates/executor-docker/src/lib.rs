//! The Docker, gVisor and Kata executors: sandboxes that are containers of one engine, with one of its
//! runtimes.
//!
//! ```text
//! service ── engine's API ──> engine ── runtime (runc, runsc, kata) ──> container: agent as pid 1 ──> interpreter
//!    └───────── attached standard input and output (the agent protocol) ────┘
//! ```
//! The engine isolates the sandbox, as the native executor does by itself; the agent and its protocol are the
//! same. Programs are never passed on a command line, files are never copied by path.
//!
//! - [`engine`] connects to the engine, [`tls`] over a network, and explains its errors; [`limits`] checks
//!   whether it enforces the requested limits.
//! - [`image`] builds the sandbox image and reads its labels.
//! - [`spec`] is the description of one container, with all of its isolation.
//! - [`container`] makes one and removes it; [`attached_stream`] is its stream.
//! - [`sandbox`] makes a container the backing of a sandbox.
//! - [`container_lease`] finds the containers that a killed service left.

mod attached_stream;
mod config;
mod container;
mod container_lease;
mod engine;
mod error;
mod executor;
mod image;
mod limits;
mod sandbox;
mod spec;
mod tls;

pub use config::{DockerConfig, EngineAddress, Flavour};
pub use engine::engine_address;
pub use error::EngineError;
pub use executor::DockerExecutor;
pub use image::{BuildError, BuildStep, ImageSource, build_image, write_tree};
