//! The shared object that a template loads: `confine`'s hook under a C name, and nothing else.
//!
//! It is built without the standard library and needs only `fork`, `syscall` and a few more functions of the
//! C library, the newest from glibc 2.14. So it works in every runtime with glibc, whatever this was built
//! on. With another C library it does not load, and each program gets a newly started interpreter.
//! `agent-image` builds it with the feature `image`; without that feature, as in a build of the whole
//! workspace, it is an ordinary library that is not used.

#![cfg_attr(feature = "image", no_std)]

pub use confine::hook::sandbox_template_serve;

/// A panic in a template ends it: until it is restarted, sandboxes start their own interpreters.
#[cfg(feature = "image")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    confine::exit_now(101)
}
