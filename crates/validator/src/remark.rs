//! What the checks of one program note.

use crate::report::FindingCode;
use ruff_text_size::TextSize;

/// A finding before its place is known as line and column.
#[derive(Debug, Clone)]
pub(crate) struct Remark {
    pub(crate) at: TextSize,
    pub(crate) code: FindingCode,
    pub(crate) message: String,
}
