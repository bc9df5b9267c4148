//! What differs, and what only looks different.

use serde_json::{Value, json};

use super::*;

pub(super) fn update(step: Option<Step<FlowChange>>) -> Vec<String> {
    match step {
        Some(Step::Remote(FlowChange::Update { definition, .. })) => {
            definition.properties.keys().cloned().collect()
        }
        None => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// Returns what is sent for a flow that is as declared except for `change`, and where it differs.
fn sent(kind: FlowType, change: impl FnOnce(&mut Value)) -> (Vec<String>, Vec<String>) {
    let mut remote = remote_flow(1, &flow(kind), 10);
    let mut properties = Value::Object(remote.properties.to_map());
    change(&mut properties);
    remote.properties = properties.as_object().unwrap().clone().into();
    let resource = flow(kind)
        .held()
        .knowing(|status: &mut ProvisioningFlowStatus| {
            status.id = Some(id(1));
            let declared = crate::graph::model::FlowDefinition::of(&flow(kind).spec);
            status.applied_definition = declared.map(|declared| declared.fingerprint());
        });
    let plan = plan(&input(resource, Some(vec![remote])));
    let paths = plan.status.drift.iter().map(|drift| drift.path.clone());
    (update(plan.step.clone()), paths.collect())
}

/// Sets what `pointer` names to `value`, and expects one update of the property in which the difference at `path` lies.
fn expect_update(kind: FlowType, pointer: &str, value: &Value, path: &str) {
    let sent = sent(kind, |flow| {
        *flow.pointer_mut(pointer).unwrap() = value.clone();
    });
    let property = pointer.split('/').nth(1).unwrap().to_owned();
    assert_eq!(
        sent,
        (vec![property], vec![path.to_owned()]),
        "{pointer} {value}"
    );
}

#[test]
fn each_difference_is_one_update_of_its_whole_property() {
    use FlowType::{AdministrativeUnit, ClassGroup, SecurityGroup, User};
    let cases = [
        (AdministrativeUnit, "creationOptions", json!(null)),
        (
            AdministrativeUnit,
            "creationOptions.createBasedOnOrg",
            json!(false),
        ),
        (
            AdministrativeUnit,
            "creationOptions.createBasedOnOrgPlusRoleGroup",
            json!(true),
        ),
        (
            SecurityGroup,
            "creationOptions.createBasedOnRoleGroup",
            json!(false),
        ),
        (
            SecurityGroup,
            "creationOptions.createBasedOnOrgPlusRoleGroup",
            json!(true),
        ),
        (
            ClassGroup,
            "configuration.additionalAttributes",
            json!(["courseTitle"]),
        ),
        (
            ClassGroup,
            "configuration.additionalAttributes",
            json!(["courseTitle", "courseCode"]),
        ),
        (
            ClassGroup,
            "configuration.additionalOptions.createTeam",
            json!(false),
        ),
        (
            ClassGroup,
            "configuration.additionalOptions.writeDisplayNameOnCreateOnly",
            json!(true),
        ),
        (
            ClassGroup,
            "configuration.enrollmentMappings.ownerEnrollmentMappings",
            json!([{ "code": "aide" }]),
        ),
        (
            ClassGroup,
            "configuration.enrollmentMappings.memberEnrollmentMappings",
            json!([]),
        ),
        (User, "createUnmatchedUsers", json!(null)),
        (User, "managementOptions.additionalAttributes", json!([])),
        (
            User,
            "managementOptions.additionalOptions.studentAgeGroup",
            json!("adult"),
        ),
        (
            User,
            "managementOptions.additionalOptions.studentAgeGroup",
            json!(null),
        ),
        (
            User,
            "managementOptions.additionalOptions.allowStudentContactAssociation",
            json!(true),
        ),
        (User, "creationOptions", json!(null)),
        (User, "creationOptions.configurations", json!([])),
    ];
    for (kind, path, value) in cases {
        expect_update(kind, &format!("/{}", path.replace('.', "/")), &value, path);
    }
}

#[test]
fn configurations_are_told_apart_by_their_role_group() {
    let all = "creationOptions.configurations";
    let cases = [
        ("0/licenseSkus", json!([]), "[students].licenseSkus"),
        ("1/licenseSkus/0", json!("other"), "[staff].licenseSkus"),
        ("1/roleGroup/id", json!("others"), ""),
    ];
    for (pointer, value, path) in cases {
        let pointer = format!("/creationOptions/configurations/{pointer}");
        expect_update(FlowType::User, &pointer, &value, &format!("{all}{path}"));
    }
}

#[test]
fn two_differing_properties_are_one_update() {
    let (properties, _) = sent(FlowType::User, |flow| {
        flow["createUnmatchedUsers"] = json!(false);
        flow["managementOptions"]["additionalAttributes"] = json!(["userNumber"]);
    });
    assert_eq!(properties, ["createUnmatchedUsers", "managementOptions"]);
}

/// Something that the service returns in another form.
type Edit = fn(&mut Value);

#[test]
fn what_only_looks_different_is_not_sent() {
    for kind in FlowType::ALL {
        assert_eq!(
            sent(kind, |_| {}),
            (vec![], vec![]),
            "{kind} as the service returns it"
        );
    }
    let changes: [(&str, Edit); 5] = [
        ("letter case of a role group", |flow| {
            flow["creationOptions"]["configurations"][0]["roleGroup"]["id"] = json!("STUDENTS");
        }),
        ("letter case of an enum member", |flow| {
            flow["managementOptions"]["additionalOptions"]["studentAgeGroup"] = json!("Minor");
        }),
        ("false left out", |flow| {
            flow["managementOptions"]["additionalOptions"]["allowStudentContactAssociation"] =
                json!(null);
        }),
        ("a property that we do not know", |flow| {
            flow["news"] = json!({ "a": [1] });
        }),
        ("role groups left out", |flow| {
            flow["creationOptions"]["configurations"] = json!([{ "licenseSkus": [] }]);
        }),
    ];
    for (what, change) in changes {
        assert_eq!(sent(FlowType::User, change), (vec![], vec![]), "{what}");
    }
}
