//! An agent's request to a template: to fork the interpreter into its sandbox.
//!
//! One packet over a `SOCK_SEQPACKET` socket: 64-bit words in native byte order, with descriptors attached.
//! Both ends are ours and of the same build, and an agent closes its end before any part of a program enters
//! its sandbox. The reader has no standard library and allocates nothing, so the packet is flat and bounded.

use crate::child::ENTERED_KINDS;
use crate::steps::Step;
use rustix::process::Resource;
use rustix::thread::CpuSet;
use seccomp::{INSTRUCTIONS_MAX, Insn};

/// First word: marks a packet of this format.
const MAGIC: u64 = u64::from_be_bytes(*b"tmplfrk1");
/// Words before the variable-length parts.
const HEADER_WORDS: usize = 8;
/// Words of an affinity mask: 1,024 CPUs, as many as `cpu_set_t` has (CPU_SET(3)).
const CPU_WORDS: usize = CpuSet::MAX_CPU / 64;
/// Resource limits; the kernel has 16.
pub(crate) const LIMITS_MAX: usize = 16;
/// Longest packet, in words.
#[cfg(feature = "hook")]
pub(crate) const REQUEST_WORDS_MAX: usize = HEADER_WORDS + CPU_WORDS + 2 * LIMITS_MAX + INSTRUCTIONS_MAX;
/// Most attached descriptors.
pub(crate) const REQUEST_DESCRIPTORS_MAX: usize = 32;
/// Namespaces of a sandbox: the pid namespace first, then those that the fork enters.
pub(crate) const NAMESPACES: usize = 6;

const _: () = assert!(NAMESPACES == ENTERED_KINDS.len() + 1);

/// Stands for "no user".
const NOBODY: u64 = u64::MAX;
const NOTIFY: u64 = 1;
const HAS_RULESET: u64 = 2;
const HAS_CPUS: u64 = 4;
const HAS_FILTER: u64 = 8;
const HAS_GROUP: u64 = 16;

/// The packet's content. The order of the descriptors: [`NAMESPACES`], the program's, the report's, the
/// listener's socket, the Landlock rules if any, the v2 cgroup if any, a file to join each cgroup, with the
/// v2 one first.
pub(crate) struct Request<'a> {
    pub(crate) user: Option<u32>,
    pub(crate) cpus: Option<&'a CpuSet>,
    pub(crate) limits: &'a [(Resource, u64)],
    pub(crate) filter: Option<&'a [Insn]>,
    pub(crate) notify: bool,
    pub(crate) has_ruleset: bool,
    pub(crate) has_group: bool,
    pub(crate) fail_at: Option<Step>,
    /// Number of the program's descriptors.
    pub(crate) placed: usize,
    /// Number of files to join cgroups.
    pub(crate) cgroups: usize,
}

/// Every resource: its number is not an index here, so that an invalid number is refused.
const RESOURCES: [Resource; 15] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
];

/// The content of a packet, in its own memory.
#[cfg_attr(not(any(feature = "hook", test)), allow(dead_code, reason = "only a template reads packets"))]
pub(crate) struct Parsed {
    pub(crate) user: Option<u32>,
    pub(crate) cpus: Option<CpuSet>,
    limits: [(Resource, u64); LIMITS_MAX],
    limit_count: usize,
    filter: Option<(usize, usize)>,
    pub(crate) notify: bool,
    pub(crate) has_ruleset: bool,
    pub(crate) has_group: bool,
    pub(crate) fail_at: Option<Step>,
    pub(crate) placed: usize,
    pub(crate) cgroups: usize,
}

