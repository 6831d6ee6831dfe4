//! The shared object that a template loads: `confine`'s hook behind a C name, and nothing else.
//!
//! It is built without the standard library and linked with no C library: what it needs of one - `fork`, `syscall`
//! and a few more, as old as C libraries are - it finds in the interpreter that loads it. So it works in every
//! runtime, whatever this was built on. `agent-image` builds it with the feature `image`; without that feature, as
//! in a build of the whole workspace, it is an ordinary library that nobody uses.

#![cfg_attr(feature = "image", no_std)]

pub use confine::hook::sandbox_template_serve;

/// A panic in a template ends it: its cells start interpreters of their own until there is another.
#[cfg(feature = "image")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    confine::exit_now(101)
}
