//! A proxy that does harm to connections, for tests of clients of any protocol.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What happens to the bytes that the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpFault {
    /// Nothing.
    None,
    /// New connections are closed at once, and those that are open with the next bytes.
    Close,
    /// They are kept back until the fault is over.
    Silence,
    /// They come this much later.
    Delay(Duration),
    /// All but the last byte of the next piece; then the connection is closed.
    Cut,
}

/// The proxy. Its threads end with the process of the test.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    fault: Mutex<TcpFault>,
}

impl Shared {
    fn fault(&self) -> MutexGuard<'_, TcpFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, client: &TcpStream) -> std::io::Result<()> {
        if *self.fault() == TcpFault::Close {
            return Ok(());
        }
        let mut server = TcpStream::connect(self.upstream)?;
        server.set_nodelay(true)?;
        let mut from_client = client.try_clone()?;
        let mut to_server = server.try_clone()?;
        std::thread::spawn(move || {
            // Either end may be gone.
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let mut piece = vec![0; 65536];
        loop {
            let count = server.read(&mut piece)?;
            if count == 0 {
                return Ok(());
            }
            while *self.fault() == TcpFault::Silence {
                std::thread::sleep(Duration::from_millis(1));
            }
            let fault = *self.fault();
            let sent = match fault {
                TcpFault::None | TcpFault::Silence => count,
                TcpFault::Close => return Ok(()),
                TcpFault::Delay(time) => {
                    std::thread::sleep(time);
                    count
                }
                TcpFault::Cut => count - 1,
            };
            let mut to_client = client;
            to_client.write_all(&piece[..sent])?;
            if fault == TcpFault::Cut {
                return Ok(());
            }
        }
    }
}

impl TcpProxy {
    /// Starts a proxy to `upstream`.
    ///
    /// # Panics
    /// If loopback has no free port.
    #[must_use]
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { upstream, fault: Mutex::new(TcpFault::None) });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || {
                    // A connection that ends is what these tests are about.
                    shared.serve(&client).unwrap_or_default();
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this from now on.
    pub fn set(&self, fault: TcpFault) {
        *self.shared.fault() = fault;
    }
}
