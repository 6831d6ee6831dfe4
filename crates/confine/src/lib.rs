//! The walls of the kernel, and the only crate with `unsafe`.
//!
//! Everything here is a thin, checked layer over one kernel feature. What is put together from them - a cell, a
//! program in it - is described by plain data first (`CellRoot`, `ProgramSpec`), turned into ordered steps, and
//! then applied; a step that fails says its name and the errno.
//!
//! Kernel: Linux 5.12 or newer (clone with CLONE_PIDFD 5.2, openat2 5.6, proc `subset=pid` 5.8, close_range 5.9,
//! mount_setattr 5.12). Landlock is used from 5.13 on, as far as the kernel has it.

pub mod cgroup;
mod clone;
mod image;
mod landlock_rules;
mod mounts;
mod notify;
mod program;
mod reap;
mod rights;
pub mod seccomp;
mod user_map;

pub use clone::{
    Cloned, Namespaces, SingleThreaded, die_with_parent, exit_now, reset_child_signal, unreaped_children,
};
pub use image::{CONTROL_DESCRIPTOR, Image, SpawnedImage, control_descriptor};
pub use landlock_rules::{LandlockRules, landlock_abi};
pub use mounts::{CellMounts, CellRoot, mount_cell, pivot_into_root};
pub use notify::{Listener, Notification, probe_user_notification};
pub use program::{PROGRAM_STEPS, ProgramSpec, Spawned, Step, plan, spawn};
pub use reap::{ChildSignal, Reaped, kill_all, reap};
pub use rights::{AGENT_CAPABILITIES, hide_from_others, keep_only};
pub use user_map::{UserMap, enter_user_namespace, unshare_namespaces};

use std::io;

/// A step of making a wall that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("failed to {step}")]
pub struct Refused {
    /// What was tried, in the infinitive.
    pub step: &'static str,
    /// The kernel's answer.
    #[source]
    pub source: io::Error,
}

impl Refused {
    pub(crate) fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self { step, source: error.into() }
    }
}
