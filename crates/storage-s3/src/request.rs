//! The requests to the object store: signed, sent once, their answers read.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::{Method, Request};
use jiff::Timestamp;
use rusty_s3::S3Action;
use rusty_s3::actions::ListObjectsV2;
use storage::{Clock, ObjectName, StoreOperation, content_disposition};
use tokio::time::Instant;

use crate::body::{Content, UploadBody};
use crate::bucket::{Bucket, Key};
use crate::client::{Answer, Client};
use crate::config::{OpenError, S3Config};
use crate::counts::RequestCounts;
use crate::credentials::S3Credentials;
use crate::failure::{Evidence, Failure, FailureKind};

/// How long the signature of a request is valid: as much as clocks may differ.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);

/// Bytes that are read of an answer which is only an error, if anything.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are read of a list of at most 1000 keys. A name has at most 1 KiB, three times that as it is encoded.
const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The browser that followed the link may keep the file, shared caches may not.
const CACHE_CONTROL: &str = "private, max-age=3600, immutable";

/// Header of the digest by which the store refuses content that was damaged on its way.
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// Length of [`Requests::instance`].
pub(crate) const INSTANCE_BYTES: usize = 8;

/// Sends requests to one bucket. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Requests {
    bucket: Bucket,
    client: Client,
    instance: [u8; INSTANCE_BYTES],
    credentials: Arc<Mutex<S3Credentials>>,
    clock: Arc<dyn Clock>,
    counts: Arc<RequestCounts>,
}

/// A file for the object store.
#[derive(Debug, Clone)]
pub struct NewObject {
    /// The content.
    pub content: Content,
    /// SHA-256 of the content.
    pub digest: [u8; 32],
    /// The name of the download; hostile.
    pub file_name: String,
    /// The media type, valid in a header.
    pub media_type: String,
}

/// What keys end in, below the prefix, and when each object was stored by the store's clock.
pub(crate) type Objects = Vec<(String, Option<Timestamp>)>;

/// One page of a list of objects.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What the keys end in, below the prefix, and when each object was stored by the store's clock.
    pub objects: Vec<(String, Option<Timestamp>)>,
    /// The token of the next page; `None`: this was the last.
    pub next: Option<String>,
    /// The store's clock.
    pub store_time: Option<Timestamp>,
}

