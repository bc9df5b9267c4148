//! The container image: what is in it, and that what is in it works.

use std::path::Path;

use cyclonedx_bom::prelude::{Bom, Validate};
use industrydata_image::{Commit, Image, ImageSpec};
use industrydata_simulator::Options;
use industrydata_testbed::run;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::node::{Root, blob, is_root, manifest, read};
use super::{objects, of_kind, render};
use crate::conditions::is_ready;
use crate::process::Launch;
use crate::test_env::TestEnv;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The image of this commit. It is where the program that builds it puts it, so that it need not be built twice.
async fn image() -> &'static Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let build = || {
        let commit = Commit::of(Path::new(ROOT)).unwrap();
        let spec = ImageSpec {
            source: ROOT.into(),
            output: Path::new(ROOT).join("target/image"),
            revision: commit.revision,
            created: commit.created,
        };
        spec.build().unwrap()
    };
    let build = async || tokio::task::spawn_blocking(build).await.unwrap();
    IMAGE.get_or_init(build).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_in_the_image_does_the_main_job_with_nothing_around_it() {
    let image = image().await;
    let env = TestEnv::set_up("image", Options::default()).await;
    // A name has to be looked up, and no library does that for the program.
    let authority = env.simulator.authority_endpoint();
    let values = json!({
        "watchNamespaces": [env.namespace],
        "graph": {
            "endpoint": env.simulator.graph_endpoint(),
            "authorityEndpoint": authority.replace("127.0.0.1", "localhost"),
        },
    });
    let objects = objects(&render(&env.plane, &values).await.unwrap());
    let deployment = of_kind(&objects, "Deployment");
    let root = Root::new(&image.layout, &env.account, &env.namespace);
    assert_eq!(root.files(), ["industrydata-operator"]);
    let launch = Launch::of(deployment, &env.account);
    let operator = launch.inside(&root).start().await;
    let status = operator.status();
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["CapEff"], "0000000000000000");
    if is_root() {
        assert_eq!(status["Uid"], "65532 65532 65532 65532");
        assert_eq!(status["Gid"], "65532 65532 65532 65532");
    }
    env.apply_samples().await;
    for flow in [
        "users",
        "class-groups",
        "security-groups",
        "administrative-units",
    ] {
        env.flow_where(&format!("north-{flow}"), is_ready).await;
    }
    // What `helm test` runs.
    let mut ready = root.command("/industrydata-operator");
    run(ready.args(["ready", operator.url(), "--within", "10s"]))
        .await
        .unwrap();
    operator.stop().await;
    let lease = [
        "get",
        "lease",
        "--output",
        "jsonpath={.items[*].spec.holderIdentity}",
    ];
    assert_eq!(
        env.kubectl(&lease).await.unwrap(),
        "",
        "the lease is released"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_says_what_it_is_and_how_it_is_run() {
    let image = image().await;
    let manifest = manifest(&image.layout);
    let config = read(&blob(&image.layout, &manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(
        config["config"]["Entrypoint"],
        json!(["/industrydata-operator"])
    );
    assert_eq!(config["config"]["Env"], Value::Null);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    let labels = &config["config"]["Labels"];
    assert_eq!(labels, &manifest["annotations"]);
    for (name, value) in [
        ("title", env!("CARGO_PKG_NAME")),
        ("version", env!("CARGO_PKG_VERSION")),
        ("licenses", env!("CARGO_PKG_LICENSE")),
    ] {
        assert_eq!(labels[format!("org.opencontainers.image.{name}")], value);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_has_a_bill_of_what_is_in_the_program() {
    let image = image().await;
    let index = read(&image.layout.join("index.json"));
    let sboms = index["manifests"].as_array().unwrap().iter();
    let mut sboms = sboms.filter(|one| one["artifactType"] == "application/vnd.cyclonedx+json");
    let referrer = read(&blob(&image.layout, sboms.next().unwrap()));
    assert_eq!(referrer["subject"]["digest"], image.digest.as_str());
    let sbom = std::fs::read(blob(&image.layout, &referrer["layers"][0])).unwrap();
    assert_eq!(sbom, std::fs::read(&image.sbom).unwrap());
    let bom = Bom::parse_from_json(sbom.as_slice()).unwrap();
    assert!(bom.validate().passed(), "{:?}", bom.validate());
    let components = bom.components.unwrap().0;
    let names: Vec<&str> = components.iter().map(|one| &*one.name).collect();
    for name in ["kube-client", "ring", "webpki-root-certs"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    for name in ["industrydata-simulator", "proptest", "serde_derive"] {
        assert!(!names.contains(&name), "{name} is not in the program");
    }
}

/// Nothing here can build from it, so at least it must not say anything else than the recipe.
#[test]
fn the_dockerfile_follows_the_recipe() {
    let text = |name: &str| std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let toolchain = text("rust-toolchain.toml");
    let version = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "));
    let file = text("Dockerfile");
    for line in [
        &format!("FROM rust:{} AS build", version.unwrap().trim_matches('"')),
        "FROM scratch",
        &format!("USER {}", industrydata_image::USER),
        "ENTRYPOINT [\"/industrydata-operator\"]",
        "CMD [\"run\"]",
    ] {
        assert!(file.lines().any(|one| one == line), "{line} is missing");
    }
    assert!(file.contains("--package industrydata-image"));
}
