//! What is known of a request besides what it asks for. It goes from the door to the use case.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// See the module.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Finds the request in the log; also in the answer.
    pub request_id: String,
    /// Who asks.
    pub principal: Principal,
    /// When nobody waits for an answer any more: a request that has no slot by then is refused as busy.
    pub deadline: Option<Instant>,
    /// Ends the program: its answer says `cancelled`.
    pub cancel: CancellationToken,
}

impl RequestContext {
    /// One without a deadline.
    pub fn new(request_id: impl Into<String>, principal: Principal) -> Self {
        let (request_id, cancel) = (request_id.into(), CancellationToken::new());
        Self { request_id, principal, deadline: None, cancel }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// Somebody on the network who gave no key.
    Anonymous,
    /// Whoever runs the command line on this host.
    Operator,
}
