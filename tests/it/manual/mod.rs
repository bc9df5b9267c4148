//! The manual in `docs/`: its reference is made of the code, its commands are run, its links lead somewhere.

mod book;
mod node;
mod page;
mod reference;
mod scene;

use std::path::PathBuf;

use industrydata_simulator::{Application, Options, Simulator, Tenant};
use industrydata_testbed::{ControlPlane, run};
use serde_json::json;

use crate::test_env::TestEnv;
use page::Page;
use scene::Scene;

/// Where the manual is.
fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// What is there before the reader begins with a page.
enum Given {
    /// A cluster, and nothing of ours in it.
    Cluster,
    /// The operator, installed with Helm.
    Installed,
    /// The operator, and in the reader's namespace the samples.
    Samples,
}

/// A test for each page that has something to run, and the list of these pages.
macro_rules! pages {
    ($($name:ident: $given:ident, $path:literal;)+) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            follow(stringify!($name), $path, Given::$given).await;
        })+

        const PAGES: &[&str] = &[$($path),+];
    };
}

pages! {
    the_readme_does_what_it_says: Cluster, "README.md";
    the_quick_start_does_what_it_says: Cluster, "docs/quick-start.md";
    the_page_on_resources_does_what_it_says: Samples, "docs/concepts/resources.md";
    the_page_on_conditions_does_what_it_says: Samples, "docs/concepts/conditions.md";
    the_page_on_identity_does_what_it_says: Samples, "docs/concepts/identity.md";
    the_guide_to_existing_definitions_does_what_it_says: Cluster, "docs/guides/install.md";
    the_guide_to_import_does_what_it_says: Samples, "docs/guides/import.md";
    the_guide_to_resets_does_what_it_says: Samples, "docs/guides/reset.md";
    the_guide_to_credentials_does_what_it_says: Samples, "docs/guides/credentials.md";
    the_guide_to_flux_does_what_it_says: Samples, "docs/guides/flux.md";
    the_guide_to_networks_does_what_it_says: Installed, "docs/guides/networks.md";
    the_guide_to_admission_does_what_it_says: Installed, "docs/guides/admission.md";
    the_guide_to_backups_does_what_it_says: Samples, "docs/guides/backup.md";
    the_guide_to_upgrades_does_what_it_says: Installed, "docs/guides/upgrade.md";
    the_guide_to_uninstalling_does_what_it_says: Installed, "docs/guides/uninstall.md";
    the_page_on_troubleshooting_does_what_it_says: Samples, "docs/operations/troubleshooting.md";
    the_page_on_traces_does_what_it_says: Installed, "docs/operations/traces.md";
}

async fn follow(name: &str, path: &str, given: Given) {
    let page = Page::read(path);
    if let Given::Samples = given {
        // A namespace has no room for underscores, nor for many letters.
        let namespace = format!(
            "manual-{}",
            page.path.file_stem().unwrap().to_str().unwrap()
        );
        let mut env = TestEnv::set_up(&namespace, tenant()).await;
        prepare(&env.simulator);
        env.start_operator(&[]).await;
        env.apply_samples().await;
        let ready = [
            "wait",
            "--for=condition=Ready",
            "industrydata",
            "--all",
            "--timeout=60s",
        ];
        env.kubectl(&ready).await.unwrap();
        Scene::new(&env.plane, &namespace).follow(&page).await;
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let plane = ControlPlane::start().await.unwrap();
    let simulator = Simulator::start(tenant()).await.unwrap();
    prepare(&simulator);
    if let Given::Installed = given {
        let chart = docs().with_file_name("charts/industrydata-operator");
        let mut install = plane.helm();
        install
            .args(["install", "industrydata-operator"])
            .arg(chart);
        run(install.args(["--namespace", node::NAMESPACE, "--create-namespace"]))
            .await
            .unwrap();
    }
    let scene = Scene::new(&plane, "default");
    tokio::select! {
        () = scene.follow(&page) => {}
        () = node::run(&plane, &simulator) => unreachable!("{name}: the node never ends"),
    }
}

/// A tenant whose app has the secret of the samples, and the one of the guide to rotating it.
fn tenant() -> Options {
    let application = Application {
        secrets: vec!["simulator-secret".into(), "simulator-secret-2".into()],
        ..Application::default()
    };
    let tenant = Tenant {
        applications: vec![application],
        ..Tenant::default()
    };
    Options {
        tenants: vec![tenant],
        ..Options::default()
    }
    .with_application_writes()
}

/// What was made in the portal before anyone thought of an operator.
fn prepare(simulator: &Simulator) {
    let set = json!({ "displayName": "District south" });
    let set = simulator.create_set(&set).unwrap();
    let flow = json!({
        "@odata.type": "#microsoft.graph.industryData.securityGroupProvisioningFlow",
        "creationOptions": { "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": false },
    });
    simulator.create_flow(&set, &flow).unwrap();
}
