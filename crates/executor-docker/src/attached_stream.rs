//! The stream of one container: the agent's standard input and output, through the engine.

use bollard::container::{AttachContainerResults, LogOutput};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Chunks in flight, of 32 KiB each at most (what the engine copies at once): the agent blocks when it is
/// full.
const PIECES_MAX: usize = 16;
/// Bytes of the agent's standard error that are kept: it writes there only if its stream is broken.
const OUTPUT_BYTES_MAX: usize = 2048;

/// See the module.
pub(crate) struct AttachedStream {
    incoming: mpsc::Receiver<Bytes>,
    piece: Bytes,
    outgoing: Pin<Box<dyn AsyncWrite + Send>>,
    state: Arc<State>,
    pump: JoinHandle<()>,
}

/// The state of the other end.
#[derive(Debug, Default)]
pub(crate) struct State {
    ended: AtomicBool,
    words: Mutex<Vec<u8>>,
}

impl State {
    /// Whether the stream has ended: the container, or the connection to it, is gone.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// What the agent, or the runtime before it, wrote to standard error.
    pub(crate) fn words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}

impl AttachedStream {
    /// Takes over an attached container.
    pub(crate) fn new(attached: AttachContainerResults) -> Self {
        let AttachContainerResults { mut output, input } = attached;
        let (sender, incoming) = mpsc::channel(PIECES_MAX);
        let state = Arc::new(State::default());
        // In its own task: the death of a container that is idle in the pool must be noticed although nothing
        // reads from it.
        let pump = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Some(Ok(piece)) = output.next().await {
                    match piece {
                        LogOutput::StdErr { message } => {
                            let mut words = state.words.lock().unwrap_or_else(PoisonError::into_inner);
                            let room = OUTPUT_BYTES_MAX.saturating_sub(words.len()).min(message.len());
                            words.extend_from_slice(&message[..room]);
                        }
                        LogOutput::StdOut { message } | LogOutput::Console { message } => {
                            if sender.send(message).await.is_err() {
                                break;
                            }
                        }
                        LogOutput::StdIn { .. } => {}
                    }
                }
                state.ended.store(true, Ordering::Relaxed);
            }
        });
        Self { incoming, piece: Bytes::new(), outgoing: input, state, pump }
    }

    /// The state of the other end.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}

impl fmt::Debug for AttachedStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AttachedStream").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Drop for AttachedStream {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl AsyncRead for AttachedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            match self.incoming.poll_recv(context) {
                Poll::Ready(Some(piece)) => self.piece = piece,
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        let length = buffer.remaining().min(self.piece.len());
        buffer.put_slice(&self.piece[..length]);
        self.piece.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AttachedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.as_mut().poll_shutdown(context)
    }
}
