//! The sign-in of a user, with the kubectl plugin in the terminal of the demo.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use industrydata_simulator::{Behavior, Options, Simulator};
use tokio::process::Command;
use tokio::time::sleep;

use crate::cluster::{ACCOUNT, Cluster};
use crate::screen::Screen;

/// The name of the plugin.
const PLUGIN: &str = "kubectl-industrydata";

/// How often it is asked whether the plugin has a code.
const TICK: Duration = Duration::from_millis(100);

/// The tenant and the application of the samples.
const TENANT: &str = "11111111-2222-4333-8444-555555555555";
const CLIENT: &str = "66666666-7777-4888-8999-000000000000";

/// How the operator gets access to the service.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// With the client secret of the samples.
    Secret,
    /// With the sign-in of a user.
    User,
}

impl Access {
    /// The service: as documented, it lets users write and no application, which is what a client secret makes.
    pub fn options(self) -> Options {
        match self {
            Self::Secret => Options::default().with_application_writes(),
            Self::User => Options {
                behavior: Behavior {
                    device_code_interval: Duration::from_secs(1),
                    ..Behavior::default()
                },
                ..Options::default()
            },
        }
    }
}

/// Runs the plugin if this process was started under its name.
pub fn plugin() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    (Path::new(&name).file_name()? == PLUGIN).then(kubectl_industrydata::run)
}

/// Signs a user in, who opens the page of the simulator. If nobody can be there, approves the sign-in.
pub async fn sign_in(
    cluster: &Cluster,
    simulator: &Simulator,
    screen: &Screen,
    once: bool,
) -> anyhow::Result<()> {
    let authority = simulator.authority_endpoint();
    let namespace = cluster.namespace;
    let flags = [
        ["--tenant", TENANT],
        ["--client-id", CLIENT],
        ["--operator-namespace", namespace],
        ["--operator-service-account", ACCOUNT],
        ["--authority-endpoint", &authority],
        ["--namespace", namespace],
    ];
    let lines: Vec<String> = flags.iter().map(|pair| pair.join(" ")).collect();
    screen.say(format_args!(
        "Now a user signs in:\n\n  kubectl industrydata login --connection contoso --create-connection --create-role \
         \\\n    {}\n",
        lines.join(" \\\n    ")
    ));
    let own = std::env::current_exe().context("failed to find the program of the demo")?;
    let mut command = std::process::Command::new(own);
    command
        .arg0(PLUGIN)
        .args(["login", "--connection", "contoso"])
        .args(["--create-connection", "--create-role"])
        .args(flags.as_flattened())
        .env("KUBECONFIG", cluster.kubeconfig());
    let mut command = Command::from(command);
    let running = command.kill_on_drop(true).status();
    tokio::pin!(running);
    let is_alone = once && !io::stderr().is_terminal();
    let ended = tokio::select! {
        ended = &mut running => ended,
        approved = approve(simulator, screen), if is_alone => {
            approved?;
            running.await
        }
    };
    let ended = ended.context("failed to run the kubectl plugin")?;
    ensure!(ended.success(), "the sign-in ended with {ended}");
    screen.say("");
    Ok(())
}

/// Does what the user would do in a browser.
async fn approve(simulator: &Simulator, screen: &Screen) -> anyhow::Result<()> {
    loop {
        if let Some(code) = simulator.device_codes().pop() {
            let code = code.user_code;
            screen.log(format_args!("no terminal: the demo approves {code} itself"));
            return Ok(simulator.approve_device_code(&code)?);
        }
        sleep(TICK).await;
    }
}
