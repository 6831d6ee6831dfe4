//! One container from our side: made, attached, started, and removed whatever happens.

use crate::engine::{Engine, EngineError};
use crate::owner::Owner;
use crate::wire::Wire;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptionsBuilder, StartContainerOptions,
};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Tries to remove a container, and the pause between two: an engine that starts again needs a moment.
const REMOVE_TRIES: u32 = 5;
const REMOVE_PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for the engine to say what became of a container: it hears of it by itself.
const NOTICE_TIME_MAX: Duration = Duration::from_secs(1);

/// A container that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Container {
    id: String,
    engine: Arc<Engine>,
    owner: Arc<Owner>,
    removals: TaskTracker,
    /// Whoever waits for all containers to be gone waits for this one too.
    token: Option<TaskTrackerToken>,
    /// When it was made, by the clock that events are looked up with.
    begun: SystemTime,
}

impl Container {
    /// Makes, attaches and starts one. What was made before a failure is gone again, also when nobody waits any more.
    pub(crate) async fn start(
        engine: Arc<Engine>,
        owner: Arc<Owner>,
        removals: TaskTracker,
        name: String,
        body: ContainerCreateBody,
    ) -> Result<(Self, Wire), EngineError> {
        // A task of its own: who stopped waiting in the middle of "make" would never learn the id, and the engine would
        // keep the container.
        let task = removals.spawn(Self::start_to_the_end(engine, owner, removals.clone(), name, body));
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only with the whole runtime.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn start_to_the_end(
        engine: Arc<Engine>,
        owner: Arc<Owner>,
        removals: TaskTracker,
        name: String,
        body: ContainerCreateBody,
    ) -> Result<(Self, Wire), EngineError> {
        use bollard::errors::Error::DockerResponseServerError;
        let client = engine.client().await?;
        let (begun, token) = (SystemTime::now(), Some(removals.token()));
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = client.create_container(Some(options), body).await.map_err(|source| {
            // An answer says that there is none. Without one the engine may make it later.
            if !matches!(source, DockerResponseServerError { .. }) {
                owner.note_lost(name);
            }
            EngineError::at("make a container")(source)
        })?;
        let container = Self { id: made.id, engine, owner, removals, token, begun };
        let options =
            AttachContainerOptionsBuilder::new().stream(true).stdin(true).stdout(true).stderr(true).build();
        let attached = client
            .attach_container(&container.id, Some(options))
            .await
            .map_err(EngineError::at("attach to a container"))?;
        let wire = Wire::new(attached);
        client
            .start_container(&container.id, None::<StartContainerOptions>)
            .await
            .map_err(EngineError::at("start a container"))?;
        Ok((container, wire))
    }

    /// Whether the engine saw this happen to it: `oom`, the kernel killed something in it for memory; `die`, it ended.
    /// Waits a moment for the news to arrive.
    pub(crate) async fn saw(&self, event: &str) -> bool {
        let look = async {
            while !self.has_event(event).await.unwrap_or(false) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(NOTICE_TIME_MAX, look).await.is_ok()
    }

    async fn has_event(&self, event: &str) -> Result<bool, EngineError> {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let filters =
            HashMap::from([("container", vec![self.id.clone()]), ("event", vec![event.to_owned()])]);
        // Past events only: an end in the past keeps the engine from waiting for more.
        let options = EventsOptionsBuilder::new()
            .since(&seconds(self.begun).saturating_sub(1).to_string())
            .until(&(seconds(SystemTime::now()) + 1).to_string())
            .filters(&filters)
            .build();
        let client = self.engine.client().await?;
        let mut events = std::pin::pin!(client.events(Some(options)));
        match events.next().await {
            Some(event) => event.map(|_| true).map_err(EngineError::at("list events")),
            None => Ok(false),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let (engine, owner) = (Arc::clone(&self.engine), Arc::clone(&self.owner));
        let (id, token) = (std::mem::take(&mut self.id), self.token.take());
        // Without a runtime the process is about to end, and the engine removes a container whose input has ended.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        self.removals.spawn_on(
            async move {
                let _token = token;
                for _ in 0..REMOVE_TRIES {
                    match engine.remove(&id).await {
                        Ok(_) => return,
                        Err(_) => tokio::time::sleep(REMOVE_PAUSE).await,
                    }
                }
                tracing::warn!(container = id, "failed to remove a container; trying again later");
                owner.note_lost(id);
            },
            &runtime,
        );
    }
}
