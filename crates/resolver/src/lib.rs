//! Names of hosts, resolved without the C library: its resolver loads modules of the host at run time
//! (nsswitch.conf(5)), which a static binary cannot do reliably.
//!
//! [`connector`] makes the connections of a client with it.
//!
//! Reads /etc/resolv.conf and /etc/hosts. After a failure they are read again, so a change needs no restart.

mod https;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

pub use https::{Connector, connector};
pub use tls::ClientError;

/// Timeout of one query.
const QUERY_TIME_MAX: Duration = Duration::from_secs(2);

/// How often a query is sent.
const QUERIES_MAX: usize = 2;

/// Resolves names for the HTTP client. Clones share one cache.
#[derive(Clone, Default)]
pub struct Resolver {
    current: Arc<Mutex<Option<TokioResolver>>>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

/// A name that cannot be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the name cannot be resolved")]
pub struct UnknownHost {
    #[source]
    source: hickory_resolver::net::NetError,
}

impl Resolver {
    fn get(&self) -> Result<TokioResolver, UnknownHost> {
        let mut current = support::lock(&self.current);
        if let Some(resolver) = &*current {
            return Ok(resolver.clone());
        }
        let build = || {
            let mut builder = TokioResolver::builder_tokio()?;
            let options = builder.options_mut();
            (options.timeout, options.attempts) = (QUERY_TIME_MAX, QUERIES_MAX);
            builder.build()
        };
        let resolver = build().map_err(|source| UnknownHost { source })?;
        Ok(current.insert(resolver).clone())
    }

    async fn resolve(self, name: Name) -> Result<std::vec::IntoIter<SocketAddr>, UnknownHost> {
        match self.get()?.lookup_ip(name.as_str()).await {
            // The client replaces the port.
            Ok(found) => Ok(found.iter().map(|ip| SocketAddr::new(ip, 0)).collect::<Vec<_>>().into_iter()),
            Err(source) => {
                *support::lock(&self.current) = None;
                Err(UnknownHost { source })
            }
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = UnknownHost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_the_hosts_file_is_resolved_and_one_that_cannot_exist_is_not() {
        let resolver = Resolver::default();
        let found = resolver.clone().resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(found.clone().count() > 0 && found.into_iter().all(|address| address.ip().is_loopback()));
        // RFC 6761, 6.4: no server knows it.
        assert!(resolver.clone().resolve("nothing.invalid".parse().unwrap()).await.is_err());
        assert!(support::lock(&resolver.current).is_none(), "the configuration is read again");
    }
}
