//! A real S3 server that checks signatures, for tests: s3s-fs, which keeps each bucket as a directory.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The variable with the server's program; `make test` builds it and sets the variable.
const PROGRAM: &str = "PYTHON_SANDBOX_TEST_S3";

/// How long a start may take, in steps of 10 ms.
const START_STEPS_MAX: u32 = 1000;

/// A server with one bucket, [`S3Server::BUCKET`], on a free port of loopback; killed on drop.
#[derive(Debug)]
pub struct S3Server {
    program: OsString,
    address: SocketAddr,
    root: tempfile::TempDir,
    running: Option<Child>,
}

impl S3Server {
    /// The bucket.
    pub const BUCKET: &str = "files";
    /// The access key.
    pub const ACCESS_KEY: &str = "AKIDTESTTESTTESTTEST";
    /// Its secret key.
    pub const SECRET_KEY: &str = "secret/for/tests/0123456789";

    /// Starts a server; `None` if there is none on this machine, which is reported as a skip.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os(PROGRAM) else {
            return crate::skip(format_args!("{PROGRAM} names no S3 server; `make test` builds one"));
        };
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join(Self::BUCKET)).expect("the directory is ours");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let mut server = Self { program, address, root, running: None };
        server.restart();
        Some(server)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory of the bucket.
    #[must_use]
    pub fn bucket(&self) -> PathBuf {
        self.root.path().join(Self::BUCKET)
    }

    /// The keys in the bucket, sorted.
    ///
    /// # Panics
    /// If the directory cannot be read.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let (bucket, mut keys) = (self.bucket(), Vec::new());
        let mut pending = vec![bucket.clone()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).expect("it is there").flatten() {
                let path = entry.path();
                let key = path.strip_prefix(&bucket).expect("it is below").to_string_lossy().into_owned();
                // The server's own files, with the headers of objects, begin with a dot.
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                if path.is_dir() { pending.push(path) } else { keys.push(key) }
            }
        }
        keys.sort();
        keys
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again with the same files, at the same address.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let child = Command::new(&self.program)
            .args(["--host", "127.0.0.1", "--port", &self.address.port().to_string()])
            .args(["--access-key", Self::ACCESS_KEY, "--secret-key", Self::SECRET_KEY])
            .arg(self.root.path())
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        self.running = Some(child);
        for _ in 0..START_STEPS_MAX {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the S3 server does not listen at {}", self.address);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}
