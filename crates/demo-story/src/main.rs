//! Shows the operator at work: a control plane, a stand-in for Microsoft Graph, the operator, and `deploy/samples/`.
//!
//! Started by `industrydata-demo`, which builds it and the control plane at the same time.

mod arguments;
mod cluster;
mod interrupt;
mod operator;
mod screen;
mod sign_in;
mod story;
mod table;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use industrydata_simulator::Simulator;

use crate::arguments::Arguments;
use crate::cluster::Cluster;
use crate::interrupt::Interrupt;
use crate::operator::{Operator, log_to};
use crate::screen::{Screen, Steps};
use crate::sign_in::Access;
use crate::story::{SAMPLES, Story, conditions};

/// How many steps the set-up has.
const STEPS: u64 = 5;

fn main() -> ExitCode {
    if let Some(ended) = sign_in::plugin() {
        return ended;
    }
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // That nobody reads any more is nothing to fail with.
            let _ = writeln!(io::stderr(), "Error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("failed to start the runtime")?;
    let ended = runtime.block_on(demonstrate(arguments));
    // A build that was interrupted is not waited for.
    runtime.shutdown_background();
    ended
}

async fn demonstrate(arguments: Arguments) -> anyhow::Result<()> {
    let screen = Screen::new();
    let interrupt = Interrupt::listen()?;
    let log = tempfile::Builder::new()
        .prefix("industrydata-demo-")
        .suffix(".log")
        .tempfile();
    let log = log
        .context("failed to create a file for the log")?
        .into_temp_path();
    let mut steps = screen.steps(STEPS);
    steps.begin(match arguments.context {
        None => "starting a control plane",
        Some(_) => "connecting to the cluster",
    });
    let cluster = tokio::select! {
        cluster = Cluster::start(arguments.context, &screen) => cluster?,
        () = interrupt.once() => return Ok(()),
    };
    // Not before, as the operator has no part in what a control plane says while it starts.
    log_to(&log)?;
    let mut demo = Demo {
        cluster,
        operator: None,
        screen,
        log: &log,
    };
    let how = How {
        once: arguments.once,
        access: if arguments.delegated {
            Access::User
        } else {
            Access::Secret
        },
    };
    let shown = demo.show(steps, how, &interrupt).await;
    let screen = demo.screen.clone();
    let ended = tokio::select! {
        cleaned = demo.clean_up() => shown.and(cleaned),
        () = interrupt.twice() => bail!("stopped before everything was cleaned up"),
    };
    if ended.is_err() && std::fs::metadata(&log).is_ok_and(|file| file.len() > 0) {
        let path = log.keep().context("failed to keep the log")?;
        screen.say(format_args!(
            "\nThe log of the operator is in {}",
            path.display()
        ));
    }
    ended
}

/// What the demo is to show.
#[derive(Clone, Copy)]
struct How {
    once: bool,
    access: Access,
}

/// What has been started, and where it is shown.
struct Demo<'a> {
    cluster: Cluster,
    operator: Option<Operator>,
    screen: Screen,
    log: &'a Path,
}

