//! `runtime.json`: the description of a finished tree, written beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::inputs::inputs_sha256;
use crate::{BUILDER_VERSION, PackageList};

/// The file's name, beside the tree.
pub(crate) const MANIFEST_NAME: &str = "runtime.json";
/// The tree's name, beside the manifest.
pub(crate) const ROOTFS_NAME: &str = "rootfs";
/// Raised when the manifest's fields change in a way that older readers would misread.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The manifest of one finished runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The version of this format.
    pub schema_version: u32,
    /// The runtime's name, also that of its directory.
    pub id: String,
    /// The [`BUILDER_VERSION`] that made the tree.
    pub builder_version: u32,
    /// The name of the list of packages. Trees from before there were two lists have none.
    #[serde(default)]
    pub packages_list: String,
    /// The digest of the list's lock and of our own texts in the tree, SHA-256 in hexadecimal.
    #[serde(default)]
    pub inputs_sha256: String,
    /// The interpreter.
    pub python: PythonVersion,
    /// The processor's architecture, as printed by `uname -m`.
    pub machine: String,
    /// The interpreter's path inside the tree.
    pub interpreter: String,
    /// The packages' directory inside the tree.
    pub site_packages: String,
    /// The environment of programs.
    pub env: BTreeMap<String, String>,
    /// The installed packages, sorted by name.
    pub packages: Vec<Package>,
    /// The sum of the sizes of all files, in bytes.
    pub size_bytes: u64,
    /// The number of files, directories and links.
    pub entries_count: u64,
    /// When the tree was finished, RFC 3339 in UTC.
    pub created_at: String,
}

/// The version of an interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PythonVersion {
    /// Always `CPython`.
    pub implementation: String,
    /// The 3 of 3.11.7.
    pub major: u8,
    /// The 11 of 3.11.7.
    pub minor: u8,
    /// The 7 of 3.11.7.
    pub micro: u8,
}

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name in the package index.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Manifest {
    /// Whether this version of the program would make the same tree from the same interpreter.
    pub(crate) fn is_current(&self) -> bool {
        self.schema_version == SCHEMA_VERSION
            && self.builder_version == BUILDER_VERSION
            && self.list().is_some_and(|list| self.inputs_sha256 == inputs_sha256(list))
    }

    /// The list of packages, if this version of the program knows it.
    pub(crate) fn list(&self) -> Option<PackageList> {
        self.packages_list.parse().ok()
    }
}

/// The packages whose metadata is in a directory, sorted by name. Directories of another form are
/// skipped.
pub(crate) fn list_packages(site_packages: &Path) -> std::io::Result<Vec<Package>> {
    let mut packages = Vec::new();
    for entry in std::fs::read_dir(site_packages)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".dist-info")) else { continue };
        if let Some((name, version)) = name.split_once('-') {
            // The directory's name has `_` for `-`; the index treats both alike and shows the latter.
            packages
                .push(Package { name: name.replace('_', "-").to_lowercase(), version: version.to_owned() });
        }
    }
    packages.sort();
    Ok(packages)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A manifest that is current.
    pub(crate) fn sample() -> Manifest {
        sample_of(PackageList::Minimal)
    }

    /// The same with one list.
    pub(crate) fn sample_of(list: PackageList) -> Manifest {
        Manifest {
            schema_version: SCHEMA_VERSION,
            id: "cpython-3.11.7-0123456789ab".into(),
            builder_version: BUILDER_VERSION,
            packages_list: list.name().into(),
            inputs_sha256: inputs_sha256(list),
            python: PythonVersion { implementation: "CPython".into(), major: 3, minor: 11, micro: 7 },
            machine: "x86_64".into(),
            interpreter: "/usr/bin/python3".into(),
            site_packages: "/usr/lib/python3.11/site-packages".into(),
            env: crate::inputs::program_env(),
            packages: vec![Package { name: "numpy".into(), version: "2.0".into() }],
            size_bytes: 1,
            entries_count: 2,
            created_at: "2026-01-01T00:00:00Z".into(),
        }
    }

    #[test]
    fn survives_a_round_trip() {
        let text = serde_json::to_string(&sample()).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), sample());
    }

    #[test]
    fn another_lock_or_builder_is_not_current() {
        assert!(PackageList::ALL.into_iter().all(|list| sample_of(list).is_current()));
        assert!(!Manifest { inputs_sha256: "0".into(), ..sample() }.is_current());
        assert!(!Manifest { packages_list: "full".into(), ..sample() }.is_current());
        assert!(!Manifest { builder_version: BUILDER_VERSION + 1, ..sample() }.is_current());
    }

    #[test]
    fn a_manifest_from_before_there_were_two_lists_is_read_and_not_current() {
        let mut old = serde_json::to_value(sample()).unwrap();
        for name in ["packages_list", "inputs_sha256"] {
            old.as_object_mut().unwrap().remove(name);
        }
        assert!(!serde_json::from_value::<Manifest>(old).unwrap().is_current());
    }

    #[test]
    fn lists_packages_by_their_metadata() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["numpy-2.4.6.dist-info", "et_xmlfile-2.0.0.dist-info", "numpy", "odd.dist-info"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let names: Vec<_> = list_packages(directory.path())
            .unwrap()
            .into_iter()
            .map(|p| format!("{} {}", p.name, p.version))
            .collect();
        assert_eq!(names, ["et-xmlfile 2.0.0", "numpy 2.4.6"]);
    }
}
