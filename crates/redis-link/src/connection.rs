//! One connection: every call ends within its time.

use crate::address::{Address, Target};
use crate::encrypt::encrypt;
use crate::script::Script;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tls::ClientError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

/// Commands that may be on their way at once; further ones wait within their time.
const IN_FLIGHT_MAX: usize = 1024;

/// The oldest version that is used: before 6.0 there are no users, and before 5.0 scripts may not write after they have read
/// the time. Valkey calls itself Redis 7.2.
const VERSION_MIN: (u32, u32) = (6, 0);

/// Where Redis is, and how long it may take.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `REDIS_URL`.
    pub address: Address,
    /// Authorities of a `rediss://` server (`REDIS_CA_FILE`); `None`: the public ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time of one call, and of connecting (`REDIS_TIMEOUT`).
    pub time_max: Duration,
}

/// Why a call did not do it. The texts are for `/health`, which is open: they name no address.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It did not answer in time, or the connection broke. What it was asked may have been done. The connection is
    /// of no use any more.
    #[error("Redis does not answer (hint: the log has the reason; check REDIS_URL)")]
    Away(#[source] io::Error),
    /// It refuses the login.
    #[error("Redis refuses the login (hint: user and password in REDIS_URL)")]
    Login,
    /// The file with its authorities cannot be used.
    #[error("REDIS_CA_FILE cannot be used (hint: the log has the reason)")]
    Authorities(#[source] ClientError),
    /// It is older than [`VERSION_MIN`].
    #[error("Redis {0} is too old: 6.0 or newer is needed, or Valkey")]
    TooOld(String),
    /// It refuses the command, or answers what no script of ours answers.
    #[error("Redis answers with an error: {0}")]
    Refused(String),
}

impl Failed {
    fn of(error: &RedisError) -> Self {
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => Self::Login,
            // It is starting, or its primary is gone: as good as no answer.
            (ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown), _) => {
                Self::Away(io::Error::other(error.to_string()))
            }
            (ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType, _) => {
                Self::Refused(error.to_string())
            }
            _ => Self::Away(io::Error::other(error.to_string())),
        }
    }

    fn late(time_max: Duration) -> Self {
        let text = format!("no answer within {} ms (REDIS_TIMEOUT)", time_max.as_millis());
        Self::Away(io::Error::new(io::ErrorKind::TimedOut, text))
    }

    /// The reason for the log.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Away(source) => source.to_string(),
            Self::Authorities(source) => {
                format!("REDIS_CA_FILE cannot be used: {}", support::error_chain(source))
            }
            other => other.to_string(),
        }
    }
}

