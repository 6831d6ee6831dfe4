//! The object store of the settings, with the local store as its spool.

use crate::OpenStoreError;
use settings::{ObjectStoreSettings, Settings, StoreCredentials};
use std::sync::Arc;
use std::time::Duration;
use storage::{LocalStore, SystemClock};
use storage_s3::{
    CheckStep, CredentialsFileError, FlushError, Flushed, GivenLinks, OpenError, Provider, Requests,
    S3Config, S3Credentials, S3Store, check, flush, read_credentials,
};
use tokio::time::Instant;
use url::{Host, Url};

/// Why an object store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreError {
    /// A setting is no address.
    #[error("`{text}` is no address of an object store or its bucket")]
    Address {
        /// Its value.
        text: String,
        /// What is wrong with it.
        #[source]
        source: url::ParseError,
    },
    /// The file with the credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsFileError),
    /// The settings are those of no object store.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Opens the store. Does not wait for it.
pub(crate) fn open(
    object_store: &ObjectStoreSettings,
    settings: &Settings,
    local: LocalStore,
) -> Result<S3Store, ObjectStoreError> {
    let config = config(object_store, settings)?;
    if config.endpoint.scheme() == "http" && !is_loopback(&config.endpoint) {
        tracing::warn!(
            host = config.endpoint.host_str().unwrap_or_default(),
            "files travel to the object store unencrypted, and so do links to them: use an https address"
        );
    }
    Ok(S3Store::open(config, local, Arc::new(SystemClock))?)
}

/// Timeout of [`check_object_store`].
const CHECK_TIME_MAX: Duration = Duration::from_secs(20);

/// One thing that the service does with the object store.
#[derive(Debug, Clone)]
pub struct StoreCheck {
    /// What was tried.
    pub what: &'static str,
    /// Storing files needs it; otherwise only the removal of old ones does.
    pub is_needed: bool,
    /// What is wrong and how to fix it; `None` if it works.
    pub problem: Option<String>,
}

/// Does once what the service does with the object store of the settings, if there is one: stores a small object,
/// downloads, lists and removes it. What cannot be tried without an earlier step is left out.
///
/// # Errors
/// If the settings are those of no object store.
pub async fn check_object_store(settings: &Settings) -> Result<Vec<StoreCheck>, ObjectStoreError> {
    let Some(object_store) = settings.storage.object_store.as_ref().filter(|_| settings.storage.enabled)
    else {
        return Ok(Vec::new());
    };
    let config = config(object_store, settings)?;
    let requests = Requests::open(&config, Arc::new(SystemClock))?;
    let checked = check(&requests, Instant::now() + CHECK_TIME_MAX).await;
    let checks = checked.into_iter().map(|one| {
        let (what, is_needed) = match one.step {
            CheckStep::Put => ("put", true),
            CheckStep::Link => ("get", true),
            CheckStep::List => ("list", false),
            CheckStep::Delete => ("delete", false),
        };
        let problem = one.failure.map(|failure| failure.explain(config.provider));
        StoreCheck { what, is_needed, problem }
    });
    Ok(checks.collect())
}

/// Moves what waits in `local` now.
pub(crate) async fn flush_spool(
    object_store: &ObjectStoreSettings,
    settings: &Settings,
    local: LocalStore,
) -> Result<Flushed, OpenStoreError> {
    let flushed = flush(config(object_store, settings)?, local, Arc::new(SystemClock)).await;
    flushed.map_err(of_flush)
}

/// A directory that cannot be listed says nothing about the object store.
fn of_flush(error: FlushError) -> OpenStoreError {
    match error {
        FlushError::Open(error) => OpenStoreError::Object(error.into()),
        FlushError::List(error) => OpenStoreError::Spool(error),
    }
}

fn config(object_store: &ObjectStoreSettings, settings: &Settings) -> Result<S3Config, ObjectStoreError> {
    let store = object_store;
    let links = match &store.public_url {
        Some(public_url) if store.public_links => GivenLinks::Public(address(public_url)?),
        // The bucket is public, and a link that contains the key of a file would never end.
        Some(_) => GivenLinks::Own,
        None => GivenLinks::Presigned,
    };
    let (credentials, credentials_file) = match &store.credentials {
        StoreCredentials::Keys { access_key, secret_key, session_token } => {
            (S3Credentials::new(access_key.clone(), secret_key.clone(), session_token.clone()), None)
        }
        StoreCredentials::File(path) => (read_credentials(path)?, Some(path.clone())),
    };
    Ok(S3Config {
        provider: if store.is_r2 { Provider::R2 } else { Provider::S3 },
        bucket: store.bucket.clone(),
        region: store.region.clone(),
        endpoint: address(&store.endpoint)?,
        link_endpoint: address(&store.link_endpoint)?,
        path_style: store.path_style,
        prefix: store.prefix.clone(),
        credentials,
        credentials_file,
        links,
        link_lifetime: settings.storage.link_lifetime,
        retention: settings.storage.file_lifetime,
        ca_file: store.ca_file.clone(),
    })
}

fn address(text: &str) -> Result<Url, ObjectStoreError> {
    Url::parse(text).map_err(|source| ObjectStoreError::Address { text: text.to_owned(), source })
}

fn is_loopback(address: &Url) -> bool {
    match address.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_listed_is_no_fault_of_the_object_store() {
        let error = of_flush(FlushError::List(std::io::Error::other("the disk")));
        let text = support::error_chain(&error);
        assert_eq!(text, "failed to list the files that wait for an object store: the disk");
    }
}
