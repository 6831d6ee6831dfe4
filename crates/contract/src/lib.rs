//! The HTTP API's types as they are on the wire (`docs/api.md`): owned, readable and writable, without I/O.
//!
//! | type | where |
//! |---|---|
//! | [`ExecuteRequest`] | the body of `POST /execute` |
//! | [`ExecuteResponse`] | its answer, status 200 |
//! | [`ErrorBody`] | the answer of every other status, except 503 of `/health` |
//! | [`HealthResponse`] | the answer of `GET /health` |
//! | [`ServiceInfo`] | the answer of `GET /` |
//!
//! The service makes answers through crate `explain`; a client or a store reads them with the same types.
//!
//! # Compatibility
//! Fields and values are added, never renamed or removed.
//! - A reader of an answer ignores fields that it does not know, and keeps values that it does not know: each
//!   enum has a variant `Other` with the text. A field added later needs `#[serde(default)]`, so that older
//!   answers can still be read.
//! - A request with an unknown field is refused, to catch spelling errors. The service checks more than these
//!   types do: its bounds depend on its settings.

mod error;
mod finding;
mod health;
mod request;
mod response;
mod service_info;
mod text_enum;

pub use error::{Details, ErrorBody, ErrorCode};
pub use finding::FindingBody;
pub use health::{
    ExecutorBody, HealthResponse, HealthStatus, KeysBody, KeysState, LoadBody, ObservationBody,
    ProtectionBody, ProviderBody, StorageBody,
};
pub use request::{Entries, ExecuteRequest};
pub use response::{
    ArtifactBody, ExceptionBody, ExecuteResponse, LimitBody, LimitName, LimitUnit, OutcomeBody, OutcomeKind,
    OutputBody, SkipReason, SkippedBody, StoredIn, UsageBody,
};
pub use service_info::ServiceInfo;