/// A connection. Calls of several tasks share it; after [`Failed::Away`] drop it.
pub struct Connection {
    link: MultiplexedConnection,
    driver: JoinHandle<()>,
    time_max: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("time_max", &self.time_max).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    /// The driver would wait for every answer that is still due.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn open(config: &RedisConfig) -> Result<Self, Failed> {
        let late = |_| Err(Failed::late(config.time_max));
        tokio::time::timeout(config.time_max, Self::connect(config)).await.unwrap_or_else(late)
    }

    async fn connect(config: &RedisConfig) -> Result<Self, Failed> {
        match &config.address.target {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(Failed::Away)?;
                Self::log_in(config, stream).await
            }
            Target::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(Failed::Away)?;
                // Small commands, each of which somebody waits for.
                stream.set_nodelay(true).map_err(Failed::Away)?;
                if *tls {
                    let trust = tls::client_config(config.ca_file.as_deref());
                    let encrypted = encrypt(stream, host, trust.map_err(Failed::Authorities)?).await;
                    Self::log_in(config, encrypted.map_err(Failed::Away)?).await
                } else {
                    Self::log_in(config, stream).await
                }
            }
        }
    }

    async fn log_in<S>(config: &RedisConfig, stream: S) -> Result<Self, Failed>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // The calls have their own deadline.
        let options =
            AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(IN_FLIGHT_MAX);
        let opened = MultiplexedConnection::new_with_config(&config.address.login, stream, options).await;
        let (link, driver) = opened.map_err(|error| Failed::of(&error))?;
        let connection = Self { link, driver: tokio::spawn(driver), time_max: config.time_max };
        // Without a password nothing was sent yet: something else may listen there, or nothing that answers.
        connection.ping().await?;
        connection.check_version().await?;
        Ok(connection)
    }

    /// Refuses a server that is too old. One that does not tell its version is used.
    async fn check_version(&self) -> Result<(), Failed> {
        let mut info = redis::cmd("INFO");
        info.arg("server");
        let told = match self.in_time(self.ask::<String>(&info)).await {
            Ok(told) => told,
            // A user of an access control list may not ask.
            Err(Failed::Refused(_)) => return Ok(()),
            Err(failed) => return Err(failed),
        };
        match version(&told) {
            Some((text, version)) if version < VERSION_MIN => Err(Failed::TooOld(text)),
            _ => Ok(()),
        }
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn ping(&self) -> Result<(), Failed> {
        let answered = self.in_time(self.ask::<String>(&redis::cmd("PING"))).await;
        answered.map(drop)
    }

    /// Runs a script and returns its answer, a list of texts and numbers.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn run(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Vec<String>, Failed> {
        let run = async {
            if let Some(call) = script.call(keys, arguments) {
                match self.ask(&call).await {
                    // It was started again.
                    Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {}
                    answered => return answered,
                }
            }
            script.loaded(self.ask(&script.load()).await?);
            match script.call(keys, arguments) {
                Some(call) => self.ask(&call).await,
                None => Ok(Vec::new()),
            }
        };
        self.in_time(run).await
    }

    /// The value of a setting of the server; `None` if it does not tell.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn server_setting(&self, name: &str) -> Result<Option<String>, Failed> {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg(name);
        match self.in_time(self.ask::<Vec<String>>(&get)).await {
            Ok(answer) => Ok(answer.into_iter().nth(1)),
            // Managed servers forbid the command.
            Err(Failed::Refused(_)) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, RedisError>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.time_max, asked).await {
            Ok(answered) => answered.map_err(|error| Failed::of(&error)),
            Err(_elapsed) => Err(Failed::late(self.time_max)),
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        command.query_async(&mut self.link.clone()).await
    }
}

/// The version that a server tells, as text and as its first two numbers.
fn version(told: &str) -> Option<(String, (u32, u32))> {
    let text = told.lines().find_map(|line| line.strip_prefix("redis_version:"))?.trim();
    let mut numbers = text.split('.');
    let version = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let text: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').take(20).collect();
    Some((text, version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[test]
    fn a_version_is_told_in_a_line() {
        let told = "# Server\r\nredis_version:6.0.16\r\nredis_mode:standalone\r\n";
        assert_eq!(version(told), Some(("6.0.16".to_owned(), (6, 0))));
        assert_eq!(version("redis_version:7.2.4\r\nserver_name:valkey\r\n").unwrap().1, (7, 2));
        for other in ["", "redis_version:", "redis_version:x.y", "redis_version:7"] {
            assert_eq!(version(other), None);
        }
    }

    /// Answers as a Redis that says this of its version.
    async fn server_that_says(info: &str) -> RedisConfig {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("redis://{}", listener.local_addr().unwrap()).parse().unwrap();
        let info = info.to_owned();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                let asked = String::from_utf8_lossy(&bytes[..count]).to_uppercase();
                let answer = if asked.contains("INFO") { info.as_str() } else { "+PONG\r\n" };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        RedisConfig { address, ca_file: None, time_max: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn an_old_server_is_refused_and_one_that_does_not_tell_is_not() {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let old = server_that_says(&bulk("redis_version:5.0.7\r\n")).await;
        let refused = Connection::open(&old).await.unwrap_err();
        assert!(matches!(&refused, Failed::TooOld(version) if version == "5.0.7"), "{refused:?}");
        assert!(refused.to_string().starts_with("Redis 5.0.7 is too old: 6.0"), "{refused}");
        for good in [bulk("redis_version:6.0.16\r\n"), "-NOPERM no permission\r\n".to_owned()] {
            Connection::open(&server_that_says(&good).await).await.unwrap();
        }
    }
}
