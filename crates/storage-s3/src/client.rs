//! The HTTP client: connections, TLS, limits of time and size. Knows nothing of S3.
//!
//! Errors of the client are told apart by kind and not shown: their texts may contain addresses.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::{self, Client as HyperClient};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use resolver::{ClientError, Connector, UnknownHost};
use tokio::time::Instant;

use crate::body::{Progress, UploadBody};
use crate::config::OpenError;
use crate::failure::{Failure, FailureKind};

/// How long nothing may happen: no byte of the request is taken, and no answer comes.
const STALL_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a connection is kept unused. Amazon closes it after about 20 seconds, and a request that is sent
/// just then is lost.
const IDLE_TIME_MAX: Duration = Duration::from_secs(15);

/// How many unused connections are kept.
const IDLE_MAX: usize = 16;

/// A client for one object store. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    inner: HyperClient<Connector, UploadBody>,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The text of a header; `None` if it is missing or not ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// A client that trusts the authorities in `ca_file` alone, or the public ones. Does not connect.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, OpenError> {
        let connector = resolver::connector(ca_file).map_err(|error| match error {
            ClientError::Untrusted { source } => OpenError::Untrusted { source },
            ClientError::Authorities { path, source } => OpenError::Authorities { path, source },
            ClientError::Setup(source) => OpenError::Tls { source },
        })?;
        let inner = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Ok(Self { inner })
    }

    /// Sends a request and reads the answer, at most `body_bytes_max` of its body, until `by`.
    pub(crate) async fn send(
        &self,
        request: Request<UploadBody>,
        by: Instant,
        body_bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let progress = request.body().progress();
        let exchange = async {
            let response = self.inner.request(request).await.map_err(|error| failure_of(&error))?;
            read(response, body_bytes_max).await
        };
        tokio::select! {
            answer = exchange => answer,
            () = stalled(&progress) => Err(Failure::without_answer(FailureKind::Timeout)),
            () = tokio::time::sleep_until(by) => Err(Failure::without_answer(FailureKind::Timeout)),
        }
    }
}

async fn read(response: Response<hyper::body::Incoming>, bytes_max: usize) -> Result<Answer, Failure> {
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, bytes_max).collect().await {
        Ok(body) => body.to_bytes(),
        // What is longer is not an answer that is expected here; its beginning is not needed.
        Err(error) if error.is::<LengthLimitError>() => Bytes::new(),
        Err(_) => return Err(Failure::without_answer(FailureKind::Cut)),
    };
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Ends once no byte was taken for [`STALL_TIME_MAX`], at most twice that after the last one. The answer must come
/// within the same time.
async fn stalled(progress: &Progress) {
    let mut before = None;
    loop {
        let now = progress.bytes();
        if before == Some(now) {
            return;
        }
        before = Some(now);
        tokio::time::sleep(STALL_TIME_MAX).await;
    }
}

/// The kind of an error of the client.
fn failure_of(error: &legacy::Error) -> Failure {
    let is_connect = error.is_connect();
    let mut kind = if is_connect { FailureKind::Unreachable } else { FailureKind::Cut };
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            kind = FailureKind::Tls;
            break;
        }
        if error.is::<UnknownHost>() {
            kind = FailureKind::UnknownHost;
            break;
        }
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            kind = FailureKind::Timeout;
        }
        // An I/O error reports its cause's cause as its own.
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Failure::without_answer(kind)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::body::Content;

    fn request(uri: &str, content: &'static [u8]) -> Request<UploadBody> {
        let body = UploadBody::new(Content::Bytes(Bytes::from_static(content)));
        Request::put(uri).body(body).unwrap()
    }

    async fn send(uri: &str, bytes_max: usize) -> Result<Answer, Failure> {
        let by = Instant::now() + Duration::from_secs(60);
        Client::new(None).unwrap().send(request(uri, b"content"), by, bytes_max).await
    }

    /// A server that answers each connection with these bytes, or hangs.
    fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut buffer = [0; 4096];
                let _ = connection.read(&mut buffer);
                match answer {
                    Some(answer) => connection.write_all(answer.as_bytes()).unwrap(),
                    None => open.push(connection),
                }
            }
        });
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn every_body_is_read_within_a_bound() {
        let uri = server(Some("HTTP/1.1 500 x\r\ncontent-length: 5\r\nconnection: close\r\n\r\n12345"));
        let answer = send(&uri, 5).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (500, &b"12345"[..]));
        assert_eq!(answer.header("content-length"), Some("5"));
        assert_eq!(send(&uri, 4).await.unwrap().body.len(), 0);
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let kind = async |uri: &str| send(uri, 100).await.unwrap_err().kind;
        let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(kind(&format!("http://{refused}/")).await, FailureKind::Unreachable);
        assert_eq!(kind("http://nothing.invalid/").await, FailureKind::UnknownHost);
        assert_eq!(kind(&server(Some(""))).await, FailureKind::Cut);
        assert_eq!(
            kind(&server(Some("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1"))).await,
            FailureKind::Cut
        );
        // It speaks no TLS.
        let plain = server(Some("HTTP/1.1 400 x\r\n\r\n")).replace("http:", "https:");
        assert_eq!(kind(&plain).await, FailureKind::Tls);
    }

    /// The clock of tokio is virtual: it jumps to the next timer while the server is silent.
    #[tokio::test(start_paused = true)]
    async fn a_request_ends_by_its_deadline_and_when_nothing_happens() {
        let uri = server(None);
        let client = Client::new(None).unwrap();
        let took = async |limit| {
            let begun = Instant::now();
            let failure = client.send(request(&uri, b"x"), begun + limit, 100).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Timeout);
            begun.elapsed()
        };
        let slack = Duration::from_secs(1);
        assert!(took(Duration::from_millis(200)).await < slack);
        assert!(took(Duration::from_secs(600)).await < 2 * STALL_TIME_MAX + slack);
    }

    #[test]
    fn authorities_that_cannot_be_used_are_refused_with_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Client::new(Some(file.path())).unwrap_err();
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
        assert!(Client::new(Some(Path::new("/nonexistent"))).is_err());
    }
}
