//! One open group: reads and writes its files with errors that name the path.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use crate::error::CgroupError;
use crate::ops::Ops;

/// How much of an unparsable file is quoted in the error.
const QUOTE_CHARS_MAX: usize = 80;

/// An open group directory with the operations to use on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) ops: &'a dyn Ops,
    pub(crate) dir: BorrowedFd<'a>,
}

impl Group<'_> {
    pub(crate) fn read(&self, file: &str) -> Result<String, CgroupError> {
        self.ops.read(self.dir, file).map_err(|source| self.failed("read", file, source))
    }

    /// `None` when this kernel has no such file.
    pub(crate) fn read_if_present(&self, file: &str) -> Result<Option<String>, CgroupError> {
        match self.ops.read(self.dir, file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read", file, source)),
        }
    }

    pub(crate) fn write(&self, file: &str, value: &str) -> Result<(), CgroupError> {
        self.ops.write(self.dir, file, value).map_err(|source| self.failed("write", file, source))
    }

    /// Writes, reads back, and fails unless `is_kept` accepts the value that the kernel holds (trimmed).
    pub(crate) fn write_kept(
        &self,
        file: &str,
        value: &str,
        is_kept: impl FnOnce(&str) -> bool,
    ) -> Result<(), CgroupError> {
        let kept = self
            .ops
            .write_then_read(self.dir, file, value)
            .map_err(|source| self.failed("write", file, source))?;
        if is_kept(kept.trim()) {
            return Ok(());
        }
        Err(CgroupError::NotKept {
            path: self.path(file),
            wrote: value.to_owned(),
            kept: kept.trim().to_owned(),
        })
    }

    /// [`Self::write_kept`] for values that the kernel keeps as written.
    pub(crate) fn write_exact(&self, file: &str, value: &str) -> Result<(), CgroupError> {
        self.write_kept(file, value, |kept| kept == value)
    }

    /// [`Self::write_kept`] for a number of bytes, which the kernel rounds down to pages.
    pub(crate) fn write_bytes(&self, file: &str, bytes: u64) -> Result<(), CgroupError> {
        // 64 KiB is the largest page of any Linux (aarch64).
        const PAGE_BYTES_MAX: u64 = 64 << 10;
        self.write_kept(file, &bytes.to_string(), |kept| {
            kept.parse().is_ok_and(|kept: u64| kept <= bytes && bytes - kept < PAGE_BYTES_MAX)
        })
    }

    pub(crate) fn number(&self, file: &str) -> Result<u64, CgroupError> {
        let text = self.read(file)?;
        self.parse(file, &text)
    }

    /// `None` when this kernel has no such file.
    pub(crate) fn number_if_present(&self, file: &str) -> Result<Option<u64>, CgroupError> {
        self.read_if_present(file)?.map(|text| self.parse(file, &text)).transpose()
    }

    /// The number in an open file of the group; `file` names it in errors.
    pub(crate) fn number_in(&self, open: BorrowedFd<'_>, file: &str) -> Result<u64, CgroupError> {
        let text = self.ops.read_open(open).map_err(|source| self.failed("read", file, source))?;
        self.parse(file, &text)
    }

    /// The number after `key` in a file of `key number` lines; `None` if the key is missing.
    pub(crate) fn keyed(&self, file: &str, key: &str) -> Result<Option<u64>, CgroupError> {
        let text = self.read(file)?;
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .map(|value| self.parse(file, value))
            .transpose()
    }

    /// The sum of the values of `keys`; a key that the kernel does not have counts as zero.
    pub(crate) fn keyed_sum(&self, file: &str, keys: &[&str]) -> Result<u64, CgroupError> {
        let text = self.read(file)?;
        let mut sum = 0u64;
        for line in text.lines() {
            if let Some((key, value)) = line.split_once(' ')
                && keys.contains(&key)
            {
                sum = sum.saturating_add(self.parse(file, value)?);
            }
        }
        Ok(sum)
    }

    /// The processes in the group itself, by pid as seen by this process. A process of an outer pid namespace
    /// has pid 0.
    pub(crate) fn pids(&self) -> Result<Vec<i32>, CgroupError> {
        self.ids("cgroup.procs")
    }

    /// The threads in a v1 group itself, in the same form.
    pub(crate) fn tasks(&self) -> Result<Vec<i32>, CgroupError> {
        self.ids("tasks")
    }

    fn ids(&self, file: &str) -> Result<Vec<i32>, CgroupError> {
        let text = self.read(file)?;
        let parsed: Result<Vec<i32>, _> = text.lines().map(str::parse).collect();
        parsed.map_err(|_| self.unreadable(file, &text))
    }

    pub(crate) fn failed(&self, step: &'static str, file: &str, source: io::Error) -> CgroupError {
        CgroupError::Step { step, path: self.path(file), source }
    }

    fn parse(&self, file: &str, text: &str) -> Result<u64, CgroupError> {
        text.trim().parse().map_err(|_| self.unreadable(file, text))
    }

    fn unreadable(&self, file: &str, text: &str) -> CgroupError {
        CgroupError::Parse { path: self.path(file), text: text.chars().take(QUOTE_CHARS_MAX).collect() }
    }

    fn path(&self, file: &str) -> PathBuf {
        path_of(self.dir).join(file)
    }
}

/// The path of an open directory, looked up only for an error, so that callers need not pass paths.
pub(crate) fn path_of(dir: BorrowedFd<'_>) -> PathBuf {
    let link = format!("/proc/self/fd/{}", dir.as_raw_fd());
    std::fs::read_link(&link).unwrap_or_else(|_| PathBuf::from(link))
}
