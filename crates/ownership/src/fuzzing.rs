//! The parsers of the host's tables, for the fuzz targets in `fuzz/`. Exists only with `--cfg fuzzing`.

pub use crate::mounts::fuzz as mount_tables;
