//! The walls of the kernel, and the only crate with unsafe code: namespaces, mounts, cgroups, seccomp, landlock, rights.
