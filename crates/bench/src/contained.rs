//! Services whose programs run in containers: the Docker executor, and gVisor behind the same engine.
//!
//! Each is a separate process with this executor and no fallback, so that no other executor can answer for
//! it. If an engine, image or runtime is missing, the reason is the message from the executor's own health,
//! which names the command that fixes it.

use super::case::{PANDAS, Program};
use super::client::{Address, Client};
use super::error::CaseError;
use std::time::Duration;

/// An executor whose sandboxes are containers.
#[derive(Debug)]
pub(super) struct Containers {
    /// Its provider's name.
    pub(super) provider: &'static str,
    /// Rest after a program, in which its container is removed and the next one is created, until its
    /// interpreter is idle.
    rest: Duration,
    /// The same for an interpreter that first imports packages, within a container's CPU limit.
    rest_data: Duration,
}

/// All of them. The rests are long enough: in runs on two cores no program found an empty pool after one.
pub(super) static CONTAINERS: [Containers; 2] = [
    Containers {
        provider: "docker",
        rest: Duration::from_millis(1000),
        rest_data: Duration::from_millis(3000),
    },
    Containers {
        provider: "gvisor",
        rest: Duration::from_millis(1500),
        rest_data: Duration::from_millis(5000),
    },
];

/// A service with such an executor.
#[derive(Debug)]
pub(super) struct Contained {
    /// The executor.
    pub(super) containers: &'static Containers,
    /// Its address, or what is missing.
    pub(super) service: Result<Address, String>,
}

impl Containers {
    /// Its case with rests, without the program's prefix.
    pub(super) fn case(&self) -> String {
        format!("http-{}", self.provider)
    }

    /// Its case without rests.
    pub(super) fn case_without_rests(&self) -> String {
        format!("http-{}-x1", self.provider)
    }

    /// Whether the named case uses its service.
    pub(super) fn has(&self, case: &str) -> bool {
        let case = case.strip_prefix("pandas-").unwrap_or(case);
        case == self.case() || case == self.case_without_rests()
    }

    /// The rest after one program.
    pub(super) fn rest(&self, program: &Program) -> Duration {
        if program.imports == PANDAS.imports { self.rest_data } else { self.rest }
    }

    /// Settings of its service, in addition to those of the command line.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("EXECUTOR_PROVIDER", self.provider.to_owned()), ("EXECUTOR_FALLBACK_PROVIDERS", String::new())]
    }

    /// Checks that a service runs programs in these containers.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) async fn check(&self, address: &Address) -> Result<(), String> {
        let health = health(address).await.map_err(|error| support::error_chain(&error))?;
        self.check_health(&health)
    }

    fn check_health(&self, health: &serde_json::Value) -> Result<(), String> {
        let executor = &health["executor"];
        if executor["name"] == self.provider {
            return Ok(());
        }
        let reason = &executor["providers"][self.provider]["reason"];
        Err(reason.as_str().unwrap_or("its executor gives no reason").to_owned())
    }
}

/// A service's health, also of one that runs nothing.
async fn health(address: &Address) -> Result<serde_json::Value, CaseError> {
    let answer = Client::new(address).send(&address.get("/health")).await?;
    serde_json::from_slice(&answer.body).map_err(|_| answer.unexpected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::PRINT;
    use serde_json::json;

    #[test]
    fn only_its_own_executor_will_do_and_else_its_reason_counts() {
        let docker = &CONTAINERS[0];
        let health = |name: Option<&str>, reason: Option<&str>| json!({ "executor": { "name": name, "providers": { "docker": { "reason": reason } } } });
        assert_eq!(docker.check_health(&health(Some("docker"), None)), Ok(()));
        let missing = "the engine has no image `x` (hint: build it with `python-sandbox image build`)";
        assert_eq!(docker.check_health(&health(None, Some(missing))), Err(missing.to_owned()));
        assert!(docker.check_health(&health(Some("native"), Some(missing))).is_err());
        assert!(docker.check_health(&json!({})).is_err());
    }

    #[test]
    fn a_service_is_started_for_its_own_cases_alone() {
        let [docker, gvisor] = &CONTAINERS;
        for case in ["http-docker", "http-docker-x1", "pandas-http-docker"] {
            assert!(docker.has(case) && !gvisor.has(case), "{case}");
        }
        for case in ["http", "http-x1", "docker", "docker-runsc", "pandas-docker"] {
            assert!(!docker.has(case) && !gvisor.has(case), "{case}");
        }
    }

    #[test]
    fn packages_take_longer_to_import() {
        for containers in &CONTAINERS {
            assert!(containers.rest(&PANDAS) > containers.rest(&PRINT));
        }
    }
}
