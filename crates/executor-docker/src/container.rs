//! One container from the host's side: made, attached, started, and always removed.

use crate::attached_stream::AttachedStream;
use crate::container_lease::ContainerLease;
use crate::engine::Engine;
use crate::error::EngineError;
use bollard::Docker;
use bollard::models::{ContainerCreateBody, EventMessage};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptionsBuilder, StartContainerOptions,
};
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Attempts to remove a container, and the pause between them: an engine that restarts needs a moment.
const REMOVE_TRIES: u32 = 5;
const REMOVE_PAUSE: Duration = Duration::from_millis(500);
/// Timeout for the engine to report a container's end: it is notified asynchronously.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(1);

/// A container that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Container {
    id: String,
    engine: Arc<Engine>,
    owner: Arc<ContainerLease>,
    removals: TaskTracker,
    /// Held so that a wait for all containers to be gone includes this one.
    token: Option<TaskTrackerToken>,
}

impl Container {
    /// Makes, attaches and starts a container. A failure removes whatever was made before, even if the caller
    /// is gone.
    pub(crate) async fn start(
        engine: Arc<Engine>,
        owner: Arc<ContainerLease>,
        removals: TaskTracker,
        name: String,
        body: ContainerCreateBody,
    ) -> Result<(Self, AttachedStream), EngineError> {
        // In its own task: a caller that is gone in the middle of "make" would never learn the id, and the
        // engine would keep the container.
        let task = removals.spawn(Self::start_to_the_end(engine, owner, removals.clone(), name, body));
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Fails only if the runtime is gone too.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn start_to_the_end(
        engine: Arc<Engine>,
        owner: Arc<ContainerLease>,
        removals: TaskTracker,
        name: String,
        body: ContainerCreateBody,
    ) -> Result<(Self, AttachedStream), EngineError> {
        let client = engine.client().await?;
        let token = Some(removals.token());
        let id = create(&client, &owner, name, body).await?;
        let container = Self { id, engine, owner, removals, token };
        let options =
            AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true).build();
        let attached = client
            .attach_container(&container.id, Some(options))
            .await
            .map_err(EngineError::at("attach to a container"))?;
        let stream = AttachedStream::new(attached);
        client
            .start_container(&container.id, None::<StartContainerOptions>)
            .await
            .map_err(EngineError::at("start a container"))?;
        Ok((container, stream))
    }

    /// Pauses everything in it; does nothing if it is paused.
    pub(crate) async fn pause(&self) -> Result<(), EngineError> {
        let client = self.engine.client().await?;
        unless_already(client.pause_container(&self.id).await).map_err(EngineError::at("pause a container"))
    }

    /// Lets it continue; does nothing if it is not paused.
    pub(crate) async fn unpause(&self) -> Result<(), EngineError> {
        let client = self.engine.client().await?;
        unless_already(client.unpause_container(&self.id).await)
            .map_err(EngineError::at("unpause a container"))
    }

    /// How it ended, as the engine saw it; `None` if it saw no end. Waits a moment for the events to arrive:
    /// `oom` may come after the end.
    pub(crate) async fn end(&self) -> Option<End> {
        let mut events = Vec::new();
        let _ = tokio::time::timeout(NOTICE_TIME_MAX, self.watch(&mut events)).await;
        classify_end(&events)
    }

