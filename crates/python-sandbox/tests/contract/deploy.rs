//! The units in `deploy/systemd`: they permit what sandboxes need and set the limits that `deploy/README.md`
//! describes. Their effect on a stock host is tested elsewhere.

use std::path::Path;

/// Name and values of each directive, in order.
fn directives(unit: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd").join(unit);
    let text = std::fs::read_to_string(path).expect("it is shipped");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

const UNITS: [&str; 2] = ["python-sandbox.service", "python-sandbox-user.service"];

#[test]
fn units_leave_what_sandboxes_are_made_of() {
    for unit in UNITS {
        let all = directives(unit);
        let value = |name: &str| all.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        for never in ["ProtectControlGroups", "ProtectHostname", "PrivateUsers", "AmbientCapabilities"] {
            assert_eq!(value(never), None, "{unit}: {never}");
        }
        let namespaces: Vec<&str> = value("RestrictNamespaces").expect("set").split(' ').collect();
        for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
            assert!(namespaces.contains(&kind), "{unit}: {kind}");
        }
        let calls: Vec<&str> = value("SystemCallFilter").expect("set").split(' ').collect();
        for call in ["@system-service", "@mount", "seccomp", "landlock_restrict_self", "sethostname"] {
            assert!(calls.contains(&call), "{unit}: {call}");
        }
        assert_eq!(value("SystemCallErrorNumber"), Some("EPERM"), "{unit}: refused, not killed");
    }
}

#[test]
fn limits_of_units_bound_their_programs() {
    for unit in UNITS {
        let all = directives(unit);
        let value = |name: &str| all.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        // Without the first the others would limit only the service; with another policy one program could
        // end it.
        assert_eq!((value("Delegate"), value("OOMPolicy")), (Some("yes"), Some("continue")), "{unit}");
        assert!(value("MemoryMax").is_some() && value("TasksMax").is_some(), "{unit}");
    }
}

#[test]
fn only_roots_unit_has_capabilities_and_only_those_that_are_used() {
    let capabilities = |unit: &str| {
        let all = directives(unit);
        all.into_iter().find(|(name, _)| name == "CapabilityBoundingSet").expect("set").1
    };
    let roots = capabilities(UNITS[0]);
    assert_eq!(roots.split(' ').count(), 9, "deploy/README.md says nine: {roots}");
    assert_eq!(capabilities(UNITS[1]), "");
}
