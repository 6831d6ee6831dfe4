//! What the native executor needs when the service runs in a container.

/// The options of `docker run` and `podman run`; docs/deployment.md has the reason for each. Much less than
/// `--privileged`, which gives every capability and the host's devices.
pub(crate) const CONTAINER_OPTIONS: &str = "--init --cap-drop ALL --cap-add SYS_ADMIN --cap-add SYS_CHROOT --cap-add SETUID --cap-add SETGID --cap-add \
     SETPCAP --cap-add CHOWN --cap-add FOWNER --cap-add DAC_OVERRIDE --cap-add KILL --security-opt no-new-privileges \
     --security-opt seccomp=unconfined --security-opt apparmor=unconfined --env NATIVE_CGROUP_REMOUNT=true";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_those_of_the_compose_file() {
        let compose = include_str!("../../../docker-compose.yml");
        let (_, native) = compose.split_once("\n  native:\n").unwrap();
        let (_, native) = native.split_once("    cap_add:\n").unwrap();
        let (rights, others) = native.split_once("    security_opt:\n").unwrap();
        let item = |line: &str| line.trim().strip_prefix("- ")?.split(' ').next().map(str::to_owned);
        let rights: Vec<_> = rights.lines().filter_map(item).collect();
        let given = CONTAINER_OPTIONS.split("--cap-add ").skip(1).filter_map(|part| part.split(' ').next());
        assert_eq!(given.collect::<Vec<_>>(), rights);
        let others: Vec<_> =
            others.lines().take_while(|line| !line.contains("volumes:")).filter_map(item).collect();
        assert_eq!(others.len(), CONTAINER_OPTIONS.matches("--security-opt").count());
        for other in others {
            let option = other.strip_suffix(":true").unwrap_or(&other).replace(':', "=");
            assert!(CONTAINER_OPTIONS.contains(&format!("--security-opt {option}")), "{option}");
        }
    }
}