    /// Reads the past and future events of the container until one says that it ran out of memory.
    async fn watch(&self, events: &mut Vec<EventMessage>) -> Result<(), EngineError> {
        let filters = HashMap::from([
            ("container", vec![self.id.clone()]),
            ("event", ["oom", "kill", "die"].map(str::to_owned).into()),
        ]);
        // From the beginning of time: the engine's clock may differ from ours, and it keeps only a few
        // hundred events.
        let options = EventsOptionsBuilder::new().since("1").filters(&filters).build();
        let client = self.engine.client().await?;
        let mut stream = std::pin::pin!(client.events(Some(options)));
        while let Some(event) = stream.try_next().await.map_err(EngineError::at("list events"))? {
            events.push(event);
            if classify_end(events) == Some(End::OutOfMemory) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Makes a container and returns its id. One that the engine may have made without reporting it is recorded
/// as lost, even if the caller is gone.
pub(crate) async fn create(
    client: &Docker,
    owner: &ContainerLease,
    name: String,
    body: ContainerCreateBody,
) -> Result<String, EngineError> {
    use bollard::errors::Error::DockerResponseServerError;
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let lost = owner.until_gone(name);
    let made = client.create_container(Some(options), body).await;
    // An error from the engine is final; without an answer, or with one from a proxy, the engine may make it
    // later.
    if matches!(made, Ok(_) | Err(DockerResponseServerError { status_code: 400..500, .. })) {
        lost.settle();
    }
    made.map(|made| made.id).map_err(EngineError::at("make a container"))
}

/// Whether it was paused or not before is no error. Engines say so in words alone: Docker answers 409 or 500,
/// Podman 409.
fn unless_already(answer: Result<(), bollard::errors::Error>) -> Result<(), bollard::errors::Error> {
    use bollard::errors::Error::DockerResponseServerError;
    match answer {
        Err(DockerResponseServerError { message, .. })
            if message.contains("already paused") || message.contains("is not paused") =>
        {
            Ok(())
        }
        other => other,
    }
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The kernel killed something in it for lack of memory.
    OutOfMemory,
    /// Any other end.
    Other,
}

/// `oom` says that the kernel killed for lack of memory, but it may come after the end, or never: then the
/// cgroup was gone before the engine looked. So a first process that died of a SIGKILL which the engine did
/// not send counts as well.
fn classify_end(events: &[EventMessage]) -> Option<End> {
    const KILLED: &str = "137";
    let find = |action: &str| events.iter().find(|event| event.action.as_deref() == Some(action));
    let die = find("die")?;
    if find("oom").is_some() {
        return Some(End::OutOfMemory);
    }
    let attributes = die.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    let exit_code = attributes.and_then(|attributes| attributes.get("exitCode"));
    let for_memory = exit_code.is_some_and(|code| code == KILLED) && find("kill").is_none();
    Some(if for_memory { End::OutOfMemory } else { End::Other })
}

impl Drop for Container {
    fn drop(&mut self) {
        let (engine, owner) = (Arc::clone(&self.engine), Arc::clone(&self.owner));
        let (id, token) = (std::mem::take(&mut self.id), self.token.take());
        // Without a runtime the process is about to end. The engine removes a container whose input has
        // ended, but a paused one does not notice that, so the record stays for the next start.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return owner.record_lost(id) };
        let removal = Removal { owner, container: Some(id.clone()) };
        self.removals.spawn_on(
            async move {
                let _token = token;
                for _ in 0..REMOVE_TRIES {
                    match engine.remove(&id).await {
                        Ok(_) => return removal.done(),
                        Err(_) => tokio::time::sleep(REMOVE_PAUSE).await,
                    }
                }
                tracing::warn!(container = id, "failed to remove a container; trying again later");
            },
            &runtime,
        );
    }
}

/// A container that is being removed. It is recorded as lost if this is dropped before, as when the runtime
/// ends.
#[derive(Debug)]
struct Removal {
    owner: Arc<ContainerLease>,
    container: Option<String>,
}

impl Removal {
    fn done(mut self) {
        self.container = None;
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            self.owner.record_lost(container);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::errors::Error::DockerResponseServerError;
    use bollard::models::EventActor;

    /// As Docker 20.10 and Podman 4 word it.
    #[test]
    fn a_container_that_is_as_it_should_be_is_no_error() {
        let says = |status_code, message: &str| {
            unless_already(Err(DockerResponseServerError { status_code, message: message.to_owned() }))
        };
        assert!(says(409, "Container 9c73 is already paused").is_ok());
        assert!(says(500, "Container 9c73 is not paused").is_ok());
        assert!(says(409, "\"9c73\" is not paused, can't unpause: container state improper").is_ok());
        assert!(says(409, "Container 9c73 is not running").is_err());
        assert!(says(404, "No such container: 9c73").is_err());
    }

    fn event(action: &str, exit_code: Option<&str>) -> EventMessage {
        let attributes = exit_code.map(|code| HashMap::from([("exitCode".to_owned(), code.to_owned())]));
        let actor = Some(EventActor { attributes, ..EventActor::default() });
        EventMessage { action: Some(action.to_owned()), actor, ..EventMessage::default() }
    }

    #[test]
    fn memory_is_the_cause_when_the_engine_says_so_or_nobody_else_can_have_killed_it() {
        let (oom, kill) = (event("oom", None), event("kill", None));
        let killed = event("die", Some("137"));
        assert_eq!(classify_end(&[]), None);
        assert_eq!(classify_end(std::slice::from_ref(&kill)), None, "it has not ended yet");
        assert_eq!(classify_end(std::slice::from_ref(&oom)), None, "it goes on without what was killed");
        assert_eq!(classify_end(&[oom, event("die", Some("1"))]), Some(End::OutOfMemory));
        assert_eq!(classify_end(std::slice::from_ref(&killed)), Some(End::OutOfMemory));
        assert_eq!(classify_end(&[kill, killed]), Some(End::Other));
        assert_eq!(classify_end(&[event("die", Some("2"))]), Some(End::Other));
        assert_eq!(classify_end(&[event("die", None)]), Some(End::Other));
    }
}
