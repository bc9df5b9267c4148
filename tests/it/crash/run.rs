//! One run of a workload, with one fault.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use industrydata_simulator::{Answer, Effect, Entry, Operation, Rule};
use k8s_openapi::jiff::Timestamp;

use industrydata_testbed::Position;

use super::state::{Doubt, State};
use super::workload::Workload;
use crate::credentials;
use crate::oracle::{activity, unready};
use crate::process::{Launch, Log, Process};
use crate::role::{self, Reach};
use crate::test_env::{TestEnv, lenient, plane};
use crate::times;
use crate::times::Shorter;
use crate::waiting::PATIENCE;

/// What happens during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Nothing,
    /// The process ends at this pass of the failpoint `effect`.
    Kill(usize),
    /// The change takes effect, and its answer is lost.
    LostAnswer(Operation),
    /// The lease does not cover a change when it is asked for this time, counted from zero: before an intent is written, or
    /// between that and the request. Nothing has left then, so all has to end as without a fault.
    HeldBack(usize),
    /// The change takes effect, the process is killed, and for twice the visibility window nothing can be listed.
    KillAndNoLists(Operation),
}

/// How the operators of a run are started.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// What is broken on purpose, in the words of the variable `FAILPOINTS`.
    pub broken: &'a str,
    /// `None`: with its own times.
    pub shorter: Option<&'static Shorter>,
}

impl<'a> How<'a> {
    /// With times in which a sweep comes to an end.
    pub fn swept(broken: &'a str) -> Self {
        Self {
            broken,
            shorter: Some(&times::CRASHES),
        }
    }
}

/// How a run went.
pub struct Ended {
    pub state: State,
    /// Passes of the failpoint.
    pub passes: usize,
    /// What was changed at the service.
    pub changes: Vec<Operation>,
    /// Whether the process was killed.
    pub killed: bool,
}

pub struct Run<'a> {
    workload: Workload,
    fault: Fault,
    /// What is broken on purpose, in the words of the variable `FAILPOINTS`.
    broken: &'a str,
    env: TestEnv,
    /// Where the audit log was when the workload began.
    start: Position,
    /// Of all processes of the run.
    log: Log,
}

impl<'a> Run<'a> {
    /// Carries a workload out, and compares its end with that of `clean`, the run without a fault.
    pub async fn execute(
        workload: Workload,
        fault: Fault,
        how: How<'a>,
        clean: Option<&State>,
    ) -> Result<Ended, String> {
        let How { broken, shorter } = how;
        let env = env(shorter).await;
        let mut run = Self {
            workload,
            fault,
            broken,
            start: env.audit_position(),
            env,
            log: Log::default(),
        };
        run.prepare().await?;
        run.start = run.env.audit_position();
        let asked = run.env.simulator.journal().entries().len();
        workload.act(&run.env).await;
        let (process, killed) = run.strike(clean).await?;
        run.settle(clean).await?;
        drop(process);
        let journal = run.env.simulator.journal();
        let requests = journal.entries()[asked..].iter();
        let changing = requests.filter(|entry| is_change(entry));
        let mut changes: Vec<_> = changing.map(|entry| entry.operation).collect();
        let passes = 2 * (run.env.writes_since(run.start).len() + changes.len());
        changes.dedup();
        Ok(Ended {
            state: State::of(&run.env).await,
            passes,
            changes,
            killed,
        })
    }

    async fn prepare(&self) -> Result<(), String> {
        let before = self.workload.before();
        if before.is_empty() {
            return Ok(());
        }
        for manifest in &before {
            self.env.put(manifest).await;
        }
        let process = self.launch().start().await;
        let settled = async || unready(&self.env).await.is_empty();
        self.until("preparation", settled).await?;
        process.stop().await;
        Ok(())
    }

    /// Lets the fault happen; gives back the process that has to cope with it.
    async fn strike(&self, clean: Option<&State>) -> Result<(Process, bool), String> {
        let simulator = &self.env.simulator;
        match self.fault {
            Fault::Nothing => Ok((self.start("").await, false)),
            Fault::LostAnswer(operation) => {
                simulator.inject(Rule::new(Effect::CutAfterCommit).on(operation));
                Ok((self.start("").await, false))
            }
            Fault::Kill(pass) => self.kill_at(pass, clean).await,
            Fault::HeldBack(spared) => {
                let failpoint = format!("not-covered={spared}*off->1*return->off");
                Ok((self.start(&failpoint).await, false))
            }
            Fault::KillAndNoLists(operation) => {
                let answer_late = Effect::DelayAfter(PATIENCE);
                simulator.inject(Rule::new(answer_late).on(operation));
                let before = simulator.journal().committed(operation);
                let mut process = self.start("").await;
                let done = async || simulator.journal().committed(operation) > before;
                self.until("the change", done).await?;
                process.kill().await;
                Ok((self.start_without_lists().await?, true))
            }
        }
    }

