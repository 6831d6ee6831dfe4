//! The shared object that a template loads: `confine`'s hook behind a C name, and nothing else.
//!
//! It is built without the standard library, and of the C library it asks `fork`, `syscall` and a few more, the
//! newest from glibc 2.14. So it works in every runtime with glibc, whatever this was built on; in one with another C
//! library it does not load, and each program gets an interpreter of its own. `agent-image` builds it with the feature `image`; without that feature, as
//! in a build of the whole workspace, it is an ordinary library that nobody uses.

#![cfg_attr(feature = "image", no_std)]

pub use confine::hook::sandbox_template_serve;

/// A panic in a template ends it: its cells start interpreters of their own until there is another.
#[cfg(feature = "image")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    confine::exit_now(101)
}
