//! `REDIS_URL`: where Redis is, and how to log in.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where Redis is. Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct Address {
    pub(crate) target: Target,
    pub(crate) login: RedisConnectionInfo,
}

/// The socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// A text that is no address of Redis. It is not repeated here: it may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "REDIS_URL is no address of Redis; allowed: redis://[user:password@]host[:port][/database], the same with \
     rediss:// for TLS, or unix:///path[?db=0&user=...&pass=...]; special characters in a password as %XX"
)]
pub struct InvalidAddress;

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress)?;
        let tls = scheme == "rediss";
        if !["redis", "rediss", "unix"].contains(&scheme) {
            return Err(InvalidAddress);
        }
        // The parser refuses `rediss` without its own TLS.
        let plain = if tls { "redis" } else { scheme };
        let parsed = format!("{plain}://{rest}").into_connection_info();
        let info: ConnectionInfo = parsed.map_err(|_| InvalidAddress)?;
        let target = match info.addr() {
            ConnectionAddr::Tcp(host, port) if !host.is_empty() => {
                Target::Tcp { host: host.clone(), port: *port, tls }
            }
            ConnectionAddr::Unix(path) if path.is_absolute() => Target::Unix(path.clone()),
            _ => return Err(InvalidAddress),
        };
        Ok(Self { target, login: info.redis_settings().clone().set_skip_set_lib_name() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Target::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (text, shown, tls) in [
            ("redis://127.0.0.1", "127.0.0.1:6379", false),
            ("redis://redis.example:7000/3", "redis.example:7000", false),
            ("rediss://user:c%40nary@redis.example", "redis.example:6379", true),
            ("redis://:canary@10.0.0.1:1/0", "10.0.0.1:1", false),
            ("unix:///run/redis.sock?db=2&pass=canary", "/run/redis.sock", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert!(!format!("{address:?}").contains("nary"), "{address:?}");
            assert_eq!(matches!(address.target, Target::Tcp { tls: true, .. }), tls, "{text}");
        }
        let with_password: Address = "rediss://user:c%40nary@redis.example/4".parse().unwrap();
        assert_eq!(with_password.login.password(), Some("c@nary"));
        assert_eq!((with_password.login.username(), with_password.login.db()), (Some("user"), 4));
    }

    #[test]
    fn other_texts_are_refused_without_being_repeated() {
        for wrong in
            ["", "canary", "http://canary", "redis://", "unix://relative", "redis://h:canary@", "redis://h/x"]
        {
            let error = wrong.parse::<Address>().unwrap_err();
            assert!(!error.to_string().contains("canary"), "{wrong}");
        }
    }
}
