//! Detects the hierarchies and the location of our groups in them: v1, v2, hybrid, container, delegated.
//!
//! | user and environment | parent of the instances |
//! |---|---|
//! | root, v1 | `<mount>/python-sandbox` |
//! | root, v2 | `<mount>/python-sandbox` |
//! | root, v2, own group delegated by systemd: a unit or scope with `Delegate=yes` | `<own group>/python-sandbox` |
//! | root in a container without systemd, v2, whichever cgroup namespace it has | `<own group>/python-sandbox` |
//! | unprivileged user, v1 | `<mount>/python-sandbox-u<uid>`, created by root |
//! | unprivileged user, v2 | `<own group>/python-sandbox`, own group delegated by systemd |
//! | explicit setting | `<mount>/<setting>` |
//!
//! The locations are fixed, so that the next start finds what the last one left. On v2 an unprivileged user
//! can only use groups below its own: to move a process, the kernel requires write access to `cgroup.procs`
//! of the nearest common ancestor of both groups (cgroup-v2.rst, "Delegation Containment"). Root uses its own
//! group where it may, so that the limits of the unit or container apply to all programs together. Root of a
//! user namespace other than the initial one counts as the user that it is outside.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

use crate::controller::Controller;
use crate::error::{ControllerProblem, DetectError, Reason};
use crate::layout::{Hierarchy, Layout, PARENT_NAME, SERVICE_LEAF, Version, user_parent_name};
use crate::mountinfo::{Membership, Mount, MountKind, cgroup_mounts};
use crate::v2;

/// What detection reads from the host, besides the two texts of procfs.
pub trait FsView {
    /// The effective user id of this process, as seen by the host.
    fn euid(&self) -> u32;
    /// Whether a file or directory exists.
    fn exists(&self, path: &Path) -> bool;
    /// Whether this process may write the file, or create and remove entries of the directory.
    fn writable(&self, path: &Path) -> bool;
    /// The text of a file.
    ///
    /// # Errors
    /// The kernel's error.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Whether systemd has marked the group as delegated.
    fn is_delegated(&self, group: &Path) -> bool;
    /// Whether this process has its own pid namespace, as in every container except those with `--pid=host`.
    fn in_container(&self) -> bool;
    /// Whether systemd started this process itself as a unit.
    fn is_unit(&self) -> bool;
    /// The subcommand that was run, for hints.
    fn command(&self) -> &str;
    /// The options of a container in which root can create groups, for hints.
    fn container_options(&self) -> &str;
}

/// The running host, with what only the caller knows about this process.
#[derive(Debug, Clone, Copy)]
pub struct HostView {
    /// The effective user id of this process as seen by the host: outside its user namespace.
    pub euid: u32,
    /// The subcommand that was run, for hints.
    pub command: &'static str,
    /// The options of a container in which root can create groups, for hints.
    pub container_options: &'static str,
}

/// Inode of the initial pid namespace below `/proc/<pid>/ns` (PROC_PID_INIT_INO, include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Exists while systemd is the first process (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";

/// Extended attributes with which systemd marks a group with `Delegate=yes`: the first is older and visible
/// only to root, the second came with systemd 251 (systemd.io/CGROUP_DELEGATION).
const DELEGATION_MARKS: [&str; 2] = ["trusted.delegate", "user.delegate"];

impl FsView for HostView {
    fn euid(&self) -> u32 {
        self.euid
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn writable(&self, path: &Path) -> bool {
        rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn is_delegated(&self, group: &Path) -> bool {
        DELEGATION_MARKS.iter().any(|name| {
            let mut value = [0u8; 1];
            matches!(rustix::fs::getxattr(group, *name, &mut value), Ok(1)) && value == *b"1"
        })
    }

    fn in_container(&self) -> bool {
        std::fs::metadata("/proc/self/ns/pid").is_ok_and(|file| file.ino() != INITIAL_PID_NAMESPACE)
    }

    fn is_unit(&self) -> bool {
        // systemd.exec(5), since 248. Children of the unit's process inherit it, but have another pid.
        std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == std::process::id().to_string())
    }

    fn command(&self) -> &str {
        self.command
    }

    fn container_options(&self) -> &str {
        self.container_options
    }
}

impl Layout {
    /// Detects the location on this host. `parent` is the explicit setting: a path relative to the root of
    /// each hierarchy as mounted.
    ///
    /// # Errors
    /// [`DetectError`], with every unusable controller and its fix.
    pub fn detect_host(view: &HostView, parent: Option<&str>) -> Result<Self, DetectError> {
        let own = OwnProc::read()?;
        Self::detect(&own.cgroup, &own.mountinfo, view, parent)
    }

