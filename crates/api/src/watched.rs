//! Bodies and a stream that report a request's progress: [`crate::connections`] must know what each
//! connection waits for.

use crate::connections::{ConnectionSlot, State};
use crate::progress::Progress;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A request's body: once it has arrived, the connection waits for the service.
#[derive(Debug)]
pub(crate) struct Incoming<B> {
    body: B,
    progress: Arc<Progress>,
}

impl<B: Body> Incoming<B> {
    pub(crate) fn new(body: B, progress: &Arc<Progress>) -> Self {
        progress.set(if body.is_end_stream() { State::Working } else { State::Receiving });
        Self { body, progress: Arc::clone(progress) }
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
            self.progress.set(State::Working);
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

/// An answer's body, in parts: once it is handed over or dropped, only the flush is left.
#[derive(Debug)]
pub(crate) struct Outgoing<B> {
    body: B,
    /// What is left of a part that was too large.
    rest: Bytes,
    part_bytes: Option<NonZeroUsize>,
    progress: Arc<Progress>,
}

impl<B> Outgoing<B> {
    /// No part has more than `part_bytes`; `None` for the parts that the body has.
    ///
    /// A part of this size is a copy: what is kept of it until the client takes it must not keep the whole body in memory. It
    /// is counted until then ([`crate::delivery`]).
    /// The last byte is a part of its own. HTTP/2 hands a part over once the client's window has room for one more byte
    /// than was handed over before: with the last byte all of the answer fits, and until then the request is not over.
    pub(crate) fn new(body: B, progress: Arc<Progress>, part_bytes: Option<NonZeroUsize>) -> Self {
        progress.set(State::Sending);
        Self { body, rest: Bytes::new(), part_bytes, progress }
    }

    fn next_part(&mut self) -> Bytes {
        let Some(most) = self.part_bytes else { return std::mem::take(&mut self.rest) };
        let but_last = self.rest.len().saturating_sub(1).max(1);
        let part = self.rest.split_to(but_last.min(most.get()).min(self.rest.len()));
        self.progress.part(&part)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        this.progress.taken();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let part = this.next_part();
        this.progress.made();
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl<B> Drop for Outgoing<B> {
    fn drop(&mut self) {
        self.progress.end();
    }
}

/// The stream of a connection: once an answer is flushed, the connection waits for the next request. hyper
/// keeps what does not fit into the socket, most often the whole body, and flushes the stream only when
/// nothing is left.
#[derive(Debug)]
pub(crate) struct Flushed<S> {
    stream: S,
    slot: Arc<ConnectionSlot>,
}

impl<S> Flushed<S> {
    pub(crate) fn new(stream: S, slot: Arc<ConnectionSlot>) -> Self {
        Self { stream, slot }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flushed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flushed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = ready!(Pin::new(&mut this.stream).poll_flush(cx));
        if flushed.is_ok() {
            this.slot.flushed();
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::Connections;
    use crate::progress::Requests;
    use http_body_util::{BodyExt, Full};
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_large_body_is_handed_over_in_parts_and_whole() {
        let taken = Connections::new(1, 0).take("192.0.2.1".parse().unwrap()).unwrap();
        let requests = Requests::new(Arc::clone(&taken.slot), CancellationToken::new());
        for (length, parts) in [(0, 0), (1, 1), (9, 2), (10, 2), (11, 2), (12, 3), (35, 5)] {
            let sent: Bytes = (0..length).collect::<Vec<u8>>().into();
            let mut body = Outgoing::new(
                Full::new(sent.clone()),
                requests.begin(CancellationToken::new()),
                NonZeroUsize::new(10),
            );
            let (mut got, mut count, mut last) = (Vec::new(), 0, 1);
            while let Some(frame) = body.frame().await {
                let left = u64::from(length) - got.len() as u64;
                let data = frame.unwrap().into_data().unwrap();
                assert!(data.len() <= 10 && !data.is_empty());
                assert!(!sent.as_ptr_range().contains(&data.as_ptr()), "a slice of the body");
                got.extend_from_slice(&data);
                last = data.len();
                assert_eq!(body.size_hint().exact(), Some(left - data.len() as u64));
                assert_eq!(body.is_end_stream(), got.len() == usize::from(length));
                count += 1;
            }
            assert_eq!((got, count, last), (sent.to_vec(), parts, 1));
        }
    }
}
