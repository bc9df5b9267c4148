//! Where the programs of a control plane come from.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where a control plane comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// Build the programs with Go, once; later starts take what was built.
    #[default]
    Built,
    /// Take the programs from a directory laid out as for `KUBEBUILDER_ASSETS`: etcd,
    /// kube-apiserver and kubectl.
    ///
    /// Without a kube-controller-manager beside them namespaces are never finally deleted and owner
    /// references are never followed. Helm is taken from `PATH` if it is not in the directory.
    Assets {
        /// The directory.
        directory: PathBuf,
    },
    /// Use a cluster that is already there, as administrator; nothing is started and nothing
    /// stopped.
    ///
    /// There is no audit log and no program to look at, and kubectl and helm are taken from `PATH`.
    /// What tests create stays there.
    Existing {
        /// The kubeconfig of its administrator.
        kubeconfig: PathBuf,
        /// The context to use; the current one if `None`.
        context: Option<String>,
    },
}

impl Source {
    /// What the environment asks for: `TESTBED_KUBECONFIG` (with `TESTBED_CONTEXT`), else
    /// `KUBEBUILDER_ASSETS`, else [`Source::Built`]. An empty variable counts as unset.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let context = variable("TESTBED_CONTEXT").map(|name| name.to_string_lossy().into_owned());
        match (
            variable("TESTBED_KUBECONFIG"),
            variable("KUBEBUILDER_ASSETS"),
        ) {
            (Some(kubeconfig), _) => Self::Existing {
                kubeconfig: kubeconfig.into(),
                context,
            },
            (None, Some(directory)) => Self::Assets {
                directory: directory.into(),
            },
            (None, None) => Self::Built,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(variables: &[(&str, &str)]) -> Source {
        Source::from_variables(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn an_explicit_cluster_comes_before_programs_and_programs_before_a_build() {
        let assets = ("KUBEBUILDER_ASSETS", "assets");
        assert_eq!(source(&[]), Source::Built);
        assert_eq!(
            source(&[assets]),
            Source::Assets {
                directory: "assets".into()
            }
        );
        assert_eq!(
            source(&[
                assets,
                ("TESTBED_KUBECONFIG", "config"),
                ("TESTBED_CONTEXT", "kind")
            ]),
            Source::Existing {
                kubeconfig: "config".into(),
                context: Some("kind".into())
            },
        );
    }
}
