//! The native executor: cells made of namespaces, cgroups, seccomp and landlock on this host.
