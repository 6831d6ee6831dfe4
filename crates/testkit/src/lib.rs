//! Code that the tests of several crates share. Never part of the service.
//!
//! - [`Certificate`]: a certificate and its key.
//! - [`Collector`]: a collector of traces that can be told to fail.
//! - [`corpus`]: reads the programs of `corpus/` with their headers and checks their results.
//! - [`planted`]: a runtime with a module that a test adds.
//! - [`Polled`]: a future that a test polls by hand.
//! - [`S3Server`]: an object store; [`FaultProxy`]: faults between a client and a server.
//! - [`RedisServer`]: a real Redis; [`TcpProxy`]: does harm to the connections to it.
//! - [`skip()`], [`does_not_apply`]: report that a test cannot run here.

mod certificate;
mod collector;
pub mod corpus;
mod fault_proxy;
pub mod planted;
mod polled;
mod redis;
mod s3_server;
mod skip;
mod tcp_proxy;

pub use certificate::Certificate;
pub use collector::{Answers, Collector, SeenSpan};
pub use fault_proxy::{Fault, FaultProxy, Rule};
pub use polled::{Polled, pick};
pub use redis::{Keeps, RedisServer};
pub use s3_server::S3Server;
pub use skip::{does_not_apply, skip};
pub use tcp_proxy::{TcpFault, TcpProxy};

use std::path::PathBuf;

/// The data directory with the prepared runtime: `make test` prepares it and sets the variable.
#[must_use]
pub fn data_dir() -> PathBuf {
    std::env::var_os("PYTHON_SANDBOX_TEST_DATA")
        .map_or_else(|| PathBuf::from("/var/lib/python-sandbox"), PathBuf::from)
}

/// Factor for times in tests, for hosts with an emulated processor: the value of
/// `PYTHON_SANDBOX_TEST_PATIENCE`, by default 1.
///
/// # Panics
/// If it is not a number from 1 up.
#[must_use]
pub fn patience() -> u32 {
    std::env::var("PYTHON_SANDBOX_TEST_PATIENCE").map_or(1, |value| match value.parse() {
        Ok(factor) if factor >= 1 => factor,
        _ => panic!("PYTHON_SANDBOX_TEST_PATIENCE is `{value}`, not a whole number from 1 up"),
    })
}
