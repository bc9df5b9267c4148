//! What users have declared, and how it looks at the service.

use std::collections::BTreeMap;

use industrydata_simulator::FlowType;
use serde_json::{Value, json};

/// The types of flow, of which each set has one.
pub const TYPES: [FlowType; 4] = [
    FlowType::AdministrativeUnit,
    FlowType::SecurityGroup,
    FlowType::ClassGroup,
    FlowType::User,
];

/// How many Secrets with passwords there are.
pub const SECRETS: usize = 4;

/// How all passwords begin.
pub const PASSWORD: &str = "Soak-canary-";

/// A resource that exists because somebody wants it to.
pub struct Declared {
    pub uid: String,
    /// Goes up with each edit of the spec.
    pub variant: usize,
    /// The last `resetToken`.
    pub token: Option<String>,
}

/// A name that a resource can have.
pub struct Place {
    pub name: String,
    pub declared: Option<Declared>,
}

/// The flow of a place is of type `place % 4`, and in the set of place `place / 4`.
pub struct Model {
    pub sets: Vec<Place>,
    pub flows: Vec<Place>,
    /// How often each Secret has been edited.
    pub passwords: [usize; SECRETS],
    /// The uid of each resource that was deleted, with the number of requests that the service had had before.
    pub deleted: BTreeMap<String, u64>,
    /// The tokens that each resource got in this round, by uid.
    pub tokens: BTreeMap<String, Vec<String>>,
    /// The number of requests that the service had had before this round.
    pub round: u64,
}

impl Model {
    pub fn new(sets: usize) -> Self {
        let place = |name| Place {
            name,
            declared: None,
        };
        let flow = |number: usize| format!("set-{}-type-{}", number / 4, number % 4);
        Self {
            sets: (0..sets).map(|set| place(format!("set-{set}"))).collect(),
            flows: (0..4 * sets).map(|number| place(flow(number))).collect(),
            passwords: [0; SECRETS],
            deleted: BTreeMap::new(),
            tokens: BTreeMap::new(),
            round: 0,
        }
    }

    /// The password of a flow's users.
    pub fn password(&self, place: usize) -> String {
        password(place / 4 % SECRETS, self.passwords[place / 4 % SECRETS])
    }
}

pub fn password(secret: usize, edits: usize) -> String {
    format!("{PASSWORD}{secret}-{edits}")
}

pub fn display_name(set: &str, variant: usize) -> String {
    format!("{set} called {variant}")
}

/// What a set's `spec` says.
pub fn set_spec(name: &str, variant: usize) -> Value {
    json!({
        "connectionRef": { "name": "contoso" },
        "displayName": display_name(name, variant),
        "filter": { "attribute": "orgExternalId", "in": [format!("school-{variant}")] },
    })
}

/// What the `spec` of the flow at a place says.
pub fn flow_spec(place: usize, variant: usize) -> Value {
    let (one, other) = (variant.is_multiple_of(2), !variant.is_multiple_of(2));
    let (member, options) = match TYPES[place % 4] {
        FlowType::AdministrativeUnit => (
            "administrativeUnit",
            json!({ "creationOptions": { "createBasedOnOrg": one, "createBasedOnOrgPlusRoleGroup": other } }),
        ),
        FlowType::SecurityGroup => (
            "securityGroup",
            json!({ "creationOptions": { "createBasedOnRoleGroup": one, "createBasedOnOrgPlusRoleGroup": other } }),
        ),
        FlowType::ClassGroup => (
            "classGroup",
            json!({ "configuration": {
                "additionalOptions": { "createTeam": one, "writeDisplayNameOnCreateOnly": other },
                "enrollmentMappings": {},
            } }),
        ),
        FlowType::User => (
            "user",
            json!({
                "createUnmatchedUsers": one,
                "managementOptions": { "additionalOptions": {} },
                "creationOptions": { "configurations": [{
                    "roleGroup": "staff",
                    "defaultPassword": { "secretKeyRef": { "name": secret(place / 4 % SECRETS), "key": "staff" } },
                }] },
            }),
        ),
    };
    json!({ "flowSetRef": { "name": format!("set-{}", place / 4) }, member: options })
}

pub fn secret(number: usize) -> String {
    format!("passwords-{number}")
}

/// Whether a flow at the service is as the variant wants it.
pub fn is_variant(flow_type: FlowType, flow: &Value, variant: usize) -> bool {
    let path = match flow_type {
        FlowType::AdministrativeUnit => "/creationOptions/createBasedOnOrg",
        FlowType::SecurityGroup => "/creationOptions/createBasedOnRoleGroup",
        FlowType::ClassGroup => "/configuration/additionalOptions/createTeam",
        FlowType::User => "/createUnmatchedUsers",
    };
    flow.pointer(path) == Some(&json!(variant.is_multiple_of(2)))
}
