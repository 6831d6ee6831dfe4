//! A finding of the validator, in answers and in errors.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One finding of the validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingBody {
    /// Line, from 1.
    #[schema(example = 1)]
    pub line: u32,
    /// Column in characters, from 0.
    #[schema(example = 0)]
    pub column: u32,
    /// The rule.
    #[schema(example = "forbidden-import")]
    pub code: String,
    /// What is wrong.
    pub message: String,
}