impl Demo<'_> {
    /// Sets everything up and tells the story, until its end or Ctrl-C. If it goes wrong, says what the resources say.
    async fn show(
        &mut self,
        mut steps: Steps,
        how: How,
        interrupt: &Interrupt,
    ) -> anyhow::Result<()> {
        steps.begin("installing the definitions and the roles");
        // Not interrupted, so that it is known what has to be removed.
        self.cluster.install().await?;
        let shown = tokio::select! {
            biased;
            () = interrupt.once() => Ok(()),
            shown = self.start_and_tell(steps, how) => shown,
        };
        if shown.is_err() {
            self.explain().await;
        }
        shown
    }

    async fn start_and_tell(&mut self, mut steps: Steps, how: How) -> anyhow::Result<()> {
        steps.begin("starting the stand-in for Microsoft Graph");
        let simulator = Simulator::start(how.access.options()).await?;
        steps.begin("starting the operator");
        let config = self.cluster.operator().await?;
        let started = Operator::start(&simulator, self.cluster.namespace, config)?;
        let operator = self.operator.insert(started);
        if how.access == Access::Secret {
            steps.begin("applying deploy/samples/");
            apply(&self.cluster, SAMPLES).await?;
        }
        drop(steps);
        introduce(&self.screen, &self.cluster, &simulator, self.log);
        let failure = tokio::select! {
            told = tell(&self.cluster, &simulator, &self.screen, how) => return told,
            failure = operator.failure() => failure,
        };
        self.operator = None;
        Err(failure)
    }

    /// Says what the conditions of the resources say, and whether a program has ended.
    async fn explain(&self) {
        if let Err(error) = self.cluster.check() {
            self.screen.say(format_args!("{error:#}"));
        }
        match conditions(&self.cluster).await {
            Ok(lines) => lines.iter().for_each(|line| self.screen.say(line)),
            Err(error) => self
                .screen
                .say(format_args!("failed to read the conditions: {error:#}")),
        }
    }

    /// Stops the operator, and leaves nothing in the cluster.
    async fn clean_up(self) -> anyhow::Result<()> {
        self.screen.log("cleaning up");
        let stopped = match self.operator {
            Some(operator) => operator.stop().await,
            None => Ok(()),
        };
        let removed = self.cluster.remove().await;
        self.screen.log("done");
        stopped.and(removed)
    }
}

async fn apply(
    cluster: &Cluster,
    files: impl IntoIterator<Item = &'static str>,
) -> anyhow::Result<()> {
    for file in files {
        let path = cluster::path("deploy/samples").join(file);
        let path = path.display().to_string();
        cluster.kubectl(&["apply", "--filename", &path]).await?;
    }
    Ok(())
}

async fn tell(
    cluster: &Cluster,
    simulator: &Simulator,
    screen: &Screen,
    how: How,
) -> anyhow::Result<()> {
    if how.access == Access::User {
        sign_in::sign_in(cluster, simulator, screen, how.once).await?;
        screen.log("applying deploy/samples/, but for the connection");
        apply(cluster, SAMPLES.into_iter().skip(1)).await?;
    }
    let mut story = Story::new(cluster, simulator, screen);
    story.become_ready().await?;
    story.reset().await?;
    if how.once {
        screen.say("\nNow all samples are deleted:\n");
        story.delete().await?;
        return story.check_service(how.access);
    }
    let (before, kubectl) = cluster.instructions();
    screen.say("\nLook around from another terminal; what changes, shows here:\n");
    for line in &before {
        screen.say(format_args!("  {line}"));
    }
    for command in [
        "get industrydata",
        "get pflow -o wide",
        "describe pflow north-users",
        "get pflow north-users -o jsonpath='{.status.readinessHistory}'",
        "explain pflow.spec",
        "delete pflow north-users",
    ] {
        screen.say(format_args!("  {kubectl} {command}"));
    }
    screen.say("\nCtrl-C ends the demo.\n");
    story.watch().await
}

fn introduce(screen: &Screen, cluster: &Cluster, simulator: &Simulator, log: &Path) {
    screen.say(format_args!(
        "\ncluster          {}, namespace {}",
        cluster.url(),
        cluster.namespace
    ));
    screen.say(format_args!(
        "Microsoft Graph  {} (a simulator)",
        simulator.graph_endpoint()
    ));
    screen.say(format_args!(
        "its inside       {}/state",
        simulator.control_endpoint()
    ));
    screen.say(format_args!(
        "operator's log   {} (until the end)\n",
        log.display()
    ));
    if cluster.had_definitions() {
        screen.say(
            "The definitions were there already and stay as they are. If an operator runs here that watches all \
             namespaces,\nit takes the samples for its own: stop it, or the demo.\n",
        );
    }
}
