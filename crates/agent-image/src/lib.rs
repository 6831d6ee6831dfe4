//! The guest agent as bytes.
//!
//! The agent must run where nothing is: in an empty root, in any container, as first process of a microVM. So it
//! is built as a static executable (see `build.rs`) and every executor carries it in the service's own binary.

/// A static executable for the machine that this crate was built for.
pub const AGENT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sandbox-agent"));

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
