//! File operations and the input of an execution, for the fuzz targets in `fuzz/`. Exists only with `--cfg
//! fuzzing`.

use crate::Channel;
use crate::collect;
use crate::files::Files;
use crate::input::{InputError, receive};
use crate::serve::next_execution;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Serves file operations and receives an execution's input from a host that sends `stream` and closes its
/// end. `outer` is an empty directory.
///
/// # Panics
/// If anything was made outside the input directory or was not announced, or more was taken than was sent.
pub fn input(outer: &Path, stream: &[u8]) {
    let root = outer.join("input");
    fs::create_dir(&root).expect("an input directory");
    let directory: OwnedFd = fs::File::open(&root).expect("the input directory").into();
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    // The longest stream fits into the socket's buffer.
    theirs.write_all(stream).expect("a stream");
    theirs.shutdown(Shutdown::Write).expect("an end");
    let input = ours.try_clone().expect("a descriptor").into();
    let mut channel = Channel::new(input, ours.into()).expect("a channel");
    let mut operations = Files::new(|| directory.try_clone(), None);
    let begin = next_execution(&mut channel, &mut operations);
    let is_used = operations.is_used();
    let found = is_used.then(|| collect::present(&directory));
    let input = begin.map(|begin| receive(&mut channel, begin, &directory, None, found));
    let mut files = BTreeMap::new();
    list(&root, "", &mut files).expect("a list of the files");
    assert_eq!(fs::read_dir(outer).map(Iterator::count).ok(), Some(1), "something was made outside");
    assert!(files.values().sum::<u64>() <= stream.len() as u64, "more was written than was sent");
    match input {
        Ok(Ok(input)) => {
            assert!(input.code.len() + input.stdin.len() <= stream.len());
            let announced: BTreeSet<_> = input.inputs.keys().collect();
            let found = files.keys().collect();
            assert!(is_used || announced == found, "{announced:?} instead of {found:?}");
        }
        Ok(Err(InputError::Refused(refusal))) => assert!(refusal.path.len() <= stream.len()),
        Ok(Err(InputError::Broken(_))) | Err(_) => {}
    }
}

/// The sizes of the regular files below a directory, by path.
fn list(directory: &Path, prefix: &str, files: &mut BTreeMap<String, u64>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), &format!("{path}/"), files)?;
        } else {
            assert!(kind.is_file(), "{path} is no file");
            files.insert(path, entry.metadata()?.len());
        }
    }
    Ok(())
}
