use std::collections::HashSet;

use serde_json::json;

use super::*;

fn parse<T: Listed>(value: &Value) -> Result<T, Malformed> {
    T::parse(value.to_string().as_bytes(), &KnownProperties::default())
}

fn flow(value: &Value) -> Flow {
    parse(value).unwrap()
}

#[test]
fn ids_are_shown_as_written_and_compared_without_case() {
    let lower: FlowId = "08dd-ab".parse().unwrap();
    let upper: FlowId = "08DD-AB".parse().unwrap();
    assert_eq!(lower, upper);
    assert_eq!(lower.cmp(&upper), std::cmp::Ordering::Equal);
    assert_eq!(HashSet::from([lower.clone(), upper.clone()]).len(), 1);
    assert_eq!(
        (lower.to_string(), upper.as_str()),
        ("08dd-ab".into(), "08DD-AB")
    );
    assert!(lower < "08dd-b".parse().unwrap());
}

#[test]
fn text_that_would_name_another_path_is_no_id() {
    for text in [
        "",
        ".",
        "..",
        "a b",
        "a\n",
        "\u{2003}",
        "a\u{202E}b",
        "\u{200B}",
        &"x".repeat(257),
    ] {
        assert_eq!(text.parse::<FlowSetId>(), Err(InvalidId), "{text:?}");
    }
    assert!("...a".parse::<FlowSetId>().is_ok());
}

#[test]
fn types_are_read_in_any_case_and_spelling() {
    for flow_type in FlowType::ALL {
        let wire = flow_type.odata_type();
        let spellings = [
            wire.to_owned(),
            wire.to_uppercase(),
            wire.trim_start_matches('#').to_owned(),
            format!("https://graph.microsoft.com/beta/$metadata{wire}"),
        ];
        for spelling in spellings {
            assert_eq!(
                FlowType::from_odata_type(&spelling),
                Some(flow_type),
                "{spelling}"
            );
        }
        let name = flow_type.to_string();
        assert!(wire.ends_with(&format!(".{name}ProvisioningFlow")));
    }
    assert_eq!(FlowType::from_odata_type("#microsoft.graph.user"), None);
}

#[test]
fn a_flow_is_taken_apart() {
    let flow = flow(&json!({
        "@odata.context": "https://elsewhere.example/$metadata",
        "@odata.type": "#microsoft.graph.industryData.securityGroupProvisioningFlow",
        "id": "AA-1",
        "createdDateTime": "2026-01-05T08:00:00.1234567Z",
        "lastModifiedDateTime": null,
        "readinessStatus": "hibernating",
        "creationOptions": {"createBasedOnRoleGroup": true, "note@odata.type": "kept"},
        "createUnmatchedUsers": null,
        "novelty": [1]
    }));
    assert_eq!(flow.id.as_str(), "AA-1");
    assert_eq!(flow.flow_type, Some(FlowType::SecurityGroup));
    assert_eq!(flow.readiness.as_deref(), Some("hibernating"));
    assert_eq!(
        flow.created.as_deref(),
        Some("2026-01-05T08:00:00.1234567Z")
    );
    assert_eq!(flow.created_at().unwrap().subsec_nanosecond(), 123_456_700);
    assert_eq!(flow.last_modified, None);
    let rest = json!({
        "creationOptions": {"createBasedOnRoleGroup": true, "note@odata.type": "kept"},
        "createUnmatchedUsers": null
    });
    assert_eq!(Value::Object(flow.properties.to_map()), rest);
}

#[test]
fn what_is_unknown_costs_nothing_else() {
    let flow = flow(&json!({
        "@odata.type": "#microsoft.graph.industryData.roomProvisioningFlow",
        "id": "1",
        "readinessStatus": 7,
        "createdDateTime": "yesterday"
    }));
    assert_eq!((flow.flow_type, flow.created_at()), (None, None));
    assert_eq!(flow.readiness, None);
    assert!(flow.properties.is_empty());
}

