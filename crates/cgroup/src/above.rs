//! The limits of the groups above ours, which apply to us as well, and the memory in use below them.

use std::fs;
use std::path::Path;

use crate::controller::Controller;
use crate::instance::Instance;
use crate::layout::Version;
use crate::meminfo::host_memory_bytes;

/// Names of the files with the memory limit and the memory in use.
pub(crate) fn scripted_files(version: Version) -> (&'static str, &'static str) {
    match version {
        Version::V1 => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        Version::V2 => ("memory.max", "memory.current"),
    }
}

/// The limits of the groups from `parent` up to the root of the hierarchy. `max` and its equivalent on v1 (a
/// number beyond any machine) do not affect the minimum.
pub(crate) fn limits_above(parent: &Path, file: &str) -> Vec<u64> {
    limits_by(parent, file, number_in)
}

/// Memory in bytes still available to the groups of one service: what is available on the host, or less
/// because of their total limit or the limits of the groups above.
pub(crate) fn memory_left(instance: &Instance) -> Option<u64> {
    let part = instance.part_of(Controller::Memory);
    let hierarchy = &instance.parts[part].hierarchy;
    let own = hierarchy.parent.join(&instance.name);
    let of_groups = left_by(&own, scripted_files(hierarchy.version), number_in);
    of_groups.into_iter().chain(host_memory_bytes("MemAvailable")).min()
}

/// Memory in bytes that the groups of one service use.
pub(crate) fn memory_used(instance: &Instance) -> Option<u64> {
    let part = instance.part_of(Controller::Memory);
    let hierarchy = &instance.parts[part].hierarchy;
    let (_, used) = scripted_files(hierarchy.version);
    number_in(&hierarchy.parent.join(&instance.name).join(used))
}

/// The same, with a function that returns the number in a file.
fn limits_by(group: &Path, file: &str, number: impl Fn(&Path) -> Option<u64>) -> Vec<u64> {
    group.ancestors().filter_map(|group| number(&group.join(file))).collect()
}

/// The least memory left in the group and those above.
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
