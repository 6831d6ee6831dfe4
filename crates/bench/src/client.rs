//! A minimal HTTP/1.1 client, because the cost of the load counts in the throughput.
//!
//! One persistent connection, one request at a time, bodies with a `content-length`, as our service sends
//! them. Anything else is an error.

use super::error::{CaseError, ClientError, beginning};
use rustix::net::RecvFlags;
use serde_json::Value;
use std::time::Duration;
use support::authority::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest time for one answer: the longest program after a long queue.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);
/// Maximum length of an answer's head in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `host:port`.
    authority: String,
    /// Prefix of each path.
    prefix: String,
}

impl Address {
    /// Reads `http://host[:port][/path]`.
    ///
    /// # Errors
    /// For any other text.
    pub(super) fn parse(base: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address(base.to_owned());
        let rest = base.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong());
        }
        let authority = match Authority::parse(authority).ok_or_else(wrong)?.port {
            Some(_) => authority.to_owned(),
            None => format!("{}:80", authority.trim_end_matches(':')),
        };
        let prefix = path.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        Ok(Self { authority, prefix })
    }

    /// The bytes of a `GET`.
    pub(super) fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {}{path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.prefix, self.authority).into_bytes()
    }

    /// The bytes of a request to run a program, with `fields` as its body.
    pub(super) fn execute(&self, fields: &Value) -> Vec<u8> {
        self.execute_as(None, fields)
    }

    /// The same with an API key.
    pub(super) fn execute_as(&self, key: Option<&str>, fields: &Value) -> Vec<u8> {
        let body = fields.to_string();
        let key = key.map_or_else(String::new, |key| format!("x-api-key: {key}\r\n"));
        let head = format!(
            "POST {}/execute HTTP/1.1\r\nhost: {}\r\n{key}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.prefix,
            self.authority,
            body.len()
        );
        (head + &body).into_bytes()
    }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    /// Its body.
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body of an answer with status 200; every other status, a 503 too, is an error.
    pub(super) fn good(&self) -> Result<&[u8], CaseError> {
        if self.status == 200 { Ok(&self.body) } else { Err(self.unexpected()) }
    }

    /// An error with this answer.
    pub(super) fn unexpected(&self) -> CaseError {
        CaseError::Answer { status: self.status, body: beginning(&String::from_utf8_lossy(&self.body)) }
    }
}

/// A client with one connection.
#[derive(Debug)]
pub(super) struct Client {
    address: Address,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    /// A client that connects on first use.
    pub(super) fn new(address: &Address) -> Self {
        Self { address: address.clone(), stream: None, buffer: Vec::with_capacity(4096) }
    }

    /// Sends a request and waits for its answer. Never sends it twice.
    ///
    /// # Errors
    /// If there is no answer; the next call connects again.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<Answer, ClientError> {
        let sent = tokio::time::timeout(ANSWER_TIME_MAX, self.try_send(request)).await;
        let result = sent.unwrap_or(Err(ClientError::TooLate { wait_s: ANSWER_TIME_MAX.as_secs() }));
        if result.is_err() {
            self.stream = None;
        }
        result
    }

    async fn try_send(&mut self, request: &[u8]) -> Result<Answer, ClientError> {
        // A service closes connections that were idle for long: if this is noticed before sending, no request
        // is lost.
        let stream = match self.stream.take() {
            Some(stream) if is_open(&stream) => self.stream.insert(stream),
            _ => {
                let stream = TcpStream::connect(&self.address.authority).await?;
                stream.set_nodelay(true)?;
                self.stream.insert(stream)
            }
        };
        stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ClientError::Closed);
            }
            if let Some(head) = Head::parse(&self.buffer)?
                && self.buffer.len() >= head.length + head.body_length
            {
                let body = self.buffer[head.length..head.length + head.body_length].to_vec();
                if head.closes {
                    self.stream = None;
                }
                return Ok(Answer { status: head.status, body });
            }
        }
    }
}

