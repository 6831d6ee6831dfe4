//! The settings of a test's object store, and a client that has only a link.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its part")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use secrecy::SecretString;
use storage_s3::{GivenLinks, Provider, S3Config, S3Credentials};
use testkit::S3Server;
use url::Url;

pub const LIFETIME: Duration = Duration::from_secs(5 * 3600);

pub fn credentials(key: &str, secret: &str) -> S3Credentials {
    let text = |text: &str| SecretString::from(text.to_owned());
    S3Credentials::new(text(key), text(secret), None)
}

pub fn config(address: SocketAddr) -> S3Config {
    let endpoint = Url::parse(&format!("http://{address}")).unwrap();
    S3Config {
        provider: Provider::S3,
        bucket: S3Server::BUCKET.into(),
        region: "us-east-1".into(),
        link_endpoint: endpoint.clone(),
        endpoint,
        path_style: true,
        prefix: "sandbox/".into(),
        credentials: credentials(S3Server::ACCESS_KEY, S3Server::SECRET_KEY),
        credentials_file: None,
        links: GivenLinks::Presigned,
        link_lifetime: LIFETIME,
        retention: Duration::from_secs(7 * 24 * 3600),
        ca_file: None,
    }
}

/// What a client without credentials gets: the status, the head and the body.
pub fn fetch(method: &str, url: &str) -> (u16, String, Vec<u8>) {
    let url = Url::parse(url).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut connection = TcpStream::connect(&host).unwrap();
    let target = &url[url::Position::BeforePath..];
    write!(connection, "{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
}
