//! A proxy that does harm to single HTTP requests, for tests of clients. It changes nothing else, so signatures
//! of requests stay valid: `Host` names the proxy.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed before the request is read.
    Close,
    /// The request is read, and never answered.
    Hang,
    /// The connection is closed after this many bytes of the body.
    CutBody(usize),
    /// One byte of the body is changed.
    FlipByte,
    /// The request does not reach the server; this status and error code are the answer.
    Answer(u16, &'static str),
    /// The request does not reach the server, which is busy, and asks to be left alone for this number of seconds.
    Later(u32),
    /// The server does what is asked; this status and error code are the answer.
    AnswerAfter(u16, &'static str),
    /// The server does what is asked; its answer is cut in the middle.
    CutAnswer,
}

/// A fault, and the requests that it meets.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The method.
    pub method: &'static str,
    /// How many requests.
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

/// The proxy. Its threads end with the process of the test.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rule: Mutex<Option<Rule>>,
    seen: Mutex<Vec<String>>,
}

impl FaultProxy {
    /// Starts a proxy to `upstream`.
    ///
    /// # Panics
    /// If loopback has no free port.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { upstream, rule: Mutex::default(), seen: Mutex::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A connection that ends is what these tests are about.
                std::thread::spawn(move || shared.serve(&client).unwrap_or_default());
            }
        });
        Self { address, shared }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this from now on, instead of what was set before.
    pub fn set(&self, rule: Rule) {
        *lock(&self.shared.rule) = Some(rule);
    }

    /// The requests so far, as `METHOD path`, without the query.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.shared.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The head of a message, and what follows it.
struct Head {
    bytes: Vec<u8>,
    first_line: String,
    body: BodyLength,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyLength {
    Known(usize),
    Chunked,
    UntilClosed,
}

impl Head {
    /// Reads a head; `None` at the end of the connection.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = Self { bytes: Vec::new(), first_line: String::new(), body: BodyLength::UntilClosed };
        loop {
            let mut line = Vec::new();
            if from.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            head.bytes.extend_from_slice(&line);
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if text.is_empty() {
                return Ok(Some(head));
            }
            if head.first_line.is_empty() {
                head.first_line = text;
                continue;
            }
            let Some((name, value)) = text.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.body = BodyLength::Known(value.trim().parse().map_err(io::Error::other)?);
                }
                "transfer-encoding" => head.body = BodyLength::Chunked,
                _ => {}
            }
        }
    }
}

impl Shared {
    /// The fault for this request, if there is one.
    fn fault_for(&self, method: &str) -> Option<Fault> {
        let mut rule = lock(&self.rule);
        let hit = rule.as_mut().filter(|rule| rule.method == method && rule.times > 0)?;
        hit.times -= 1;
        Some(hit.fault)
    }

    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let mut from_client = BufReader::new(client);
        let mut to_client = client;
        let server = TcpStream::connect(self.upstream)?;
        let mut from_server = BufReader::new(&server);
        let mut to_server = &server;
        while let Some(head) = Head::read(&mut from_client)? {
            let mut words = head.first_line.split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let path = target.split('?').next().unwrap_or_default();
            lock(&self.seen).push(format!("{method} {path}"));
            let fault = self.fault_for(method);
            let length = if let BodyLength::Known(length) = head.body { length } else { 0 };
            match fault {
                Some(Fault::Close) => return Ok(()),
                Some(Fault::Hang) => {
                    read_body(&mut from_client, length)?;
                    // Until the client gives up.
                    read_body(&mut from_client, usize::MAX)?;
                    return Ok(());
                }
                Some(Fault::CutBody(after)) => {
                    read_body(&mut from_client, after.min(length))?;
                    return Ok(());
                }
                _ => {}
            }
            let mut body = read_body(&mut from_client, length)?;
            if let Some(Fault::Answer(status, code)) = fault {
                to_client.write_all(&answer(status, code))?;
                continue;
            }
            if let Some(Fault::Later(seconds)) = fault {
                let head = format!(
                    "HTTP/1.1 503 Service Unavailable\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n"
                );
                to_client.write_all(head.as_bytes())?;
                continue;
            }
            if fault == Some(Fault::FlipByte) && !body.is_empty() {
                let middle = body.len() / 2;
                body[middle] ^= 1;
            }
            to_server.write_all(&head.bytes)?;
            to_server.write_all(&body)?;

            let Some(answered) = Head::read(&mut from_server)? else { return Ok(()) };
            let content = match answered.body {
                _ if method == "HEAD" => Vec::new(),
                BodyLength::Known(length) => read_body(&mut from_server, length)?,
                BodyLength::Chunked => read_chunks(&mut from_server)?,
                // 204 and 304 have none; no other answer of these servers lacks a length.
                BodyLength::UntilClosed => Vec::new(),
            };
            match fault {
                Some(Fault::AnswerAfter(status, code)) => to_client.write_all(&answer(status, code))?,
                Some(Fault::CutAnswer) => {
                    to_client.write_all(&answered.bytes[..answered.bytes.len() / 2])?;
                    return Ok(());
                }
                _ => {
                    to_client.write_all(&answered.bytes)?;
                    to_client.write_all(&content)?;
                }
            }
        }
        Ok(())
    }
}

/// At most this many bytes; fewer at the end of the connection.
fn read_body(from: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    Ok(body)
}

/// A chunked body as it is, up to its end.
fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        body.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        let length = usize::from_str_radix(text.split(';').next().unwrap_or_default(), 16);
        let length = length.map_err(io::Error::other)?;
        // With the line break after it.
        body.extend_from_slice(&read_body(from, length + 2)?);
        if length == 0 {
            return Ok(body);
        }
    }
}

fn answer(status: u16, code: &str) -> Vec<u8> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    format!(
        "HTTP/1.1 {status} fault\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
