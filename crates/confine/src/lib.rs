//! Isolation by the kernel, and the only crate with `unsafe`.
//!
//! Everything here is a thin, checked layer over one kernel feature. What is put together from them - a cell, a
//! program in it - is described by plain data first (`CellRoot`, `ProgramSpec`), turned into ordered steps, and
//! then applied; a step that fails says its name and the errno.
//!
//! ```text
//! steps, child        what a process does between fork and program: no allocation, no lock
//! template, hook      what an agent asks of a template, and the template's half of it
//! hosted              everything that needs the standard library: the stage, mounts, forks, Landlock, capabilities
//! ```
//! Control groups are crate `cgroup`, and policies of system calls crate `seccomp`.
//!
//! # Features
//! Without `std` (on by default) there is only what a process does between fork and program and, with `hook`, what
//! a template does: that code is loaded into interpreters of any C library.
//!
//! Kernel: Linux 5.12 or newer (clone with CLONE_PIDFD 5.2, openat2 5.6, proc `subset=pid` 5.8, close_range 5.9,
//! mount_setattr 5.12). Landlock is used from 5.13 on, as far as the kernel has it.

#![cfg_attr(not(feature = "std"), no_std)]

mod child;
#[cfg(any(feature = "std", feature = "hook"))]
mod clone_args;
mod errno;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(feature = "std")]
mod hosted;
mod install;
#[cfg(feature = "hook")]
mod orphan;
mod rights;
mod steps;
mod template;

pub use child::exit_now;
#[cfg(feature = "std")]
pub use hosted::*;
pub use rights::{AGENT_CAPABILITIES, TEMPLATE_CAPABILITIES};
pub use steps::{PROGRAM_STEPS, Step};