#[cfg_attr(not(any(feature = "hook", test)), allow(dead_code, reason = "only a template reads packets"))]
impl Parsed {
    /// Parses a packet; `None` if it is invalid.
    pub(crate) fn from_words(words: &[u64]) -> Option<Self> {
        let mut reader = Reader { words };
        if reader.next()? != MAGIC {
            return None;
        }
        let user = reader.next()?;
        let flags = reader.next()?;
        let fail_at = reader.next()?;
        let placed = reader.bounded(REQUEST_DESCRIPTORS_MAX)?;
        let limit_count = reader.bounded(LIMITS_MAX)?;
        let filter_length = reader.bounded(INSTRUCTIONS_MAX)?;
        let cgroups = reader.bounded(REQUEST_DESCRIPTORS_MAX)?;
        let mut cpus = CpuSet::new();
        for index in 0..CPU_WORDS {
            let word = reader.next()?;
            for bit in (0..64).filter(|bit| word & (1 << bit) != 0) {
                cpus.set(index * 64 + bit);
            }
        }
        let mut limits = [(Resource::Core, 0); LIMITS_MAX];
        for limit in limits.iter_mut().take(limit_count) {
            let number = reader.next()?;
            let resource = RESOURCES.into_iter().find(|resource| *resource as u64 == number)?;
            *limit = (resource, reader.next()?);
        }
        let filter_start = words.len() - reader.words.len();
        if reader.words.len() != filter_length {
            return None;
        }
        Some(Self {
            user: if user == NOBODY { None } else { Some(u32::try_from(user).ok()?) },
            cpus: (flags & HAS_CPUS != 0).then_some(cpus),
            limits,
            limit_count,
            filter: (flags & HAS_FILTER != 0).then_some((filter_start, filter_length)),
            notify: flags & NOTIFY != 0,
            has_ruleset: flags & HAS_RULESET != 0,
            has_group: flags & HAS_GROUP != 0,
            fail_at: if fail_at == 0 { None } else { Some(Step::from_number(u8::try_from(fail_at).ok()?)?) },
            placed,
            cgroups,
        })
    }

    pub(crate) fn limits(&self) -> &[(Resource, u64)] {
        &self.limits[..self.limit_count]
    }

    /// Writes the filter's instructions to `room` and returns them.
    pub(crate) fn filter<'a>(
        &self,
        words: &[u64],
        room: &'a mut [Insn; INSTRUCTIONS_MAX],
    ) -> Option<&'a [Insn]> {
        let (start, length) = self.filter?;
        for (insn, word) in room.iter_mut().zip(&words[start..start + length]) {
            *insn = unpack(*word);
        }
        Some(&room[..length])
    }
}

struct Reader<'a> {
    words: &'a [u64],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u64> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(*first)
    }

    fn bounded(&mut self, max: usize) -> Option<usize> {
        usize::try_from(self.next()?).ok().filter(|number| *number <= max)
    }
}

fn unpack(word: u64) -> Insn {
    let [a, b, jt, jf, c, d, e, f] = word.to_le_bytes();
    Insn { code: u16::from_le_bytes([a, b]), jt, jf, k: u32::from_le_bytes([c, d, e, f]) }
}

#[cfg(feature = "std")]
fn pack(insn: Insn) -> u64 {
    let ([a, b], [c, d, e, f]) = (insn.code.to_le_bytes(), insn.k.to_le_bytes());
    u64::from_le_bytes([a, b, insn.jt, insn.jf, c, d, e, f])
}

#[cfg(feature = "std")]
impl Request<'_> {
    /// Encodes the request as a packet.
    pub(crate) fn to_words(&self) -> Vec<u64> {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let flags = flag(self.notify, NOTIFY)
            | flag(self.has_ruleset, HAS_RULESET)
            | flag(self.has_group, HAS_GROUP)
            | flag(self.cpus.is_some(), HAS_CPUS)
            | flag(self.filter.is_some(), HAS_FILTER);
        let filter = self.filter.unwrap_or_default();
        let mut words = vec![
            MAGIC,
            self.user.map_or(NOBODY, u64::from),
            flags,
            self.fail_at.map_or(0, |step| step as u64),
            self.placed as u64,
            self.limits.len() as u64,
            filter.len() as u64,
            self.cgroups as u64,
        ];
        debug_assert_eq!(words.len(), HEADER_WORDS);
        let is_set = |cpu: usize| self.cpus.is_some_and(|cpus| cpus.is_set(cpu));
        words.extend((0..CPU_WORDS).map(|index| {
            (0..64).filter(|bit| is_set(index * 64 + bit)).fold(0u64, |word, bit| word | (1 << bit))
        }));
        words.extend(self.limits.iter().flat_map(|&(resource, value)| [resource as u64, value]));
        words.extend(filter.iter().copied().map(pack));
        words
    }
}

