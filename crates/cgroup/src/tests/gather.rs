//! Moving a sandbox's tasks into the v1 group of the freezer while they fork and end, on plain directories.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::CWD;
use rustix::io::Errno;

use super::unique;
use crate::FreezeError;
use crate::controller::Controller;
use crate::freezer::gather;
use crate::group::{Group, path_of};
use crate::layout::{Hierarchy, Version};
use crate::ops::{HostOps, Ops};
use crate::remove::Patience;

/// What happens at the moment when a task is moved.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// It has forked before; its child is where it was.
    Forked { child: i32 },
    /// It has ended, and its id is that of a process outside of the sandbox.
    Reused,
    /// It has ended.
    Ended,
}

/// The groups `sandbox` and `freezer` with their tasks, below the root of the hierarchy.
#[derive(Debug)]
struct Tasks {
    root: PathBuf,
    /// By task; each happens once.
    events: Mutex<Vec<(i32, Event)>>,
}

impl Tasks {
    fn new(tasks: &[i32], events: &[(i32, Event)]) -> Self {
        let root = std::env::temp_dir().join(unique("fake-freezer"));
        for group in ["", "sandbox", "freezer", "parent"] {
            fs::create_dir(root.join(group)).unwrap();
            fs::write(root.join(group).join("tasks"), "").unwrap();
        }
        let fake = Self { root, events: Mutex::new(events.to_vec()) };
        tasks.iter().for_each(|task| fake.add("sandbox", *task));
        fake
    }

    fn of(&self, group: &str) -> Vec<i32> {
        let text = fs::read_to_string(self.root.join(group).join("tasks")).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn put(&self, group: &str, tasks: &[i32]) {
        let text: String = tasks.iter().map(|task| format!("{task}\n")).collect();
        fs::write(self.root.join(group).join("tasks"), text).unwrap();
    }

    fn add(&self, group: &str, task: i32) {
        let mut tasks = self.of(group);
        if !tasks.contains(&task) {
            tasks.push(task);
        }
        self.put(group, &tasks);
    }

    fn drop_from(&self, group: &str, task: i32) {
        let tasks: Vec<_> = self.of(group).into_iter().filter(|other| *other != task).collect();
        self.put(group, &tasks);
    }

    fn hierarchy(&self) -> Hierarchy {
        Hierarchy {
            version: Version::V1,
            controllers: vec![Controller::Freezer],
            top: self.root.clone(),
            parent: self.root.join("parent"),
            own: None,
            parent_is_ours: true,
        }
    }

    fn gather(&self) -> Result<(), FreezeError> {
        let open = |group: &str| HostOps.open_dir(CWD, &self.root.join(group)).unwrap();
        let (sandbox, freezer) = (open("sandbox"), open("freezer"));
        let mut patience = Patience::new(Duration::from_millis(200));
        gather(
            Group { ops: self, dir: sandbox.as_fd() },
            Group { ops: self, dir: freezer.as_fd() },
            &self.hierarchy(),
            &mut patience,
        )
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.root).unwrap();
    }
}

impl Ops for Tasks {
    fn open_dir(&self, at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
        HostOps.open_dir(at, path)
    }
    fn read(&self, dir: BorrowedFd<'_>, file: &str) -> io::Result<String> {
        HostOps.read(dir, file)
    }
    /// Moves a task within the freezer's hierarchy; `sandbox` is in another one.
    fn write(&self, dir: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()> {
        assert_eq!(file, "tasks");
        let task: i32 = value.parse().unwrap();
        assert_ne!(task, 0, "that would be the caller");
        let to = if path_of(dir).ends_with("freezer") { "freezer" } else { "" };
        let mut events = self.events.lock().unwrap();
        let event = events.iter().position(|(of, _)| *of == task).map(|index| events.remove(index).1);
        match event {
            Some(Event::Forked { child }) => self.add("sandbox", child),
            Some(Event::Reused) => self.drop_from("sandbox", task),
            Some(Event::Ended) => {
                self.drop_from("sandbox", task);
                return Err(Errno::SRCH.into());
            }
            None => {}
        }
        self.drop_from(if to.is_empty() { "freezer" } else { "" }, task);
        self.add(to, task);
        Ok(())
    }
    fn make_dir(&self, _: BorrowedFd<'_>, _: &str, _: u32) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }
    fn remove_dir(&self, _: BorrowedFd<'_>, _: &str) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }
    fn child_dirs(&self, _: BorrowedFd<'_>) -> io::Result<Vec<String>> {
        Err(Errno::NOSYS.into())
    }
    fn write_then_read(&self, _: BorrowedFd<'_>, _: &str, _: &str) -> io::Result<String> {
        Err(Errno::NOSYS.into())
    }
    fn open_and_write(&self, _: BorrowedFd<'_>, _: &str, _: &str) -> io::Result<OwnedFd> {
        Err(Errno::NOSYS.into())
    }
    fn read_open(&self, _: BorrowedFd<'_>) -> io::Result<String> {
        Err(Errno::NOSYS.into())
    }
    fn open_for_write(&self, _: BorrowedFd<'_>, _: &str) -> io::Result<OwnedFd> {
        Err(Errno::NOSYS.into())
    }
    fn try_lock(&self, _: BorrowedFd<'_>) -> io::Result<bool> {
        Err(Errno::NOSYS.into())
    }
    fn pidfd(&self, _: i32) -> io::Result<Option<OwnedFd>> {
        Err(Errno::NOSYS.into())
    }
    fn kill(&self, _: BorrowedFd<'_>) -> io::Result<()> {
        Err(Errno::NOSYS.into())
    }
}

#[test]
fn a_child_that_is_born_while_its_parent_is_moved_is_moved_too() {
    let births = [(7, Event::Forked { child: 9 }), (9, Event::Forked { child: 10 })];
    let tasks = Tasks::new(&[7, 8], &births);
    tasks.gather().unwrap();
    assert_eq!((tasks.of("freezer"), tasks.of("")), (vec![7, 8, 9, 10], Vec::new()));
}

#[test]
fn a_task_that_ends_is_no_error_and_a_process_that_got_its_id_is_let_go() {
    let tasks = Tasks::new(&[7, 8, 9], &[(7, Event::Ended), (8, Event::Reused)]);
    tasks.gather().unwrap();
    assert_eq!((tasks.of("freezer"), tasks.of("")), (vec![9], vec![8]));
}

#[test]
fn a_task_of_an_outer_pid_namespace_is_an_error() {
    let tasks = Tasks::new(&[7, 0], &[]);
    assert!(matches!(tasks.gather(), Err(FreezeError::TooSlow { .. })));
    assert!(tasks.of("freezer").is_empty());
}

#[test]
fn a_process_that_got_an_id_is_let_go_although_gathering_fails() {
    let births = (9..5_000).map(|task| (task, Event::Forked { child: task + 1 }));
    let events: Vec<_> = [(7, Event::Reused)].into_iter().chain(births).collect();
    let tasks = Tasks::new(&[7, 9], &events);
    assert!(matches!(tasks.gather(), Err(FreezeError::TooSlow { .. })));
    assert_eq!((tasks.of("").contains(&7), tasks.of("freezer").contains(&7)), (true, false));
}

#[test]
fn a_sandbox_that_forks_without_end_is_given_up() {
    let births: Vec<_> = (7..5_000).map(|task| (task, Event::Forked { child: task + 1 })).collect();
    let tasks = Tasks::new(&[7], &births);
    assert!(matches!(tasks.gather(), Err(FreezeError::TooSlow { .. })));
}
