//! The walls of the kernel, and the only crate with `unsafe`.
//!
//! Everything here is a thin, checked layer over one kernel feature. What is put together from them - a cell, a
//! program in it - is described by plain data first (`CellRoot`, `ProgramSpec`), turned into ordered steps, and
//! then applied; a step that fails says its name and the errno.
//!
//! Without the feature `std` there is only what a process does between fork and program (`child`) and, with the
//! feature `hook`, what a template does (`hook`): that code is loaded into interpreters of any C library.
//!
//! Kernel: Linux 5.12 or newer (clone with CLONE_PIDFD 5.2, openat2 5.6, proc `subset=pid` 5.8, close_range 5.9,
//! mount_setattr 5.12). Landlock is used from 5.13 on, as far as the kernel has it.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
mod adopt;
#[cfg(feature = "std")]
pub mod cgroup;
mod child;
#[cfg(feature = "std")]
mod clone;
#[cfg(any(feature = "std", feature = "hook"))]
mod clone_args;
#[cfg(feature = "std")]
mod container;
#[cfg(feature = "std")]
mod copy;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(feature = "std")]
mod image;
mod insn;
mod install;
#[cfg(feature = "std")]
mod landlock_rules;
#[cfg(feature = "std")]
mod meminfo;
#[cfg(feature = "std")]
mod mounts;
#[cfg(feature = "std")]
mod network;
#[cfg(feature = "std")]
mod notify;
#[cfg(feature = "std")]
mod oom;
#[cfg(feature = "hook")]
mod orphan;
#[cfg(feature = "std")]
mod program;
#[cfg(feature = "std")]
mod reap;
mod rights;
#[cfg(feature = "std")]
pub mod seccomp;
#[cfg(feature = "std")]
mod stage;
#[cfg(feature = "std")]
mod streams;
mod template;
#[cfg(feature = "std")]
mod user_map;
#[cfg(feature = "std")]
mod user_namespace;

pub use child::{PROGRAM_STEPS, Step, exit_now};
#[cfg(feature = "std")]
pub use container::CONTAINER_OPTIONS;
pub use rights::TEMPLATE_CAPABILITIES;
#[cfg(feature = "std")]
pub use {
    adopt::{AdoptError, CellGroups, CellNamespaces, adopt},
    clone::{Cloned, Namespaces, SingleThreaded, die_with_parent, reset_child_signal, unreaped_children},
    image::{CONTROL_DESCRIPTOR, Image, SpawnedImage, control_descriptor},
    install::filter_this_process,
    landlock_rules::{LandlockRules, landlock_abi},
    meminfo::{host_memory_bytes, memory_bytes_in},
    mounts::{CellMounts, Proc, cover_first_process, mount_cell},
    network::{LocalSockets, enter_network, new_network},
    notify::{Listener, Notification, probe_user_notification},
    oom::{OomScore, is_protected_from_oom, protect_from_oom, reset_oom_score},
    program::{ProgramSpec, Spawned, replace_this_process, spawn},
    reap::{ChildSignal, Children, Reaped, kill_all, reap},
    rights::{
        AGENT_CAPABILITIES, LAUNCHER_CAPABILITIES, NESTED_SERVICE_CAPABILITIES, ROOT_SERVICE_CAPABILITIES,
        SERVICE_CAPABILITIES, drop_mount_right, hide_from_others, keep_only, keep_service_rights,
        refuse_new_privileges, with_file_rights_of,
    },
    stage::{CellRoot, MEMORY_STEPS, Stage, enter_stage},
    streams::{null_device, replace_stream},
    user_map::{UserMap, enter_user_namespace, unshare_namespaces},
    user_namespace::{euid_outside, is_host_root},
};

#[cfg(feature = "std")]
use std::io;

/// A step of making a wall that the kernel refused.
#[cfg(feature = "std")]
#[derive(Debug, thiserror::Error)]
#[error("failed to {step}")]
pub struct Refused {
    /// What was tried, in the infinitive.
    pub step: &'static str,
    /// The kernel's answer.
    #[source]
    pub source: io::Error,
}

#[cfg(feature = "std")]
impl Refused {
    pub(crate) fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self { step, source: error.into() }
    }
}

#[cfg(feature = "std")]
impl From<Refused> for io::Error {
    /// The kernel's kind of error, with the step in its words.
    fn from(refused: Refused) -> Self {
        Self::new(refused.source.kind(), format!("{}: {}", refused.step, refused.source))
    }
}
