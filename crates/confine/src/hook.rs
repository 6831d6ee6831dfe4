//! The template's side of [`crate::fork_request`]: serves requests to fork the interpreter that has loaded
//! this code.
//!
//! The interpreter calls [`sandbox_template_serve`] after its imports, holding its global lock. For each
//! request the function forks the process into the requesting sandbox; in the fork it applies every
//! protection and returns. In the template itself it returns only to end it, and it never reads a byte of a
//! program.

#![allow(unsafe_code, reason = "the interpreter's C interface, and functions with C names for it to call")]

use crate::child::{Child, ENTERED, Ends, FORK_FAILED, Streams, TargetSandbox, exit_now};
use crate::fork_request::{NAMESPACES, Parsed, REQUEST_DESCRIPTORS_MAX, REQUEST_WORDS_MAX};
use crate::orphan::{Side, fork_orphan};
use core::ffi::{c_int, c_void};
use core::mem::{ManuallyDrop, MaybeUninit};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send,
};
use rustix::thread::{CapabilitySet, LinkNameSpaceType};
use seccomp::{INSTRUCTIONS_MAX, Insn};

/// The program's working directory.
const DIRECTORY: &core::ffi::CStr = c"/tmp/output";
/// Descriptor numbers a program may be given: received ones must be above all of them.
const PLACED_MAX: i32 = 32;
/// A template whose memory has grown by more than this, in KiB, ends: each fork would copy it.
const GROWTH_KIB_MAX: i64 = 32 * 1024;

/// Sent by a template when it is ready.
const READY: &[u8] = b"ready";

/// Result of [`sandbox_template_serve`]: this is a fork, fully isolated.
const IN_SANDBOX: c_int = 0;
/// The launcher closed its end.
const CLOSED: c_int = 1;
/// The template's memory has grown too much.
const GROWN: c_int = 2;
/// The socket broke.
const BROKEN: c_int = 3;

unsafe extern "C" {
    // "Process-wide parameters"/"Operating System Utilities" of the interpreter's C interface, since 3.7:
    // what os.fork() calls around fork(2). All need the global lock.
    fn PyOS_BeforeFork();
    fn PyOS_AfterFork_Parent();
    fn PyOS_AfterFork_Child();
}

/// Serves requests from the socket with this number. Returns one of the constants above. In each fork the
/// streams, whose memory is at `out` and `err`, share it with the agent through the descriptor `memory`.
///
/// # Safety
/// `control` must be an open socket that stays open; the caller must hold the interpreter's global lock and
/// be the only thread. `out` and `err` must each be the start of a private mapping of `length` bytes that
/// nothing but a Python `mmap` object uses.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sandbox_template_serve(
    control: c_int,
    memory: c_int,
    out: *mut c_void,
    err: *mut c_void,
    length: usize,
    distance: usize,
) -> c_int {
    // SAFETY: the caller says so, and a fork has the mappings of its parent.
    let streams = unsafe { Streams::new(memory, [out, err], length, distance) };
    // SAFETY: the caller says that it is open and stays so.
    let control = unsafe { BorrowedFd::borrow_raw(control) };
    if reserve_low_numbers(control).is_err() {
        return BROKEN;
    }
    // Never received: its presence tells every agent that requests are served from now on.
    if send(control, READY, SendFlags::NOSIGNAL).is_err() {
        return BROKEN;
    }
    let memory_at_start = memory_peak_kib();
    // Cleared once, not per request: after a fork each page touched is copied.
    let mut words = [0u64; REQUEST_WORDS_MAX];
    let mut room = [Insn { code: 0, jt: 0, jf: 0, k: 0 }; INSTRUCTIONS_MAX];
    loop {
        let mut received = Received::default();
        let length = match receive(control, &mut words, &mut received) {
            Ok(0) => return CLOSED,
            Ok(length) => length,
            Err(_) => return BROKEN,
        };
        let packet = &words[..length];
        if let Some(parsed) = Parsed::from_words(packet)
            && serve_one(&parsed, packet, &mut room, &received, &streams) == Side::Orphan
        {
            // In the fork their numbers are closed, and may have been reused by now.
            let _ = ManuallyDrop::new(received);
            return IN_SANDBOX;
        }
        if memory_peak_kib() - memory_at_start > GROWTH_KIB_MAX {
            return GROWN;
        }
    }
}

