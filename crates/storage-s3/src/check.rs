//! Does what the service does, once, on an object of its own: the only way to know that it works. Stores hide
//! their reasons, and rights on the bucket that a probe could ask for are not needed for anything else.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use storage::MEDIA_TYPE_UNKNOWN;
use tokio::time::Instant;

use crate::body::Content;
use crate::bucket::Key;
use crate::failure::{Failure, FailureKind};
use crate::request::{INSTANCE_BYTES, NewObject, Requests};
use crate::retry::repeated;

/// The content of the object.
const CONTENT: &[u8] = b"This object shows that the object store works. It can be removed.\n";

/// What the name of the object begins with. The digits of [`Requests::instance`] follow: the next check replaces the
/// object if this one may not remove it.
const NAME_PREFIX: &str = "health-";

/// Whether an object of this name was left by a check.
pub(crate) fn is_left_by_check(name: &str) -> bool {
    name.strip_prefix(NAME_PREFIX)
        .is_some_and(|digits| digits.len() == 2 * INSTANCE_BYTES && support::is_hex(digits))
}

/// What is checked, in this sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckStep {
    /// To store a file. Without it no other step is tried.
    Put,
    /// To download it by a presigned link.
    Link,
    /// To list the bucket: only cleaning needs it.
    List,
    /// To remove the file: only cleaning needs it.
    Delete,
}

/// The result of one step.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The step.
    pub step: CheckStep,
    /// Why it failed; `None` if it did not.
    pub failure: Option<Failure>,
}

/// Tries each step until `by`, and repeats what may succeed then. Two checks with the same requests must not run at once.
pub async fn check(requests: &Requests, by: Instant) -> Vec<Checked> {
    let name = format!("{NAME_PREFIX}{}", support::hex(requests.instance()));
    let key = requests.bucket().key_of(&name);
    let object = NewObject {
        content: Content::Bytes(Bytes::from_static(CONTENT)),
        digest: Sha256::digest(CONTENT).into(),
        file_name: name,
        media_type: MEDIA_TYPE_UNKNOWN.to_owned(),
    };
    let put = repeated(requests, by, || requests.put_at(&key, object.clone(), by)).await;
    let mut checked = vec![Checked { step: CheckStep::Put, failure: put.err() }];
    if checked.iter().all(|put| put.failure.is_none()) {
        let link = repeated(requests, by, || download(requests, &key, by)).await;
        checked.push(Checked { step: CheckStep::Link, failure: link.err() });
        let list = repeated(requests, by, || requests.list(None, 1, by)).await;
        checked.push(Checked { step: CheckStep::List, failure: list.err() });
        let delete = repeated(requests, by, || requests.delete_at(&key, by)).await;
        checked.push(Checked { step: CheckStep::Delete, failure: delete.err() });
    }
    checked
}

async fn download(requests: &Requests, key: &Key, by: Instant) -> Result<(), Failure> {
    let content = requests.get_at(key, by).await?;
    if content == CONTENT { Ok(()) } else { Err(Failure::without_answer(FailureKind::Unexpected)) }
}
