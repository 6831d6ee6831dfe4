//! Connections of HTTP clients: names by [`Resolver`], TLS by the crate `tls`, and a bound on the time to connect.

use std::path::Path;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tls::ClientError;

use crate::Resolver;

/// Timeout of a connection, of all addresses of a name together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Connects to http and https addresses, with HTTP/1.
pub type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// A connector that trusts the authorities in the PEM file `ca_file` alone, or the public ones. Does not connect. Reads the
/// file on the calling thread. The file must be one that only root or this user can change.
///
/// # Errors
/// [`ClientError`]
pub fn connector(ca_file: Option<&Path>) -> Result<Connector, ClientError> {
    let mut http = HttpConnector::new_with_resolver(Resolver::default());
    // https is decided by the layer above.
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIME_MAX));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(ca_file)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}
