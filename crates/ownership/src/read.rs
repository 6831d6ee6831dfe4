//! Reads a file that was checked, and not one that another user made meanwhile.

use crate::Refusal;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Another user can change it.
    #[error(transparent)]
    Untrusted(#[from] Refusal),
    /// It does not exist, is no regular file, is too long ([`io::ErrorKind::FileTooLarge`]), or cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// See [`crate::read()`].
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<(Vec<u8>, Metadata), ReadError> {
    crate::check(path).map(drop)?;
    // Not blocking: a FIFO of this name would be waited for without end. It is refused below.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    // If it was missing until now, another user may have made it in a directory with the sticky bit.
    crate::check_open(path, &metadata)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file").into());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let text = format!("it has more than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text).into());
    }
    Ok((bytes, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_a_regular_file_of_a_bounded_length_that_others_cannot_change_is_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        assert!(
            matches!(read(&path, 3), Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound)
        );
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap().0, b"abc");
        assert!(read(&path, 2).unwrap_err().to_string().contains("more than 2 bytes"));
        assert!(read(place.path(), 3).unwrap_err().to_string().contains("not a regular file"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(read(&path, 3), Err(ReadError::Untrusted(_))));
        let fifo = place.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::from(0o600), 0)
            .unwrap();
        assert!(read(&fifo, 3).unwrap_err().to_string().contains("not a regular file"));
    }
}
