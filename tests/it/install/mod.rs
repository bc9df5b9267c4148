//! How people install it.

mod argocd;
mod chart;
mod flux;
mod generated;
mod image;
mod manifests;
mod metadata;
pub mod node;
mod olm;
mod policies;
mod release;
mod roles;
mod samples;
mod values;

use industrydata_simulator::{Options, ReadinessScript, Switches};
use industrydata_testbed::{ControlPlane, run};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::role::CHART;

/// The name of the release, and so of all its objects.
const RELEASE: &str = "industrydata-operator";

const NAMESPACE: &str = "industrydata-system";

/// A control plane with nothing installed, for what concerns a whole cluster.
async fn empty_plane() -> &'static ControlPlane {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    let start = async || ControlPlane::start().await.unwrap();
    PLANE.get_or_init(start).await
}

/// A service where flows become what the test says, when it says so.
fn unsettled() -> Options {
    let switches = Switches {
        readiness: ReadinessScript::manual(),
        ..Switches::default()
    };
    Options {
        switches,
        ..Options::default()
    }
}

/// Runs helm, and gives back what it says.
async fn helm(plane: &ControlPlane, arguments: &[&str]) -> Result<String, String> {
    let mut helm = plane.helm();
    let said = run(helm.args(arguments)).await;
    said.map_err(|error| error.to_string())
}

/// The objects of the chart with these values, in YAML.
async fn render(plane: &ControlPlane, values: &Value) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, values.to_string()).unwrap();
    let values = file.path().display().to_string();
    let template = ["template", RELEASE, CHART, "--namespace", NAMESPACE];
    helm(plane, &[&template[..], &["--values", &values]].concat()).await
}

/// The objects in a manifest.
fn objects(manifest: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    objects.into_iter().filter(|one| !one.is_null()).collect()
}

/// The one object of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(found.next().is_none(), "there is more than one {kind}");
    one
}

/// Runs kubectl with a manifest, and gives back what it says.
async fn kubectl(
    plane: &ControlPlane,
    arguments: &[&str],
    manifest: &str,
) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, manifest).unwrap();
    let mut kubectl = plane.kubectl();
    kubectl.args(arguments).arg("--filename").arg(file.path());
    let said = run(&mut kubectl).await;
    said.map_err(|error| error.to_string())
}