    async fn kill_at(&self, pass: usize, clean: Option<&State>) -> Result<(Process, bool), String> {
        let spared = pass - 1;
        let mut process = self.start(&format!("effect={spared}*off->1*return")).await;
        tokio::select! {
            _ = process.end() => {}
            settled = self.settle(clean) => return settled.map(|()| (process, false)),
        }
        if !process.crashed() {
            return Err(self.violation("ended by itself"));
        }
        Ok((self.start("").await, true))
    }

    fn doubt(&self) -> Doubt {
        match self.fault {
            Fault::Kill(_) | Fault::LostAnswer(_) | Fault::KillAndNoLists(_)
                if self.workload == Workload::ResetFlow =>
            {
                Doubt::MayRemain
            }
            _ => Doubt::RuledOut,
        }
    }

    async fn start_without_lists(&self) -> Result<Process, String> {
        let simulator = &self.env.simulator;
        let last = simulator.journal().entries().len();
        for operation in [Operation::ListSets, Operation::ListFlows] {
            // A 503 would close the request budget too, and thus hide that a create was wrongly decided.
            let refuse = Effect::Refuse(Answer::new(500));
            simulator.inject(Rule::new(refuse).on(operation).always());
        }
        let process = self.start("").await;
        let long_enough = async || {
            let journal = simulator.journal();
            let refused = journal.entries()[last..]
                .iter()
                .filter(|entry| entry.status == Some(500));
            let times: Vec<Timestamp> = refused.map(|entry| entry.time.parse().unwrap()).collect();
            let (Some(first), Some(last)) = (times.first(), times.last()) else {
                return false;
            };
            last.duration_since(*first) > times::CRASHES.window() * 2
        };
        self.until("an outage of the lists", long_enough).await?;
        simulator.clear_rules();
        Ok(process)
    }

    /// Waits for the end of the run, checks it, and sees that it stays so over two polls in which nothing is written.
    async fn settle(&self, clean: Option<&State>) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = State::of(&self.env).await;
            if let Some(wrong) = clean.and_then(|clean| state.wrong(clean)) {
                return Err(self.violation(&wrong));
            }
            let missing = match clean {
                Some(clean) => state.difference(clean, self.doubt()),
                None => self.unsettled().await,
            };
            let missing = match missing {
                Some(missing) => missing,
                None if self.is_quiet().await? => return Ok(()),
                None => "writes go on".to_owned(),
            };
            if Instant::now() > deadline {
                return Err(self.violation(&missing));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn unsettled(&self) -> Option<String> {
        let begun = !self.env.writes_since(self.start).is_empty();
        let left = unready(&self.env).await;
        (!begun || !left.is_empty()).then(|| format!("not settled: {left:?}"))
    }

    /// Whether two polls pass in which nothing is written.
    async fn is_quiet(&self) -> Result<bool, String> {
        let writes = activity(&self.env).await;
        let writes = writes.map_err(|error| self.violation(&error))?;
        Ok(writes.is_empty())
    }

    async fn start(&self, failpoints: &str) -> Process {
        let failpoints = format!("{};{failpoints}", self.broken);
        self.launch().failpoints(&failpoints).start().await
    }

    fn launch(&self) -> Launch {
        Launch::on(&self.env).log(&self.log)
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) -> Result<(), String> {
        let waited = self.env.eventually(what, holds).await;
        waited.map_err(|error| self.violation(&error))
    }

    fn violation(&self, what: &str) -> String {
        let (workload, fault, place) = (self.workload, self.fault, &self.env.namespace);
        let log = self.log.lock().unwrap();
        // Lists go on as long as the process lives, and would hide all else.
        let telling = log.lines().filter(|line| !line.contains("\"List"));
        let mut tail: Vec<&str> = telling.rev().take(40).collect();
        tail.reverse();
        format!(
            "{workload:?} with {fault:?} in {place}: {what}\n{}",
            tail.join("\n")
        )
    }
}

fn is_change(entry: &Entry) -> bool {
    entry.is_from_client() && entry.operation.is_write()
}

/// A namespace and a service of its own. The service does not help: it would take a second flow of a type.
async fn env(shorter: Option<&'static Shorter>) -> TestEnv {
    static ENVS: AtomicU32 = AtomicU32::new(0);
    let number = ENVS.fetch_add(1, Ordering::Relaxed);
    let options = lenient(Duration::from_millis(500));
    let (plane, name) = (plane().await, format!("crash-{number}"));
    let account = plane.service_account(&name, role::ACCOUNT).await.unwrap();
    // With the permission to write refresh tokens back.
    let roles = role::rendered_with(&plane, &name, credentials::GRANTS).await;
    role::grant(&plane, &account, &roles).await;
    let env = TestEnv::of(plane, &name, options, account, Reach::OneNamespace).await;
    match shorter {
        Some(shorter) => env.shortened(shorter),
        None => env,
    }
}