/// Descriptors in the order in which they were received.
#[derive(Default)]
struct Received {
    descriptors: [Option<OwnedFd>; REQUEST_DESCRIPTORS_MAX],
    count: usize,
}

/// Forks into the sandbox of one request. The requesting agent always gets a reply.
fn serve_one(
    parsed: &Parsed,
    packet: &[u64],
    room: &mut [Insn; INSTRUCTIONS_MAX],
    received: &Received,
    streams: &Streams,
) -> Side {
    let mut borrowed = [None; REQUEST_DESCRIPTORS_MAX];
    for (to, from) in borrowed.iter_mut().zip(&received.descriptors) {
        *to = from.as_ref().map(AsFd::as_fd);
    }
    let Some(parts) = Parts::split(&borrowed[..received.count], parsed) else { return Side::Template };
    let child = Child {
        sandbox: Some(TargetSandbox {
            namespaces: parts.namespaces.get(1..).unwrap_or_default(),
            cgroups: parts.cgroups(),
        }),
        sources: parts.sources(),
        streams: Some(streams),
        ends: parts.ends,
        directory: DIRECTORY,
        user: parsed.user.map(|id| (id, id)),
        limits: parsed.limits(),
        cpus: parsed.cpus.as_ref(),
        kept: CapabilitySet::empty(),
        filter: parsed.filter(packet, room),
        notify: parsed.notify,
        image: None,
        fail_at: parsed.fail_at,
    };
    match fork_into(parts.namespaces[0], parts.group) {
        Ok((Side::Template, _)) => Side::Template,
        Ok((Side::Orphan, is_inside)) => {
            // The first of the files is the v2 cgroup's.
            let cgroups = parts.cgroups().get(usize::from(is_inside)..).unwrap_or_default();
            enter(&Child {
                sandbox: child.sandbox.map(|sandbox| TargetSandbox { cgroups, ..sandbox }),
                ..child
            });
            Side::Orphan
        }
        Err(errno) => {
            child.write_report(FORK_FAILED, errno.raw_os_error());
            Side::Template
        }
    }
}

/// Runs in the fork: applies every protection, then what the interpreter does after a fork.
fn enter(child: &Child<'_>) {
    if let Err(failed) = child.apply_all() {
        child.report(failed);
        exit_now(127);
    }
    if !child.write_report(ENTERED, rustix::process::getpid().as_raw_nonzero().get()) {
        // The agent has given up, and its sandbox with it.
        exit_now(127);
    }
    child.close_ends();
    // SAFETY: the only thread of a forked interpreter, which holds the global lock.
    unsafe { PyOS_AfterFork_Child() };
}

fn fork_into(pids: BorrowedFd<'_>, group: Option<BorrowedFd<'_>>) -> Result<(Side, bool), Errno> {
    rustix::thread::move_into_link_name_space(pids, Some(LinkNameSpaceType::ProcessID))?;
    // SAFETY: the caller of `sandbox_template_serve` holds the global lock.
    unsafe { PyOS_BeforeFork() };
    let side = fork_orphan(group);
    if !matches!(side, Ok((Side::Orphan, _))) {
        // SAFETY: as above.
        unsafe { PyOS_AfterFork_Parent() };
    }
    side
}

