//! Tests of parts that no caller of the crate sees.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod admission;
