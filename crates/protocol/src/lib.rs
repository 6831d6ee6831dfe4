//! Messages between host and guest agent, and their framing. No I/O; every length is bounded before allocation.
