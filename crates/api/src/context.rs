//! The context of a request, for handlers that call the service: what the layers around them have found out.

use crate::trace::{Client, RequestId, Trace};
use axum::extract::FromRequestParts;
use axum::extract::rejection::ExtensionRejection;
use axum::{Extension, RequestPartsExt as _};
use http::request::Parts;
use service::{Principal, RequestContext, SummarySlot};

/// The context of the current request.
#[derive(Debug)]
pub(crate) struct Context(pub(crate) RequestContext);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    /// A layer is missing, which is an error of ours.
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Extension(RequestId(id)) = parts.extract().await?;
        let Extension(Trace(trace)) = parts.extract().await?;
        let Extension(Client(client)) = parts.extract().await?;
        let Extension::<SummarySlot>(summary) = parts.extract().await?;
        let Extension::<Principal>(principal) = parts.extract().await?;
        let client = Some(client);
        Ok(Self(RequestContext { client, trace, summary, ..RequestContext::new(id, principal) }))
    }
}
