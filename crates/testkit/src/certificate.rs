//! Certificates for tests, made by OpenSSL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A self-signed certificate for `localhost` and loopback, and its key, in files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM, readable by its owner alone.
    pub key: PathBuf,
}

impl Certificate {
    /// Writes `NAME.pem` and `NAME.key` to the directory; the certificate is valid for two days.
    ///
    /// # Panics
    /// If OpenSSL is missing.
    #[must_use]
    pub fn make(directory: &Path, name: &str) -> Self {
        Self::sign(directory, name, &["-days", "2"])
    }

    /// Like [`Certificate::make`], valid between these times, as `YYYYMMDDHHMMSSZ`.
    ///
    /// # Panics
    /// If OpenSSL is missing.
    #[must_use]
    pub fn make_valid(directory: &Path, name: &str, from: &str, until: &str) -> Self {
        Self::sign(directory, name, &["-startdate", from, "-enddate", until])
    }

    /// `openssl req -x509` has no start of its validity before OpenSSL 3.4, so it is `openssl ca`.
    fn sign(directory: &Path, name: &str, validity: &[&str]) -> Self {
        let work = tempfile::tempdir().expect("a directory");
        let path = |name: &str| work.path().join(name).display().to_string();
        let text = format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase={}\nnew_certs_dir={}\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n\
             x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\n\
             basicConstraints=critical,CA:FALSE\n[req]\ndistinguished_name=n\n[n]\n",
            path("index"),
            work.path().display()
        );
        fs::write(work.path().join("conf"), text).expect("written");
        fs::write(work.path().join("index"), "").expect("written");
        let made = Self {
            certificate: directory.join(format!("{name}.pem")),
            key: directory.join(format!("{name}.key")),
        };
        let key = made.key.display().to_string();
        let mut request = Command::new("openssl");
        request.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        run(request.args([
            "-config",
            &path("conf"),
            "-subj",
            "/CN=localhost",
            "-keyout",
            &key,
            "-out",
            &path("csr"),
        ]));
        let mut sign = Command::new("openssl");
        sign.args(["ca", "-config", &path("conf"), "-batch", "-selfsign", "-notext", "-keyfile", &key]);
        run(sign.args(["-in", &path("csr")]).args(validity).arg("-out").arg(&made.certificate));
        fs::set_permissions(&made.key, fs::Permissions::from_mode(0o600)).expect("changed");
        made
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
