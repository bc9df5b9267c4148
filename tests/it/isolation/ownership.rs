//! Who owns a remote object, across the namespaces of one operator that watches each by itself.

use industrydata_operator::api::{OutboundProvisioningFlowSet, ProvisioningFlow, annotation};
use industrydata_simulator::Operation;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::conditions::{advice, is_ready, ready, remote_id, stalled};
use crate::faults::{apply_younger, flags_for, prepare_for_namespaces};
use crate::manifests::{connection, groups, groups_by_id, set, unit_options, with};
use crate::oracle::assert_nothing_twice;
use crate::test_env::TestEnv;

/// A district in its namespace, and another namespace of the same tenant.
struct Town {
    env: TestEnv,
    district: String,
    other: String,
    /// The id of the district's set.
    set: String,
}

impl Town {
    /// The district has a set, and nothing else.
    async fn open(name: &str) -> Self {
        let other = format!("{name}-other");
        let (mut env, flags) = prepare_for_namespaces(name, &[name, &other]).await;
        let namespace = ["create", "namespace", &other];
        env.kubectl(&namespace).await.unwrap();
        env.start_with(flags).await;
        env.apply_all([connection(), set("north")]).await;
        let district = name.to_owned();
        let mut town = Self {
            env,
            district,
            other,
            set: String::new(),
        };
        town.set = town.set_id("north").await;
        town
    }

    async fn set_id(&self, name: &str) -> String {
        let is_ready = |set: &OutboundProvisioningFlowSet| ready(set) == "True/Ready";
        let set = self
            .env
            .object_where(&self.env.sets(), name, is_ready)
            .await;
        set.status.unwrap().id.unwrap()
    }

    /// From now on, the environment is the other namespace.
    fn leave(&mut self) {
        self.env.namespace.clone_from(&self.other);
    }

    /// From now on, the environment is the district.
    fn go_home(&mut self) {
        self.env.namespace.clone_from(&self.district);
    }

    /// Changes who may have flows in the district's set.
    async fn allow(&mut self, namespaces: &str) {
        self.go_home();
        let allowed = format!("{}={namespaces}", annotation::ALLOWED_NAMESPACES);
        let annotate = ["annotate", "--overwrite", "flowset/north", &allowed];
        self.env.kubectl(&annotate).await.unwrap();
        self.leave();
    }

    /// Nothing of the district is in what a resource of the other namespace shows.
    fn keeps_quiet(&self, told: &str) {
        for name in ["north", "theirs", self.district.as_str()] {
            let mut words = told.split(|c: char| c.is_whitespace() || ",:;.".contains(c));
            assert!(words.all(|word| word != name), "{told}");
        }
    }

    /// Waits until a set is stalled for a reason.
    async fn set_stalled(&self, name: &str, reason: &str) -> OutboundProvisioningFlowSet {
        let told = format!("True/{reason}");
        let is_stalled = |set: &OutboundProvisioningFlowSet| stalled(set) == told;
        self.env
            .object_where(&self.env.sets(), name, is_stalled)
            .await
    }

    async fn patch_set(&self, name: &str, change: Value) {
        let patch = change.to_string();
        let target = format!("flowset/{name}");
        let patch = ["patch", &target, "--type=merge", "--patch", &patch];
        self.env.kubectl(&patch).await.unwrap();
    }

    fn deleted(&self) -> [usize; 2] {
        [Operation::DeleteSet, Operation::DeleteFlow].map(|one| self.env.requests(one))
    }
}

