//! F23: whatever was declared on the way, and whatever was refused, the end is what a direct way leads to.

use futures::future::join_all;
use industrydata_operator::api::ProvisioningFlow;
use kube::api::{DynamicObject, PostParams};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::open;
use crate::conditions::{is_ready, remote_id};
use crate::manifests::{connection, flow, secret, set};
use crate::oracle::assert_healed;
use crate::test_env::TestEnv;

/// How many valid specs each flow is given before the last, with an invalid one after each.
const STEPS: usize = 8;

/// A way through specs of one type.
struct Walk {
    name: String,
    steps: Vec<(Value, Pace)>,
    target: Value,
}

/// Whether a spec is worked off before the next one comes.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Patient,
    Hurried,
}

#[tokio::test(flavor = "multi_thread")]
async fn f23_every_way_through_specs_ends_where_the_direct_way_does() {
    let env = open("f23").await;
    let sets = [set("walk"), set("direct")];
    let passwords = json!({ "staff": "Change-me-1-staff", "students": "Change-me-1-students" });
    let passwords = secret("passwords", &passwords);
    env.apply_all([connection(), passwords].into_iter().chain(sets))
        .await;
    // The same walks each time.
    let mut runner = TestRunner::deterministic();
    let walks = types().map(|(name, spec)| Walk::generate(name, &spec, &mut runner));
    join_all(walks.iter().map(|walk| walk.go(&env))).await;
    for walk in &walks {
        let name = format!("{}-direct", walk.name);
        declare(&env, &name, "direct", &walk.target).await.unwrap();
    }
    assert_healed(&env).await;
    for walk in &walks {
        let direct = env.flow(&format!("{}-direct", walk.name)).await;
        let walked = env.flow(&walk.name).await;
        assert_eq!(told(&walked), told(&direct), "status of {}", walk.name);
        assert_eq!(remote(&env, &walked), remote(&env, &direct));
    }
}

impl Walk {
    fn generate(name: &str, spec: &BoxedStrategy<Value>, runner: &mut TestRunner) -> Self {
        let pace = prop_oneof![Just(Pace::Patient), Just(Pace::Hurried)];
        let steps = prop::collection::vec((spec.clone(), pace), STEPS);
        let (steps, target) = (steps, spec.clone()).new_tree(runner).unwrap().current();
        Self {
            name: name.to_owned(),
            steps,
            target,
        }
    }

    async fn go(&self, env: &TestEnv) {
        let wrong = invalid(&self.name, &self.target);
        for ((spec, pace), wrong) in self.steps.iter().zip(wrong.iter().cycle()) {
            declare(env, &self.name, "walk", spec).await.unwrap();
            let refusal = declare(env, &self.name, "walk", wrong).await.unwrap_err();
            let kube::Error::Api(refusal) = refusal else {
                panic!("{refusal}");
            };
            assert_eq!(refusal.reason, "Invalid", "{wrong}: {refusal:?}");
            if matches!(pace, Pace::Patient) {
                env.flow_where(&self.name, is_ready).await;
            }
        }
        declare(env, &self.name, "walk", &self.target)
            .await
            .unwrap();
    }
}

/// Declares a flow as `kubectl replace` does: whatever is not in the new spec is gone.
async fn declare(env: &TestEnv, name: &str, set: &str, spec: &Value) -> kube::Result<()> {
    let mut spec = spec.clone();
    let members = spec.as_object_mut().unwrap();
    let reference = json!({ "name": set });
    members.entry("flowSetRef").or_insert(reference);
    let mut manifest: DynamicObject = serde_json::from_value(flow(name, &spec)).unwrap();
    let flows = env.api("ProvisioningFlow");
    let how = PostParams::default();
    loop {
        let Some(there) = flows.get_opt(name).await? else {
            return flows.create(&how, &manifest).await.map(|_| ());
        };
        manifest.metadata = there.metadata;
        match flows.replace(name, &how, &manifest).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            replaced => return replaced.map(|_| ()),
        }
    }
}

/// Specs that the API server refuses, each for another reason.
fn invalid(name: &str, valid: &Value) -> Vec<Value> {
    let with = |member: &str, value: Value| {
        let mut spec = valid.clone();
        spec[member] = value;
        spec
    };
    let (other, options) = if name == "users" {
        (
            "securityGroup",
            json!({ "creationOptions": { "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": true } }),
        )
    } else {
        (
            "user",
            json!({ "managementOptions": { "additionalOptions": {} } }),
        )
    };
    vec![
        with(other, options.clone()),
        json!({ other: options }),
        json!({}),
        with("flowSetRef", json!({ "name": "elsewhere" })),
        with("flowSetId", json!("11111111-2222-4333-8444-555555555555")),
        with("progressDeadline", json!("0s")),
        with("driftPolicy", json!("Perhaps")),
        with("resetToken", json!("")),
    ]
}

