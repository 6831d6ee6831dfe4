//! What happens to containers when the service or the engine ends, and what the executor reports.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic where it stands")]

mod support;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use executor::scripted::{Script, ScriptedExecutor};
use executor::{Chain, ChainError, Control, ExecRequest, ExecResult, Executor, Freshness, Hints, PoolSize};
use executor_docker::{DockerConfig, DockerExecutor, Flavour};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// One after the other: they use the same engine.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn engine() -> Docker {
    let host = support::host().unwrap();
    let client = Docker::connect_with_unix(&host, 30, API_DEFAULT_VERSION).unwrap();
    client.negotiate_version().await.unwrap()
}

async fn exists(engine: &Docker, id: &str) -> bool {
    engine.inspect_container(id, None::<InspectContainerOptions>).await.is_ok()
}

/// Waits until it is gone.
async fn gone(engine: &Docker, id: &str) {
    let begun = Instant::now();
    while exists(engine, id).await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{id} is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A container that runs and is idle, with these labels.
async fn container(engine: &Docker, labels: &[(&str, &str)]) -> String {
    let labels: HashMap<_, _> =
        labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let body = ContainerCreateBody {
        image: Some(support::IMAGE.to_owned()),
        entrypoint: Some(vec!["/usr/bin/python3".to_owned()]),
        cmd: Some(["-c", "import time; time.sleep(600)"].map(str::to_owned).into()),
        labels: Some(labels),
        host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let made = engine.create_container(None::<CreateContainerOptions>, body).await.unwrap();
    engine.start_container(&made.id, None::<StartContainerOptions>).await.unwrap();
    made.id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_removes_what_a_killed_service_left_and_nothing_else() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().unwrap();
    let Some(living) = support::executor(Flavour::Docker, state.path()).await else { return };
    let engine = engine().await;
    // As a killed service leaves them: its file without its lock, its containers running.
    std::fs::write(state.path().join("killed"), "").unwrap();
    let left = container(&engine, &[("python-sandbox.owner", "killed")]).await;
    let others = [
        container(&engine, &[("python-sandbox.owner", "of-another-data-directory")]).await,
        container(&engine, &[("somebody", "else")]).await,
        container(&engine, &[]).await,
    ];
    let next = support::executor(Flavour::Docker, state.path()).await.unwrap();
    assert!(!exists(&engine, &left).await, "the leftover is gone");
    for other in &others {
        assert!(exists(&engine, other).await, "another's container was removed");
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        engine.remove_container(other, Some(options)).await.unwrap();
    }
    // The engine was still making this one when the next service came.
    let late = container(&engine, &[("python-sandbox.owner", "killed")]).await;
    gone(&engine, &late).await;
    assert_eq!(support::run(&living, "print(1)").await.stdout.text, "1\n", "a running service keeps its own");
    living.shut_down().await;
    next.shut_down().await;
}

/// A frozen sandbox is a paused container, which some engines do not remove like a running one.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_container_is_removed_with_its_sandbox_and_by_the_next_start() {
    let _alone = ALONE.lock().await;
    for flavour in [Flavour::Docker, Flavour::Gvisor] {
        let state = tempfile::tempdir().unwrap();
        let Some(executor) = support::executor(flavour, state.path()).await else { return };
        let engine = engine().await;
        let paused = async || {
            let filters = HashMap::from([("status", vec!["paused"])]);
            let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
            let found = engine.list_containers(Some(options)).await.unwrap();
            found.into_iter().filter_map(|container| container.id).collect::<Vec<_>>()
        };
        let mut sandbox = executor.create(&Hints::default(), Freshness::Any).await.unwrap();
        sandbox.freeze().await.unwrap();
        let ids = paused().await;
        assert_eq!(ids.len(), 1);
        drop(sandbox);
        gone(&engine, &ids[0]).await;
        executor.shut_down().await;

        std::fs::write(state.path().join("killed"), "").unwrap();
        let left = container(&engine, &[("python-sandbox.owner", "killed")]).await;
        engine.pause_container(&left).await.unwrap();
        let next = support::executor(flavour, state.path()).await.unwrap();
        assert!(!exists(&engine, &left).await, "the leftover is gone");
        next.shut_down().await;
    }
}

/// A proxy in front of an engine that the test opens and closes: closed, the engine is as good as stopped.
struct Door {
    path: PathBuf,
    guard: Option<JoinHandle<()>>,
    /// The connections that went through.
    through: Arc<Mutex<Vec<StdUnixStream>>>,
    /// The engine's answers are lost, and the connection with them.
    deaf: Arc<AtomicBool>,
}

impl Door {
    fn new(path: PathBuf) -> Self {
        Self { path, guard: None, through: Arc::default(), deaf: Arc::default() }
    }

    fn open(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let listener = UnixListener::bind(&self.path).unwrap();
        let engine = support::host().unwrap().trim_start_matches("unix://").to_owned();
        let (deaf, through) = (Arc::clone(&self.deaf), Arc::clone(&self.through));
        self.guard = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let client = client.into_std().unwrap();
                through.lock().unwrap().push(client.try_clone().unwrap());
                let client = UnixStream::from_std(client).unwrap();
                let (engine, deaf) = (engine.clone(), Arc::clone(&deaf));
                connections.spawn(async move {
                    let server = UnixStream::connect(engine).await.unwrap();
                    let (mut client_reader, mut client_writer) = client.into_split();
                    let (mut server_reader, mut server_writer) = server.into_split();
                    let requests = tokio::spawn(async move {
                        let _ = tokio::io::copy(&mut client_reader, &mut server_writer).await;
                        let _ = server_writer.shutdown().await;
                    });
                    let mut piece = vec![0; 65_536];
                    while let Ok(length @ 1..) = server_reader.read(&mut piece).await {
                        if deaf.load(Ordering::Relaxed)
                            || client_writer.write_all(&piece[..length]).await.is_err()
                        {
                            break;
                        }
                    }
                    requests.abort();
                });
            }
        }));
    }

    /// Cuts every connection at once, in both directions, and accepts no new one.
    fn close(&mut self) {
        self.guard.take().unwrap().abort();
        for connection in self.through.lock().unwrap().drain(..) {
            // Most have ended before.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// The engine of the tests behind an open proxy, and an executor's configuration that goes through it; or a
/// loud skip.
async fn behind_a_door(state: &Path) -> Option<(Door, DockerConfig)> {
    support::executor(Flavour::Docker, state).await?.shut_down().await;
    let mut door = Door::new(state.join("door.sock"));
    door.open();
    let mut config = support::config(Flavour::Docker, state);
    config.engine.host = Some(format!("unix://{}", door.path.display()));
    Some((door, config))
}

async fn run_on(chain: &Chain, code: &str) -> Result<(&'static str, ExecResult), ChainError> {
    let request = ExecRequest { code: code.into(), ..ExecRequest::default() };
    chain.answer(None, &request, &Hints::default(), &Control::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_under_load_costs_only_the_programs_inside() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().unwrap();
    let Some((mut door, config)) = behind_a_door(state.path()).await else { return };
    let docker = Arc::new(DockerExecutor::new(config).unwrap());
    assert!(docker.health().await.healthy);
    let fallback = Arc::new(ScriptedExecutor::named("memory", Script::Echo));
    let chain = Chain::new(vec![docker.clone(), fallback]);
    let watcher = tokio::spawn({
        let chain = chain.clone();
        async move { chain.watch().await }
    });
    assert_eq!(run_on(&chain, "print(1)").await.unwrap().0, "docker");

    let running = tokio::spawn({
        let chain = chain.clone();
        async move { run_on(&chain, "import time\ntime.sleep(8)").await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let load = tokio::spawn({
        let chain = chain.clone();
        async move {
            let (end, mut names) = (Instant::now() + Duration::from_secs(4), Vec::new());
            while Instant::now() < end {
                names.push(run_on(&chain, "print(2)").await.map(|(name, _)| name));
            }
            names
        }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    door.close();
    let cut = running.await.unwrap();
    assert!(matches!(&cut, Err(ChainError::Failed(error)) if error.program_may_have_run), "{cut:?}");
    let names = load.await.unwrap();
    // At most the one program of this client that was in a container at that moment.
    let lost = names.iter().filter(|name| name.is_err()).count();
    assert!(lost <= 1, "{names:?}");
    assert!(names.iter().any(|name| matches!(name, Ok("docker"))), "docker took programs before");
    assert!(names.iter().any(|name| matches!(name, Ok("memory"))), "the fallback took over");
    // How soon an engine is marked down is tested with a stopped clock, in the engine's and the chain's own
    // tests.
    assert_eq!(run_on(&chain, "print(3)").await.unwrap().0, "memory");

    door.open();
    let begun = Instant::now();
    while run_on(&chain, "print(4)").await.unwrap().0 != "docker" {
        assert!(begun.elapsed() < Duration::from_secs(30), "docker is not used again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    watcher.abort();
    docker.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_making_was_never_answered_is_removed() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().unwrap();
    let Some((door, mut config)) = behind_a_door(state.path()).await else { return };
    config.pool = PoolSize { min: 0, max: 0 };
    let executor = DockerExecutor::new(config).unwrap();
    assert!(executor.health().await.healthy);
    let engine = engine().await;
    let ours = async || {
        let filters = HashMap::from([("label", vec!["python-sandbox.owner"])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        engine.list_containers(Some(options)).await.unwrap()
    };
    // The sandbox that proved the engine is being removed.
    for container in ours().await {
        gone(&engine, &container.id.unwrap()).await;
    }
    door.deaf.store(true, Ordering::Relaxed);
    assert!(executor.create(&executor::Hints::default(), Freshness::Any).await.is_err());
    let lost = ours().await.pop().expect("the engine made it all the same").id.unwrap();
    door.deaf.store(false, Ordering::Relaxed);
    gone(&engine, &lost).await;
    executor.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_names_what_is_missing_and_what_fixes_it() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().unwrap();
    let Some(executor) = support::executor(Flavour::Docker, state.path()).await else { return };
    let health = executor.health().await;
    assert!(health.healthy && health.protections.len() > 8, "{health:?}");
    executor.shut_down().await;
    assert!(!executor.health().await.healthy);
    let mut no_image = support::config(Flavour::Docker, state.path());
    no_image.image = "python-sandbox-test-none:latest".to_owned();
    let mut no_runtime = support::config(Flavour::Kata, state.path());
    no_runtime.runtime = Some("kata-that-is-not-there".to_owned());
    // The host's kernel answers where a virtual machine is required: the proof from inside detects it.
    let mut not_kata = support::config(Flavour::Kata, state.path());
    not_kata.runtime = Some("runc".to_owned());
    for (config, words) in [
        (no_image, ["python-sandbox-test-none", "python-sandbox image build"]),
        (no_runtime, ["kata-that-is-not-there", "daemon.json"]),
        (not_kata, ["kernel inside a sandbox", "kata"]),
    ] {
        let executor = DockerExecutor::new(config).unwrap();
        let health = executor.health().await;
        let reason = health.reason.unwrap();
        assert!(!health.healthy && words.iter().all(|word| reason.contains(word)), "{reason}");
        assert!(
            executor.create(&executor::Hints::default(), Freshness::Any).await.is_err(),
            "nothing runs there"
        );
        executor.shut_down().await;
    }
}

/// An image as a Dockerfile makes it, without the label of the agent's digest, with these bytes as its agent.
async fn image_without_digest(engine: &Docker, name: &str, agent: &[u8]) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(agent.len() as u64);
    header.set_mode(0o555);
    archive.append_data(&mut header, "usr/libexec/python-sandbox/agent", agent).unwrap();
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(name)
        .tag("latest")
        .changes(vec!["LABEL python-sandbox.interpreter=/no/python".to_owned()])
        .build();
    let body = bollard::body_full(archive.into_inner().unwrap().into());
    let mut answers = std::pin::pin!(engine.create_image(Some(options), Some(body), None));
    while let Some(answer) = answers.next().await {
        answer.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_digest_is_looked_into() {
    let _alone = ALONE.lock().await;
    let state = tempfile::tempdir().unwrap();
    if support::host().is_none() {
        return testkit::skip("DOCKER_HOST names no engine for the tests");
    }
    let engine = engine().await;
    for (name, agent, words) in [
        // The right agent is trusted and started; what it lacks here is an interpreter.
        ("python-sandbox-test-right", agent_image::AGENT, "execute the interpreter"),
        ("python-sandbox-test-old", &agent_image::AGENT[1..], "another version"),
        ("python-sandbox-test-long", &[agent_image::AGENT; 2].concat(), "another version"),
    ] {
        image_without_digest(&engine, name, agent).await;
        let config = DockerConfig {
            image: format!("{name}:latest"),
            ..support::config(Flavour::Docker, &state.path().join(name))
        };
        let executor = DockerExecutor::new(config).unwrap();
        let reason = executor.health().await.reason.unwrap();
        assert!(reason.contains(words), "{name}: {reason}");
        executor.shut_down().await;
    }
    let filters = HashMap::from([("label", vec!["python-sandbox.executor"])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let left = engine.list_containers(Some(options)).await.unwrap();
    assert!(
        left.iter().all(|one| one.image.as_deref().is_none_or(|image| !image.contains("-test-"))),
        "{left:?}"
    );
}
