//! What operators see of the service, read by the programs that they read it with.

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod dashboard;
mod documents;
mod prometheus;
