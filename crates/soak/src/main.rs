//! Never twice, never lost: what users do, and every kind of fault, at random and for as long as you like, against the
//! operator as a real process on a real control plane. Each panel of the dashboards has to show data meanwhile.
//!
//! ```console
//! $ cargo run --release -p industrydata-soak -- --minutes 10 --seed 7
//! ```
//!
//! Not in the mix is what the protocols assume not to happen: a reset that took effect and was answered with 429, a
//! request that the network carries out twice, a process that stands still for longer than the visibility window.

mod check;
mod chronicle;
mod deeds;
mod harm;
mod model;
mod operator;
mod picture;
mod prometheus;
mod replicas;
mod scene;
mod witness;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use industrydata_operator::settings;
use industrydata_testbed::measured;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep};

use crate::chronicle::Chronicle;
use crate::deeds::Deeds;
use crate::harm::Harm;
use crate::prometheus::Prometheus;
use crate::replicas::Replicas;
use crate::scene::Scene;
use crate::witness::Witness;

/// How long faults last before everything is looked at: some leases, and a visibility window.
const ROUND: Duration = Duration::from_mins(1);

/// The time from one thing that happens to the next.
const TICK: Duration = Duration::from_millis(60);

/// Where logs and reports are kept.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/soak");

/// Lets users and faults loose on the operator, and looks from time to time whether all is as declared.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Program {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    arguments: Arguments,
}

#[derive(Debug, clap::Args)]
struct Arguments {
    /// How many minutes of faults; the checkpoints after each minute come on top
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,

    /// Decides what happens; a new one each time by default
    #[arg(long)]
    seed: Option<u64>,

    /// How many flows are declared, rounded up to whole sets of four
    #[arg(long, default_value_t = 240)]
    flows: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The operator itself, which can be killed and frozen
    #[command(hide = true)]
    Operator(Box<settings::Arguments>),
}

fn main() -> anyhow::Result<()> {
    let program = Program::parse();
    match program.command {
        Some(Command::Operator(arguments)) => operator::run(*arguments),
        None => soak(&program.arguments),
    }
}

#[tokio::main]
async fn soak(arguments: &Arguments) -> anyhow::Result<()> {
    let minutes =
        Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes is no time")?;
    let seed = arguments.seed.unwrap_or_else(rand::random);
    std::fs::create_dir_all(DIRECTORY).context("failed to create target/soak")?;
    let scene = Scene::set_up().await?;
    let soak = Soak::new(&scene, seed, arguments.flows, minutes).await?;
    let soaked = soak.run(minutes).await;
    scene.plane.stop().await?;
    soaked
}

struct Soak<'a> {
    seed: u64,
    scene: &'a Scene,
    dice: StdRng,
    deeds: Deeds<'a>,
    harm: Harm<'a>,
    replicas: Replicas,
    witness: Witness,
    prometheus: Prometheus,
    chronicle: Chronicle,
}

impl<'a> Soak<'a> {
    async fn new(
        scene: &'a Scene,
        seed: u64,
        flows: usize,
        minutes: Duration,
    ) -> anyhow::Result<Self> {
        let log = Path::new(DIRECTORY).join(format!("{seed}-operator.log"));
        let replicas = Replicas::new(scene, log)?;
        Ok(Self {
            seed,
            scene,
            dice: StdRng::seed_from_u64(seed),
            deeds: Deeds::new(scene, flows.div_ceil(4)),
            harm: Harm::new(scene),
            prometheus: Prometheus::start(scene, replicas.targets(), minutes).await?,
            replicas,
            witness: Witness::watch(&scene.client),
            chronicle: Chronicle::new(),
        })
    }

    async fn run(mut self, minutes: Duration) -> anyhow::Result<()> {
        let seed = self.seed;
        self.chronicle
            .say(format_args!("soak of {minutes:?} with --seed {seed}"));
        let soaked = match self.rounds(minutes).await {
            Ok(()) => self.monitored().await,
            breach => breach,
        };
        let figures = self.chronicle.figures(self.scene);
        if let Err(breach) = &soaked {
            let path = Path::new(DIRECTORY).join(format!("{seed}.txt"));
            let report = self.chronicle.report(self.scene, breach);
            let report = format!("seed {seed}\n{figures}\n{report}");
            std::fs::write(&path, report).context("failed to write the report")?;
            let log = self.replicas.log().display();
            self.chronicle.say(format_args!(
                "seed {seed}: {figures}\n\nWhat was done, and what the service was asked for, is in {}; the operator's \
                 log in {log}",
                path.display()
            ));
            bail!("with --seed {seed}: {breach:#}");
        }
        let minutes = minutes.as_secs_f64() / 60.0;
        let figures = format!("{minutes:.1} minutes, seed {seed}, {figures}");
        Ok(measured("soak", &figures)?)
    }

    async fn rounds(&mut self, minutes: Duration) -> anyhow::Result<()> {
        self.replicas.tend().await?;
        self.harm.flaky(self.seed, 0.05);
        self.deeds.declare_all().await?;
        let mut left = minutes;
        loop {
            let round = left.min(ROUND);
            self.mix(round).await?;
            self.checkpoint().await?;
            left -= round;
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Whoever looks at the dashboards sees that a flow has failed, and so that a person is needed.
    async fn failure(&mut self) -> anyhow::Result<()> {
        let fault = self.harm.failure(&mut self.dice);
        self.chronicle.note(&fault);
        self.prometheus.shows_what_needs_a_person().await?;
        self.harm.end_all();
        check::settled(self.scene, &self.deeds, &mut self.replicas).await
    }

    /// What a user of the alerts and dashboards has seen.
    async fn monitored(&mut self) -> anyhow::Result<()> {
        for line in self.prometheus.seen().await? {
            self.chronicle.say(line);
        }
        Ok(())
    }

    /// Users and faults, for a time.
    async fn mix(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.replicas.tend().await?;
            if self.dice.random_bool(0.6)
                && let Some(deed) = self.deeds.one(&mut self.dice).await?
            {
                self.chronicle.deed(&deed);
            }
            if self.dice.random_bool(0.2) {
                let fault = self.harm.one(&mut self.dice);
                self.chronicle.note(&fault);
            }
            if self.dice.random_bool(0.008)
                && let Some(fault) = self.replicas.harm(&mut self.dice).await?
            {
                self.chronicle.process(fault);
            }
            self.harm.end_what_is_due();
            sleep(TICK).await;
        }
        Ok(())
    }

    /// All faults end. What holds then, whatever has happened before?
    async fn checkpoint(&mut self) -> anyhow::Result<()> {
        self.harm.end_all();
        self.replicas.thaw_all().await?;
        self.chronicle.note("checkpoint");
        let start = Instant::now();
        let settled = check::settled(self.scene, &self.deeds, &mut self.replicas).await;
        let took = start.elapsed();
        // What was done twice tells more than what it has led to.
        check::history(self.scene, &self.deeds, &self.witness)?;
        settled?;
        self.failure().await?;
        check::at_rest(self.scene).await?;
        check::history(self.scene, &self.deeds, &self.witness)?;
        self.replicas.check_log()?;
        self.deeds.next_round();
        self.chronicle.checkpoint(took);
        Ok(())
    }
}
