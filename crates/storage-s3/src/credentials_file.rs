//! Credentials in a file that somebody else renews, in the format of the AWS command line.
//!
//! ```text
//! [default]
//! aws_access_key_id = ...
//! aws_secret_access_key = ...
//! aws_session_token = ...        only with temporary credentials
//! ```

use std::io;
use std::path::{Path, PathBuf};

use ownership::ReadError;
use secrecy::SecretString;

use crate::credentials::S3Credentials;

/// Longest file that is read, in bytes.
const BYTES_MAX: u64 = 64 * 1024;

/// The section that is read.
const SECTION: &str = "default";

/// Why a file has no credentials. Shows nothing of its content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsFileError {
    /// Another user could change the file, or put another in its place.
    #[error("the file with the credentials of the object store cannot be trusted")]
    Untrusted {
        /// The user and the path.
        #[source]
        source: ownership::Refusal,
    },
    /// It cannot be read.
    #[error("failed to read the credentials of the object store from `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Something is missing.
    #[error("`{path}` has no `{name}` in its section [{SECTION}]")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What is missing.
        name: &'static str,
    },
}

/// Reads the credentials. Does file I/O on the calling thread.
///
/// # Errors
/// [`CredentialsFileError`]
pub fn read_credentials(path: &Path) -> Result<S3Credentials, CredentialsFileError> {
    let failed = |source| CredentialsFileError::Read { path: path.to_owned(), source };
    let (bytes, _) = ownership::read(path, BYTES_MAX).map_err(|error| match error {
        ReadError::Untrusted(source) => CredentialsFileError::Untrusted { source },
        ReadError::Io(source) => failed(source),
    })?;
    let text = String::from_utf8(bytes).map_err(|_| failed(io::Error::other("it is not UTF-8")))?;
    parse(&text).map_err(|name| CredentialsFileError::Missing { path: path.to_owned(), name })
}

/// The credentials in the text, or the name that is missing. If a name is there twice, the last counts.
fn parse(text: &str) -> Result<S3Credentials, &'static str> {
    let (mut key, mut secret, mut token) = (None, None, None);
    let mut is_ours = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_ours = section.trim() == SECTION;
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| is_ours && !line.starts_with(['#', ';']))
        else {
            continue;
        };
        let value = Some(value.trim()).filter(|value| !value.is_empty()).map(SecretString::from);
        match name.trim() {
            "aws_access_key_id" => key = value,
            "aws_secret_access_key" => secret = value,
            "aws_session_token" => token = value,
            _ => {}
        }
    }
    let key = key.ok_or("aws_access_key_id")?;
    let secret = secret.ok_or("aws_secret_access_key")?;
    Ok(S3Credentials::new(key, secret, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_default_section_counts() {
        let text = "aws_access_key_id = before\n[other]\naws_access_key_id = other\n# aws_session_token = x\n\
                    [ default ]\r\naws_access_key_id=KEY\naws_secret_access_key = se=cret+/\nregion = x\n\n\
                    [third]\naws_session_token = third\n";
        let credentials = parse(text).unwrap();
        assert!(!credentials.are_temporary());
        assert!(credentials.equals(&S3Credentials::new("KEY".into(), "se=cret+/".into(), None)));
        let temporary = parse(&text.replace("region = x", "aws_session_token = TOKEN==")).unwrap();
        assert!(temporary.equals(&S3Credentials::new(
            "KEY".into(),
            "se=cret+/".into(),
            Some("TOKEN==".into())
        )));
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_is_shown() {
        assert_eq!(parse("").unwrap_err(), "aws_access_key_id");
        assert_eq!(parse("[default]\naws_access_key_id = canary\n").unwrap_err(), "aws_secret_access_key");
        assert_eq!(parse("[default]\naws_access_key_id =\n").unwrap_err(), "aws_access_key_id");
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("credentials");
        std::fs::write(&path, "[default]\naws_access_key_id = canary\n").unwrap();
        let error = read_credentials(&path).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
