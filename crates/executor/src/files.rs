//! Output files from a guest, within the requested limits.

use crate::GuestError;
use crate::{ExecLimits, OutputFile};
use bytes::Bytes;
use protocol::is_plain_path;
use std::collections::HashSet;

/// Receives the files one after the other.
pub(crate) struct FileReceiver {
    limits: ExecLimits,
    paths: HashSet<String>,
    total_bytes: u64,
    open: Option<(String, u64, Vec<u8>)>,
}

impl FileReceiver {
    pub(crate) fn new(limits: &ExecLimits) -> Self {
        Self { limits: *limits, paths: HashSet::new(), total_bytes: 0, open: None }
    }

    /// Begins a file. The one before must be complete.
    pub(crate) fn open(&mut self, path: String, size_bytes: u64) -> Result<(), GuestError> {
        if !is_plain_path(&path) {
            return Err(GuestError::Violation("a file path that leaves the output directory"));
        }
        self.total_bytes = self.total_bytes.saturating_add(size_bytes);
        if size_bytes > self.limits.file_bytes_max
            || self.total_bytes > self.limits.files_total_bytes_max
            || self.paths.len() >= self.limits.file_count_max as usize
        {
            return Err(GuestError::Violation("more files than asked for"));
        }
        if !self.paths.insert(path.clone()) {
            return Err(GuestError::Violation("two files of one name"));
        }
        // Grows with what arrives, not with what was announced.
        self.open = Some((path, size_bytes, Vec::new()));
        Ok(())
    }

    pub(crate) fn add(&mut self, data: &[u8]) -> Result<(), GuestError> {
        match &mut self.open {
            Some((_, size, content)) if !data.is_empty() && (content.len() + data.len()) as u64 <= *size => {
                content.extend_from_slice(data);
                Ok(())
            }
            _ => Err(GuestError::Violation("file content that was not announced")),
        }
    }

    /// The file that was open, if there was one.
    pub(crate) fn close(&mut self) -> Result<Option<OutputFile>, GuestError> {
        match self.open.take() {
            Some((path, size, content)) if content.len() as u64 == size => {
                Ok(Some(OutputFile { path, content: Bytes::from(content) }))
            }
            Some(_) => Err(GuestError::Violation("a file shorter than announced")),
            None => Ok(None),
        }
    }
}
