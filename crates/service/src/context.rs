//! The context of a request: everything besides its fields. It is passed from the connection to the use case.

use crate::summary::SummarySlot;
use crate::trace_context::TraceContext;
use access::{Caller, KeyId, KeyRecord, OwnLimits};
use std::net::IpAddr;
use std::sync::Arc;
use support::Subscriber;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Identifies the request in the log; also in the response.
    pub request_id: String,
    /// The caller.
    pub principal: Principal,
    /// The address of the client, if it came over the network.
    pub client: Option<IpAddr>,
    /// When the caller stops waiting: a request that has no slot by then is refused as busy.
    pub deadline: Option<Instant>,
    /// Ends the program; the outcome is `cancelled`.
    pub cancel: CancellationToken,
    /// The trace that the request belongs to, if its caller names one.
    pub trace: Option<TraceContext>,
    /// Gets what the interface logs of the execution.
    pub summary: SummarySlot,
}

impl RequestContext {
    /// A context without an address or a deadline, that belongs to no trace.
    pub fn new(request_id: impl Into<String>, principal: Principal) -> Self {
        let (request_id, cancel) = (request_id.into(), CancellationToken::new());
        let summary = SummarySlot::default();
        Self { request_id, principal, client: None, deadline: None, cancel, trace: None, summary }
    }
}

/// The caller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Principal {
    /// A network client without a key.
    Anonymous(Subscriber),
    /// Whoever has this key.
    Key(Arc<KeyRecord>),
    /// The user of the command line on this host.
    Operator,
}

impl Principal {
    /// Whose share of the service this caller uses.
    #[must_use]
    pub fn share(&self) -> Share {
        match self {
            Self::Anonymous(subscriber) => Share::Subscriber(*subscriber),
            Self::Key(record) => Share::Key(record.id),
            Self::Operator => Share::Operator,
        }
    }

    /// Whose limits apply, and those of its key; `None` for a caller without limits.
    pub(crate) fn limited(&self) -> Option<(Caller, Option<OwnLimits>)> {
        match self {
            Self::Anonymous(subscriber) => Some((Caller::Subscriber(*subscriber), None)),
            Self::Key(record) => Some((Caller::Key(record.id), Some(record.limits))),
            Self::Operator => None,
        }
    }

    /// The executors that this caller may use; `None` for all.
    #[must_use]
    pub fn executors(&self) -> Option<&[String]> {
        match self {
            Self::Key(record) => record.executors.as_deref(),
            Self::Anonymous(_) | Self::Operator => None,
        }
    }
}

/// The unit of fairness: all requests of one share compete with each other before they compete with those of
/// another share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Share {
    /// The user of the command line on this host.
    Operator,
    /// Clients without a key.
    Subscriber(Subscriber),
    /// Clients with this key.
    Key(KeyId),
}
