//! What is wrong with an object store, in one sentence, and the setting that fixes it.
//!
//! The answers differ between stores, so they are told apart by status, error code and clock together. Nothing
//! of an answer is shown but the code, checked and cut.

use std::fmt;
use std::time::Duration;

use crate::config::Provider;

/// Maximum length of an error code that is kept; the longest of Amazon's has 44 characters.
const CODE_CHARS_MAX: usize = 64;

/// Difference of the clocks from which a store refuses every signature (`RequestTimeTooSkewed`: 15 minutes).
/// Less, because a store that hides its reason may be stricter.
const SKEW_MAX_S: i64 = 5 * 60;

/// The kind of a failure: what to do about it depends on nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection: refused, or no route.
    Unreachable,
    /// The name of the endpoint cannot be resolved.
    UnknownHost,
    /// No connection, no progress or no answer in time.
    Timeout,
    /// The connection ended in the middle.
    Cut,
    /// TLS failed, for example because the certificate is not trusted.
    Tls,
    /// 500, 502, 504: the store failed.
    ServerError,
    /// 503, 429: too many requests, or the store cannot take any now.
    Busy,
    /// The store gave this request up, and says that it can be repeated.
    Interrupted,
    /// The content did not arrive as it was sent.
    Damaged,
    /// The bucket does not exist.
    NoSuchBucket,
    /// The bucket is in another region.
    WrongRegion,
    /// The store does not know the access key.
    UnknownKey,
    /// The signature is wrong, so the secret key is.
    WrongSecret,
    /// The session token has expired or is invalid.
    ExpiredToken,
    /// The clocks differ too much.
    Clock,
    /// The access key may not do this.
    Forbidden,
    /// The object does not exist.
    NotFound,
    /// Anything else, so perhaps this request alone.
    Unexpected,
}

impl FailureKind {
    /// Whether the same request may succeed if it is sent again.
    #[must_use]
    pub fn is_repeated(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::UnknownHost
                | Self::Timeout
                | Self::Cut
                | Self::ServerError
                | Self::Busy
                | Self::Interrupted
                | Self::Damaged
        )
    }

    /// Whether every other request would fail too.
    #[must_use]
    pub fn is_of_the_store(self) -> bool {
        !matches!(self, Self::Interrupted | Self::Damaged | Self::NotFound | Self::Unexpected)
    }
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it is.
    pub kind: FailureKind,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// The store's error code, checked: letters, digits and dots.
    pub code: Option<String>,
    /// The region that the store names, checked likewise.
    pub region: Option<String>,
    /// How much this host's clock is ahead of the store's, in seconds.
    pub ahead_s: Option<i64>,
    /// When the store wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// The parts of an answer that tell what is wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// `x-amz-bucket-region`.
    pub(crate) region: Option<&'a str>,
    pub(crate) retry_after: Option<&'a str>,
    pub(crate) ahead_s: Option<i64>,
}

impl Failure {
    /// A request that got no answer.
    pub(crate) fn without_answer(kind: FailureKind) -> Self {
        Self { kind, status: None, code: None, region: None, ahead_s: None, retry_after: None }
    }

