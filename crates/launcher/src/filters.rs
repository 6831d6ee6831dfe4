//! The seccomp filters of everything that the launcher starts.
//!
//! The launcher's parent compiles them and sends them through a pipe: parsing the policies takes some hundred
//! pages of memory, and each sandbox, a copy of the launcher, would pay for every one of those pages that it
//! writes to.

use agent::{Filter, ProgramConfig};
use seccomp::{Helper, INSTRUCTIONS_MAX, Insn};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

/// Bytes of one instruction: `struct sock_filter`.
const INSN_BYTES: usize = 8;

/// The filters of the launcher and of what it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filters {
    pub(crate) launcher: Vec<Insn>,
    pub(crate) template: Vec<Insn>,
    pub(crate) agent: Vec<Insn>,
    pub(crate) program: Filter,
}

/// Compiles the filter of one helper.
pub(crate) fn of_helper(helper: Helper) -> io::Result<Vec<Insn>> {
    Ok(helper.filter().map_err(io::Error::other)?.instructions().to_vec())
}

impl Filters {
    /// Compiles all filters.
    pub(crate) fn compile(config: &ProgramConfig) -> io::Result<Self> {
        Ok(Self {
            launcher: of_helper(Helper::Launcher)?,
            template: of_helper(Helper::Template)?,
            agent: of_helper(Helper::Agent)?,
            program: Filter::new(config)?,
        })
    }

    /// Writes them for [`Filters::receive`].
    pub(crate) fn send(&self, to: OwnedFd) -> io::Result<()> {
        let none = Vec::new();
        let program = self.program.instructions().unwrap_or(&none);
        let mut bytes = Vec::new();
        for filter in [&self.launcher, &self.template, &self.agent, program] {
            bytes.extend(u32::try_from(filter.len()).map_err(io::Error::other)?.to_le_bytes());
            for Insn { code, jt, jf, k } in filter {
                bytes.extend(code.to_le_bytes());
                bytes.extend([*jt, *jf]);
                bytes.extend(k.to_le_bytes());
            }
        }
        std::fs::File::from(to).write_all(&bytes)
    }

    /// Reads the filters written by [`Filters::send`].
    ///
    /// # Errors
    /// `UnexpectedEof` when compiling them failed in the sender.
    pub(crate) fn receive(from: OwnedFd) -> io::Result<Self> {
        let mut from = std::fs::File::from(from);
        let mut filter = || -> io::Result<Vec<Insn>> {
            let mut count = [0; 4];
            from.read_exact(&mut count)?;
            let count = usize::try_from(u32::from_le_bytes(count)).map_err(io::Error::other)?;
            if count > INSTRUCTIONS_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut bytes = vec![0; count * INSN_BYTES];
            from.read_exact(&mut bytes)?;
            let (all, _) = bytes.as_chunks::<INSN_BYTES>();
            Ok(all.iter().copied().map(instruction).collect::<Vec<Insn>>())
        };
        let (launcher, template, agent, program) = (filter()?, filter()?, filter()?, filter()?);
        Ok(Self { launcher, template, agent, program: Filter::of(program) })
    }
}

fn instruction([a, b, jt, jf, c, d, e, f]: [u8; INSN_BYTES]) -> Insn {
    Insn { code: u16::from_le_bytes([a, b]), jt, jf, k: u32::from_le_bytes([c, d, e, f]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_out_as_they_went_in() {
        let config = ProgramConfig {
            interpreter: String::new(),
            env: Vec::new(),
            cpu_count: 1,
            file_bytes_max: 1,
            seccomp: true,
            notify: true,
            landlock: true,
            tasks_max: None,
            fail_at: None,
        };
        let filters = Filters::compile(&config).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let sender = {
            let filters = filters.clone();
            std::thread::spawn(move || filters.send(writer))
        };
        assert_eq!(Filters::receive(reader).unwrap(), filters);
        sender.join().unwrap().unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        assert_eq!(Filters::receive(reader).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
