//! What the settings say about traces.

use crate::sampler::Sampler;
use http::{HeaderName, HeaderValue, Uri};
use std::path::PathBuf;
use std::time::Duration;

/// A header of every request to the collector. Its value may be a secret, and is marked as such.
pub type Header = (HeaderName, HeaderValue);

/// See the module.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where spans are sent.
    pub endpoint: Uri,
    /// Headers of each request.
    pub headers: Vec<Header>,
    /// How long a batch may take, with all its attempts.
    pub timeout: Duration,
    /// The authorities of an `https://` collector; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// The name of this service.
    pub service_name: String,
    /// The version of this service.
    pub service_version: &'static str,
    /// Further attributes of this service.
    pub resource: Vec<(String, String)>,
}
