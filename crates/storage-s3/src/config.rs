//! What is known about an object store before the first request, and why that can be unusable.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::credentials::S3Credentials;

/// A kind of object store: they differ in their names in messages and settings, and in limits of their API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and other services with its API.
    S3,
    /// Cloudflare R2.
    R2,
}

impl Provider {
    /// As in the setting `STORAGE_PROVIDER`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::R2 => "r2",
        }
    }

    /// What the names of its settings begin with.
    pub(crate) fn settings_prefix(self) -> &'static str {
        match self {
            Self::S3 => "STORAGE_S3_",
            Self::R2 => "STORAGE_R2_",
        }
    }
}

/// What links are given out to files in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenLinks {
    /// Presigned ones. With temporary credentials they would end too early, so then [`GivenLinks::Own`].
    Presigned,
    /// The service's own, which redirect to a link that is presigned when they are followed.
    Own,
    /// Public ones below this address. They need no signature, and work until the file is removed.
    Public(Url),
}

/// Settings of an object store.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Its kind.
    pub provider: Provider,
    /// Name of the bucket.
    pub bucket: String,
    /// Region of the bucket; `auto` for R2.
    pub region: String,
    /// Address of the service, such as `https://s3.eu-west-1.amazonaws.com`, without the bucket.
    pub endpoint: Url,
    /// The same as clients reach it: links are signed for this host.
    pub link_endpoint: Url,
    /// Whether the bucket is in the path of addresses instead of the host name.
    pub path_style: bool,
    /// What keys begin with: empty, or ends in `/`. Nothing else in the bucket is touched.
    pub prefix: String,
    /// The keys that sign requests and links.
    pub credentials: S3Credentials,
    /// The file that `credentials` are from, if it is to be read again: somebody else renews them there.
    pub credentials_file: Option<PathBuf>,
    /// What links are given out.
    pub links: GivenLinks,
    /// Lifetime of a link, that of the local store: one second to seven days, which is the most that a store accepts.
    pub link_lifetime: Duration,
    /// Age at which stored files are removed, by the store's clock; at least `link_lifetime`.
    pub retention: Duration,
    /// PEM file with the only authorities that may sign the store's certificate; `None`: the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Why an object store cannot be used, whatever it would answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No address can be made of endpoint and bucket.
    #[error(
        "`{endpoint}` and the bucket `{bucket}` make no address of an object store: {problem} \
         (hint: with an IP address, and with names of buckets that are no host name, the bucket must be in the path)"
    )]
    Address {
        /// The endpoint.
        endpoint: String,
        /// The bucket.
        bucket: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Another user could change the file with the authorities.
    #[error(
        "the authorities that may sign the object store's certificate cannot be trusted (STORAGE_S3_CA_FILE)"
    )]
    Untrusted {
        /// Who, and what.
        #[source]
        source: ownership::Refusal,
    },
    /// The file with the authorities cannot be used.
    #[error("failed to read the authorities that may sign the object store's certificate from `{path}`")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The operating system has no random bytes.
    #[error("failed to get random bytes")]
    Random {
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("failed to set up TLS for the object store")]
    Tls {
        /// The cause.
        #[source]
        source: rustls::Error,
    },
}