/// The descriptors of a request by purpose.
struct Parts<'a> {
    namespaces: [BorrowedFd<'a>; NAMESPACES],
    sources: ([BorrowedFd<'a>; REQUEST_DESCRIPTORS_MAX], usize),
    ends: Ends<'a>,
    group: Option<BorrowedFd<'a>>,
    cgroups: ([BorrowedFd<'a>; REQUEST_DESCRIPTORS_MAX], usize),
}

impl<'a> Parts<'a> {
    /// `None` if there are too few.
    fn split(all: &[Option<BorrowedFd<'a>>], parsed: &Parsed) -> Option<Self> {
        let first = (*all.first()?)?;
        let mut rest = all.iter().copied();
        let mut next = || rest.next().flatten();
        let mut namespaces = [first; NAMESPACES];
        for namespace in &mut namespaces {
            *namespace = next()?;
        }
        let mut sources = [first; REQUEST_DESCRIPTORS_MAX];
        for source in sources.iter_mut().take(parsed.placed) {
            *source = next()?;
        }
        let (report, listener_socket) = (next()?, next()?);
        let ruleset = if parsed.has_ruleset { Some(next()?) } else { None };
        let group = if parsed.has_group { Some(next()?) } else { None };
        let mut cgroups = ([first; REQUEST_DESCRIPTORS_MAX], 0);
        while let Some(join) = next() {
            *cgroups.0.get_mut(cgroups.1)? = join;
            cgroups.1 += 1;
        }
        // Outside one of its cgroups a program would have no limit there.
        if cgroups.1 != parsed.cgroups {
            return None;
        }
        let ends = Ends { report, listener_socket, ruleset };
        Some(Self { namespaces, sources: (sources, parsed.placed), ends, group, cgroups })
    }

    fn sources(&self) -> &[BorrowedFd<'a>] {
        &self.sources.0[..self.sources.1]
    }

    fn cgroups(&self) -> &[BorrowedFd<'a>] {
        &self.cgroups.0[..self.cgroups.1]
    }
}

/// Occupies every number below [`PLACED_MAX`], so that no received descriptor gets one. They stay open for
/// the template's life and are closed in each fork.
fn reserve_low_numbers(control: BorrowedFd<'_>) -> rustix::io::Result<()> {
    use rustix::fd::IntoRawFd;
    loop {
        let copy = rustix::io::fcntl_dupfd_cloexec(control, 0)?;
        if copy.as_fd().as_raw() >= PLACED_MAX {
            return Ok(());
        }
        let _ = copy.into_raw_fd();
    }
}

/// Descriptor numbers.
trait Number {
    fn as_raw(&self) -> i32;
}

impl Number for BorrowedFd<'_> {
    fn as_raw(&self) -> i32 {
        rustix::fd::AsRawFd::as_raw_fd(self)
    }
}

/// Waits for one packet; returns its length in words, 0 when the other ends are all closed.
fn receive(control: BorrowedFd<'_>, words: &mut [u64], received: &mut Received) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(REQUEST_DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // SAFETY: a slice of words is a slice of eight times as many bytes, and every byte is valid in a word.
    let (_, bytes, _) = unsafe { words.align_to_mut::<u8>() };
    let message = loop {
        match recvmsg(control, &mut [IoSliceMut::new(bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            for descriptor in descriptors {
                // A surplus descriptor is closed here, and the request is then refused as incomplete.
                if let Some(slot) = received.descriptors.get_mut(received.count) {
                    *slot = Some(descriptor);
                    received.count += 1;
                }
            }
        }
    }
    if message.flags.intersects(ReturnFlags::CTRUNC | ReturnFlags::TRUNC) {
        // The packet was truncated: refused, by clearing its content.
        words.fill(0);
    }
    Ok(message.bytes / size_of::<u64>())
}

/// `ru_maxrss` of this process in KiB (getrusage(2)).
fn memory_peak_kib() -> i64 {
    // SAFETY: plain integers, for which zero is valid.
    let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: `usage` is a local that lives through the call.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    usage.ru_maxrss
}
