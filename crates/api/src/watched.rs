//! Bodies that say how far a request is: [`crate::seats`] must know what each connection waits for.

use crate::seats::{Seat, State};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A request's body: once it is there, the connection waits for the service.
#[derive(Debug)]
pub(crate) struct Incoming<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B: Body> Incoming<B> {
    pub(crate) fn new(body: B, seat: &Arc<Seat>) -> Self {
        seat.set(if body.is_end_stream() { State::Working } else { State::Receiving });
        Self { body, seat: Arc::clone(seat) }
    }
}

impl<B: Body + Unpin> Body for Incoming<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || (polled.is_ready() && self.body.is_end_stream()) {
            self.seat.set(State::Working);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body: once it is handed over or given up, the connection waits for the next request.
#[derive(Debug)]
pub(crate) struct Outgoing<B> {
    body: B,
    seat: Arc<Seat>,
}

impl<B> Outgoing<B> {
    pub(crate) fn new(body: B, seat: Arc<Seat>) -> Self {
        seat.set(State::Sending);
        Self { body, seat }
    }
}

impl<B: Body + Unpin> Body for Outgoing<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Outgoing<B> {
    fn drop(&mut self) {
        self.seat.set(State::Idle);
    }
}
