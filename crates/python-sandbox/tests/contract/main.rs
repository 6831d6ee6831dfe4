//! The contract, over real HTTP against the real binary with the native executor.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod audit;
mod command_line;
mod connections;
mod deploy;
mod errors;
mod files;
mod hints;
mod http2;
mod keys;
mod keys_in_redis;
mod limits;
mod logs;
mod metrics;
mod object_store;
mod orders;
mod ordinary_user;
mod outcomes;
mod own_scope;
mod pages;
mod programs;
mod proxies;
mod requests;
mod rights;
mod settings;
mod sources;
mod tls;
mod traces;

use std::sync::{Mutex, MutexGuard, PoisonError};
use support::{Server, Shared};

/// For the tests that look for leftovers on the host, and those that leave some until the next start.
fn host_alone() -> MutexGuard<'static, ()> {
    static HOST: Mutex<()> = Mutex::new(());
    HOST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A service with every default.
fn default_server() -> Option<&'static Server> {
    static SERVER: Shared = Shared::new(&[]);
    SERVER.get()
}

/// A secret in the environment of [`open_server`].
const SERVICE_CANARY: &str = "canary-of-the-service-5b1f";

/// A service whose validator allows every import: here the protections have to hold alone.
fn open_server() -> Option<&'static Server> {
    static SERVER: Shared = Shared::new(&[
        ("FORBIDDEN_IMPORTS", ""),
        ("LOG_FORMAT", "json"),
        ("STORAGE_R2_SECRET_KEY", SERVICE_CANARY),
        ("A_SECRET", SERVICE_CANARY),
    ]);
    SERVER.get()
}