#[test]
fn a_password_never_gets_in() {
    let flow = flow(&json!({
        "id": "1",
        "creationOptions": {"configurations": [
            {"defaultPasswordSettings": {"password": "canary-1"}},
            {"defaultPasswordSettings": {"Password": ["canary-2"]}},
            {"defaultPasswordSettings": {"password": null}}
        ]}
    }));
    assert!(!format!("{flow:?}").contains("canary"));
    let configurations = &flow.properties.to_map()["creationOptions"]["configurations"];
    assert_eq!(
        configurations[0]["defaultPasswordSettings"]["password"],
        PASSWORD_MASK
    );
    assert_eq!(
        configurations[2]["defaultPasswordSettings"]["password"],
        Value::Null
    );
}

#[test]
fn an_object_without_identity_is_an_error() {
    assert_eq!(parse::<Flow>(&json!([])), Err(Malformed::NotAnObject));
    for value in [
        json!({}),
        json!({"id": null}),
        json!({"id": 1}),
        json!({"id": ".."}),
    ] {
        assert_eq!(parse::<Flow>(&value), Err(Malformed::Id));
        assert_eq!(parse::<FlowSet>(&value), Err(Malformed::Id));
    }
    let nameless: FlowSet = parse(&json!({"id": "1", "filter": null})).unwrap();
    assert_eq!(nameless.filter, None);
    assert_eq!(nameless.display_name, "", "a set all the same");
}

#[test]
fn words_are_cut_and_cleaned_and_never_become_known_ones() {
    let huge = "x".repeat(4 * 1024 * 1024);
    let odd = flow(&json!({
        "id": "1",
        "readinessStatus": "re\u{202E}ady",
        "createdDateTime": huge,
        "lastModifiedDateTime": "2026\n"
    }));
    assert_eq!(odd.readiness.as_deref(), Some("re\u{FFFD}ady"));
    assert_eq!(odd.created.unwrap().chars().count(), MAX_WORD);
    assert_eq!(odd.last_modified.as_deref(), Some("2026\u{FFFD}"));
    let set: FlowSet = parse(&json!({"id": "1", "displayName": huge})).unwrap();
    assert_eq!(set.display_name.len(), MAX_NAME);
}

#[test]
fn what_is_too_large_to_be_kept_is_an_error() {
    let large = "x".repeat(MAX_PROPERTIES_BYTES);
    let fits = flow(&json!({"id": "1", "novelty": large}));
    assert!(fits.weight() < 1000, "{}", fits.weight());
    for name in &FLOW_MEMBERS[FIRST_PROPERTY..] {
        let objects = vec![json!({"a": 1}); MAX_PROPERTIES_BYTES / 10];
        for large in [json!(large), json!(objects)] {
            assert_eq!(
                parse::<Flow>(&json!({"id": "1", *name: large})),
                Err(Malformed::Size)
            );
        }
    }
    // The last one is short, but each of its objects takes 70 times the memory of its text.
    for filter in [
        json!({"in": ["x".repeat(MAX_FILTER_BYTES)]}),
        json!(vec![json!({"a": 1}); MAX_FILTER_BYTES / 10]),
    ] {
        assert_eq!(
            parse::<FlowSet>(&json!({"id": "1", "filter": filter})),
            Err(Malformed::Size)
        );
    }
}

#[test]
fn all_that_a_spec_can_declare_fits() {
    // With each character escaped, as some services do.
    let value = format!("\"{}\"", "\\u00e4".repeat(256));
    let values = vec![value; 1000].join(",");
    let json = format!(r#"{{"id":"1","filter":{{"attribute":"orgExternalId","in":[{values}]}}}}"#);
    let set = FlowSet::parse(json.as_bytes()).unwrap();
    assert_eq!(set.filter.unwrap()["in"].as_array().unwrap().len(), 1000);
}

#[test]
fn the_weight_of_an_item_grows_with_what_is_kept() {
    let weight = |items: usize| {
        let options = vec![1; items];
        flow(&json!({"id": "1", "creationOptions": options})).weight()
    };
    assert_eq!(weight(1001) - weight(1), 1000 * ",1".len());
    let filter = |items: usize| {
        let filter = json!({ "in": vec![json!({ "a": 1 }); items] });
        let set = json!({ "id": "1", "filter": filter }).to_string();
        FlowSet::parse(set.as_bytes()).unwrap().weight()
    };
    assert!(filter(1001) - filter(1) >= 1000 * MAP_NODE);
}
