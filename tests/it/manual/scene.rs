//! Where a page is tried: a shell in a directory like a clone of the repository.

use std::path::Path;

use industrydata_testbed::ControlPlane;

use super::page::{Fence, Page};
use crate::shell::Shell;

/// A reader of the manual at work.
pub struct Scene {
    shell: Shell,
}

impl Scene {
    /// A reader whose kubeconfig leads to `namespace`.
    pub fn new(plane: &ControlPlane, namespace: &str) -> Self {
        let shell = Shell::new(plane, namespace);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["charts", "crds", "deploy", "docs"] {
            let link = shell.directory().join(folder);
            std::os::unix::fs::symlink(root.join(folder), link).unwrap();
        }
        // A file that a reader has: nothing here looks into it.
        std::fs::write(shell.directory().join("authority.pem"), "").unwrap();
        Self { shell }
    }

    /// Does what the page says, and stops where that fails.
    pub async fn follow(&self, page: &Page) {
        let name = page.path.display();
        for fence in page.to_run() {
            if let Err(error) = self.do_one(fence).await {
                panic!("{name} does not hold: {error}");
            }
        }
    }

    async fn do_one(&self, fence: &Fence) -> Result<(), String> {
        match (fence.language.as_str(), fence.file()) {
            ("yaml", Some(file)) => {
                let written = std::fs::write(self.shell.directory().join(file), &fence.text);
                written.map_err(|error| format!("{file} cannot be written: {error}"))
            }
            ("yaml", None) => self
                .shell
                .run("kubectl apply -f -", &fence.text)
                .await
                .map(drop),
            _ => {
                for command in fence.commands() {
                    let output = self.shell.run(&command.script, "").await?;
                    if !command.is_answered_by(&output) {
                        let expected = command.answer.join("\n");
                        return Err(format!(
                            "`{}` answered\n{output}\ninstead of\n{expected}",
                            command.script
                        ));
                    }
                }
                Ok(())
            }
        }
    }
}
