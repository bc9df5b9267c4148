//! Tools that judge what is tested, built from Go modules.

use std::path::PathBuf;
use std::process::Stdio;

use industrydata_programs::{Build, Module, output};
use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::Error;

/// A Go module in `tools/`, of these files.
macro_rules! module {
    ($name:literal, $($file:literal),+) => {
        Module::new(
            $name,
            &[$(($file, include_str!(concat!("../tools/", $name, "/", $file)))),+],
        )
    };
}

/// A program of others, built from its published Go module on first use. The versions are in `tools/*/go.mod`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Tells where alerts go, by the routes and inhibition rules of
    /// [Alertmanager](https://github.com/prometheus/alertmanager); see `tools/alertmanager/main.go`.
    Alertmanager,
    /// Shows what [Argo CD](https://github.com/argoproj/argo-cd) makes of objects: their health, and the actions that it
    /// offers and runs; see `tools/argo-cd/main.go`.
    ArgoCd,
    /// Tells which notifications Argo CD would send, by its
    /// [engine](https://github.com/argoproj/notifications-engine); see `tools/argo-notifications/main.go`.
    ArgoNotifications,
    /// Compares dashboards with the schema of Grafana, by its
    /// [library](https://github.com/grafana/grafana-foundation-sdk); see `tools/grafana-dashboard/main.go`.
    GrafanaDashboard,
    /// Finds what is risky in manifests: [kube-score](https://github.com/zegl/kube-score).
    KubeScore,
    /// Compares manifests with schemas: [kubeconform](https://github.com/yannh/kubeconform).
    Kubeconform,
    /// Tells how far objects are by the code with which Flux judges them,
    /// [kstatus](https://github.com/fluxcd/cli-utils); see `tools/kstatus/main.go`.
    Kstatus,
    /// Applies manifests from an artifact and judges their health: Flux's
    /// [kustomize-controller](https://github.com/fluxcd/kustomize-controller).
    KustomizeController,
    /// Judges bundles for the Operator Lifecycle Manager:
    /// [operator-verify](https://github.com/operator-framework/api). It reports problems and never fails.
    OperatorVerify,
    /// Receives traces, with the receiver of the
    /// [OpenTelemetry Collector](https://github.com/open-telemetry/opentelemetry-collector); see
    /// `tools/otlp-collector/main.go`.
    OtlpCollector,
    /// Evaluates alerts and queries with the parser, engine and templates of
    /// [Prometheus](https://github.com/prometheus/prometheus); see `tools/promql/main.go`. `promtool` itself takes many
    /// times as long to build.
    Promql,
    /// Finds what is risky in manifests: the part of [trivy](https://github.com/aquasecurity/trivy) that looks at them,
    /// which is built in a tenth of the time of the whole.
    TrivyManifests,
}

/// The directory of a published Go module, such as `example.com/module@v1.2.3`, for the files in it.
///
/// # Errors
///
/// [`Error::Build`] if it cannot be downloaded.
pub async fn published(module: &str) -> Result<PathBuf, Error> {
    let module = module.to_owned();
    let download = spawn_blocking(move || download(&module));
    download
        .await
        .map_err(|error| Error::file("wait for", "the download of a module")(error.into()))?
}

fn download(module: &str) -> Result<PathBuf, Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        dir: PathBuf,
    }
    let answer = output(&std::env::temp_dir(), &["mod", "download", "-json", module])?;
    let answer: Answer = serde_json::from_str(&answer)
        .map_err(|error| Error::file("read the answer of", "go mod download")(error.into()))?;
    Ok(answer.dir)
}

impl Tool {
    /// A command of the tool, still without arguments; see [`run`](crate::run).
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if it has to be built and cannot be.
    pub async fn command(self) -> Result<Command, Error> {
        let build = spawn_blocking(move || Build::default().ensure(&self.module(), &mut |_| ()));
        let binary = build
            .await
            .map_err(|error| Error::file("wait for", "the build of a tool")(error.into()))??;
        let mut command = Command::new(binary);
        command.stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    fn module(self) -> Module {
        match self {
            Self::Alertmanager => module!("alertmanager", "go.mod", "go.sum", "main.go"),
            Self::ArgoNotifications => {
                module!("argo-notifications", "go.mod", "go.sum", "main.go")
            }
            Self::ArgoCd => module!("argo-cd", "go.mod", "go.sum", "main.go"),
            Self::Kstatus => module!("kstatus", "go.mod", "go.sum", "main.go"),
            Self::GrafanaDashboard => module!("grafana-dashboard", "go.mod", "go.sum", "main.go"),
            Self::KubeScore => module!("kube-score", "go.mod", "go.sum"),
            Self::Kubeconform => module!("kubeconform", "go.mod", "go.sum"),
            Self::KustomizeController => {
                module!("kustomize-controller", "go.mod", "go.sum")
            }
            Self::OperatorVerify => module!("operator-verify", "go.mod", "go.sum"),
            Self::OtlpCollector => module!("otlp-collector", "go.mod", "go.sum", "main.go"),
            Self::Promql => module!("promql", "go.mod", "go.sum", "main.go"),
            Self::TrivyManifests => Module {
                experiment: "jsonv2",
                ..module!("trivy-manifests", "go.mod", "go.sum", "main.go")
            },
        }
    }
}
