//! A request to the service on this machine, for commands in images that contain only this program.

use settings::TlsSettings;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use tls::{TlsFiles, Trust};

/// Longest wait for the connection, and for each part of the answer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Maximum length of an answer in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The address at which a service that listens on `host` is reached from this machine.
pub(crate) fn reachable(host: &str) -> &str {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    }
}

/// Status and body of `GET` of `path`, with this API key if there is one. With TLS, the key is sent only to a service
/// that has the certificate in the file.
pub(crate) fn get(
    (host, port): (&str, u16),
    tls: Option<&TlsSettings>,
    path: &str,
    key: Option<&str>,
) -> io::Result<(u16, String)> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    // One write: formatting straight into the socket would send many small packets.
    let key = key.map_or_else(String::new, |key| format!("X-API-Key: {key}\r\n"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{key}Connection: close\r\n\r\n");
    let answer = match tls {
        None => exchange(stream, &request)?,
        Some(TlsSettings { certificate, key: key_file, .. }) => {
            let files = TlsFiles { certificate: certificate.clone(), key: key_file.clone() };
            let trust = if key.is_empty() { Trust::Any } else { Trust::InFile(&files) };
            exchange(tls::connect(stream, trust)?, &request)?
        }
    };
    parse(&answer).ok_or_else(|| io::Error::other("the answer does not come from this service"))
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_everywhere_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0"), "127.0.0.1");
        assert_eq!(reachable("[::]"), "::1");
        assert_eq!(reachable("10.0.0.7"), "10.0.0.7");
    }

    #[test]
    fn the_answer_is_its_status_and_body() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(answer), Some((503, "{}".to_owned())));
        assert_eq!(parse("SSH-2.0-OpenSSH\r\n"), None);
    }
}
