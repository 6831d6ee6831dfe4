//! Kernel isolation, and the only crate with `unsafe`.
//!
//! Everything here is a thin, checked layer over one kernel feature. A combination of them (a sandbox, a
//! program in it) is described by plain data (`StageSpec`, `ProgramSpec`), then turned into ordered steps and
//! applied; a step that fails reports its name and the errno.
//!
//! ```text
//! steps, child        what a process does between fork and program: no allocation, no lock
//! template, hook      an agent's request to a template, and the template's side of it
//! hosted              everything that needs the standard library: the stage, mounts, forks, Landlock, capabilities
//! ```
//! Cgroups are in the crate `cgroup`, seccomp policies in the crate `seccomp`.
//!
//! # Features
//! Without `std` (on by default) the crate contains only what a process does between fork and program and,
//! with `hook`, what a template does: that code is loaded into interpreters of any C library.
//!
//! Kernel: Linux 5.12 or newer (clone with CLONE_PIDFD 5.2, openat2 5.6, proc `subset=pid` 5.8, close_range
//! 5.9, mount_setattr 5.12). Landlock is used from 5.13 on, with the features that the kernel has.

#![cfg_attr(not(feature = "std"), no_std)]

mod child;
#[cfg(any(feature = "std", feature = "hook"))]
mod clone_args;
mod errno;
mod fork_request;
#[cfg(all(fuzzing, feature = "std"))]
pub mod fuzzing;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(feature = "std")]
mod hosted;
mod install;
#[cfg(feature = "hook")]
mod orphan;
mod privileges;
mod steps;

pub use child::exit_now;
#[cfg(feature = "std")]
pub use hosted::*;
pub use privileges::{AGENT_CAPABILITIES, TEMPLATE_CAPABILITIES};
pub use steps::{PROGRAM_STEPS, Step};