fn units_by_id(name: &str, set: &str) -> Value {
    let units = json!({ "securityGroup": null, "administrativeUnit": unit_options() });
    with(groups_by_id(name, set), &units)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_squatter_without_a_credential_is_told_and_the_district_is_served() {
    let mut town = Town::open("squatter").await;
    town.leave();
    town.env
        .apply(groups_by_id("squatter", &town.set))
        .await
        .unwrap();
    let seen = |flow: &ProvisioningFlow| !ready(flow).is_empty();
    town.env.flow_where("squatter", seen).await;

    town.go_home();
    let theirs = town.env.apply_ready(groups("theirs")).await;
    town.leave();
    let squatter = town.env.flow_stalled("squatter", "Conflict").await;
    town.keeps_quiet(&advice(&squatter));
    town.env.remove_flow("squatter").await;
    assert_eq!(town.deleted(), [0, 0]);

    town.go_home();
    let after = town.env.flow("theirs").await;
    assert_eq!(
        (remote_id(&after), is_ready(&after)),
        (remote_id(&theirs), true)
    );
    assert_eq!(town.env.changes(), 2, "the set and the flow were created");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_only_observed_neither_manages_nor_deletes_what_another_namespace_owns() {
    let mut town = Town::open("observer").await;
    let theirs = town.env.apply_ready(groups("theirs")).await;
    town.allow("observer-other").await;
    let observe = json!({ "managementPolicy": "Observe" });
    let mut seen = with(set("north"), &observe);
    seen["metadata"]["name"] = json!("seen");
    seen["metadata"]["annotations"] = json!({ annotation::REMOTE_ID: town.set });
    let flow = with(groups_by_id("seen", &town.set), &observe);
    town.env.apply_all([connection(), seen]).await;
    assert_eq!(town.set_id("seen").await, town.set);
    let flow = town.env.apply_ready(flow).await;
    assert_eq!(remote_id(&flow), remote_id(&theirs));

    let manage = json!({ "managementPolicy": "Manage" });
    town.env.patch_flow("seen", manage.clone()).await;
    town.patch_set("seen", json!({ "spec": manage })).await;
    let flow = town.env.flow_stalled("seen", "Conflict").await;
    let set = town.set_stalled("seen", "Conflict").await;
    for told in [advice(&flow), advice(&set)] {
        town.keeps_quiet(&told);
    }
    town.env.remove_flow("seen").await;
    town.env.delete_sets().await;
    town.env.gone(&town.env.sets(), "seen").await;
    assert_eq!(town.deleted(), [0, 0]);
    assert_eq!(town.env.changes(), 2, "the set and the flow were created");
    town.go_home();
    assert!(is_ready(&town.env.flow("theirs").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_in_the_set_of_another_namespace_is_refused_unless_that_allows_it() {
    let mut town = Town::open("guest").await;
    town.leave();
    let guest = units_by_id("guest", &town.set);
    town.env.apply_all([connection(), guest]).await;
    let refused = town.env.flow_stalled("guest", "FlowSetNotAllowed").await;
    town.keeps_quiet(&advice(&refused));
    assert_eq!(town.env.requests(Operation::CreateFlow), 0);
    assert!(
        !refused
            .annotations()
            .contains_key(annotation::CREATE_ATTEMPT)
    );

    town.allow("some, guest-other").await;
    town.env.flow_where("guest", is_ready).await;
    town.allow("some").await;
    town.env.flow_stalled("guest", "FlowSetNotAllowed").await;
    town.env.delete_flow("guest").await;
    town.env.flow_stalled("guest", "DeletionBlocked").await;
    assert_eq!(town.deleted(), [0, 0]);
    town.allow("guest-other").await;
    town.env.flows_gone(&["guest"]).await;
    assert_eq!(town.deleted(), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_attempt_and_a_forged_status_prove_nothing() {
    let mut town = Town::open("forger").await;
    let theirs = town.env.apply_ready(groups("theirs")).await;
    let attempt = &theirs.annotations()[annotation::CREATE_ATTEMPT];
    assert!(attempt.ends_with(&theirs.uid().unwrap()), "{attempt}");
    town.allow("forger-other").await;
    let mut copy = groups_by_id("copy", &town.set);
    copy["metadata"]["annotations"] = json!({ annotation::CREATE_ATTEMPT: attempt });
    copy["metadata"]["finalizers"] = json!(["industrydata.dev/remote"]);
    apply_younger(&town.env, &theirs, &connection()).await;
    town.env.apply(&copy).await.unwrap();
    let copied = town.env.flow_stalled("copy", "Conflict").await;
    assert_eq!(copied.status.as_ref().unwrap().id, None);

    let own = attempt.replace(&theirs.uid().unwrap(), &copied.uid().unwrap());
    town.env
        .annotate_flow("copy", annotation::CREATE_ATTEMPT, &own)
        .await;
    let forged = json!({ "status": {
        "id": remote_id(&theirs), "flowSetId": town.set, "owned": true,
    } });
    let forged = forged.to_string();
    let forge = [
        "patch",
        "pflow/copy",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &forged,
    ];
    town.env.kubectl(&forge).await.unwrap();
    let yields = |flow: &ProvisioningFlow| {
        let owned = flow.status.as_ref().unwrap().owned;
        stalled(flow) == "True/Conflict" && !owned
    };
    town.env.flow_where("copy", yields).await;
    town.env.remove_flow("copy").await;
    assert_eq!(town.deleted(), [0, 0]);
    assert_eq!(town.env.changes(), 2, "the set and the flow were created");

    town.go_home();
    let flow = town.env.flow("theirs").await;
    assert!(is_ready(&flow) && flow.status.unwrap().owned);
    assert_nothing_twice(&town.env.simulator.journal());
}

/// The owner is the one that the statuses name, whatever the order in which resources are restored.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_changes_no_owner_and_two_newcomers_create_one_flow() {
    let mut town = Town::open("newcomers").await;
    town.env.apply_all([groups("one"), groups("two")]).await;
    let settled = async || {
        let flows = [town.env.flow("one").await, town.env.flow("two").await];
        let told = flows.iter().map(|flow| (is_ready(flow), stalled(flow)));
        let mut told: Vec<_> = told.collect();
        told.sort();
        told == [(false, "True/Conflict".to_owned()), (true, String::new())]
    };
    town.env.until("one owner", settled).await;
    let owner = if is_ready(&town.env.flow("one").await) {
        "one"
    } else {
        "two"
    };
    let other = if owner == "one" { "two" } else { "one" };
    let id = remote_id(&town.env.flow(owner).await);
    town.env.stop_operator().await;
    let namespaces = [town.district.as_str(), town.other.as_str()];
    let flags = flags_for(&town.env, &namespaces);
    town.env.start_with(flags).await;
    town.env.remove_flow(other).await;
    assert_eq!(town.deleted(), [0, 0]);
    let flow = town.env.flow(owner).await;
    assert_eq!((remote_id(&flow), is_ready(&flow)), (id, true));
    assert_eq!(town.env.requests(Operation::CreateFlow), 1);
}
