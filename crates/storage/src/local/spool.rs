//! The spool: files that this store keeps, durably, until an object store takes them. Their links are those of
//! any other file here.

use std::fs::File;
use std::io;

use jiff::Timestamp;

use super::lost::Lost;
use super::store::LocalStore;
use super::token::DIGEST_BYTES;
use super::waiting::{self, Claim, SpoolStatus};
use crate::object_name::ObjectName;
use crate::store::{NewFile, PutError, StoredFile, StoredIn};

impl LocalStore {
    /// Stores a file that waits for an object store, under the `name` that it will have there, a new one.
    /// Once this returns, neither SIGKILL nor a power failure loses the file.
    ///
    /// # Errors
    /// As [`Store::put`](crate::Store::put). Nothing of the file is left behind.
    pub async fn put_waiting(&self, name: ObjectName, file: NewFile) -> Result<StoredFile, PutError> {
        self.putting(move |inner| inner.put(&name, &file, StoredIn::Spool)).await
    }

    /// Counts the files that wait, and those with a damaged record. Looks at each, so it takes about a microsecond for each.
    ///
    /// # Errors
    /// The operating system's, if the spool cannot be listed.
    pub async fn waiting(&self) -> io::Result<SpoolStatus> {
        self.blocking(|inner| waiting::status(&inner.layout)).await.flatten()
    }

    /// Files that waited and were removed because their link had expired, since the store was opened: by this
    /// process, whether by a clean, for a put that needed space, or by [`Claimed::give_up`]. The log names them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.inner.lost.count()
    }

    /// Names of the files that have waited longest, oldest first, at most `count_max`; also of those that
    /// another process has claimed.
    ///
    /// # Errors
    /// The operating system's, if the spool cannot be listed.
    pub async fn waiting_longest(&self, count_max: usize) -> io::Result<Vec<ObjectName>> {
        self.blocking(move |inner| waiting::oldest(&inner.layout, count_max)).await.flatten()
    }

    /// Takes a file that waits for this caller alone, among all processes that share the store. `None` if it no
    /// longer waits, if another caller has it, or if its record is damaged, which is logged once.
    ///
    /// # Errors
    /// The operating system's, if the file or its record cannot be read.
    pub async fn claim(&self, name: &ObjectName) -> io::Result<Option<Claimed>> {
        let wanted = name.clone();
        let claim = self
            .blocking(move |inner| waiting::claim(&inner.layout, &inner.usage, &wanted))
            .await
            .flatten()?;
        Ok(claim.map(|claim| Claimed { store: self.clone(), name: name.clone(), claim }))
    }
}

/// A file that waits, and that no other caller can claim. Dropped, it waits again; so it does if this process
/// is killed.
#[derive(Debug)]
pub struct Claimed {
    store: LocalStore,
    name: ObjectName,
    claim: Claim,
}

impl Claimed {
    /// Its name here and in the object store.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The content. Its position is shared by all who read it: read at offsets
    /// ([`FileExt::read_at`](std::os::unix::fs::FileExt::read_at)).
    #[must_use]
    pub fn file(&self) -> &File {
        &self.claim.object
    }

    /// Length of the content in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.claim.size_bytes
    }

    /// SHA-256 of the content.
    #[must_use]
    pub fn digest(&self) -> &[u8; DIGEST_BYTES] {
        &self.claim.claims.digest
    }

    /// The name that the program chose, without directories. Hostile: pass it to
    /// [`content_disposition`](crate::content_disposition), nothing else.
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.claim.claims.file_name
    }

    /// The media type, valid in a header.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.claim.claims.media_type
    }

    /// When the link expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.claim.claims.expires_at
    }

    /// Whether its link has expired by the clock and by the time since the store was opened: a clock that jumps must
    /// not cost a file that exists nowhere else.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.store.waited_enough(self.expires_at())
    }

    /// Removes the file from here. Call it only once the object store has confirmed the file.
    ///
    /// # Errors
    /// The operating system's. What is left of the file is removed by the next claim or clean.
    pub async fn finish(self) -> io::Result<()> {
        self.remove(|_, _| {}).await
    }

    /// Removes the file from here because its link has expired ([`Claimed::is_over`]), and counts it
    /// ([`LocalStore::lost`]).
    ///
    /// # Errors
    /// As [`Claimed::finish`].
    pub async fn give_up(self) -> io::Result<()> {
        self.remove(Lost::note).await
    }

    /// `removed` is called if no clean was faster.
    async fn remove(self, removed: impl FnOnce(&Lost, &ObjectName) + Send + 'static) -> io::Result<()> {
        let Self { store, name, claim } = self;
        let remove = move |inner: &super::store::Inner| {
            let waited = waiting::remove(inner.keeper(), &name);
            // Only now: until then no other caller may claim it.
            drop(claim);
            if waited? {
                removed(&inner.lost, &name);
            }
            Ok(())
        };
        store.blocking(remove).await.flatten()
    }
}

#[cfg(test)]
mod tests;
