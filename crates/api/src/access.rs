//! The end of each request: its line in the access log, and what the observer is told.

use crate::client;
use crate::observe::{Answered, HttpObserver};
use axum::extract::{MatchedPath, Request};
use http::Method;
use service::{KeyRecord, Phase, Principal, Share, Summary, SummarySlot, TraceContext};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Status in the line of a request whose client went away: nginx's code for it. It is never sent.
const CLIENT_GONE: u16 = 499;

/// Where a request's layers put the caller that its API key names. Clones are the same slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallerSlot(Arc<OnceLock<Caller>>);

#[derive(Debug)]
struct Caller {
    share: Share,
    key: Option<Arc<KeyRecord>>,
}

impl CallerSlot {
    /// The key was checked. The first caller stays: a request has one.
    pub(crate) fn set(&self, principal: &Principal) {
        let key = match principal {
            Principal::Key(record) => Some(Arc::clone(record)),
            _ => None,
        };
        let _ = self.0.set(Caller { share: principal.share(), key });
    }

    /// Whose share of the service the caller uses, if a key was checked.
    pub(crate) fn share(&self) -> Option<Share> {
        self.0.get().map(|caller| caller.share)
    }

    /// The name of the caller's key.
    fn key(&self) -> Option<&str> {
        self.0.get()?.key.as_ref().map(|record| record.name.as_str())
    }
}

/// One request until its end. The line has the path's template, never the path: a file's path grants access to it.
/// Nothing else in it is a text of the client or of a program: a method is a token (RFC 9110, 9.1), an address is printed by
/// us, and the name of a key is its operator's.
pub(crate) struct Access {
    method: Method,
    path: String,
    client: IpAddr,
    request_id: String,
    since: Instant,
    observer: Arc<dyn HttpObserver>,
    /// The client's place in a trace.
    parent: Option<TraceContext>,
    /// Its own place, if traces are recorded.
    trace: Option<TraceContext>,
    /// What the service tells of an execution.
    summary: SummarySlot,
    caller: CallerSlot,
    logged: bool,
}

impl Access {
    pub(crate) fn of(
        request: &Request,
        request_id: &str,
        observer: Arc<dyn HttpObserver>,
        parent: Option<TraceContext>,
        summary: SummarySlot,
        caller: CallerSlot,
    ) -> Self {
        let trace = observer.began(parent.as_ref());
        let path =
            request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
        let client = client::address(request);
        let (method, since) = (request.method().clone(), Instant::now());
        let request_id = request_id.to_owned();
        let logged = false;
        Self { method, path, client, request_id, since, observer, parent, trace, summary, caller, logged }
    }

    /// The place of the request in a trace: its own, or without one that of its client.
    pub(crate) fn place(&self) -> Option<&TraceContext> {
        self.trace.as_ref().or(self.parent.as_ref())
    }

    /// Its own place in a trace, if traces are recorded.
    pub(crate) fn own_place(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// The request has an answer. `outcome` is the handler's word for it, `code` that of an error.
    pub(crate) fn log(mut self, status: u16, outcome: Option<&str>, code: Option<&str>) {
        self.logged = true;
        self.write(status, outcome.or(code).unwrap_or("ok"), code);
    }

    fn write(&self, status: u16, outcome: &str, code: Option<&str>) {
        let duration = self.since.elapsed();
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let Self { method, path, .. } = self;
        self.observer.answered(&Answered {
            method: method.as_str(),
            route: path,
            status,
            duration,
            code,
            outcome,
            request_id: &self.request_id,
            client: self.client,
            key: self.caller.key(),
            parent: self.parent.as_ref(),
            trace: self.trace.as_ref(),
        });
        let Summary { executor, times } = self.summary.get().unwrap_or_default();
        let ms = |phase: Phase| times[phase.index()].map(support::milliseconds);
        tracing::info!(
            target: "access",
            %method,
            path,
            status,
            duration_ms,
            outcome,
            client = %self.client,
            key = self.caller.key(),
            executor,
            validate_ms = ms(Phase::Validate),
            queue_ms = ms(Phase::Queue),
            setup_ms = ms(Phase::Setup),
            run_ms = ms(Phase::Run),
            collect_ms = ms(Phase::Collect),
            upload_ms = ms(Phase::Upload),
            trace_id = self.place().map(TraceContext::trace_id_text),
            "request"
        );
    }
}

impl Drop for Access {
    /// The client went away. The handler's future is dropped before this, so the summary is there.
    fn drop(&mut self) {
        if !self.logged {
            self.write(CLIENT_GONE, "client_gone", None);
        }
    }
}
