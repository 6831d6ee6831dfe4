//! The files of a sandbox of the in-memory executor. It has no links, and a directory exists as long as a
//! file is below it.

use crate::is_plain_path;
use protocol::{
    CHUNK_BYTES_MAX, DirectoryEntry, ENTRIES_MAX, EntryKind, FileCause, FileFailure, FrameError,
    GuestMessage, HostMessage, append,
};
use std::collections::BTreeMap;

/// The time of every file: 2026-01-01 UTC, in microseconds since 1970.
const MODIFIED_US: u64 = 1_767_225_600_000_000;

/// Files by path, and the one that is being put.
#[derive(Debug, Default)]
pub(crate) struct ScriptedFiles {
    bytes_max: u64,
    files: BTreeMap<String, Vec<u8>>,
    putting: Option<Putting>,
}

#[derive(Debug)]
struct Putting {
    id: u64,
    path: String,
    rest: u64,
    /// `None` if it has failed: the rest of the content is discarded.
    content: Option<Vec<u8>>,
}

impl ScriptedFiles {
    /// No files, with space for this many bytes.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    pub(crate) fn insert(&mut self, path: &str, content: Vec<u8>) {
        self.files.insert(path.to_owned(), content);
    }

    /// The frames that answer a message; none for one that is not about files.
    pub(crate) fn answer(&mut self, message: &HostMessage<'_>) -> Result<Vec<u8>, FrameError> {
        let mut frames = Vec::new();
        let goes_on = matches!(message, HostMessage::PutData { .. } | HostMessage::PutAbort { .. });
        if self.putting.is_some() && !goes_on {
            // As the agent, which waits for the rest of the content.
            return Err(FrameError::Malformed { length: 0 });
        }
        match *message {
            HostMessage::PutFile { id, path, size_bytes } => {
                let refused = self.may_put(path, size_bytes).err();
                let content = refused.is_none().then(Vec::new);
                self.putting = Some(Putting { id, path: path.to_owned(), rest: size_bytes, content });
                if let Some(cause) = refused {
                    fail(&mut frames, id, cause)?;
                }
                self.finish(&mut frames)?;
            }
            HostMessage::PutData { data } => {
                if let Some(putting) = &mut self.putting {
                    putting.rest = putting.rest.saturating_sub(data.len() as u64);
                    if let Some(content) = &mut putting.content {
                        content.extend_from_slice(data);
                    }
                }
                self.finish(&mut frames)?;
            }
            HostMessage::PutAbort { id } => {
                let aborted = self.putting.take_if(|putting| putting.id == id);
                if aborted.is_some_and(|putting| putting.content.is_some()) {
                    fail(&mut frames, id, FileCause::Aborted)?;
                }
            }
            HostMessage::GetFile { id, path, size_bytes_max } => match self.file(path, size_bytes_max) {
                Ok(content) => {
                    let size_bytes = content.len() as u64;
                    append(
                        &mut frames,
                        &GuestMessage::FileHeader { id, size_bytes, modified_us: MODIFIED_US },
                    )?;
                    for data in content.chunks(CHUNK_BYTES_MAX) {
                        append(&mut frames, &GuestMessage::FileContent { data })?;
                    }
                    append(&mut frames, &GuestMessage::FileDone { id })?;
                }
                Err(cause) => fail(&mut frames, id, cause)?,
            },
            HostMessage::ListDirectory { id, path, after, entries_max } => match self.entries(path, after) {
                Ok(entries) => {
                    let sent = entries.len().min(entries_max.min(ENTRIES_MAX) as usize);
                    let more = (entries.len() - sent) as u64;
                    for entry in entries.into_iter().take(sent) {
                        append(&mut frames, &GuestMessage::Entry(entry))?;
                    }
                    append(&mut frames, &GuestMessage::Listed { id, more, names_not_utf8: 0 })?;
                }
                Err(cause) => fail(&mut frames, id, cause)?,
            },
            HostMessage::RemoveFile { id, path } => match self.remove(path) {
                Ok(()) => append(&mut frames, &GuestMessage::FileDone { id })?,
                Err(cause) => fail(&mut frames, id, cause)?,
            },
            _ => {}
        }
        Ok(frames)
    }

    /// Ends a put whose content is complete: the file is kept, unless it has failed.
    fn finish(&mut self, frames: &mut Vec<u8>) -> Result<(), FrameError> {
        let ended = self.putting.take_if(|putting| putting.rest == 0);
        if let Some(Putting { id, path, content: Some(content), .. }) = ended {
            self.files.insert(path, content);
            append(frames, &GuestMessage::FileDone { id })?;
        }
        Ok(())
    }

    fn may_put(&self, path: &str, size_bytes: u64) -> Result<(), FileCause> {
        self.check(path)?;
        let used: u64 = self.files.values().map(|content| content.len() as u64).sum();
        if self.is_directory(path) {
            return Err(FileCause::IsDirectory);
        }
        if used.saturating_add(size_bytes) > self.bytes_max {
            return Err(FileCause::NoRoom);
        }
        Ok(())
    }

    fn file(&self, path: &str, size_bytes_max: u64) -> Result<&[u8], FileCause> {
        self.check(path)?;
        match self.files.get(path) {
            Some(content) if content.len() as u64 > size_bytes_max => Err(FileCause::TooLarge),
            Some(content) => Ok(content),
            None if self.is_directory(path) => Err(FileCause::IsDirectory),
            None => Err(FileCause::NotFound),
        }
    }

    fn remove(&mut self, path: &str) -> Result<(), FileCause> {
        self.check(path)?;
        match self.files.remove(path) {
            Some(_) => Ok(()),
            None if self.is_directory(path) => Err(FileCause::NotEmpty),
            None => Err(FileCause::NotFound),
        }
    }

    fn entries(&self, path: &str, after: &str) -> Result<Vec<DirectoryEntry>, FileCause> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        if !path.is_empty() {
            self.check(path)?;
            if self.files.contains_key(path) {
                return Err(FileCause::NotDirectory);
            }
            if !self.is_directory(path) {
                return Err(FileCause::NotFound);
            }
        }
        let mut entries = BTreeMap::new();
        for (path, content) in &self.files {
            let Some(rest) = path.strip_prefix(&prefix) else { continue };
            let (name, kind, size_bytes) = match rest.split_once('/') {
                Some((name, _)) => (name, EntryKind::Directory, 0),
                None => (rest, EntryKind::File, content.len() as u64),
            };
            if name > after {
                let name = name.to_owned();
                entries.insert(
                    name.clone(),
                    DirectoryEntry { name, kind, size_bytes, modified_us: MODIFIED_US },
                );
            }
        }
        Ok(entries.into_values().collect())
    }

    /// A path whose directories are not files.
    fn check(&self, path: &str) -> Result<(), FileCause> {
        if !is_plain_path(path) {
            return Err(FileCause::PathInvalid);
        }
        let mut directories = path.match_indices('/').map(|(end, _)| &path[..end]);
        if directories.any(|directory| self.files.contains_key(directory)) {
            return Err(FileCause::NotDirectory);
        }
        Ok(())
    }

    fn is_directory(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        self.files.range(prefix.clone()..).next().is_some_and(|(found, _)| found.starts_with(&prefix))
    }
}

fn fail(frames: &mut Vec<u8>, id: u64, cause: FileCause) -> Result<(), FrameError> {
    append(frames, &GuestMessage::FileFailed(FileFailure { id, cause, detail: "scripted".to_owned() }))
}
