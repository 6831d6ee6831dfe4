//! How a set-up reports how far it is.

/// Hears how far the set-up is.
pub trait Progress {
    /// A step begins: the `index`th (from 1) of `total`.
    fn step(&mut self, index: usize, total: usize, name: &str);
    /// A remark about the step that runs.
    fn detail(&mut self, text: &str);
}

/// A [`Progress`] that nobody hears.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _index: usize, _total: usize, _name: &str) {}
    fn detail(&mut self, _text: &str) {}
}