/// Whether the peer keeps a connection open, according to the kernel: our event loop did not run while the
/// client was idle, so tokio's state of the connection is as old as the last answer.
fn is_open(stream: &TcpStream) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    matches!(rustix::net::recv(stream, &mut [0u8; 1], flags), Err(rustix::io::Errno::WOULDBLOCK))
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes up to the body.
    length: usize,
    body_length: usize,
    closes: bool,
}

impl Head {
    /// Parses it from the beginning of an answer; `None` if it is not complete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, ClientError> {
        let strange = ClientError::Strange;
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if bytes.len() < HEAD_BYTES_MAX {
                Ok(None)
            } else {
                Err(strange("its head does not end"))
            };
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| strange("its head is not text"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| strange("it has no status"))?;
        let (mut body_length, mut closes) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body_length = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        let body_length = body_length.ok_or_else(|| strange("it has no content-length"))?;
        Ok(Some(Self { status, length: end + 4, body_length, closes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn addresses_have_a_host_and_no_tls() {
        let parsed = |base| Address::parse(base).expect("good");
        assert_eq!(parsed("http://127.0.0.1:8000").authority, "127.0.0.1:8000");
        assert_eq!(parsed("http://host/").authority, "host:80");
        assert_eq!(parsed("http://[::1]:1/a/b/").prefix, "/a/b");
        assert!(
            parsed("http://h:1/a").get("/health").starts_with(b"GET /a/health HTTP/1.1\r\nhost: h:1\r\n")
        );
        for wrong in ["https://host", "host:8000", "http://", "http://a b"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn heads_are_read_when_they_are_complete() {
        let head = Head { status: 503, length: 58, body_length: 7, closes: true };
        let bytes = b"HTTP/1.1 503 Busy\r\nContent-Length: 7\r\nconnection: close\r\n\r\n";
        let head = Head { length: bytes.len(), ..head };
        assert_eq!(Head::parse(bytes).unwrap(), Some(head));
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
        assert!(Head::parse(&vec![b'a'; HEAD_BYTES_MAX]).is_err());
    }

    #[tokio::test]
    async fn a_connection_serves_many_requests_and_is_replaced_when_it_was_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            // Two answers on the first connection, the second in two parts; a truncated one on the second.
            let (mut first, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            for part in
                [&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..], b"HTTP/1.1 503 Busy\r\ncontent"]
            {
                assert!(first.read(&mut request).await.unwrap() > 0);
                first.write_all(part).await.unwrap();
            }
            tokio::task::yield_now().await;
            first.write_all(b"-length: 4\r\n\r\nfull").await.unwrap();
            drop(first);
            let (mut second, _) = listener.accept().await.unwrap();
            assert!(second.read(&mut request).await.unwrap() > 0);
            second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
        });
        let address = Address::parse(&base).unwrap();
        let request = address.execute(&serde_json::json!({"code": "print(1)"}));
        let mut client = Client::new(&address);
        assert_eq!(client.send(&request).await.unwrap().good().unwrap(), b"{}");
        let busy = client.send(&request).await.unwrap();
        assert!(matches!(busy.good(), Err(CaseError::Answer { status: 503, body }) if body == "full"));
        // The end of the first connection must have arrived before it is checked.
        while client.stream.as_ref().is_some_and(is_open) {
            tokio::task::yield_now().await;
        }
        assert!(matches!(client.send(&request).await, Err(ClientError::Closed)));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn an_end_is_seen_that_came_while_the_client_rested() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (answered, is_answered) = std::sync::mpsc::channel();
        let (closed, is_closed) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
                is_answered.recv().unwrap();
                drop(stream);
                closed.send(()).unwrap();
            }
        });
        let address = Address::parse(&base).unwrap();
        let mut client = Client::new(&address);
        for _ in 0..2 {
            assert!(client.send(&address.get("/")).await.unwrap().good().is_ok());
            answered.send(()).unwrap();
            // Blocks the event loop, as a client does between its turns.
            is_closed.recv().unwrap();
        }
        server.join().unwrap();
    }
}