/// What a status says, without what is another for each flow or each way.
fn told(flow: &ProvisioningFlow) -> Value {
    let mut status = serde_json::to_value(&flow.status).unwrap();
    // What the service shows is compared by its meaning.
    let own = [
        "observed",
        "id",
        "flowSet",
        "flowSetId",
        "createdDateTime",
        "lastModifiedDateTime",
        "resolvedAttempt",
        "readinessHistory",
        "observedGeneration",
    ];
    let members = status.as_object_mut().unwrap();
    members.retain(|name, _| !own.contains(&name.as_str()));
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = Value::Null;
        condition["observedGeneration"] = Value::Null;
    }
    status
}

fn remote(env: &TestEnv, flow: &ProvisioningFlow) -> Value {
    let mut remote = env.simulator.flow(&remote_id(flow)).unwrap().resource;
    for own in ["id", "createdDateTime", "lastModifiedDateTime"] {
        remote[own] = Value::Null;
    }
    meaning(remote)
}

/// Without what asks for nothing (absent, null, false and empty are the same to the service), and without order.
fn meaning(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| (name, meaning(value)));
            let asked: Map<String, Value> = members.filter(|(_, value)| !value.is_null()).collect();
            if asked.is_empty() {
                Value::Null
            } else {
                asked.into()
            }
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(meaning).collect();
            items.sort_by_key(Value::to_string);
            if items.is_empty() {
                Value::Null
            } else {
                items.into()
            }
        }
        Value::Bool(false) => Value::Null,
        other => other,
    }
}

/// Valid specs of each type.
fn types() -> [(&'static str, BoxedStrategy<Value>); 4] {
    let options = |one: &'static str| {
        any::<(bool, bool)>().prop_map(move |(first, second)| {
            json!({ "creationOptions": { one: first, "createBasedOnOrgPlusRoleGroup": second } })
        })
    };
    [
        (
            "units",
            of("administrativeUnit", options("createBasedOnOrg")),
        ),
        (
            "groups",
            of("securityGroup", options("createBasedOnRoleGroup")),
        ),
        ("classes", of("classGroup", class_group())),
        ("users", of("user", user())),
    ]
}

/// A spec with what all types have in common.
fn of(member: &'static str, inner: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let deadline = prop_oneof![Just("30m"), Just("720h")];
    let policy = prop_oneof![Just("Never"), Just("IfExists")];
    let whole = (inner, deadline, policy).prop_map(move |(inner, deadline, policy)| {
        json!({ member: inner, "progressDeadline": deadline, "adoptionPolicy": policy })
    });
    whole.boxed()
}

fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(words, 0..=words.len()).prop_shuffle()
}

fn class_group() -> impl Strategy<Value = Value> {
    let attributes = some_of(&["courseTitle", "courseCode", "courseSubject", "classCode"]);
    let roles = || some_of(&["teacher", "student", "aide", "paraProfessional"]);
    let codes =
        |roles: Vec<&str>| -> Value { roles.iter().map(|role| json!({ "code": role })).collect() };
    (attributes, roles(), roles(), any::<(bool, bool)>()).prop_map(
        move |(attributes, owners, members, (team, once))| {
            json!({ "configuration": {
                "additionalAttributes": attributes,
                "additionalOptions": { "createTeam": team, "writeDisplayNameOnCreateOnly": once },
                "enrollmentMappings": {
                    "ownerEnrollmentMappings": codes(owners),
                    "memberEnrollmentMappings": codes(members),
                },
            } })
        },
    )
}

fn user() -> impl Strategy<Value = Value> {
    let age = prop::option::of(prop_oneof![Just("minor"), Just("notAdult"), Just("adult")]);
    let attributes = some_of(&["userGradeLevel", "userNumber"]);
    let groups = prop::collection::btree_map(
        prop_oneof![Just("staff"), Just("students")],
        (
            any::<bool>(),
            some_of(&[
                "00000000-0000-4000-8000-000000000001",
                "00000000-0000-4000-8000-000000000002",
            ]),
        ),
        0..=2,
    );
    let configurations = groups.prop_map(|groups| {
        let configuration = |(group, (password, skus)): (&str, (bool, Vec<&str>))| {
            let mut one = json!({ "roleGroup": group, "licenseSkus": skus });
            if password {
                one["defaultPassword"] =
                    json!({ "secretKeyRef": { "name": "passwords", "key": group } });
            }
            one
        };
        let configurations: Vec<Value> = groups.into_iter().map(configuration).collect();
        json!({ "configurations": configurations })
    });
    let flags = any::<(Option<bool>, Option<bool>)>();
    (age, attributes, prop::option::of(configurations), flags).prop_map(
        |(age, attributes, creation, (unmatched, contacts))| {
            let options = json!({ "studentAgeGroup": age, "allowStudentContactAssociation": contacts });
            let mut user = json!({ "createUnmatchedUsers": unmatched, "creationOptions": creation,
                "managementOptions": { "additionalAttributes": attributes, "additionalOptions": options } });
            for object in ["", "/managementOptions/additionalOptions"] {
                let object = user.pointer_mut(object).and_then(Value::as_object_mut);
                object.unwrap().retain(|_, value| !value.is_null());
            }
            user
        },
    )
}