    /// [`Self::detect_host`] on given texts and a given view of the file system.
    ///
    /// # Errors
    /// [`DetectError`], with every unusable controller and its fix.
    pub fn detect(
        proc_self_cgroup: &str,
        proc_self_mountinfo: &str,
        view: &dyn FsView,
        parent: Option<&str>,
    ) -> Result<Self, DetectError> {
        let search = Search {
            own: Membership::parse(proc_self_cgroup),
            mounts: cgroup_mounts(proc_self_mountinfo),
            view,
            parent: parent.map(checked_parent).transpose()?,
        };
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut problems = Vec::new();
        for controller in Controller::ALL {
            match search.part(controller) {
                Ok(found) => match hierarchies.iter_mut().find(|known| known.parent == found.parent) {
                    Some(known) => known.controllers.push(controller),
                    None => hierarchies.push(found),
                },
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(DetectError::Unusable { problems });
        }
        let io = search.part(Controller::Io);
        let freezer = search.place_of_freezer(hierarchies.iter().chain(&io));
        Ok(Self { hierarchies, io, freezer })
    }
}

/// The two texts of procfs used by detection.
pub(crate) struct OwnProc {
    pub(crate) cgroup: String,
    pub(crate) mountinfo: String,
}

impl OwnProc {
    pub(crate) fn read() -> Result<Self, DetectError> {
        let read = |path: &str| {
            std::fs::read_to_string(path).map_err(|source| DetectError::Proc { path: path.into(), source })
        };
        Ok(Self { cgroup: read("/proc/self/cgroup")?, mountinfo: read("/proc/self/mountinfo")? })
    }

    /// Whether all controllers are on v2.
    pub(crate) fn is_v2(&self) -> bool {
        let own = Membership::parse(&self.cgroup);
        own.v2().is_some() && !Controller::ALL.iter().any(|controller| own.on_v1(controller.name_on_v1()))
    }
}

/// A location, or why there is none and the fix.
type Found = Result<Hierarchy, (Reason, String)>;

struct Search<'a> {
    own: Membership,
    mounts: Vec<Mount>,
    view: &'a dyn FsView,
    parent: Option<&'a Path>,
}

impl Search<'_> {
    fn part(&self, controller: Controller) -> Result<Hierarchy, ControllerProblem> {
        let found = if self.own.on_v1(controller.name_on_v1()) {
            self.locate_v1(controller)
        } else {
            self.locate_v2(controller)
        };
        found.map_err(|(reason, fix)| ControllerProblem { controller, reason, fix })
    }

