//! What the groups above ours leave us: their limits bound us as well.

use std::fs;
use std::path::Path;

use crate::controller::Controller;
use crate::instance::Instance;
use crate::layout::Version;
use crate::meminfo::host_memory_bytes;

/// Names of the limit on memory and of what is used of it.
pub(crate) fn memory_files(version: Version) -> (&'static str, &'static str) {
    match version {
        Version::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        Version::V2 => ("memory.max", "memory.current"),
    }
}

/// The limits of the groups from `parent` up to the root of the hierarchy. `max` and what v1 has for it (a number
/// beyond every machine) drop out in the minimum.
pub(crate) fn limits_above(parent: &Path, file: &str) -> Vec<u64> {
    limits_by(parent, file, number_in)
}

/// Memory in bytes that the groups of one service may still take: what the host has, or less by the limit on all of them
/// together and those of the groups above.
pub(crate) fn memory_left(instance: &Instance) -> Option<u64> {
    let place = instance.place_of(Controller::Memory);
    let hierarchy = &instance.places[place].hierarchy;
    let own = hierarchy.parent.join(&instance.name);
    let of_groups = left_by(&own, memory_files(hierarchy.version), number_in);
    of_groups.into_iter().chain(host_memory_bytes("MemAvailable")).min()
}

/// By what gives the number in a file.
fn limits_by(group: &Path, file: &str, number: impl Fn(&Path) -> Option<u64>) -> Vec<u64> {
    group.ancestors().filter_map(|group| number(&group.join(file))).collect()
}

/// What the tightest of the group and those above has left.
fn left_by(group: &Path, files: (&str, &str), number: impl Fn(&Path) -> Option<u64>) -> Option<u64> {
    let left = |group: &Path| {
        let (limit, used) = (number(&group.join(files.0))?, number(&group.join(files.1))?);
        Some(limit.saturating_sub(used))
    };
    group.ancestors().filter_map(left).min()
}

fn number_in(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(file: &Path) -> Option<u64> {
        let text = match file.to_str()? {
            "/top/a/b/max" => "99",
            "/top/a/b/current" => "9",
            "/top/a/max" => "max",
            "/top/max" => "77",
            "/top/current" => "70",
            _ => return None,
        };
        text.parse().ok()
    }

    #[test]
    fn only_numbers_are_limits() {
        assert_eq!(limits_by(Path::new("/top/a/b"), "max", number), [99, 77]);
    }

    #[test]
    fn the_tightest_group_above_counts() {
        let files = ("max", "current");
        assert_eq!(left_by(Path::new("/top/a/b"), files, number), Some(7));
        assert_eq!(left_by(Path::new("/other"), files, number), None);
    }
}
