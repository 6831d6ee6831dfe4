//! Prepares the read-only root file system that programs run in: interpreter, packages, libraries.
