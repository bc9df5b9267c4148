//! A shell as people have it: with `kubectl` and `helm`, and with a kubeconfig that leads to a namespace.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use industrydata_testbed::ControlPlane;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::waiting::PATIENCE;

/// A directory to work in, and what is needed to work.
pub struct Shell {
    directory: TempDir,
}

impl Shell {
    pub fn new(plane: &ControlPlane, namespace: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut kubeconfig = plane.admin_kubeconfig().clone();
        for context in kubeconfig
            .contexts
            .iter_mut()
            .filter_map(|named| named.context.as_mut())
        {
            context.namespace = Some(namespace.to_owned());
        }
        let config = directory.path().join(".kubeconfig");
        std::fs::write(&config, serde_json::to_vec(&kubeconfig).unwrap()).unwrap();
        let tools = directory.path().join(".tools");
        std::fs::create_dir(&tools).unwrap();
        for (name, command) in [("kubectl", plane.kubectl()), ("helm", plane.helm())] {
            let file = tools.join(name);
            std::fs::write(&file, shim(command.as_std(), &config)).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self { directory }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a script, and gives back all that it says.
    pub async fn run(&self, script: &str, input: &str) -> Result<String, String> {
        let mut path = self.directory.path().join(".tools").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let child = tokio::process::Command::new("bash")
            .args(["-euo", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
            .current_dir(self.directory.path())
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| format!("bash cannot be run: {error}"))?;
        let mut stdin = child.stdin.take().unwrap();
        // Whoever does not read it may have closed it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output
            .map_err(|_| format!("`{script}` does not end"))?
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("`{script}` with {}:\n{text}{input}", output.status))
        }
    }
}

/// A script that is `command`, but for the kubeconfig.
fn shim(command: &std::process::Command, kubeconfig: &Path) -> String {
    let quoted = |text: &OsStr| format!("'{}'", text.to_str().unwrap());
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, quoted(value?))));
    let variables: Vec<String> = variables.collect();
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(quoted)
        .collect();
    let config = quoted(kubeconfig.as_os_str());
    format!(
        "#!/bin/sh\nexport {} KUBECONFIG={config}\nexec {} \"$@\"\n",
        variables.join(" "),
        words.join(" ")
    )
}
