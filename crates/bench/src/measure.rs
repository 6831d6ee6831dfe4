//! Takes the samples: cases take turns, so that other load on the machine affects all of them alike.

use super::case::Turn;
use super::stats::Distribution;
use super::suite::Entry;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Warm-up turns of each case that are dropped: they fill the page cache and open connections.
pub(super) const WARM_UP_TURNS: usize = 2;

/// Shortest rest after each turn, for cleaning up (a sandbox is removed after its answer, and
/// the pool is refilled), which must not count in the next case's time.
pub(super) const PAUSE: Duration = Duration::from_millis(10);
/// Longest rest, unless a case requires more. A long turn has more to clean up, so the rest is a quarter of
/// the turn within these bounds.
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A part of the samples of one case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Phase {
    /// Its name.
    pub(super) name: &'static str,
    /// Its duration.
    #[serde(flatten)]
    pub(super) distribution: Distribution,
}

/// The figures of one case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Latency.
    #[serde(flatten)]
    pub(super) latency: Distribution,
    /// Samples per second of working time, without rests.
    pub(super) per_second: f64,
    /// Parts of the latency; empty if the case cannot distinguish them.
    pub(super) phases: Vec<Phase>,
}

/// The result of one case.
#[derive(Debug)]
pub(super) struct Measured {
    /// The case's name.
    pub(super) name: String,
    /// What one sample is.
    pub(super) what: String,
    /// The case that is its lower bound.
    pub(super) floor: Option<String>,
    /// Peers that do the same work: their medians are compared with its own.
    pub(super) peers: Vec<String>,
    /// Its figures, or why it has none.
    pub(super) result: Result<Figures, NoFigures>,
}

/// Why a case has no figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoFigures {
    /// A requirement is missing here.
    Skipped(String),
    /// It failed.
    Failed(String),
}

/// Takes all samples; `None` if `stop` was cancelled.
pub(super) async fn measure(entries: Vec<Entry>, stop: &CancellationToken) -> Option<Vec<Measured>> {
    let mut running: Vec<Running> = entries.into_iter().map(Running::new).collect();
    for _ in 0..WARM_UP_TURNS {
        for case in &mut running {
            case.take_turn(false, stop).await?;
        }
    }
    let rounds = running.iter().map(|case| case.entry.samples).max().unwrap_or(0);
    let mut shown_percent = 0;
    for round in 0..rounds {
        for case in &mut running {
            if is_due(case.turns.latencies.len(), case.entry.samples, round, rounds) {
                case.take_turn(true, stop).await?;
            }
        }
        let percent = (round + 1) * 100 / rounds;
        if percent >= shown_percent + 10 {
            shown_percent = percent;
            terminal::message(&format!("{percent} %"));
        }
    }
    Some(running.into_iter().map(Running::finish).collect())
}

/// Whether a case with this number of samples takes a turn in this round: spreads its samples evenly over all
/// rounds, also if it has fewer samples than there are rounds, or takes many in one turn.
fn is_due(taken: usize, wanted: usize, round: usize, rounds: usize) -> bool {
    taken < wanted && taken * rounds <= round * wanted
}

/// A running case.
struct Running {
    entry: Entry,
    turns: Turns,
    failed: Option<String>,
}

/// Its samples so far.
#[derive(Default)]
struct Turns {
    latencies: Vec<Duration>,
    phases: Vec<(&'static str, Vec<Duration>)>,
    elapsed: Duration,
}

impl Running {
    fn new(entry: Entry) -> Self {
        Self { entry, turns: Turns::default(), failed: None }
    }

    /// Takes one turn and rests; `None` if `stop` was cancelled. A failed case takes no more turns.
    async fn take_turn(&mut self, keep: bool, stop: &CancellationToken) -> Option<()> {
        if stop.is_cancelled() {
            return None;
        }
        let (Ok(case), None) = (&mut self.entry.case, &self.failed) else { return Some(()) };
        let begun = Instant::now();
        match case.turn().await {
            Ok(turn) if keep => self.turns.add(turn),
            Ok(_) => {}
            Err(error) => {
                let text = support::error_chain(&error);
                terminal::message(&format!("{} failed: {text}", self.entry.name));
                self.failed = Some(text);
            }
        }
        let rest = (begun.elapsed() / 4).clamp(PAUSE, PAUSE_MAX).max(self.entry.rest);
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = stop.cancelled() => return None,
        }
        Some(())
    }

