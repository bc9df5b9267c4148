//! The programs that are built from Go modules: the control plane, and tools that judge what is tested.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::Error;
use crate::go::{self, Module};

/// etcd, the programs of Kubernetes, kubectl and Helm in one.
pub(crate) const CONTROL_PLANE: Module = Module {
    name: "controlplane",
    files: &[
        ("go.mod", include_str!("../controlplane/go.mod")),
        ("go.sum", include_str!("../controlplane/go.sum")),
        ("main.go", include_str!("../controlplane/main.go")),
    ],
    packages: ".",
    version_of: Some("k8s.io/kubernetes"),
    experiment: "",
};

/// A tenth of trivy, which takes a tenth of the time to build.
const TRIVY_MANIFESTS: Module = Module {
    name: "trivy-manifests",
    files: &[
        ("go.mod", include_str!("../tools/trivy-manifests/go.mod")),
        ("go.sum", include_str!("../tools/trivy-manifests/go.sum")),
        ("main.go", include_str!("../tools/trivy-manifests/main.go")),
    ],
    packages: ".",
    version_of: None,
    experiment: "jsonv2",
};

/// Argo CD's judgement on the health of objects.
const ARGO_HEALTH: Module = Module {
    name: "argo-health",
    files: &[
        ("go.mod", include_str!("../tools/argo-health/go.mod")),
        ("go.sum", include_str!("../tools/argo-health/go.sum")),
        ("main.go", include_str!("../tools/argo-health/main.go")),
    ],
    packages: ".",
    version_of: None,
    experiment: "",
};

/// A program of others, built from its published Go module on first use. The versions are in `tools/*/go.mod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Tells how healthy [Argo CD](https://github.com/argoproj/argo-cd) takes objects to be; see `tools/argo-health/main.go`.
    ArgoHealth,
    /// Finds what is risky in manifests: [kube-score](https://github.com/zegl/kube-score).
    KubeScore,
    /// Compares manifests with schemas: [kubeconform](https://github.com/yannh/kubeconform).
    Kubeconform,
    /// Judges bundles for the Operator Lifecycle Manager:
    /// [operator-verify](https://github.com/operator-framework/api). It says what is wrong and never fails.
    OperatorVerify,
    /// Finds what is risky in manifests: the part of [trivy](https://github.com/aquasecurity/trivy) that looks at them.
    TrivyManifests,
    /// Applies manifests from an artifact and judges their health: Flux's
    /// [kustomize-controller](https://github.com/fluxcd/kustomize-controller).
    KustomizeController,
}

/// The directory of a published Go module, such as `example.com/module@v1.2.3`, for the files in it.
///
/// # Errors
///
/// [`Error::GoMissing`] or [`Error::GoFailed`] if it cannot be downloaded.
pub async fn published(module: &str) -> Result<PathBuf, Error> {
    let module = module.to_owned();
    let download = spawn_blocking(move || go::download(&module));
    download
        .await
        .map_err(|error| Error::file("wait for", "the download of a module")(error.into()))?
}

/// A module that requires nothing but a tool.
macro_rules! tool {
    ($name:literal) => {
        Module {
            name: $name,
            files: &[
                (
                    "go.mod",
                    include_str!(concat!("../tools/", $name, "/go.mod")),
                ),
                (
                    "go.sum",
                    include_str!(concat!("../tools/", $name, "/go.sum")),
                ),
            ],
            packages: "tool",
            version_of: None,
            experiment: "",
        }
    };
}

impl Tool {
    /// A command of the tool, still without arguments; see [`run`](crate::run).
    ///
    /// # Errors
    ///
    /// [`Error::GoMissing`] or [`Error::GoFailed`] if it has to be built and cannot be.
    pub async fn command(self) -> Result<Command, Error> {
        let build = spawn_blocking(move || go::ensure(&self.module(), &mut |_| ()));
        let binary = build
            .await
            .map_err(|error| Error::file("wait for", "the build of a tool")(error.into()))??;
        let mut command = Command::new(binary);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    fn module(self) -> Module {
        match self {
            Self::ArgoHealth => ARGO_HEALTH,
            Self::KubeScore => tool!("kube-score"),
            Self::Kubeconform => tool!("kubeconform"),
            Self::OperatorVerify => tool!("operator-verify"),
            Self::TrivyManifests => TRIVY_MANIFESTS,
            Self::KustomizeController => tool!("kustomize-controller"),
        }
    }
}
