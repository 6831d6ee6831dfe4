//! The content of a `PUT` as a request body: never copied as a whole, and its progress can be watched.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Size of a piece: few system calls, little memory for each upload.
const PIECE_BYTES: u64 = 64 * 1024;

/// The content of an object. Clones share it.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// In a file, of this length in bytes. Read at offsets, so several requests may read it.
    File(Arc<File>, u64),
}

impl Content {
    /// Its length in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, size_bytes) => *size_bytes,
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

/// How many bytes of a body the connection has taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A content on its way.
#[derive(Debug, Default)]
pub(crate) struct UploadBody {
    content: Content,
    sent: u64,
    progress: Progress,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl UploadBody {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, ..Self::default() }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn left(&self) -> u64 {
        self.content.size_bytes().saturating_sub(self.sent)
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let (from, length) = (self.sent, self.left().min(PIECE_BYTES));
        match &self.content {
            Content::Bytes(bytes) => {
                // Both are below the length of a `Bytes`.
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Poll::Ready(Ok(bytes.slice(from..from + length)))
            }
            Content::File(file, _) => {
                let reading = self.reading.get_or_insert_with(|| {
                    let file = Arc::clone(file);
                    tokio::task::spawn_blocking(move || {
                        let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                        file.read_exact_at(&mut piece, from)?;
                        Ok(Bytes::from(piece))
                    })
                });
                let read = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                Poll::Ready(read.map_err(io::Error::other).flatten())
            }
        }
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(context))?;
        self.sent += piece.len() as u64;
        self.progress.0.store(self.sent, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    async fn pieces(content: Content) -> io::Result<(Vec<Bytes>, u64)> {
        let mut body = UploadBody::new(content);
        let progress = body.progress();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame?.into_data().unwrap());
        }
        Ok((pieces, progress.bytes()))
    }

    #[tokio::test]
    async fn bytes_are_sent_where_they_are() {
        let content = Bytes::from(vec![7; 150_000]);
        let (pieces, sent) = pieces(Content::Bytes(content.clone())).await.unwrap();
        assert_eq!((pieces.len(), sent), (3, 150_000));
        let range = content.as_ptr_range();
        assert!(pieces.iter().all(|piece| range.contains(&piece.as_ptr())), "a piece was copied");
        assert!(self::pieces(Content::default()).await.unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn a_file_is_sent_to_its_length_and_a_shorter_one_is_an_error() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let file = Arc::new(file);
        let (pieces, _) = pieces(Content::File(file.clone(), 150_000)).await.unwrap();
        assert_eq!(pieces.concat(), content);
        assert_eq!(
            self::pieces(Content::File(file.clone(), 70_000)).await.unwrap().0.concat(),
            content[..70_000]
        );
        let error = self::pieces(Content::File(file, 150_001)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
