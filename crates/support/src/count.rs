//! Numbers with what they count.

use std::fmt::Display;

/// A number and its noun, such as `1 second` or `2 seconds`. `noun` is the singular; its plural must be the same with an `s`.
#[must_use]
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        for (number, text) in
            [(0_u32, "0 files"), (1, "1 file"), (2, "2 files"), (11, "11 files"), (21, "21 files")]
        {
            assert_eq!(counted(number, "file"), text);
        }
        assert_eq!(counted(u64::MAX, "byte"), "18446744073709551615 bytes");
        assert_eq!(counted(1_usize, "CPU second"), "1 CPU second");
        for (number, text) in [(1.0, "1 second"), (1.5, "1.5 seconds"), (0.1, "0.1 seconds")] {
            assert_eq!(counted(number, "second"), text);
        }
    }
}
