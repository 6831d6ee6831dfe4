//! What is known of a key besides its text.

use crate::secret::{Digest, KeyId};
use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Maximum length of a name in characters: log lines contain it.
const NAME_CHARS_MAX: usize = 64;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Running one program.
    Execute,
    /// Sessions.
    Sessions,
    /// Jobs.
    Jobs,
    /// Metrics.
    Metrics,
    /// Everything.
    Admin,
}

impl Scope {
    /// All, in the sequence in which they are listed.
    pub const ALL: [Self; 5] = [Self::Execute, Self::Sessions, Self::Jobs, Self::Metrics, Self::Admin];

    /// Its name in the API and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Sessions => "sessions",
            Self::Jobs => "jobs",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// What a key gets if nothing else is said.
    pub const DEFAULT: &'static str = "execute,sessions,jobs";

    /// Whether a key with these scopes may be used for this one.
    #[must_use]
    pub fn allow(self, scope: Scope) -> bool {
        let has = |scope| self.0 & (1 << scope as u8) != 0;
        has(scope) || has(Scope::Admin)
    }

    /// The scopes in it.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & (1 << *scope as u8) != 0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | (1 << scope as u8)))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(","))
    }
}

/// A name that is no scope, or none at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a list of scopes; allowed, separated by commas: execute, sessions, jobs, metrics, admin"
)]
pub struct InvalidScopes(String);

impl FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(text: &str) -> Result<Self, InvalidScopes> {
        let known = |name: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        text.split(',')
            .map(|name| known(name.trim()).ok_or_else(|| InvalidScopes(support::one_line(text))))
            .collect()
    }
}

/// The name of a key: 1 to 64 visible characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName(String);

/// A text that cannot be a key's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to {NAME_CHARS_MAX} visible characters, and no space at its ends")]
pub struct InvalidName;

impl KeyName {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let good = text.trim() == text
            && (1..=NAME_CHARS_MAX).contains(&text.chars().count())
            && text.chars().all(support::is_visible);
        good.then(|| Self(text.to_owned())).ok_or(InvalidName)
    }
}

/// Limits of one key. `None`: the service's default; `Some(0)`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OwnLimits {
    /// Requests per minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_minute: Option<u32>,
    /// Requests at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Requests that run or wait at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// CPU seconds per period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// Bytes of output files per period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
}

/// A key, without its text.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// Its public part.
    pub id: KeyId,
    /// Its name, unique among the keys that are not revoked.
    pub name: KeyName,
    /// The digest of its text.
    pub digest: Digest,
    /// The digest of the text before the last rotation, and until when it is valid.
    pub earlier: Option<(Digest, Timestamp)>,
    /// What it may be used for.
    pub scopes: Scopes,
    /// The executors that it may use; `None` for all.
    pub executors: Option<Vec<String>>,
    /// Its own limits.
    pub limits: OwnLimits,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can.
    Active,
    /// It can, and its earlier text until then.
    Rotating(Timestamp),
    /// Not any more: its time is over.
    Expired,
    /// Not any more: it was revoked.
    Revoked,
}

impl KeyRecord {
    /// Its state at this time.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        if self.revoked_at.is_some() {
            return State::Revoked;
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return State::Expired;
        }
        match &self.earlier {
            Some((_, until)) if *until > now => State::Rotating(*until),
            _ => State::Active,
        }
    }

    /// Whether it can be used.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        matches!(self.state(now), State::Active | State::Rotating(_))
    }

    /// Gives it a new text; the one before is valid until then.
    ///
    /// # Errors
    /// If it was revoked.
    pub(crate) fn rotate(&mut self, digest: Digest, earlier_until: Timestamp) -> Result<(), Ended> {
        if self.revoked_at.is_some() {
            return Err(Ended(self.id));
        }
        self.earlier = Some((self.digest, earlier_until));
        self.digest = digest;
        Ok(())
    }

    /// Ends it; the first time counts.
    pub(crate) fn revoke(&mut self, at: Timestamp) {
        self.revoked_at = self.revoked_at.or(Some(at));
        self.earlier = None;
    }

    /// Whether this is the digest of its text, or of its earlier text in that one's time. Both are always
    /// compared.
    pub(crate) fn has_text(&self, digest: &Digest, now: Timestamp) -> bool {
        let is_current = self.digest.is(digest);
        let (earlier, until) =
            self.earlier.as_ref().map_or((&self.digest, None), |(d, until)| (d, Some(until)));
        let is_earlier = earlier.is(digest);
        is_current || (is_earlier && until.is_some_and(|until| *until > now))
    }
}

/// The key was revoked, so it gets no new text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended(pub(crate) KeyId);

/// A change of a store.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new key.
    Create(Box<KeyRecord>),
    /// A new text for a key; the earlier one is valid until then.
    Rotate {
        /// The key.
        id: KeyId,
        /// The digest of its new text.
        digest: Digest,
        /// End of the earlier text.
        earlier_until: Timestamp,
    },
    /// The end of a key.
    Revoke {
        /// The key.
        id: KeyId,
        /// When.
        at: Timestamp,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::KeyText;
    use std::time::Duration;

    #[test]
    fn scopes_are_a_list_of_known_names_and_admin_is_all() {
        let scopes: Scopes = "jobs, execute".parse().unwrap();
        assert_eq!(scopes.to_string(), "execute,jobs");
        assert!(scopes.allow(Scope::Jobs) && !scopes.allow(Scope::Metrics) && !scopes.allow(Scope::Admin));
        let admin: Scopes = "admin".parse().unwrap();
        assert!(Scope::ALL.into_iter().all(|scope| admin.allow(scope)));
        for wrong in ["", "all", "execute,,jobs", "Execute"] {
            assert!(wrong.parse::<Scopes>().is_err(), "{wrong}");
        }
        assert!(Scopes::DEFAULT.parse::<Scopes>().is_ok());
    }

    #[test]
    fn names_hide_nothing() {
        for good in ["ci", "Team A/b", "naïve 文", &"x".repeat(64)] {
            assert!(good.parse::<KeyName>().is_ok(), "{good}");
        }
        for wrong in ["", " a", "a\nb", "a\u{202e}b", &"x".repeat(65)] {
            assert!(wrong.parse::<KeyName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_is_revoked_once_and_keeps_no_earlier_text() {
        let now = Timestamp::now();
        let later = now + Duration::from_secs(60);
        let record = crate::test_records::record("a");
        let mut record = KeyRecord { earlier: Some((record.digest, later)), ..record };
        for at in [now, later] {
            record.revoke(at);
            assert_eq!((record.revoked_at, record.earlier.is_some()), (Some(now), false));
        }
        assert_eq!(record.rotate(record.digest, later), Err(Ended(record.id)));
    }

    #[test]
    fn an_earlier_text_ends_and_a_key_expires() {
        let (old, new) = (KeyText::generate().unwrap(), KeyText::generate().unwrap());
        let now = Timestamp::now();
        let later = now + Duration::from_secs(60);
        let mut record = KeyRecord {
            id: new.id(),
            digest: new.digest(),
            earlier: Some((old.digest(), later)),
            expires_at: Some(later + Duration::from_secs(60)),
            ..crate::test_records::record("a")
        };
        assert!(record.has_text(&new.digest(), now) && record.has_text(&old.digest(), now));
        assert!(record.has_text(&new.digest(), later) && !record.has_text(&old.digest(), later));
        assert_eq!((record.state(now), record.state(later)), (State::Rotating(later), State::Active));
        assert_eq!(record.state(later + Duration::from_secs(60)), State::Expired);
        record.revoked_at = Some(now);
        assert!(!record.is_usable(now));
    }
}
