//! Fuzzes what the kernel says of cgroups: `/proc/self/cgroup` and `/proc/self/mountinfo`, separated by NUL,
//! behind a byte for who and where this process is. Users choose names of groups and mount points.

#![no_main]

use cgroup::{Controller, FsView, Layout};
use std::io;
use std::path::{Component, Path};

/// A host on which everything exists that is asked for, except as the bits say.
struct View(u8);

impl View {
    fn has(&self, bit: u8) -> bool {
        self.0 & (1 << bit) != 0
    }
}

impl FsView for View {
    fn euid(&self) -> u32 {
        if self.has(0) { 1000 } else { 0 }
    }

    fn exists(&self, path: &Path) -> bool {
        !path.ends_with("cgroup.type") || self.has(1)
    }

    fn writable(&self, _: &Path) -> bool {
        !self.has(2)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        Ok(if path.ends_with("cgroup.type") { "domain" } else { "cpu io memory pids" }.to_owned())
    }

    fn is_delegated(&self, _: &Path) -> bool {
        self.has(3)
    }

    fn in_container(&self) -> bool {
        self.has(4)
    }

    fn is_unit(&self) -> bool {
        self.has(5)
    }

    fn command(&self) -> &str {
        "serve"
    }

    fn container_options(&self) -> &str {
        ""
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((bits, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let (own, mountinfo) = text.split_once('\0').unwrap_or((&text, ""));
    let Ok(layout) = Layout::detect(own, mountinfo, &View(*bits), None) else { return };
    for controller in Controller::ALL {
        let hierarchies = layout.hierarchies().iter().filter(|hierarchy| hierarchy.has(controller));
        assert_eq!(hierarchies.count(), 1, "{controller:?} is in one hierarchy");
    }
    let is_parent = |path: &Path| path.components().any(|part| part == Component::ParentDir);
    // The kernel writes a group outside the cgroup namespace with `..`. Mount points have none, escaped or
    // not.
    let is_plain = !mountinfo.contains("..") && !mountinfo.contains('\\');
    for hierarchy in layout.hierarchies() {
        assert!(!is_plain || !is_parent(&hierarchy.parent), "{hierarchy:?}");
        assert!(
            hierarchy.parent.starts_with(&hierarchy.top) && hierarchy.parent != hierarchy.top,
            "{hierarchy:?}"
        );
        let below_top = hierarchy.parent.strip_prefix(&hierarchy.top).expect("it is below");
        assert!(below_top.components().all(|part| matches!(part, Component::Normal(_))), "{hierarchy:?}");
    }
});
