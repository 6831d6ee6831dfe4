//! The steps of a put that can fail, by name: errors name the step, and tests make each of them fail.

use std::io;

use rustix::io::Errno;

use crate::store::PutError;

/// One step of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    LookForRoom,
    OpenShard,
    Lock,
    CreateTemp,
    Write,
    Sync,
    Stamp,
    Count,
    Publish,
    SyncDirectory,
    Remove,
}

impl Step {
    /// As in "failed to ...".
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LookForRoom => "look for room",
            Self::OpenShard => "open the object directory",
            Self::Lock => "lock the store",
            Self::CreateTemp => "create a temporary file",
            Self::Write => "write the content",
            Self::Sync => "sync the content",
            Self::Stamp => "set the content's time",
            Self::Count => "count the content",
            Self::Publish => "move the content into place",
            Self::SyncDirectory => "sync a directory",
            Self::Remove => "remove the content",
        }
    }
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct StepError {
    pub(super) step: Step,
    pub(super) source: io::Error,
}

impl From<StepError> for PutError {
    fn from(StepError { step, source }: StepError) -> Self {
        let step = step.as_str();
        if is_full(&source) { Self::Full { step, source } } else { Self::Io { step, source } }
    }
}

/// Whether it failed for lack of space. Directories grow too, so any step may.
fn is_full(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|e| matches!(e, Errno::NOSPC | Errno::DQUOT | Errno::FBIG))
}

/// Runs steps. In tests one of them can be made to fail or to wait; otherwise it does nothing more.
#[derive(Debug, Default)]
pub(super) struct Steps {
    #[cfg(test)]
    planted: std::sync::Mutex<Option<Fault>>,
    #[cfg(test)]
    pause: std::sync::Mutex<Option<Pause>>,
}

/// A failure that a test plants.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) step: Step,
    /// How often the step may succeed first.
    pub(super) skip: usize,
    pub(super) effect: Effect,
    /// Whether the step is executed before it reports a failure (as a close or sync may).
    pub(super) after: bool,
}

/// What a planted fault does.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(super) enum Effect {
    /// The step fails.
    Fail(Errno),
    /// SIGKILL ends this process: only for a process of the test's own.
    Kill,
}

#[cfg(test)]
impl Effect {
    fn error(self) -> io::Error {
        match self {
            Self::Fail(errno) => errno.into(),
            Self::Kill => {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
                unreachable!("SIGKILL cannot be caught")
            }
        }
    }
}

/// A pause that a test inserts before a step: `reached` says that the step is next, `go_on` lets it run.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Pause {
    pub(super) step: Step,
    pub(super) reached: std::sync::mpsc::Sender<()>,
    pub(super) go_on: std::sync::mpsc::Receiver<()>,
}

impl Steps {
    /// Runs `op` as `step`.
    pub(super) fn run<T>(&self, step: Step, op: impl FnOnce() -> io::Result<T>) -> Result<T, StepError> {
        let result = self.faulty(step, op);
        result.map_err(|source| StepError { step, source })
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests' version reads the planted fault")]
    fn faulty<T>(&self, _step: Step, op: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        op()
    }

    #[cfg(test)]
    fn faulty<T>(&self, step: Step, op: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let pause = self.pause.lock().unwrap().take_if(|pause| pause.step == step);
        if let Some(pause) = pause {
            pause.reached.send(()).unwrap();
            pause.go_on.recv().unwrap();
        }
        match self.take(step) {
            None => op(),
            Some(fault) if fault.after => op().and_then(|_| Err(fault.effect.error())),
            Some(fault) => Err(fault.effect.error()),
        }
    }

    #[cfg(test)]
    fn take(&self, step: Step) -> Option<Fault> {
        let mut planted = self.planted.lock().unwrap();
        match planted.as_mut() {
            Some(fault) if fault.step == step && fault.skip == 0 => planted.take(),
            Some(fault) if fault.step == step => {
                fault.skip -= 1;
                None
            }
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn plant(&self, fault: Fault) {
        *self.planted.lock().unwrap() = Some(fault);
    }

    #[cfg(test)]
    pub(super) fn pause(&self, pause: Pause) {
        *self.pause.lock().unwrap() = Some(pause);
    }

    /// Removes the planted fault; true if it was never reached.
    #[cfg(test)]
    pub(super) fn unplant(&self) -> bool {
        self.planted.lock().unwrap().take().is_some()
    }
}
