//! `deploy/samples/`: each file says by `# shows:` lines what it shows, and each of them is tried.

use std::collections::BTreeMap;
use std::path::Path;

use industrydata_simulator::Simulator;
use serde_json::{Value, json};

use crate::manifests::{sample, security};
use crate::shell::Shell;
use crate::test_env::TestEnv;

/// What stands in the samples for the ids of what somebody else has made.
const IDS: [&str; 3] = [
    "aaaaaaaa-0000-4000-8000-000000000001",
    "aaaaaaaa-0000-4000-8000-000000000002",
    "aaaaaaaa-0000-4000-8000-000000000003",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_sample_shows_what_it_says() {
    let env = TestEnv::open("samples").await;
    let shell = Shell::new(&env.plane, &env.namespace);
    let ids = made_by_others(&env.simulator);
    let samples: BTreeMap<String, String> = names()
        .map(|name| {
            let text = sample(&name);
            let pairs = IDS.iter().zip(&ids);
            let text = pairs.fold(text, |text, (id, real)| text.replace(id, real));
            (name, text)
        })
        .collect();
    for (name, text) in &samples {
        let applied = env.apply(text).await;
        applied.unwrap_or_else(|error| panic!("deploy/samples/{name}: {error}"));
    }
    for (name, text) in &samples {
        let mut shows = 0;
        for command in text
            .lines()
            .filter_map(|line| line.strip_prefix("# shows: "))
        {
            shows += 1;
            if let Err(error) = shell.run(command, "").await {
                let resources = env.kubectl(&["get", "industrydata", "-o", "yaml"]).await;
                panic!(
                    "deploy/samples/{name}: {command}: {error}\n{}",
                    resources.unwrap()
                );
            }
        }
        assert!(
            shows > 0,
            "deploy/samples/{name} says nothing of what it shows"
        );
    }
    let all = ["delete", "industrydata", "--all", "--timeout=2m"];
    env.kubectl(&all).await.unwrap();
    let sets = env.simulator.snapshot().sets;
    let mut left: Vec<_> = sets
        .iter()
        .map(|set| &set.resource["displayName"])
        .collect();
    left.sort_by_key(ToString::to_string);
    // What is retained, what is only observed, and what a flow was added to.
    assert_eq!(left, ["Colleges", "District east", "District island"]);
}

/// The files, without those that are not manifests.
fn names() -> impl Iterator<Item = String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let names = std::fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| Path::new(name).extension() == Some("yaml".as_ref()))
}

/// Fills the service with what the samples find there. Gives back the ids in the order of [`IDS`].
fn made_by_others(simulator: &Simulator) -> [String; 3] {
    let set = |name| {
        simulator
            .create_set(&json!({ "displayName": name }))
            .unwrap()
    };
    let flow = |set: &str, kind: &str, body: Value| {
        let mut body = body;
        body["@odata.type"] = json!(format!(
            "#microsoft.graph.industryData.{kind}ProvisioningFlow"
        ));
        simulator.create_flow(set, &body).unwrap()
    };
    flow(&set("District east"), "securityGroup", security());
    let options = json!({ "createBasedOnOrg": true, "createBasedOnOrgPlusRoleGroup": false });
    let options = json!({ "creationOptions": options });
    flow(&set("District centre"), "administrativeUnit", options);
    set("District west");
    let south = set("District south");
    let flow = flow(&south, "securityGroup", security());
    [south, flow, set("District island")]
}
