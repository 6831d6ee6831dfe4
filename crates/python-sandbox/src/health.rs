//! `health`: asks the service on this machine whether it accepts work. For container engines and supervisors,
//! in images that contain only this program.

use settings::Settings;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;
use terminal::exit;

/// Longest wait for the connection, and for each part of the answer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Maximum length of an answer in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> ExitCode {
    let (host, port) = (reachable(&settings.host), settings.port);
    match ask(host, port) {
        Ok((status, body)) => {
            terminal::result(&format!("{}\n", body.trim_end()));
            if status == 200 { exit::success() } else { exit::program_failed() }
        }
        Err(error) => {
            terminal::message(&format!(
                "the service at {host} port {port} does not answer: {error} (hint: HOST and PORT must be those of the \
                 service)"
            ));
            exit::program_failed()
        }
    }
}

/// The address at which a service that listens on `host` is reached from this machine.
fn reachable(host: &str) -> &str {
    match host.trim_start_matches('[').trim_end_matches(']') {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    }
}

/// Status and body of `GET /health`.
fn ask(host: &str, port: u16) -> io::Result<(u16, String)> {
    let address = (host, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, WAIT_MAX)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    // One write: formatting straight into the socket would send many small packets.
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("the answer does not come from this service"))
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
