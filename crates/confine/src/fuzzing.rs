//! The packet between an agent and a template, for the fuzz targets in `fuzz/`. Exists only with `--cfg
//! fuzzing`.

pub use crate::fork_request::fuzz as template_packet;
