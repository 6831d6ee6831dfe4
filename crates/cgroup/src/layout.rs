//! The location of the groups: the result of detection, and the manager's input.

use std::path::{Path, PathBuf};

use crate::controller::Controller;
use crate::error::ControllerProblem;

/// The name of the parent of all instances.
pub(crate) const PARENT_NAME: &str = "python-sandbox";

/// The leaf for the processes of a delegated v2 group, as a group with processes may not hand controllers
/// down (cgroups(7), "no internal processes").
pub(crate) const SERVICE_LEAF: &str = "python-sandbox-service";

/// The v1 parent that root delegates to one unprivileged user.
pub(crate) fn user_parent_name(uid: u32) -> String {
    format!("{PARENT_NAME}-u{uid}")
}

/// The version of a hierarchy's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller or set of controllers.
    V1,
    /// The unified hierarchy.
    V2,
}

/// One hierarchy used for sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The version of its files.
    pub version: Version,
    /// Those of our controllers that it has.
    pub controllers: Vec<Controller>,
    /// The top of our tree: groups from here down to `parent` are created, and on v2 hand controllers down.
    pub top: PathBuf,
    /// The parent of the instances; `top` or below it.
    pub parent: PathBuf,
    /// v2 only: our own group, whose processes must move to a leaf before it can hand controllers down.
    pub own: Option<PathBuf>,
    /// Whether to remove `parent` when the last instance ends.
    pub parent_is_ours: bool,
}

impl Hierarchy {
    /// Whether this hierarchy has the controller.
    #[must_use]
    pub fn has(&self, controller: Controller) -> bool {
        self.controllers.contains(&controller)
    }

    /// The groups from `top` to `parent`, both included.
    pub(crate) fn chain(&self) -> Vec<&Path> {
        let mut chain: Vec<&Path> =
            self.parent.ancestors().take_while(|dir| dir.starts_with(&self.top)).collect();
        chain.reverse();
        chain
    }
}

/// The hierarchies with our groups; every controller of [`Controller::ALL`] is in exactly one of them, and
/// the first has memory. Created by [`Layout::detect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(crate) hierarchies: Vec<Hierarchy>,
    /// The hierarchy of [`Controller::Io`], or why it cannot be used.
    pub(crate) io: Result<Hierarchy, ControllerProblem>,
    /// The v1 hierarchy of [`Controller::Freezer`], or why it cannot be used. Where one of the hierarchies is
    /// v2 it is not needed.
    pub(crate) freezer: Result<Hierarchy, ControllerProblem>,
}

impl Layout {
    /// The hierarchies, starting with the one that carries the lock.
    #[must_use]
    pub fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }

    /// The hierarchy of one controller.
    ///
    /// # Panics
    /// Never: detection puts every controller into one hierarchy.
    #[must_use]
    pub fn of(&self, controller: Controller) -> &Hierarchy {
        self.hierarchies
            .iter()
            .find(|hierarchy| hierarchy.has(controller))
            .expect("detection puts every controller into one hierarchy")
    }
}
