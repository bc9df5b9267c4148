//! Spellings that the service is lenient about.

use serde_json::json;

use crate::{
    client::{Bench, ROOT, SETS, class_group, flows, id, last},
    contract::own_properties,
};

#[tokio::test]
async fn both_casings_of_the_collection_and_both_key_forms_are_accepted() {
    let bench = Bench::new().await;
    let path = bench.lone_flow().await;
    let (set, flow) = (path.split('/').nth(5).unwrap(), last(&path));
    for form in [
        format!("{ROOT}/OutboundProvisioningFlowSets/{set}/provisioningFlows/{flow}"),
        format!("{ROOT}/outboundProvisioningFlowSets('{set}')/provisioningFlows('{flow}')"),
        format!(
            "{SETS}/{}/provisioningFlows/{}",
            set.to_uppercase(),
            flow.to_uppercase()
        ),
    ] {
        assert_eq!(id(&bench.get(&form).await.expect(200)), flow);
    }
}

#[tokio::test]
async fn undocumented_casing_of_names_and_codes_becomes_canonical() {
    let bench = Bench::new().await;
    let set = bench.set("casing").await;
    let body = json!({ "@odata.type": "#microsoft.graph.industryData.securityGroupProvisioningFlow",
        "creationOptions": { "createBasedOnroleGroup": true, "createBasedOnOrgPlusroleGroup": true } });
    let created = bench.post(&flows(&set), &body).await.expect(201).json();
    let wanted = json!({ "createBasedOnRoleGroup": true, "createBasedOnOrgPlusRoleGroup": true });
    assert_eq!(created["creationOptions"], wanted);
    let mut class = class_group();
    class["configuration"]["enrollmentMappings"]["ownerEnrollmentMappings"] =
        json!([{ "code": "paraProfessional" }]);
    let created = bench.post(&flows(&set), &class).await.expect(201).json();
    let owners = &created["configuration"]["enrollmentMappings"]["ownerEnrollmentMappings"];
    assert_eq!(owners, &json!([{ "code": "paraprofessional" }]));
}

#[tokio::test]
async fn inner_odata_types_are_accepted_and_dropped() {
    let bench = Bench::new().await;
    let set = bench.set("typed").await;
    let mut body = class_group();
    let name = "#microsoft.graph.industryData.classGroupConfiguration";
    body["configuration"]["@odata.type"] = json!(name);
    let created = bench.post(&flows(&set), &body).await.expect(201);
    assert_eq!(own_properties(&created, &set), class_group());
    body["configuration"]["@odata.type"] =
        json!("#microsoft.graph.industryData.enrollmentMappings");
    bench
        .post(&flows(&bench.set("wrong").await), &body)
        .await
        .expect(400);
}
