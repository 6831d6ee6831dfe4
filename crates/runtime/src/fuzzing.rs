//! The parsers for the output of an interpreter of the host and its loader, for the fuzz targets in `fuzz/`.
//! Exists only with `--cfg fuzzing`.

pub use crate::elf::{fuzz_list as loader_list, fuzz_loader as elf};
