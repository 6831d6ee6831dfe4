//! The load: concurrent clients of the service, all on one thread.
//!
//! The service is a separate process; this thread is all that the load takes from the cores that both share.

use super::case::{Case, Program, Sample, Turn};
use super::client::{Address, Answer, Client};
use super::error::CaseError;
use async_trait::async_trait;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The fields of an answer that are used.
#[derive(Debug, Deserialize)]
struct Executed<'a> {
    success: bool,
    #[serde(borrow)]
    stdout: Cow<'a, str>,
    #[serde(borrow)]
    stderr: Cow<'a, str>,
    execution_time: f64,
}

/// Clients that each send the same program again and again without a pause.
#[derive(Debug)]
pub(super) struct Load {
    orders: mpsc::Sender<oneshot::Sender<Result<Turn, CaseError>>>,
}

impl Load {
    /// Starts the clients' thread; they connect in the first turn and keep their connections. `each` is the
    /// number of programs that each one sends in a turn.
    ///
    /// # Errors
    /// If the thread or the event loop cannot be created.
    pub(super) fn new(
        address: &Address,
        program: &'static Program,
        clients: usize,
        each: usize,
    ) -> std::io::Result<Self> {
        let request: Arc<[u8]> = address.execute(&serde_json::json!({ "code": program.code })).into();
        let mut clients: Vec<Client> = (0..clients).map(|_| Client::new(address)).collect();
        let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (orders, received) = mpsc::channel::<oneshot::Sender<_>>();
        std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            for order in received {
                let turn = event_loop.block_on(turn(std::mem::take(&mut clients), &request, program, each));
                let result = turn.map(|(turn, back)| {
                    clients = back;
                    turn
                });
                // The receiver is gone if the run was stopped.
                let _ = order.send(result);
            }
        })?;
        Ok(Self { orders })
    }
}

#[async_trait]
impl Case for Load {
    async fn turn(&mut self) -> Result<Turn, CaseError> {
        let (order, result) = oneshot::channel();
        self.orders.send(order).map_err(|_| CaseError::Client)?;
        result.await.map_err(|_| CaseError::Client)?
    }
}

/// One turn of all clients; returns them for the next one.
async fn turn(
    clients: Vec<Client>,
    request: &Arc<[u8]>,
    program: &'static Program,
    each: usize,
) -> Result<(Turn, Vec<Client>), CaseError> {
    let mut working = JoinSet::new();
    let begun = Instant::now();
    for mut client in clients {
        let request = Arc::clone(request);
        working.spawn(async move {
            let mut samples = Vec::with_capacity(each);
            for _ in 0..each {
                samples.push(sample(&mut client, &request, program).await?);
            }
            Ok::<_, CaseError>((samples, client))
        });
    }
    let (mut samples, mut clients) = (Vec::new(), Vec::new());
    while let Some(ended) = working.join_next().await {
        let (taken, client) = ended.map_err(|_| CaseError::Client)??;
        samples.extend(taken);
        clients.push(client);
    }
    Ok((Turn { samples, elapsed: begun.elapsed() }, clients))
}

async fn sample(client: &mut Client, request: &[u8], program: &Program) -> Result<Sample, CaseError> {
    let begun = Instant::now();
    let answer = client.send(request).await?;
    let duration = begun.elapsed();
    let program = checked(&answer, program)?;
    let around = duration.saturating_sub(program);
    Ok(Sample { duration, phases: vec![("everything around the program", around), ("program", program)] })
}

/// The own time of `program` in an answer that has its result.
///
/// # Errors
/// For any other answer.
pub(super) fn checked(answer: &Answer, program: &Program) -> Result<Duration, CaseError> {
    let executed: Executed = serde_json::from_slice(answer.good()?).map_err(|_| answer.unexpected())?;
    program.check(executed.success, &executed.stdout, &executed.stderr)?;
    Ok(Duration::try_from_secs_f64(executed.execution_time).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::PRINT;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A minimal service: each connection gets this many successful answers, then it is busy.
    async fn service(good: usize) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let mut given = 0;
                    while stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                        let body = r#"{"success":true,"stdout":"1\n","stderr":"","execution_time":0.001}"#;
                        let status = if given < good { "200 OK" } else { "503 Busy" };
                        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                        stream.write_all((head + body).as_bytes()).await.unwrap();
                        given += 1;
                    }
                });
            }
        });
        Address::parse(&base).unwrap()
    }

    #[tokio::test]
    async fn all_clients_work_and_a_busy_service_fails_the_case() {
        let address = service(4).await;
        let mut load = Load::new(&address, &PRINT, 3, 2).unwrap();
        for _ in 0..2 {
            let turn = load.turn().await.unwrap();
            assert_eq!(turn.samples.len(), 6);
            assert_eq!(turn.samples[0].phases[1], ("program", Duration::from_millis(1)));
        }
        assert!(matches!(load.turn().await, Err(CaseError::Answer { status: 503, .. })));
    }
}
