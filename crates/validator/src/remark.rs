//! Intermediate findings of the checks of one program.

use crate::report::FindingCode;
use ruff_text_size::TextSize;

/// A finding before its position is converted to line and column.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub(crate) at: TextSize,
    pub(crate) code: FindingCode,
    pub(crate) message: String,
}
