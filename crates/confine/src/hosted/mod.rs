//! Everything that needs the standard library: it runs in our own processes, never in an interpreter.

mod adopt;
mod clone;
mod copy;
mod filter;
mod image;
mod landlock_rules;
mod mounts;
mod network;
mod notify;
mod oom;
mod privileges;
mod program;
mod reap;
mod refused;
mod stage;
mod streams;
mod user_map;
mod user_namespace;

pub use adopt::{AdoptError, SandboxCgroups, SandboxNamespaces, adopt};
pub use clone::{Cloned, Namespaces, SingleThreaded, die_with_parent, reset_child_signal, unreaped_children};
pub use filter::filter_this_process;
pub use image::{CONTROL_DESCRIPTOR, Image, SpawnedImage, control_descriptor};
pub use landlock_rules::{LandlockRules, landlock_abi};
pub use mounts::{Proc, SandboxMounts, cover_first_process, mount_sandbox};
pub use network::{LocalSockets, enter_network, new_network};
pub use notify::{Listener, Notification, probe_user_notification};
pub use oom::{OomScore, is_protected_from_oom, protect_from_oom, reset_oom_score};
pub use privileges::{
    LAUNCHER_CAPABILITIES, NESTED_SERVICE_CAPABILITIES, ROOT_SERVICE_CAPABILITIES, SERVICE_CAPABILITIES,
    hide_from_others, keep_agent_capabilities, keep_only, keep_service_capabilities, refuse_new_privileges,
    with_file_access_of,
};
pub use program::{ProgramSpec, Spawned, replace_this_process, spawn};
pub use reap::{ChildSignal, Children, Reaped, kill_all, reap};
pub use refused::Refused;
pub use stage::{MEMORY_STEPS, Stage, StageSpec, enter_stage};
pub use streams::{null_device, replace_stream};
pub use user_map::{UserMap, enter_user_namespace, unshare_namespaces};
pub use user_namespace::{euid_outside, is_host_root};
