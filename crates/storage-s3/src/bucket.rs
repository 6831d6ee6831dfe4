//! Addresses in the bucket: keys of objects, signed requests and links.

use std::time::Duration;

use jiff::Timestamp;
use rusty_s3::{BucketError, S3Action, UrlStyle};
use storage::{Link, LinkUse, ObjectName};
use url::Url;

use crate::config::{OpenError, S3Config};
use crate::credentials::S3Credentials;

/// The bucket and the part of it that is ours.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// As this service reaches it.
    requests: rusty_s3::Bucket,
    /// As clients reach it.
    links: rusty_s3::Bucket,
    prefix: String,
}

/// The name of an object below the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Bucket {
    /// The bucket of these settings.
    ///
    /// # Errors
    /// [`OpenError::Address`] if endpoint and bucket make no address.
    pub fn new(config: &S3Config) -> Result<Self, OpenError> {
        let style = if config.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let at = |endpoint: &Url| {
            rusty_s3::Bucket::new(endpoint.clone(), style, config.bucket.clone(), config.region.clone())
                .map_err(|error| OpenError::Address {
                    endpoint: endpoint.to_string(),
                    bucket: config.bucket.clone(),
                    problem: match error {
                        BucketError::UnsupportedScheme => "the scheme must be http or https",
                        BucketError::MissingHost => "there is no host",
                        BucketError::ParseError(_) => "the bucket cannot be part of the host name",
                    },
                })
        };
        Ok(Self {
            requests: at(&config.endpoint)?,
            links: at(&config.link_endpoint)?,
            prefix: config.prefix.clone(),
        })
    }

    /// The key of a stored file.
    pub(crate) fn key(&self, name: &ObjectName) -> Key {
        Key(format!("{}{}", self.prefix, name.as_str()))
    }

    /// The key of the object with this name of our own, such as that of a check.
    pub(crate) fn key_of(&self, own_name: &str) -> Key {
        Key(format!("{}{own_name}", self.prefix))
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn requests(&self) -> &rusty_s3::Bucket {
        &self.requests
    }

    /// The public link to a stored file below `base`.
    #[must_use]
    pub fn public_link(&self, base: &Url, name: &ObjectName) -> Link {
        let base = base.as_str().trim_end_matches('/');
        Link::Absolute(format!("{base}/{}", self.key(name).as_str()))
    }

    /// A presigned link to a stored file, for one method, valid from `now` for `lifetime`, at most seven days.
    /// The store refuses it with 403 once it has expired, and when anything of it was changed.
    #[must_use]
    pub fn link(
        &self,
        credentials: &S3Credentials,
        name: &ObjectName,
        link_use: LinkUse,
        lifetime: Duration,
        now: Timestamp,
    ) -> Link {
        let (key, credentials) = (self.key(name), credentials.expose());
        let url = match link_use {
            LinkUse::Get => {
                self.links.get_object(Some(&credentials), key.as_str()).sign_with_time(lifetime, &now)
            }
            LinkUse::Head => {
                self.links.head_object(Some(&credentials), key.as_str()).sign_with_time(lifetime, &now)
            }
        };
        Link::Absolute(url.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Provider;

    fn config(endpoint: &str, bucket: &str, path_style: bool) -> S3Config {
        let endpoint = Url::parse(endpoint).unwrap();
        S3Config {
            provider: Provider::S3,
            bucket: bucket.into(),
            region: "us-east-1".into(),
            link_endpoint: endpoint.clone(),
            endpoint,
            path_style,
            prefix: String::new(),
            credentials: S3Credentials::new(
                "AKIAIOSFODNN7EXAMPLE".to_owned().into(),
                "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned().into(),
                None,
            ),
            credentials_file: None,
            links: crate::config::GivenLinks::Presigned,
            link_lifetime: Duration::from_secs(18_000),
            retention: Duration::from_secs(604_800),
            ca_file: None,
        }
    }

    fn name() -> ObjectName {
        ObjectName::random().unwrap()
    }

    /// The example of "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)" in the API
    /// reference of Amazon S3.
    #[test]
    fn a_link_is_signed_as_amazon_documents_it() {
        let config = config("https://s3.amazonaws.com", "examplebucket", false);
        let bucket = Bucket::new(&config).unwrap();
        let now = "2013-05-24T00:00:00Z".parse().unwrap();
        let url = bucket
            .links
            .get_object(Some(&config.credentials.expose()), bucket.key_of("test.txt").as_str())
            .sign_with_time(Duration::from_secs(86400), &now);
        assert_eq!(
            url.as_str(),
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn a_link_names_the_host_of_clients_and_one_method() {
        let mut config = config("http://minio:9000", "files", true);
        config.link_endpoint = Url::parse("https://files.example:8443").unwrap();
        config.prefix = "sandbox/a/".into();
        let (bucket, name, now) = (Bucket::new(&config).unwrap(), name(), Timestamp::UNIX_EPOCH);
        let link = |link_use| {
            bucket.link(&config.credentials, &name, link_use, Duration::from_secs(60), now).resolve("")
        };
        let (get, head) = (link(LinkUse::Get), link(LinkUse::Head));
        let path = format!("https://files.example:8443/files/sandbox/a/{}?", name.as_str());
        assert!(get.starts_with(&path) && head.starts_with(&path), "{get}");
        assert_ne!(get, head);
        assert!(!get.contains("wJalrXUtnFEMI"));
        assert_eq!(bucket.requests().base_url().as_str(), "http://minio:9000/files/");
    }

    #[test]
    fn addresses_have_the_bucket_in_the_host_or_in_the_path() {
        for (endpoint, bucket, path_style, expected) in [
            ("https://s3.eu-west-1.amazonaws.com", "b", false, "https://b.s3.eu-west-1.amazonaws.com/"),
            ("https://s3.eu-west-1.amazonaws.com", "b.c", true, "https://s3.eu-west-1.amazonaws.com/b.c/"),
            ("http://[::1]:9000/below", "b", true, "http://[::1]:9000/below/b/"),
        ] {
            let bucket = Bucket::new(&config(endpoint, bucket, path_style)).unwrap();
            assert_eq!(bucket.requests().base_url().as_str(), expected);
        }
        for (endpoint, bucket) in
            [("http://127.0.0.1:9000", "b"), ("ftp://host", "b"), ("https://host", "a/b")]
        {
            let error = Bucket::new(&config(endpoint, bucket, false)).unwrap_err().to_string();
            assert!(error.contains(endpoint) && error.contains("hint"), "{error}");
        }
    }
}
