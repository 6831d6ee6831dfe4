//! The use cases: admit, validate, execute, store, report health. No HTTP.
