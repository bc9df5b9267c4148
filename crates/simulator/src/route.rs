//! From a path to the thing it names, and from that and a method to an operation.

use axum::http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// What a request asks for. Faults and the journal go by these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operation {
    ListSets,
    CreateSet,
    GetSet,
    UpdateSet,
    DeleteSet,
    CountSets,
    ListFlows,
    CreateFlow,
    GetFlow,
    UpdateFlow,
    DeleteFlow,
    ResetFlow,
    CountFlows,
    ListRuns,
    GetRun,
    ListActivities,
    StartRun,
    ListRoleGroups,
    GetRoleGroup,
    Batch,
    Token,
    /// Nothing that there is: 404 or 405.
    Unknown,
    // Hostile mode counts on the order: new ones come last.
    DeviceCode,
    /// The page on which a person enters a user code.
    SignInPage,
    /// Endpoints and keys of the authority.
    Discovery,
}

impl Operation {
    /// Whether the authority answers it, not Graph.
    pub(crate) fn is_of_authority(self) -> bool {
        matches!(
            self,
            Self::Token | Self::DeviceCode | Self::SignInPage | Self::Discovery
        )
    }

    /// Whether success changes something that outlives the request.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::CreateSet
                | Self::UpdateSet
                | Self::DeleteSet
                | Self::CreateFlow
                | Self::UpdateFlow
                | Self::DeleteFlow
                | Self::ResetFlow
                | Self::StartRun
        )
    }
}

/// The thing that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Sets,
    SetCount,
    Set { set: String },
    Flows { set: String },
    FlowCount { set: String },
    Flow { set: String, flow: String },
    Reset { set: String, flow: String },
    Runs,
    StartRun,
    Run { run: String },
    Activities { run: String },
    RoleGroups,
    RoleGroup { group: String },
    Batch,
    Token { tenant: String },
    DeviceCode { tenant: String },
    SignInPage,
    Endpoints { tenant: String },
    Keys { tenant: String },
    Instance,
    Nothing,
}

/// How names in a path are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathCase {
    Folded,
    Exact,
}

impl Target {
    /// Reads a path of the service or of the authority.
    pub(crate) fn of(path: &str, case: PathCase) -> Self {
        let segments = segments(path);
        let names: Vec<String> = segments.iter().map(|segment| name(segment, case)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            [_, "oauth2", "v2.0", "token"] => Self::Token {
                tenant: segments[0].clone(),
            },
            [_, "oauth2", "v2.0", "devicecode"] => Self::DeviceCode {
                tenant: segments[0].clone(),
            },
            ["common", "oauth2", "deviceauth"] => Self::SignInPage,
            [_, "v2.0", ".well-known", "openid-configuration"] => Self::Endpoints {
                tenant: segments[0].clone(),
            },
            [_, "discovery", "v2.0", "keys"] => Self::Keys {
                tenant: segments[0].clone(),
            },
            ["common", "discovery", "instance"] => Self::Instance,
            ["beta", "$batch"] => Self::Batch,
            ["beta", "external", "industrydata", rest @ ..] => {
                Self::industry_data(rest, &segments[3..])
            }
            _ => Self::Nothing,
        }
    }

    fn industry_data(names: &[&str], segments: &[String]) -> Self {
        let id = |at: usize| segments[at].clone();
        match names {
            ["outboundprovisioningflowsets", rest @ ..] => Self::flow_sets(rest, &segments[1..]),
            ["runs"] => Self::Runs,
            ["runs", "start" | "microsoft.graph.industrydata.start"] => Self::StartRun,
            ["runs", _] => Self::Run { run: id(1) },
            ["runs", _, "activities"] => Self::Activities { run: id(1) },
            ["rolegroups"] => Self::RoleGroups,
            ["rolegroups", _] => Self::RoleGroup { group: id(1) },
            _ => Self::Nothing,
        }
    }

    fn flow_sets(names: &[&str], segments: &[String]) -> Self {
        let set = || segments[0].clone();
        let flow = || segments[2].clone();
        match names {
            [] => Self::Sets,
            ["$count"] => Self::SetCount,
            [_] => Self::Set { set: set() },
            [_, "provisioningflows"] => Self::Flows { set: set() },
            [_, "provisioningflows", "$count"] => Self::FlowCount { set: set() },
            [_, "provisioningflows", _] => Self::Flow {
                set: set(),
                flow: flow(),
            },
            [
                _,
                "provisioningflows",
                _,
                "reset" | "microsoft.graph.industrydata.reset",
            ] => Self::Reset {
                set: set(),
                flow: flow(),
            },
            _ => Self::Nothing,
        }
    }

