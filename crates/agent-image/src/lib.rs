//! The guest agent, the launcher and the templates' shared object, as bytes.
//!
//! The agent must run where nothing else is: in an empty root, in any container, as first process of a
//! microVM. So it is built as a static executable (see `build.rs`) and embedded in the service's binary.

/// A static executable for the machine that this crate was built for.
pub const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox-agent"));

/// The native executor's launcher, also a static executable; see `crates/launcher`.
pub const LAUNCHER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox-launcher"));

/// A shared object for interpreters of this architecture with a GNU C library; see `crates/template`.
pub const TEMPLATE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libsandbox_template.so"));

#[cfg(test)]
mod tests {
    #[test]
    fn the_agent_is_a_static_executable() {
        for (name, bytes) in [("agent", super::AGENT), ("launcher", super::LAUNCHER)] {
            assert_eq!(&bytes[..4], b"\x7fELF", "{name}");
            let interpreter = b"/ld-linux";
            let dynamic = bytes.windows(interpreter.len()).any(|window| window == interpreter);
            assert!(!dynamic, "the {name} asks for a dynamic loader");
        }
    }
}