    /// Only on v1: v2 groups can be frozen without a controller. A sandbox is frozen by moving it to another
    /// group, which must not be one without its limits.
    fn place_of_freezer<'a>(
        &self,
        mut others: impl Iterator<Item = &'a Hierarchy>,
    ) -> Result<Hierarchy, ControllerProblem> {
        let controller = Controller::Freezer;
        let found = self.locate_v1(controller).and_then(|found| {
            match others.find(|other| other.parent == found.parent) {
                Some(shared) => {
                    let controller = shared.controllers.first().copied().unwrap_or(Controller::Memory);
                    Err((
                        Reason::MountedWith { controller },
                        "mount the freezer in a hierarchy of its own".to_owned(),
                    ))
                }
                None => Ok(found),
            }
        });
        found.map_err(|(reason, fix)| ControllerProblem { controller, reason, fix })
    }

    fn locate_v1(&self, controller: Controller) -> Found {
        let name = controller.name_on_v1();
        let mount = self
            .best_mount(
                |kind| matches!(kind, MountKind::V1(names) if names.iter().any(|other| other == name)),
            )
            .ok_or_else(|| (Reason::NotMounted, fix_mount_v1(name)))?;
        if mount.read_only {
            return Err((Reason::ReadOnly { mount: mount.point.clone() }, fix_read_only(&mount.point)));
        }
        let is_root = self.view.euid() == 0;
        let parent = match self.parent {
            Some(parent) => mount.point.join(parent),
            None if is_root => mount.point.join(PARENT_NAME),
            None => mount.point.join(user_parent_name(self.view.euid())),
        };
        self.check_can_make(&mount.point, &parent).map_err(|reason| (reason, self.fix_v1(is_root)))?;
        Ok(Hierarchy {
            version: Version::V1,
            controllers: vec![controller],
            top: mount.point.clone(),
            parent,
            own: None,
            parent_is_ours: is_root && self.parent.is_none(),
        })
    }

    fn locate_v2(&self, controller: Controller) -> Found {
        let mount = self
            .best_mount(|kind| *kind == MountKind::V2)
            .ok_or_else(|| (Reason::NotMounted, fix_mount_v2(controller)))?;
        if mount.read_only {
            return Err((Reason::ReadOnly { mount: mount.point.clone() }, fix_read_only(&mount.point)));
        }
        // Only the true root of the hierarchy has no type; in a cgroup namespace "/" is an ordinary group.
        let is_true_root = !self.view.exists(&mount.point.join("cgroup.type"));
        let own = self.own_dir(mount);
        let from_root = is_true_root && self.view.euid() == 0 && !self.root_stays_in(own.as_deref(), mount);
        let (top, parent) = match self.parent {
            Some(parent) => (mount.point.clone(), mount.point.join(parent)),
            None if from_root => (mount.point.clone(), mount.point.join(PARENT_NAME)),
            None => {
                let own = own.clone().ok_or_else(|| {
                    let group = self.own.v2().unwrap_or("none").to_owned();
                    (Reason::OutsideMount { group }, fix_outside())
                })?;
                let parent = own.join(PARENT_NAME);
                (own, parent)
            }
        };
        self.check_v2(controller, &top, &parent).map_err(|reason| {
            let fix = self.fix_v2(&reason, controller);
            (reason, fix)
        })?;
        // Only a group on the path to the parent hands controllers down, and the true root is exempt.
        let own = own.filter(|own| parent.starts_with(own) && !(is_true_root && *own == mount.point));
        Ok(Hierarchy {
            version: Version::V2,
            controllers: vec![controller],
            top,
            parent,
            own,
            parent_is_ours: self.parent.is_none(),
        })
    }

    /// Whether root stays below its own group although it could use the whole hierarchy: in a group delegated
    /// by systemd, and in a container that sees the host's hierarchy (`--cgroupns=host`), whose limits are on
    /// that group. A container with its own systemd is like a host: there the mark decides.
    fn root_stays_in(&self, own: Option<&Path>, mount: &Mount) -> bool {
        let is_of_container = self.view.in_container() && !self.view.exists(Path::new(SYSTEMD_RUNS));
        own.is_some_and(|own| own != mount.point && (is_of_container || self.view.is_delegated(own)))
    }

    fn check_v2(&self, controller: Controller, top: &Path, parent: &Path) -> Result<(), Reason> {
        if self.view.read(&top.join("cgroup.type")).is_ok_and(|kind| kind.trim() != "domain") {
            return Err(Reason::Threaded { dir: top.to_owned() });
        }
        let existing = self.check_can_make(top, parent)?;
        // The same files that systemd chowns for Delegate=yes (cgroup-v2.rst, "Delegation"). An explicit
        // parent may be below ancestors that belong to root and already hand the controllers down.
        let granted = if self.parent.is_some() { existing.as_path() } else { top };
        for file in ["cgroup.procs", v2::SUBTREE_CONTROL] {
            let path = granted.join(file);
            if !self.view.writable(&path) {
                return Err(Reason::NotWritable { path });
            }
        }
        // CPU time is accounted in every v2 group, with or without the cpu controller.
        if controller == Controller::Cpuacct {
            return Ok(());
        }
        let source = if self.view.writable(&top.join(v2::SUBTREE_CONTROL)) { top } else { &existing };
        let is_available = self
            .view
            .read(&source.join(v2::CONTROLLERS))
            .is_ok_and(|text| text.split_whitespace().any(|name| name == controller.name()));
        if is_available { Ok(()) } else { Err(Reason::NotAvailable { dir: source.to_owned() }) }
    }

    /// Whether `parent` exists and is writable, or can be created in its nearest existing ancestor; returns
    /// that directory. `top` is known to exist.
    fn check_can_make(&self, top: &Path, parent: &Path) -> Result<PathBuf, Reason> {
        let existing = parent
            .ancestors()
            .take_while(|dir| dir.starts_with(top))
            .find(|dir| self.view.exists(dir))
            .unwrap_or(top);
        if self.view.writable(existing) {
            return Ok(existing.to_owned());
        }
        // For an unprivileged user whose own directory is missing the error is the directory, not permissions
        // on the root's.
        if existing != parent && existing == top && self.view.euid() != 0 && !parent.ends_with(PARENT_NAME) {
            return Err(Reason::NotDelegated { dir: parent.to_owned() });
        }
        Err(Reason::NotWritable { path: existing.to_owned() })
    }

    /// The directory of our own v2 group, without the leaf into which an earlier start moved us.
    fn own_dir(&self, mount: &Mount) -> Option<PathBuf> {
        let group = Path::new(self.own.v2()?);
        // Both are as seen from our cgroup namespace; outside it they contain "..".
        if group.components().any(|part| part == Component::ParentDir) || mount.root.contains("/..") {
            return None;
        }
        let below = group.strip_prefix(&mount.root).ok()?;
        let below = if below.ends_with(SERVICE_LEAF) { below.parent().unwrap_or(below) } else { below };
        // Joining an empty path would append a slash, which compares equal but is displayed.
        Some(if below.as_os_str().is_empty() { mount.point.clone() } else { mount.point.join(below) })
    }

    /// The best of several mounts of one hierarchy: writable first, then whole.
    fn best_mount(&self, is_wanted: impl Fn(&MountKind) -> bool) -> Option<&Mount> {
        self.mounts
            .iter()
            .filter(|mount| is_wanted(&mount.kind))
            .min_by_key(|mount| (mount.read_only, mount.root != "/"))
    }

    fn fix_v1(&self, is_root: bool) -> String {
        match (self.parent, is_root) {
            (Some(_), false) => {
                "give the configured cgroup parent to this user in every v1 hierarchy: chown \
                                 the directory, its `cgroup.procs` and `tasks`"
                    .to_owned()
            }
            (None, false) => "sudo python-sandbox setup --delegate-cgroups $(id -un)".to_owned(),
            (_, true) => self.fix_for_root(),
        }
    }

    fn fix_v2(&self, reason: &Reason, controller: Controller) -> String {
        let name = controller.name();
        match reason {
            Reason::NotAvailable { .. } if self.view.euid() == 0 => format!(
                "add `{name}` to `cgroup.subtree_control` of every ancestor; for a container on the host, for a \
                 kernel without it boot one that has it (memory: not `cgroup_disable=memory`)"
            ),
            Reason::NotAvailable { .. } => format!(
                "hand `{name}` down to users: `Delegate=cpu io memory pids` in \
                 /etc/systemd/system/user@.service.d/delegate.conf, log in again, then `systemd-run --user \
                 --scope -p Delegate=yes python-sandbox {}`",
                self.view.command()
            ),
            Reason::Threaded { .. } => {
                "start the service in a group whose cgroup.type is `domain`".to_owned()
            }
            _ if self.parent.is_some() => {
                "give the configured cgroup parent to this user: chown the directory, \
                                           its `cgroup.procs` and `cgroup.subtree_control`"
                    .to_owned()
            }
            _ if self.view.euid() == 0 => self.fix_for_root(),
            _ => self.fix_for_user(),
        }
    }

    /// The fix for root without the necessary privileges: usually in a container.
    fn fix_for_root(&self) -> String {
        format!(
            "root lacks privileges here; start the container with an engine that runs as root, with `{}` \
             (docs/deployment.md)",
            self.view.container_options()
        )
    }

    /// How an unprivileged user gets a v2 group. Each fix works in the case where it is given.
    fn fix_for_user(&self) -> String {
        let (uid, command) = (self.view.euid(), self.view.command());
        if self.view.is_unit() {
            "add `Delegate=yes` to the [Service] section of this unit".to_owned()
        } else if !self.view.exists(Path::new(SYSTEMD_RUNS)) {
            "run it as root, or start it in a cgroup that was delegated to this user, see deploy/README.md"
                .to_owned()
        } else if self.view.exists(&PathBuf::from(format!("/run/user/{uid}/bus"))) {
            format!("systemd-run --user --scope -p Delegate=yes python-sandbox {command}")
        } else {
            format!(
                "this user has no running systemd instance, as after su or sudo; as root: loginctl enable-linger {uid}, \
                 then start it again"
            )
        }
    }
}

fn checked_parent(parent: &str) -> Result<&Path, DetectError> {
    let is_plain = parent.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !parent.chars().any(char::is_control);
    if is_plain { Ok(Path::new(parent)) } else { Err(DetectError::BadParent { parent: parent.to_owned() }) }
}

fn fix_mount_v1(name: &str) -> String {
    format!(
        "mkdir -p /sys/fs/cgroup/{name} && mount -t cgroup -o {name} cgroup /sys/fs/cgroup/{name}; a container gets it \
         from its engine where the host has it"
    )
}

fn fix_mount_v2(controller: Controller) -> String {
    format!(
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup, on a kernel with the `{controller}` controller that is not \
         disabled by `cgroup_disable=`"
    )
}

fn fix_read_only(mount: &Path) -> String {
    format!(
        "in a systemd unit: ProtectControlGroups=no; in a container: NATIVE_CGROUP_REMOUNT=true, see \
         docs/deployment.md; elsewhere: mount -o remount,rw {}",
        mount.display()
    )
}

fn fix_outside() -> String {
    "start the container with `--cgroupns=private`, or mount cgroup2 inside the container's own cgroup namespace"
        .to_owned()
}
