//! Limits on connections: their number, and what each may take.

use std::time::Duration;

/// Limits on connections.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Open connections. When all are taken, a new one replaces the one that has been idle longest, of the
    /// peer that holds the most.
    pub connections_max: usize,
    /// Additional connections, reserved for clients on loopback.
    pub loopback_connections_max: usize,
    /// Connections without a slot that are held for up to 4 seconds until one is free; further ones are refused.
    pub held_connections_max: usize,
    /// Timeout for a request's head to be complete, counted from the connection's first byte or the last answer: it ends
    /// slow senders and idle connections alike. The first byte has the same time.
    pub head_time_max: Duration,
    /// Maximum time of a TLS handshake, counted from the connection's start.
    pub handshake_time_max: Duration,
    /// Bytes of a request's head, at least 8 KiB; 431 over it.
    pub head_bytes_max: usize,
    /// Header fields of a request; 431 over it.
    pub header_fields_max: usize,
    /// Maximum time in which a client reads nothing of its answer.
    pub stall_time_max: Duration,
    /// After a shutdown: maximum time for open requests to end.
    pub drain_time_max: Duration,
}

impl ServerLimits {
    /// Downloads at the same time: half of the connections, so that slow ones leave room for programs.
    #[must_use]
    pub fn downloads_max(&self) -> usize {
        self.connections_max / 2
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            loopback_connections_max: 32,
            held_connections_max: 4096,
            head_time_max: Duration::from_secs(30),
            handshake_time_max: Duration::from_secs(10),
            head_bytes_max: 16 * 1024,
            header_fields_max: 64,
            stall_time_max: Duration::from_secs(30),
            drain_time_max: Duration::from_secs(10),
        }
    }
}
