//! The Docker, gVisor and Kata executors: sandboxes that are containers of one engine, with one of its runtimes.
//!
//! ```text
//! service ── engine's API ──> engine ── runtime (runc, runsc, kata) ──> container: agent as pid 1 ──> interpreter
//!    └───────── attached standard input and output (the agent protocol) ────┘
//! ```
//! The engine makes the walls that the native executor makes by itself; what runs in them, the agent and its protocol,
//! is the same. Programs are never passed by a command line, files never copied by a path.
//!
//! - [`engine`] reaches the engine, [`tls`] from afar, and says what is wrong with it; [`limits`] knows whether it
//!   enforces what it is asked for.
//! - [`image`] builds the sandbox image and reads what it holds.
//! - [`spec`] is the description of one container: every wall is in it.
//! - [`container`] makes one and removes it; [`wire`] is its stream.
//! - [`sandbox`] runs a program in it and judges its end.
//! - [`owner`] finds the containers that a killed service left.

mod config;
mod container;
mod engine;
mod error;
mod executor_impl;
mod image;
mod limits;
mod owner;
mod sandbox;
mod spec;
mod tls;
mod wire;

pub use config::{DockerConfig, EngineAddress, Flavour};
pub use engine::engine_address;
pub use error::EngineError;
pub use executor_impl::DockerExecutor;
pub use image::{BuildError, BuildStep, ImageSource, build_image, write_tree};
