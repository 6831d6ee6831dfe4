//! Reads the necessary parts of ELF files, and asks the dynamic loader for a file's dependencies.
//!
//! The loader itself is asked instead of repeating its rules: it alone knows its default directories, its
//! cache and how it handles RPATH and RUNPATH. It only maps the files; nothing in them is run.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use object::elf::PT_INTERP;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Endianness, FileKind};

use crate::command::{CommandError, command, run};

/// One line of the loader's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Needed {
    /// A library's name, and where the loader finds it.
    Found { name: String, path: PathBuf },
    /// A library that the loader does not find.
    Missing { name: String },
}

/// Whether a file begins like an ELF file. False for a file that cannot be read.
pub(crate) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// The dynamic loader that an executable requests: `None` if it is static, or not a 64-bit ELF file.
pub(crate) fn loader_of(executable: &Path) -> std::io::Result<Option<PathBuf>> {
    let data = std::fs::read(executable)?;
    Ok(parse_loader(&data))
}

fn parse_loader(data: &[u8]) -> Option<PathBuf> {
    if FileKind::parse(data).ok()? != FileKind::Elf64 {
        return None;
    }
    let file = ElfFile64::<Endianness>::parse(data).ok()?;
    let endian = file.endian();
    let header = file.elf_program_headers().iter().find(|header| header.p_type(endian) == PT_INTERP)?;
    let bytes = header.data(endian, data).ok()?;
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    text.starts_with('/').then(|| PathBuf::from(text))
}

/// The dependencies of a file, direct and indirect, as `loader` resolves them on this machine.
pub(crate) fn needed_by(loader: &Path, file: &Path) -> Result<Vec<Needed>, CommandError> {
    // As ldd does: unlike `--list`, this continues after a library that is not found.
    run(command(loader).env("LD_TRACE_LOADED_OBJECTS", "1").arg(file)).map(|answer| parse_list(&answer))
}

/// Parses the loader's output. Lines that name no file (the kernel's own library, notes) are skipped.
fn parse_list(answer: &str) -> Vec<Needed> {
    answer.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Needed> {
    let line = line.trim();
    let (name, target) = match line.split_once(" => ") {
        Some((name, "not found")) => return Some(Needed::Missing { name: name.to_owned() }),
        Some((name, target)) => (name, target),
        None => (line, line),
    };
    let path = target.rsplit_once(" (0x").map_or(target, |(path, _)| path);
    if !path.starts_with('/') {
        return None;
    }
    // A library may be requested by its whole path.
    let name = Path::new(name.rsplit_once(" (0x").map_or(name, |(name, _)| name)).file_name()?.to_str()?;
    Some(Needed::Found { name: name.to_owned(), path: PathBuf::from(path) })
}

/// A file that may be an ELF executable.
///
/// # Panics
/// If its loader has no absolute path.
#[cfg(fuzzing)]
pub fn fuzz_loader(data: &[u8]) {
    if let Some(loader) = parse_loader(data) {
        assert!(loader.is_absolute(), "{}", loader.display());
    }
}

/// The loader's list of libraries.
///
/// # Panics
/// If a library that is found has no absolute path.
#[cfg(fuzzing)]
pub fn fuzz_list(answer: &str) {
    for needed in parse_list(answer) {
        if let Needed::Found { path, .. } = needed {
            assert!(path.is_absolute(), "{}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_line() {
        let answer = "\tlinux-vdso.so.1 (0x00007ffd)\n\
            \tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1)\n\
            \tlibodd.so.1 => not found\n\
            \t/opt/with space/libx.so => /opt/with space/libx.so (0x00007f2)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f3)\n\
            \tstatically linked\n";
        let found = |name: &str, path: &str| Needed::Found { name: name.into(), path: path.into() };
        assert_eq!(
            parse_list(answer),
            [
                found("libm.so.6", "/lib/x86_64-linux-gnu/libm.so.6"),
                Needed::Missing { name: "libodd.so.1".into() },
                found("libx.so", "/opt/with space/libx.so"),
                found("ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2"),
            ]
        );
    }

    #[test]
    fn resolves_this_very_program() {
        let own = std::env::current_exe().unwrap();
        assert!(is_elf(&own));
        let loader = loader_of(&own).unwrap().expect("tests are linked dynamically");
        let needed = needed_by(&loader, &own).unwrap();
        let is_libc = |item: &Needed| match item {
            Needed::Found { name, path } => name.starts_with("libc.") && path.is_file(),
            Needed::Missing { .. } => false,
        };
        assert!(needed.iter().any(is_libc), "{needed:?}");
    }

    #[test]
    fn hostile_or_foreign_files_have_no_loader() {
        assert_eq!(parse_loader(b""), None);
        assert_eq!(parse_loader(b"#!/bin/sh\n"), None);
        assert_eq!(parse_loader(b"\x7fELF\x02\x01\x01"), None);
        assert!(!is_elf(Path::new("/nonexistent")));
    }
}
