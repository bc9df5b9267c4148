use super::*;
use crate::graph::model::FlowType;

fn endpoint() -> Endpoint {
    Endpoint::new("https://graph.example".parse().unwrap()).unwrap()
}

fn json(body: &Body) -> Value {
    serde_json::from_slice(&body.bytes()).unwrap()
}

fn definition(flow_type: FlowType, properties: Value) -> FlowDefinition {
    let Value::Object(properties) = properties else {
        panic!("an object");
    };
    FlowDefinition {
        flow_type,
        properties,
    }
}

fn user_flow() -> FlowDefinition {
    let properties = json!({
        "createUnmatchedUsers": null,
        "managementOptions": {"additionalOptions": {"studentAgeGroup": null}, "list": [{"a": null}]},
        "creationOptions": {"configurations": [
            {"roleGroup": {"id": "Students"}, "licenseSkus": ["sku"], "defaultPasswordSettings": null},
            {"roleGroup": {"id": "a/b c"}, "licenseSkus": []}
        ]}
    });
    definition(FlowType::User, properties)
}

fn passwords() -> Passwords {
    Passwords::from([("students".to_owned(), "canary".into())])
}

#[test]
fn a_user_flow_binds_role_groups_and_adds_passwords() {
    let expected = json!({
        "@odata.type": "#microsoft.graph.industryData.userProvisioningFlow",
        "managementOptions": {"additionalOptions": {}, "list": [{}]},
        "creationOptions": {"configurations": [
            {
                "roleGroup@odata.bind":
                    "https://graph.example/beta/external/industryData/roleGroups/Students",
                "licenseSkus": ["sku"],
                "defaultPasswordSettings": {
                    "@odata.type": "#microsoft.graph.industryData.simplePasswordSettings",
                    "password": "canary"
                }
            },
            {
                "roleGroup@odata.bind":
                    "https://graph.example/beta/external/industryData/roleGroups/a%2Fb%20c",
                "licenseSkus": []
            }
        ]}
    });
    assert_eq!(
        json(&user_flow().for_create(&passwords(), &endpoint())),
        expected
    );
}

#[test]
fn an_update_keeps_nulls_as_they_clear_members() {
    let body = json(&user_flow().for_update(&passwords(), &endpoint()));
    assert_eq!(body["createUnmatchedUsers"], Value::Null);
    assert!(
        body.as_object()
            .unwrap()
            .contains_key("createUnmatchedUsers")
    );
    let options = &body["managementOptions"]["additionalOptions"];
    assert_eq!(*options, json!({"studentAgeGroup": null}));
}

#[test]
fn other_flows_are_sent_as_they_are_with_their_type() {
    for flow_type in FlowType::ALL {
        let properties = json!({"creationOptions": {"createBasedOnOrg": true}});
        let body = json(&definition(flow_type, properties).for_update(&passwords(), &endpoint()));
        let expected = json!({
            "@odata.type": flow_type.odata_type(),
            "creationOptions": {"createBasedOnOrg": true}
        });
        assert_eq!(body, expected);
    }
}

#[test]
fn neither_passwords_nor_a_body_shows_a_password() {
    let body = user_flow().for_create(&passwords(), &endpoint());
    assert!(json(&body).to_string().contains("canary"));
    let shown = format!("{:?} {body:?}", passwords());
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_set_without_filter_has_none_when_created_and_null_when_updated() {
    let set = FlowSetDefinition {
        display_name: "north".to_owned(),
        filter: None,
    };
    let created = json!({
        "@odata.type": "#microsoft.graph.industryData.outboundProvisioningFlowSet",
        "displayName": "north"
    });
    let mut updated = created.clone();
    updated["filter"] = Value::Null;
    assert_eq!(json(&set.for_create()), created);
    assert_eq!(json(&set.for_update()), updated);
}

#[test]
fn a_filter_is_typed() {
    let filter = FilterDefinition {
        attribute: "orgExternalId",
        values: vec!["school-17".to_owned()],
    };
    let set = FlowSetDefinition {
        display_name: "north".to_owned(),
        filter: Some(filter),
    };
    let expected = json!({
        "@odata.type": "#microsoft.graph.industryData.basicFilter",
        "attribute": "orgExternalId",
        "in": ["school-17"]
    });
    assert_eq!(json(&set.for_create())["filter"], expected);
}