    /// An answer that is not the one that was asked for.
    pub(crate) fn of_answer(evidence: Evidence<'_>) -> Self {
        let code = element(evidence.body, "Code");
        let region = evidence.region.filter(|region| is_word(region)).map(str::to_owned);
        let region = region.or_else(|| element(evidence.body, "Region"));
        let retry_after = evidence.retry_after.and_then(|value| value.trim().parse().ok());
        Self {
            kind: kind(&evidence, code.as_deref(), region.is_some()),
            status: Some(evidence.status),
            code,
            region,
            ahead_s: evidence.ahead_s,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    /// What is wrong and how to fix it, for the operator of a service with this provider. Contains no address,
    /// bucket, key or secret, so it may be shown to anyone.
    #[must_use]
    pub fn explain(&self, provider: Provider) -> String {
        let (prefix, name) = (provider.settings_prefix(), provider.as_str());
        let is_r2 = provider == Provider::R2;
        let endpoint = if is_r2 { "ACCOUNT_ID" } else { "ENDPOINT" };
        match self.kind {
            FailureKind::Unreachable => format!(
                "no connection to the object store (fix: {prefix}{endpoint}, the network, or start the store)"
            ),
            FailureKind::UnknownHost => format!(
                "the name of the object store's endpoint cannot be resolved (fix: {prefix}{endpoint}, or this host's DNS)"
            ),
            FailureKind::Timeout => "the object store did not answer in time (fix: the network)".to_owned(),
            FailureKind::Cut => "the connection to the object store ended in the middle".to_owned(),
            FailureKind::Tls => {
                let file = if is_r2 { String::new() } else { format!(" (fix: {prefix}CA_FILE)") };
                format!("the certificate of the object store is not trusted{file}")
            }
            FailureKind::ServerError | FailureKind::Busy | FailureKind::Interrupted => {
                format!("the object store answered {}", self.answer())
            }
            FailureKind::Damaged => "a file arrived damaged at the object store".to_owned(),
            FailureKind::NoSuchBucket => format!(
                "the bucket does not exist (fix: create it, or correct {prefix}BUCKET or {prefix}{endpoint})"
            ),
            FailureKind::WrongRegion => match &self.region {
                Some(region) if !is_r2 => {
                    format!("the bucket is in region {region} (fix: {prefix}REGION={region})")
                }
                _ => format!("the bucket is elsewhere (fix: {prefix}{endpoint})"),
            },
            FailureKind::UnknownKey => {
                let source = if is_r2 { ", of an API token of this account" } else { "" };
                format!("the object store does not know the access key (fix: {prefix}ACCESS_KEY{source})")
            }
            FailureKind::WrongSecret => {
                format!("the secret key does not belong to the access key (fix: {prefix}SECRET_KEY)")
            }
            FailureKind::ExpiredToken => {
                "the session token has expired or is invalid (fix: renew the temporary credentials)"
                    .to_owned()
            }
            FailureKind::Clock => {
                let ahead_s = self.ahead_s.unwrap_or_default();
                let (by, direction) =
                    (ahead_s.unsigned_abs(), if ahead_s < 0 { "behind" } else { "ahead of" });
                format!(
                    "this host's clock is {by} s {direction} the object store's (fix: synchronize it, such as by NTP)"
                )
            }
            FailureKind::Forbidden => format!(
                "the access key may not do this, or the object store hides why it refuses it (fix: the rights of the \
                 access key, {prefix}BUCKET)"
            ),
            FailureKind::NotFound => "the object does not exist".to_owned(),
            FailureKind::Unexpected => format!("{name} answered {}", self.answer()),
        }
    }

    fn answer(&self) -> String {
        let status = self.status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        self.code.as_ref().map_or_else(|| status.clone(), |code| format!("{status} {code}"))
    }
}

/// For the log: the kind, and what the store said.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        match self.status {
            Some(_) => write!(f, " ({})", self.answer()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

fn kind(evidence: &Evidence<'_>, code: Option<&str>, names_region: bool) -> FailureKind {
    let skewed = evidence.ahead_s.is_some_and(|ahead_s| ahead_s.abs() > SKEW_MAX_S);
    match (evidence.status, code.unwrap_or_default()) {
        (_, "RequestTimeTooSkewed") => FailureKind::Clock,
        (_, "NoSuchBucket") => FailureKind::NoSuchBucket,
        (_, "InvalidAccessKeyId" | "NotSignedUp") => FailureKind::UnknownKey,
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => FailureKind::ExpiredToken,
        (_, "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "InvalidDigest") => {
            FailureKind::Damaged
        }
        (_, "SlowDown" | "ServiceUnavailable" | "TooManyRequests") => FailureKind::Busy,
        (_, "InternalError") => FailureKind::ServerError,
        (_, "RequestTimeout" | "OperationAborted" | "IncompleteBody") => FailureKind::Interrupted,
        (_, "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError") if names_region => {
            FailureKind::WrongRegion
        }
        // A presigned request from a clock that is behind has expired; from one that is ahead, it is not valid yet.
        (400 | 401 | 403, _) if skewed => FailureKind::Clock,
        (_, "SignatureDoesNotMatch") => FailureKind::WrongSecret,
        (301 | 307 | 308, _) => FailureKind::WrongRegion,
        (401 | 403, _) => FailureKind::Forbidden,
        (404, _) => FailureKind::NotFound,
        (408, _) => FailureKind::Interrupted,
        (429 | 503, _) => FailureKind::Busy,
        (500 | 502 | 504, _) => FailureKind::ServerError,
        _ => FailureKind::Unexpected,
    }
}

/// The text of the first element of this name, if it is a word. Not an XML parser: all that is taken is a word
/// of known characters, so a body that is not XML can do no harm.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (word, _) = rest.split_once('<')?;
    is_word(word).then(|| word.to_owned())
}

fn is_word(text: &str) -> bool {
    (1..=CODE_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn xml(code: &str) -> Vec<u8> {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>canary</Message></Error>")
            .into_bytes()
    }

    #[test]
    fn every_answer_has_its_kind() {
        use FailureKind as Kind;
        for (status, code, ahead_s, expected) in [
            (404, "NoSuchBucket", 0, Kind::NoSuchBucket),
            (404, "NoSuchKey", 0, Kind::NotFound),
            (404, "", 0, Kind::NotFound),
            (301, "PermanentRedirect", 0, Kind::WrongRegion),
            (307, "", 0, Kind::WrongRegion),
            (403, "InvalidAccessKeyId", 0, Kind::UnknownKey),
            (403, "NotSignedUp", 0, Kind::UnknownKey),
            (403, "SignatureDoesNotMatch", 0, Kind::WrongSecret),
            (403, "SignatureDoesNotMatch", 1200, Kind::Clock),
            (403, "AccessDenied", 0, Kind::Forbidden),
            (403, "AccessDenied", -1200, Kind::Clock),
            (403, "", 0, Kind::Forbidden),
            (403, "RequestTimeTooSkewed", 0, Kind::Clock),
            (400, "Date", 1200, Kind::Clock),
            (400, "ExpiredToken", 0, Kind::ExpiredToken),
            (400, "RequestTimeout", 0, Kind::Interrupted),
            (400, "BadDigest", 0, Kind::Damaged),
            (409, "OperationAborted", 0, Kind::Interrupted),
            (429, "", 0, Kind::Busy),
            (503, "SlowDown", 0, Kind::Busy),
            (503, "", 0, Kind::Busy),
            (500, "InternalError", 0, Kind::ServerError),
            (502, "", 0, Kind::ServerError),
            (400, "EntityTooLarge", 0, Kind::Unexpected),
            (200, "", 0, Kind::Unexpected),
        ] {
            let body = xml(code);
            let evidence = Evidence { status, body: &body, ahead_s: Some(ahead_s), ..Evidence::default() };
            let failure = Failure::of_answer(evidence);
            assert_eq!(failure.kind, expected, "{status} {code}");
            for provider in [Provider::S3, Provider::R2] {
                let text = failure.explain(provider);
                assert!(!text.contains("canary") && text.len() > 10, "{text}");
                // Nothing of the other one's settings.
                let other = if provider == Provider::S3 { Provider::R2 } else { Provider::S3 };
                assert!(!text.contains(other.settings_prefix()), "{text}");
            }
        }
    }

    #[test]
    fn the_text_names_what_to_set() {
        let of = |status, code: &str, region, ahead_s| {
            let body = xml(code);
            Failure::of_answer(Evidence { status, body: &body, region, ahead_s, ..Evidence::default() })
        };
        let region = of(301, "PermanentRedirect", Some("eu-west-1"), None);
        assert!(region.explain(Provider::S3).contains("STORAGE_S3_REGION=eu-west-1"));
        let forged = of(301, "PermanentRedirect", Some("x\u{1b}[31m"), None);
        assert!(!forged.explain(Provider::S3).contains('\u{1b}'));
        assert!(of(404, "NoSuchBucket", None, None).explain(Provider::R2).contains("STORAGE_R2_BUCKET"));
        let late = of(403, "RequestTimeTooSkewed", None, Some(-1200)).explain(Provider::S3);
        assert!(late.contains("1200 s behind"), "{late}");
        let slow = Evidence { status: 503, retry_after: Some("7"), ..Evidence::default() };
        assert_eq!(Failure::of_answer(slow).retry_after, Some(Duration::from_secs(7)));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(status in 0..1000_u16, body in any::<Vec<u8>>(), text in "<Code>.{0,100}</Code>") {
            for body in [&body[..], text.as_bytes()] {
                let failure = Failure::of_answer(Evidence { status, body, ..Evidence::default() });
                let code = failure.code.clone().unwrap_or_default();
                prop_assert!(code.len() <= CODE_CHARS_MAX && code.is_ascii());
                prop_assert!(!failure.to_string().contains('\n'));
            }
        }
    }
}
