//! The lists of packages for a runtime.

use std::fmt;
use std::str::FromStr;

/// One of the two lists. Each is a file `runtime/packages-NAME.in` with its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackageList {
    /// Packages that most programs need, and that are cheap.
    Minimal,
    /// All packages, with machine learning, statistics, algebra, parquet, and more.
    Full,
}

/// The cost of a set-up, measured on two cores with CPython 3.11 on x86_64; aarch64 differs by a tenth. A
/// test compares it with a real set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Wheels to download, in MB.
    pub download_mb: u64,
    /// The finished tree, in MB.
    pub disk_mb: u64,
    /// Seconds without the download.
    pub seconds: u64,
}

impl PackageList {
    /// Both, the smaller one first.
    pub const ALL: [Self; 2] = [Self::Minimal, Self::Full];
    /// Their names in settings and arguments.
    pub const NAMES: [&'static str; 2] = ["minimal", "full"];
    /// The default: the full tree is larger than 600 MB.
    pub const DEFAULT: Self = Self::Minimal;

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => Self::NAMES[0],
            Self::Full => Self::NAMES[1],
        }
    }

    /// The pinned packages, as pip reads them. Part of the binary, so a set-up needs no other file of ours.
    #[must_use]
    pub fn lock(self) -> &'static str {
        match self {
            Self::Minimal => include_str!("../../../runtime/packages-minimal.lock"),
            Self::Full => include_str!("../../../runtime/packages-full.lock"),
        }
    }

    /// The cost of a set-up with it.
    #[must_use]
    pub fn cost(self) -> Cost {
        match self {
            Self::Minimal => Cost { download_mb: 117, disk_mb: 437, seconds: 30 },
            Self::Full => Cost { download_mb: 243, disk_mb: 833, seconds: 65 },
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Minimal => Self::Full,
            Self::Full => Self::Minimal,
        }
    }
}

impl fmt::Display for PackageList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for PackageList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|list| list.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a package list, only {} are", Self::NAMES.join(" and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pins(list: PackageList) -> Vec<&'static str> {
        list.lock()
            .lines()
            .filter_map(|line| Some(line.strip_suffix(" \\")?.trim()).filter(|l| l.contains("==")))
            .collect()
    }

    #[test]
    fn the_full_list_has_all_of_the_minimal_one_in_the_same_versions() {
        let (minimal, full) = (pins(PackageList::Minimal), pins(PackageList::Full));
        assert!(minimal.len() > 20 && full.len() > minimal.len(), "{minimal:?} {full:?}");
        for pin in minimal {
            assert!(full.contains(&pin), "{pin}");
        }
    }

    #[test]
    fn pandas_stays_at_2_as_the_list_says() {
        assert!(pins(PackageList::Full).iter().any(|pin| pin.starts_with("pandas==2.")));
    }

    #[test]
    fn names_are_read_back() {
        for list in PackageList::ALL {
            assert_eq!(list.name().parse(), Ok(list));
        }
        assert!("all".parse::<PackageList>().unwrap_err().contains("minimal and full"));
    }
}
