//! The keys that sign requests and links.

use secrecy::{ExposeSecret as _, SecretString};

/// An access key with its secret.
#[derive(Debug, Clone)]
pub struct S3Credentials {
    key: SecretString,
    secret: SecretString,
    token: Option<SecretString>,
}

impl S3Credentials {
    /// The credentials. `token` is the session token of temporary ones: links that they sign end with them.
    #[must_use]
    pub fn new(key: SecretString, secret: SecretString, token: Option<SecretString>) -> Self {
        Self { key, secret, token }
    }

    /// Whether they end by themselves, and with them every link that they signed.
    #[must_use]
    pub fn are_temporary(&self) -> bool {
        self.token.is_some()
    }

    /// Whether these are the same.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let token = |one: &Self| one.token.as_ref().map(|token| token.expose_secret().to_owned());
        self.key.expose_secret() == other.key.expose_secret()
            && self.secret.expose_secret() == other.secret.expose_secret()
            && token(self) == token(other)
    }

    /// As the signer needs them, for one signature: its secret is overwritten when it is dropped.
    pub(crate) fn expose(&self) -> rusty_s3::Credentials {
        let (key, secret) = (self.key.expose_secret(), self.secret.expose_secret());
        match &self.token {
            Some(token) => rusty_s3::Credentials::new_with_token(key, secret, token.expose_secret()),
            None => rusty_s3::Credentials::new(key, secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_a_secret() {
        let canary = || SecretString::from("canary".to_owned());
        let credentials = S3Credentials::new(canary(), canary(), Some(canary()));
        assert!(credentials.are_temporary());
        let shown = format!("{credentials:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
