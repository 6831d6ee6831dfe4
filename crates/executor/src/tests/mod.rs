//! Tests that need a file of their own.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod pool;