    /// The operation of a method on this target, unless the method is not allowed there.
    pub(crate) fn operation(&self, method: &Method) -> Option<Operation> {
        let operation = match (self, method.as_str()) {
            (Self::Sets, "GET") => Operation::ListSets,
            (Self::Sets, "POST") => Operation::CreateSet,
            (Self::SetCount, "GET") => Operation::CountSets,
            (Self::Set { .. }, "GET") => Operation::GetSet,
            (Self::Set { .. }, "PATCH") => Operation::UpdateSet,
            (Self::Set { .. }, "DELETE") => Operation::DeleteSet,
            (Self::Flows { .. }, "GET") => Operation::ListFlows,
            (Self::Flows { .. }, "POST") => Operation::CreateFlow,
            (Self::FlowCount { .. }, "GET") => Operation::CountFlows,
            (Self::Flow { .. }, "GET") => Operation::GetFlow,
            (Self::Flow { .. }, "PATCH") => Operation::UpdateFlow,
            (Self::Flow { .. }, "DELETE") => Operation::DeleteFlow,
            (Self::Reset { .. }, "POST") => Operation::ResetFlow,
            (Self::Runs, "GET") => Operation::ListRuns,
            (Self::StartRun, "POST") => Operation::StartRun,
            (Self::Run { .. }, "GET") => Operation::GetRun,
            (Self::Activities { .. }, "GET") => Operation::ListActivities,
            (Self::RoleGroups, "GET") => Operation::ListRoleGroups,
            (Self::RoleGroup { .. }, "GET") => Operation::GetRoleGroup,
            (Self::Batch, "POST") => Operation::Batch,
            (Self::Token { .. }, "POST") => Operation::Token,
            (Self::DeviceCode { .. }, "POST") => Operation::DeviceCode,
            (Self::SignInPage, "GET" | "POST") => Operation::SignInPage,
            (Self::Endpoints { .. } | Self::Keys { .. } | Self::Instance, "GET") => {
                Operation::Discovery
            }
            (Self::Nothing, _) => Operation::Unknown,
            _ => return None,
        };
        Some(operation)
    }
}

/// Folds the casing of a name. Without folding, a name in a casing that no document has is no name.
fn name(segment: &str, case: PathCase) -> String {
    const DOCUMENTED: [&str; 14] = [
        "beta",
        "external",
        "industryData",
        "outboundProvisioningFlowSets",
        "OutboundProvisioningFlowSets",
        "provisioningFlows",
        "reset",
        "microsoft.graph.industryData.reset",
        "runs",
        "start",
        "microsoft.graph.industryData.start",
        "activities",
        "roleGroups",
        "oauth2",
    ];
    let folded = segment.to_ascii_lowercase();
    let strange = DOCUMENTED
        .iter()
        .any(|name| name.eq_ignore_ascii_case(segment))
        && !DOCUMENTED.contains(&segment);
    if case == PathCase::Exact && strange {
        String::new()
    } else {
        folded
    }
}

/// The decoded segments of a path, where `name('key')` counts as `name/key`.
fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .flat_map(split_key)
        .collect()
}

fn split_key(segment: &str) -> Vec<String> {
    let decoded = percent_decode_str(segment).decode_utf8_lossy().into_owned();
    match decoded
        .strip_suffix("')")
        .and_then(|rest| rest.split_once("('"))
    {
        Some((name, key)) => vec![name.to_owned(), key.replace("''", "'")],
        None => vec![decoded],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/beta/external/industryData";

    fn target(rest: &str) -> Target {
        Target::of(&format!("{ROOT}{rest}"), PathCase::Folded)
    }

    #[test]
    fn both_casings_and_both_key_forms_name_the_same_flow() {
        let wanted = Target::Flow {
            set: "S1".to_owned(),
            flow: "F1".to_owned(),
        };
        for path in [
            "/outboundProvisioningFlowSets/S1/provisioningFlows/F1",
            "/OutboundProvisioningFlowSets/S1/provisioningFlows/F1",
            "/outboundProvisioningFlowSets('S1')/provisioningFlows('F1')",
            "/outboundprovisioningflowsets(%27S1%27)/PROVISIONINGFLOWS/F1",
        ] {
            assert_eq!(target(path), wanted, "{path}");
        }
    }

    #[test]
    fn reset_has_a_short_and_a_qualified_name() {
        let wanted = Target::Reset {
            set: "S".to_owned(),
            flow: "F".to_owned(),
        };
        let flow = "/outboundProvisioningFlowSets/S/provisioningFlows/F";
        assert_eq!(target(&format!("{flow}/reset")), wanted);
        assert_eq!(
            target(&format!("{flow}/microsoft.graph.industryData.reset")),
            wanted
        );
    }

    #[test]
    fn exact_paths_refuse_an_undocumented_casing_only() {
        let exact = |rest: &str| Target::of(&format!("{ROOT}{rest}"), PathCase::Exact);
        assert_eq!(exact("/OutboundProvisioningFlowSets"), Target::Sets);
        assert_eq!(exact("/outboundprovisioningflowsets"), Target::Nothing);
    }

    #[test]
    fn a_known_path_with_a_foreign_method_has_no_operation() {
        assert_eq!(
            target("/outboundProvisioningFlowSets").operation(&Method::PUT),
            None
        );
        assert_eq!(
            target("/inboundFlows").operation(&Method::GET),
            Some(Operation::Unknown)
        );
    }
}
