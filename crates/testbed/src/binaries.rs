//! Which executable stands for which program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, ProgramName};

/// The executables of a control plane and its tools.
#[derive(Debug, Clone)]
pub(crate) enum Binaries {
    /// One executable that holds all programs and takes the name of one as its first argument.
    One(PathBuf),
    /// A directory with an executable for each; `PATH` for those that it lacks.
    Directory(PathBuf),
    /// Whatever `PATH` has.
    Path,
}

impl Binaries {
    /// The programs of a directory, which has to have what a control plane cannot do without.
    pub(crate) fn in_directory(directory: PathBuf) -> Result<Self, Error> {
        for program in [ProgramName::Etcd, ProgramName::KubeApiServer] {
            if !directory.join(program.as_str()).is_file() {
                return Err(Error::AssetMissing { program, directory });
            }
        }
        // The programs run in a directory of their own, where a relative path would lead elsewhere.
        let directory = std::path::absolute(&directory).map_err(Error::file("find", &directory))?;
        Ok(Self::Directory(directory))
    }

    /// Whether a program can be started.
    pub(crate) fn has(&self, program: ProgramName) -> bool {
        match self {
            Self::One(_) => true,
            Self::Directory(directory) => directory.join(program.as_str()).is_file(),
            Self::Path => false,
        }
    }

    /// A command for a program or tool, still without arguments.
    pub(crate) fn command(&self, name: &str) -> Command {
        match self {
            Self::One(binary) => {
                let mut command = Command::new(binary);
                command.arg(name);
                command
            }
            Self::Directory(directory) => {
                Command::new(found(&directory.join(name)).unwrap_or(Path::new(name)))
            }
            Self::Path => Command::new(name),
        }
    }
}

fn found(path: &Path) -> Option<&Path> {
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_database_is_refused_with_what_it_should_have() {
        let error = Binaries::in_directory("no/such/directory".into())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("find etcd in no/such/directory")
                && error.contains("KUBEBUILDER_ASSETS"),
            "{error}"
        );
    }

    #[test]
    fn a_tool_that_a_directory_lacks_comes_from_the_path() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kubectl"), "").unwrap();
        let binaries = Binaries::Directory(directory.path().to_owned());
        assert_eq!(
            binaries.command("kubectl").get_program(),
            directory.path().join("kubectl")
        );
        assert_eq!(binaries.command("helm").get_program(), "helm");
        assert!(!binaries.has(ProgramName::KubeControllerManager));
    }
}
