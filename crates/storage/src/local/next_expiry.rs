//! The objects whose links expire first. A put into a full store removes the expired ones among them, and
//! need not look at all files: in a store that stays full, links expire all the time.

use std::collections::BinaryHeap;
use std::os::fd::AsFd as _;
use std::time::SystemTime;

use super::bounds::Bounds;
use super::layout::{self, Layout};
use super::lost::Lost;
use super::objects::{self, Looked};
use super::usage::UsageFile;
use crate::object_name::ObjectName;

/// Maximum length of the list; an entry takes about 100 bytes. One look at all files serves as many removals.
const LISTED_MAX: usize = 4096;

/// The kept objects that may be removed first.
#[derive(Debug, Default)]
pub(super) struct NextExpiry {
    /// The one that expires last is on top: it is dropped for one that expires earlier.
    listed: BinaryHeap<(SystemTime, ObjectName)>,
    /// The earliest expiry of those that were not listed.
    unlisted: Option<SystemTime>,
}

impl NextExpiry {
    /// Adds an object that is kept until then.
    pub(super) fn note(&mut self, until: SystemTime, name: ObjectName) {
        self.listed.push((until, name));
        if self.listed.len() > LISTED_MAX
            && let Some((until, _)) = self.listed.pop()
        {
            self.unlisted = Some(self.unlisted.map_or(until, |first| first.min(until)));
        }
    }

    /// The earliest expiry of an object that [`NextExpiry::remove_over`] does not know.
    pub(super) fn unlisted(&self) -> Option<SystemTime> {
        self.unlisted
    }

    /// Removes the listed objects that have expired according to `bounds`, and returns how many. An object
    /// that cannot be removed is logged and left to the next clean.
    pub(super) fn remove_over(
        &mut self,
        layout: &Layout,
        usage: &UsageFile,
        lost: &Lost,
        bounds: Bounds,
    ) -> u64 {
        let mut removed = 0;
        if self.listed.iter().all(|(until, _)| *until >= bounds.ended) {
            return removed;
        }
        let (over, kept) =
            std::mem::take(&mut self.listed).into_iter().partition(|(until, _)| *until < bounds.ended);
        self.listed = kept;
        for (_, name) in Vec::from(over) {
            let looked = layout::open_directory(layout.objects(), name.shard())
                .and_then(|dir| objects::remove_if_over(layout, usage, lost, dir.as_fd(), &name, bounds));
            match looked {
                Ok(Looked::Removed(_)) => removed += 1,
                Ok(Looked::Kept(_) | Looked::Nothing) => {}
                Err(error) => {
                    tracing::warn!(%error, object = name.as_str(), "failed to remove an old object");
                }
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn those_that_end_first_are_listed_and_the_rest_is_known_by_its_first() {
        let mut next_expiry = NextExpiry::default();
        let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let count = LISTED_MAX as u64 + 3;
        // In neither order.
        for number in (0..count).map(|number| number * 7 % count) {
            let mut name = [0; crate::object_name::NAME_BYTES];
            name[..8].copy_from_slice(&number.to_be_bytes());
            next_expiry.note(at(number), ObjectName::new(&name));
        }
        assert_eq!(next_expiry.listed.len(), LISTED_MAX);
        assert_eq!(next_expiry.listed.peek().map(|(until, _)| *until), Some(at(LISTED_MAX as u64 - 1)));
        assert_eq!(next_expiry.unlisted(), Some(at(LISTED_MAX as u64)));
    }
}
