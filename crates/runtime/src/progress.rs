//! Progress reports of a set-up.

/// Receives progress reports.
pub trait Progress {
    /// A step begins: the `index`th (from 1) of `total`.
    fn step(&mut self, index: usize, total: usize, name: &str);
    /// A detail about the current step.
    fn detail(&mut self, text: &str);
}

/// A [`Progress`] that discards everything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _index: usize, _total: usize, _name: &str) {}
    fn detail(&mut self, _text: &str) {}
}
