//! The answer of `GET /`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Name, version and endpoints of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceInfo {
    /// `APP_NAME`.
    #[schema(example = "Python Sandbox")]
    pub service: String,
    /// The service's version.
    pub version: String,
    /// Always `running`.
    #[schema(example = "running")]
    pub status: String,
    /// The calls: name -> method and path.
    pub endpoints: BTreeMap<String, String>,
    /// Description of the service.
    pub description: String,
}
