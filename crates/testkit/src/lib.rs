//! What the tests of several crates share. Never part of the service.
//!
//! - [`corpus`]: reads the programs of `corpus/` with their headers and judges what came of them.
//! - [`host`]: what a sandbox could leave on the host, to be compared before and after.

pub mod corpus;
pub mod host;
