//! Random bytes from the operating system.

use std::io;

/// `N` random bytes, suitable for keys and for unguessable names.
///
/// # Errors
/// The operating system's; Linux provides them from its first second on.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_alike() {
        let bytes = || random_bytes::<16>().expect("the system has some");
        assert_ne!(bytes(), bytes());
    }
}
