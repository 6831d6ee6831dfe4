//! The guest agent, and what templates load, as bytes.
//!
//! The agent must run where nothing is: in an empty root, in any container, as first process of a microVM. So it
//! is built as a static executable (see `build.rs`) and every executor carries it in the service's own binary.

/// A static executable for the machine that this crate was built for.
pub const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox-agent"));

/// A shared object for interpreters of this machine's kind with a GNU C library; see `crates/template`.
pub const TEMPLATE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libsandbox_template.so"));

#[cfg(test)]
mod tests {
    #[test]
    fn the_agent_is_a_static_executable() {
        assert_eq!(&super::AGENT[..4], b"\x7fELF");
        let interpreter = b"/ld-linux";
        let dynamic = super::AGENT.windows(interpreter.len()).any(|window| window == interpreter);
        assert!(!dynamic, "the agent asks for a dynamic loader");
    }
}