    fn finish(self) -> Measured {
        let Entry { name, what, floor, peers, case, .. } = self.entry;
        let result = match (case, self.failed) {
            (Err(why), _) => Err(NoFigures::Skipped(why)),
            (Ok(_), Some(why)) => Err(NoFigures::Failed(why)),
            (Ok(_), None) => self.turns.figures().ok_or_else(|| NoFigures::Failed("no samples".to_owned())),
        };
        Measured { name, what, floor, peers, result }
    }
}

impl Turns {
    fn add(&mut self, turn: Turn) {
        self.elapsed += turn.elapsed;
        for sample in turn.samples {
            self.latencies.push(sample.duration);
            for (name, duration) in sample.phases {
                match self.phases.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, durations)) => durations.push(duration),
                    None => self.phases.push((name, vec![duration])),
                }
            }
        }
    }

    fn figures(self) -> Option<Figures> {
        let count = self.latencies.len() as f64;
        let phases = self.phases.into_iter().filter_map(|(name, durations)| {
            Distribution::of(durations).map(|distribution| Phase { name, distribution })
        });
        Some(Figures {
            phases: phases.collect(),
            per_second: count / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE),
            latency: Distribution::of(self.latencies)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Case, Sample};
    use crate::error::CaseError;
    use async_trait::async_trait;

    #[test]
    fn samples_are_spread_over_the_rounds() {
        let turns = |wanted, each| {
            let mut taken = 0;
            let mut due = Vec::new();
            for round in 0..200 {
                if is_due(taken, wanted, round, 200) {
                    taken += each;
                    due.push(round);
                }
            }
            (taken, due)
        };
        assert_eq!(turns(200, 1).1, (0..200).collect::<Vec<_>>());
        assert_eq!(turns(50, 1).1[..3], [0, 4, 8]);
        assert_eq!(turns(50, 1).0, 50);
        assert_eq!(turns(200, 80), (240, vec![0, 80, 160]));
    }

    struct Failing(usize);

    #[async_trait]
    impl Case for Failing {
        async fn turn(&mut self) -> Result<Turn, CaseError> {
            self.0 = self.0.checked_sub(1).ok_or(CaseError::Client)?;
            let duration = Duration::from_millis(2);
            let samples = vec![Sample { duration, phases: vec![("all", duration)] }];
            Ok(Turn { samples, elapsed: Duration::from_millis(4) })
        }
    }

    const REST: Duration = Duration::from_millis(20);

    fn entry(case: Result<Box<dyn Case>, String>) -> Entry {
        Entry {
            name: "n".into(),
            what: "w".into(),
            floor: None,
            peers: Vec::new(),
            samples: 4,
            rest: REST,
            case,
        }
    }

    #[tokio::test]
    async fn warm_up_is_dropped_and_a_failure_costs_only_its_case() {
        let entries = vec![
            entry(Ok(Box::new(Failing(WARM_UP_TURNS + 4)))),
            entry(Ok(Box::new(Failing(WARM_UP_TURNS + 1)))),
            entry(Err("not here".into())),
        ];
        let begun = Instant::now();
        let Some(measured) = measure(entries, &CancellationToken::new()).await else { panic!("not stopped") };
        // Of the two working ones: six turns and four, each with its required rest.
        assert!(begun.elapsed() >= 10 * REST, "{:?}", begun.elapsed());
        let Ok(figures) = &measured[0].result else { panic!("{:?}", measured[0]) };
        assert_eq!((figures.latency.samples, figures.phases.len()), (4, 1));
        assert!((figures.per_second - 250.0).abs() < 1e-6);
        assert!(matches!(&measured[1].result, Err(NoFigures::Failed(_))));
        assert_eq!(measured[2].result, Err(NoFigures::Skipped("not here".into())));
    }

    #[tokio::test]
    async fn a_stopped_run_has_no_figures() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(measure(vec![entry(Ok(Box::new(Failing(9))))], &stop).await.is_none());
    }
}