impl Requests {
    /// Prepares requests. Does not connect.
    ///
    /// # Errors
    /// [`OpenError`] if the settings cannot be those of an object store.
    pub fn open(config: &S3Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self {
            bucket: Bucket::new(config)?,
            client: Client::new(config.ca_file.as_deref())?,
            instance: support::random_bytes().map_err(|source| OpenError::Random { source })?,
            credentials: Arc::new(Mutex::new(config.credentials.clone())),
            clock,
            counts: Arc::default(),
        })
    }

    /// Requests that have ended. Clones count together.
    pub(crate) fn counts(&self) -> &RequestCounts {
        &self.counts
    }

    /// The bucket, for links.
    #[must_use]
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Random bytes that tell these requests from those of other services with the same bucket.
    pub(crate) fn instance(&self) -> &[u8] {
        &self.instance
    }

    /// The credentials that sign now.
    #[must_use]
    pub fn credentials(&self) -> S3Credentials {
        support::lock(&self.credentials).clone()
    }

    /// Signs with these from now on.
    pub fn set_credentials(&self, credentials: S3Credentials) {
        *support::lock(&self.credentials) = credentials;
    }

    /// Stores a file. It may be stored even after a failure: an answer can be lost.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn put(&self, name: &ObjectName, object: NewObject, by: Instant) -> Result<(), Failure> {
        self.put_at(&self.bucket.key(name), object, by).await
    }

    pub(crate) async fn put_at(&self, key: &Key, object: NewObject, by: Instant) -> Result<(), Failure> {
        self.counts.note(StoreOperation::Put, self.send_object(key, object, by).await)
    }

    async fn send_object(&self, key: &Key, object: NewObject, by: Instant) -> Result<(), Failure> {
        let NewObject { content, digest, file_name, media_type } = object;
        let headers = [
            ("cache-control", CACHE_CONTROL.to_owned()),
            ("content-disposition", one_space(&content_disposition(&file_name))),
            ("content-type", one_space(&media_type)),
            (CHECKSUM, STANDARD.encode(digest)),
        ];
        let credentials = self.credentials().expose();
        let mut action = self.bucket.requests().put_object(Some(&credentials), key.as_str());
        for (name, value) in &headers {
            action.headers_mut().insert(*name, value.as_str());
        }
        let signed = self.sign(&action);
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let answer = self.send(Method::PUT, &signed, headers, content, by, ERROR_BYTES_MAX).await?;
        if confirms(&answer, &STANDARD.encode(digest)) {
            return Ok(());
        }
        Err(Failure { status: Some(answer.status), ..Failure::without_answer(FailureKind::Unexpected) })
    }

    /// The content of an object of our own, at most 64 KiB.
    pub(crate) async fn get_at(&self, key: &Key, by: Instant) -> Result<Bytes, Failure> {
        let credentials = self.credentials().expose();
        let signed = self.sign(&self.bucket.requests().get_object(Some(&credentials), key.as_str()));
        let sent = self.send(Method::GET, &signed, [], Content::default(), by, ERROR_BYTES_MAX).await;
        Ok(self.counts.note(StoreOperation::Get, sent)?.body)
    }

    /// Whether the store has a file. A store whose key may not list the bucket answers 403 for one that is missing:
    /// then this is [`FailureKind::Forbidden`].
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn has(&self, name: &ObjectName, by: Instant) -> Result<bool, Failure> {
        let (key, credentials) = (self.bucket.key(name), self.credentials().expose());
        let signed = self.sign(&self.bucket.requests().head_object(Some(&credentials), key.as_str()));
        let sent = self.send(Method::HEAD, &signed, [], Content::default(), by, ERROR_BYTES_MAX).await;
        match self.counts.note(StoreOperation::Head, sent) {
            Ok(_) => Ok(true),
            Err(Failure { kind: FailureKind::NotFound, .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Removes a file; one that is missing is no failure.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn delete(&self, name: &ObjectName, by: Instant) -> Result<(), Failure> {
        self.delete_at(&self.bucket.key(name), by).await
    }

    pub(crate) async fn delete_at(&self, key: &Key, by: Instant) -> Result<(), Failure> {
        let credentials = self.credentials().expose();
        let signed = self.sign(&self.bucket.requests().delete_object(Some(&credentials), key.as_str()));
        let sent = self.send(Method::DELETE, &signed, [], Content::default(), by, ERROR_BYTES_MAX).await;
        match self.counts.note(StoreOperation::Delete, sent) {
            Ok(_) | Err(Failure { kind: FailureKind::NotFound, .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Lists objects below the prefix, at most `count_max` and 1000, from the page that `page` is the token of.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn list(&self, page: Option<&str>, count_max: usize, by: Instant) -> Result<Listed, Failure> {
        self.counts.note(StoreOperation::List, self.send_list(page, count_max, by).await)
    }

    async fn send_list(&self, page: Option<&str>, count_max: usize, by: Instant) -> Result<Listed, Failure> {
        let credentials = self.credentials().expose();
        let mut action = self.bucket.requests().list_objects_v2(Some(&credentials));
        action.with_prefix(self.bucket.prefix());
        action.with_max_keys(count_max);
        if let Some(page) = page {
            action.with_continuation_token(page);
        }
        let signed = self.sign(&action);
        let answer = self.send(Method::GET, &signed, [], Content::default(), by, LIST_BYTES_MAX).await?;
        let parsed = parse_list(self.bucket.prefix(), &answer.body);
        let (objects, next) = parsed.ok_or_else(|| Failure::without_answer(FailureKind::Unexpected))?;
        Ok(Listed { objects, next, store_time: store_time(&answer) })
    }

    fn sign<'a>(&self, action: &impl S3Action<'a>) -> url::Url {
        action.sign_with_time(SIGNED_FOR, &self.clock.now())
    }

    async fn send<'h>(
        &self,
        method: Method,
        signed: &url::Url,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        content: Content,
        by: Instant,
        body_bytes_max: usize,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method.clone()).uri(signed.as_str());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if method == Method::PUT {
            // For an empty file too: without it stores answer 411.
            request = request.header("content-length", content.size_bytes());
        }
        // What is not valid in a request: the caller's media type, or an address that is too long.
        let unexpected = |_| Failure::without_answer(FailureKind::Unexpected);
        let request = request.body(UploadBody::new(content)).map_err(unexpected)?;
        let answer = self.client.send(request, by, body_bytes_max).await?;
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let now = self.clock.now();
        Err(Failure::of_answer(Evidence {
            status: answer.status,
            body: &answer.body,
            region: answer.header("x-amz-bucket-region"),
            retry_after: answer.header("retry-after"),
            ahead_s: store_time(&answer).map(|theirs| now.as_second() - theirs.as_second()),
        }))
    }
}

/// The objects below the prefix, without it, and the token of the next page. `None` if the body is no list.
pub(crate) fn parse_list(prefix: &str, body: &[u8]) -> Option<(Objects, Option<String>)> {
    let text = std::str::from_utf8(body).ok()?;
    let parsed = ListObjectsV2::parse_response(text).ok()?;
    let object = |listed: rusty_s3::actions::list_objects_v2::ListObjectsContent| {
        let stored_at = listed.last_modified.and_then(|text| text.parse().ok());
        listed.key.strip_prefix(prefix).map(|name| (name.to_owned(), stored_at))
    };
    let objects = parsed.contents.into_iter().filter_map(object).collect();
    Some((objects, parsed.next_continuation_token))
}

/// Whether an object store has stored what was sent. Something in front of it may answer 200 to anything.
fn confirms(answer: &Answer, checksum: &str) -> bool {
    answer.status == 200
        && answer.headers.contains_key("etag")
        && answer.headers.get(CHECKSUM).is_none_or(|theirs| theirs == checksum)
}

/// The store's clock when it answered, in whole seconds.
fn store_time(answer: &Answer) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(answer.header("date")?).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
}

/// A signature covers a header's value with every run of spaces as one. Stores differ in whether they do the same to
/// the value that they receive, so it has none.
fn one_space(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_store_confirms_that_it_has_a_file() {
        let (ours, other) = (STANDARD.encode([7; 32]), STANDARD.encode([8; 32]));
        let confirms = |status, headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let answer = Answer { status, headers: headers.collect(), body: Bytes::new() };
            confirms(&answer, &ours)
        };
        assert!(confirms(200, &[("etag", "\"x\"")]));
        assert!(confirms(200, &[("etag", "\"x\""), (CHECKSUM, ours.as_str())]));
        assert!(!confirms(200, &[("etag", "\"x\""), (CHECKSUM, other.as_str())]));
        assert!(!confirms(200, &[(CHECKSUM, ours.as_str())]));
        assert!(!confirms(200, &[("content-type", "text/html")]));
        for other in [201, 202, 204, 206] {
            assert!(!confirms(other, &[("etag", "\"x\""), (CHECKSUM, ours.as_str())]), "{other}");
        }
    }

    #[test]
    fn a_header_has_no_run_of_spaces() {
        assert_eq!(one_space("  attachment; filename=\"a   b\" "), "attachment; filename=\"a b\"");
    }
}