/// A packet, whose content comes out as it went in.
///
/// # Panics
/// If what was read from the packet is not what an agent would write to say the same.
#[cfg(all(fuzzing, feature = "std"))]
pub fn fuzz(words: &[u64]) {
    const NOTHING: Insn = Insn { code: 0, jt: 0, jf: 0, k: 0 };
    let Some(parsed) = Parsed::from_words(words) else { return };
    let mut room = [NOTHING; INSTRUCTIONS_MAX];
    let filter = parsed.filter(words, &mut room).map(<[Insn]>::to_vec);
    let request = Request {
        user: parsed.user,
        cpus: parsed.cpus.as_ref(),
        limits: parsed.limits(),
        filter: filter.as_deref(),
        notify: parsed.notify,
        has_ruleset: parsed.has_ruleset,
        has_group: parsed.has_group,
        fail_at: parsed.fail_at,
        placed: parsed.placed,
        cgroups: parsed.cgroups,
    };
    let written = request.to_words();
    let again = Parsed::from_words(&written).expect("a valid packet");
    let mut room = [NOTHING; INSTRUCTIONS_MAX];
    assert_eq!(again.filter(&written, &mut room).map(<[Insn]>::to_vec), filter);
    assert_eq!((again.user, again.cpus, again.limits()), (parsed.user, parsed.cpus, parsed.limits()));
    let rest = |packet: &Parsed| {
        let flags = (packet.notify, packet.has_ruleset, packet.has_group);
        (flags, packet.fail_at, packet.placed, packet.cgroups)
    };
    assert_eq!(rest(&again), rest(&parsed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request<'a>(filter: &'a [Insn], cpus: &'a CpuSet) -> Request<'a> {
        Request {
            user: Some(7),
            cpus: Some(cpus),
            limits: &[(Resource::Nofile, 1024), (Resource::Core, 1)],
            filter: Some(filter),
            notify: true,
            has_ruleset: false,
            has_group: true,
            fail_at: Some(Step::User),
            placed: 5,
            cgroups: 4,
        }
    }

    #[test]
    fn a_packet_comes_out_as_it_went_in() {
        let filter =
            [Insn { code: 0x15, jt: 3, jf: 255, k: 0xDEAD_BEEF }, Insn { code: 6, jt: 0, jf: 0, k: 1 }];
        let mut cpus = CpuSet::new();
        cpus.set(0);
        cpus.set(65);
        let words = request(&filter, &cpus).to_words();
        let Some(parsed) = Parsed::from_words(&words) else { panic!("a valid packet is read") };
        assert_eq!(
            (parsed.user, parsed.placed, parsed.cgroups, parsed.notify, parsed.has_ruleset, parsed.has_group),
            (Some(7), 5, 4, true, false, true)
        );
        assert_eq!(parsed.fail_at, Some(Step::User));
        assert_eq!(parsed.limits(), [(Resource::Nofile, 1024), (Resource::Core, 1)]);
        assert_eq!(parsed.cpus, Some(cpus));
        let mut room = [Insn { code: 0, jt: 0, jf: 0, k: 0 }; INSTRUCTIONS_MAX];
        assert_eq!(parsed.filter(&words, &mut room), Some(&filter[..]));
    }

    #[test]
    fn a_packet_cut_short_or_too_long_is_none() {
        let cpus = CpuSet::new();
        let filter = [Insn { code: 6, jt: 0, jf: 0, k: 1 }];
        let words = request(&filter, &cpus).to_words();
        for length in 0..words.len() {
            assert!(Parsed::from_words(&words[..length]).is_none(), "{length}");
        }
        let longer: Vec<u64> = words.iter().copied().chain([0]).collect();
        assert!(Parsed::from_words(&longer).is_none());
    }

    proptest! {
        #[test]
        fn no_words_make_the_reader_panic(mut words in proptest::collection::vec(any::<u64>(), 0..200)) {
            if let Some(first) = words.first_mut() {
                *first = MAGIC;
            }
            for word in words.iter_mut().skip(2).take(6) {
                *word %= 40;
            }
            if let Some(parsed) = Parsed::from_words(&words) {
                let mut room = [Insn { code: 0, jt: 0, jf: 0, k: 0 }; INSTRUCTIONS_MAX];
                let _ = parsed.filter(&words, &mut room);
            }
        }
    }
}
