//! What the service holds: flow sets, flows and complete lists of them.
//!
//! Plain data without IO, so that pure code can depend on it. Parsing is strict about what
//! identifies an object and lenient about everything else: the interface is beta, and a member that
//! this client does not know must neither be lost nor make an object unreadable.

mod id;

use std::{fmt, str::FromStr};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::id::{FlowId, FlowSetId, InvalidId};

/// What stands where the service has, or might have, a password.
///
/// The service itself answers fifteen asterisks. Parsing puts the same in place of any other value,
/// so that no [`Flow`] ever holds a password, even if the service should echo one.
pub const PASSWORD_MASK: &str = "***************";

/// The four concrete kinds of flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowType {
    /// Creates administrative units.
    AdministrativeUnit,
    /// Creates a group, and optionally a team, for each class.
    ClassGroup,
    /// Creates security groups.
    SecurityGroup,
    /// Creates and maintains users.
    User,
}

impl FlowType {
    /// All of them, in alphabetical order.
    pub const ALL: [Self; 4] = [
        Self::AdministrativeUnit,
        Self::ClassGroup,
        Self::SecurityGroup,
        Self::User,
    ];

    /// The short name, for people, columns and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdministrativeUnit => "administrativeUnit",
            Self::ClassGroup => "classGroup",
            Self::SecurityGroup => "securityGroup",
            Self::User => "user",
        }
    }

    /// The value of `@odata.type` that stands for this type on the wire.
    #[must_use]
    pub const fn odata_type(self) -> &'static str {
        match self {
            Self::AdministrativeUnit => {
                "#microsoft.graph.industryData.administrativeUnitProvisioningFlow"
            }
            Self::ClassGroup => "#microsoft.graph.industryData.classGroupProvisioningFlow",
            Self::SecurityGroup => "#microsoft.graph.industryData.securityGroupProvisioningFlow",
            Self::User => "#microsoft.graph.industryData.userProvisioningFlow",
        }
    }

    /// Reads a value of `@odata.type`, in any case and with or without what precedes the namespace.
    ///
    /// `None`: a type that this client does not know.
    #[must_use]
    pub fn from_odata_type(text: &str) -> Option<Self> {
        let qualified = text.rsplit_once('#').map_or(text, |(_, name)| name);
        Self::ALL.into_iter().find(|flow_type| {
            flow_type
                .odata_type()
                .trim_start_matches('#')
                .eq_ignore_ascii_case(qualified)
        })
    }
}

impl fmt::Display for FlowType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One provisioning flow as the service describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// The service's id.
    pub id: FlowId,
    /// Which of the four types it is. `None`: a type that this client does not know.
    pub flow_type: Option<FlowType>,
    /// When it was created, verbatim.
    pub created: Option<String>,
    /// When its configuration last changed, verbatim. A change of [`Self::readiness`] does not move
    /// it.
    pub last_modified: Option<String>,
    /// `readinessStatus`, the service's own word, also one that this client does not know.
    pub readiness: Option<String>,
    /// Every other member, verbatim but for passwords, which are [masked](PASSWORD_MASK), and
    /// without the annotations (`@odata.…`) of the flow itself.
    pub properties: Map<String, Value>,
}

impl Flow {
    /// Reads a flow from the JSON of an answer.
    ///
    /// A date or readiness of an unexpected JSON type stays among the
    /// [`properties`](Self::properties).
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the value is no object or has no usable id.
    pub fn parse(value: Value) -> Result<Self, Malformed> {
        let mut members = object(value)?;
        let flow_type = take_text(&mut members, "@odata.type");
        let flow = Self {
            id: take_id(&mut members)?,
            flow_type: flow_type.as_deref().and_then(FlowType::from_odata_type),
            created: take_text(&mut members, "createdDateTime"),
            last_modified: take_text(&mut members, "lastModifiedDateTime"),
            readiness: take_text(&mut members, "readinessStatus"),
            properties: without_annotations(members),
        };
        Ok(flow)
    }

    /// The time of creation, if the service gave one that can be read.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        time(self.created.as_deref())
    }

    /// The time of the last change of configuration, if the service gave one that can be read.
    #[must_use]
    pub fn last_modified_at(&self) -> Option<Timestamp> {
        time(self.last_modified.as_deref())
    }
}

/// One outbound provisioning flow set as the service describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSet {
    /// The service's id.
    pub id: FlowSetId,
    /// Free text; two sets may have the same. Empty where the service gave none.
    pub display_name: String,
    /// Which organisations it covers, verbatim. `None`: all.
    pub filter: Option<Value>,
    /// When it was created, verbatim.
    pub created: Option<String>,
    /// When it last changed, verbatim.
    pub last_modified: Option<String>,
    /// Its flows, where they were asked for and came *completely*.
    ///
    /// `None` also where the service paged the flows inside the set, or one of them cannot be
    /// understood: then they have to be listed by themselves, so that a set never seems to have fewer
    /// flows than it has.
    pub flows: Option<Vec<Flow>>,
}

impl FlowSet {
    /// Reads a flow set from the JSON of an answer.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the value is no object or has no usable id.
    pub fn parse(value: Value) -> Result<Self, Malformed> {
        let mut members = object(value)?;
        let set = Self {
            id: take_id(&mut members)?,
            display_name: take_text(&mut members, "displayName").unwrap_or_default(),
            filter: members.remove("filter").filter(|filter| !filter.is_null()),
            created: take_text(&mut members, "createdDateTime"),
            last_modified: take_text(&mut members, "lastModifiedDateTime"),
            flows: take_flows(&mut members),
        };
        Ok(set)
    }

    /// The time of creation, if the service gave one that can be read.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        time(self.created.as_deref())
    }

    /// The time of the last change, if the service gave one that can be read.
    #[must_use]
    pub fn last_modified_at(&self) -> Option<Timestamp> {
        time(self.last_modified.as_deref())
    }
}

/// A complete list: everything that the service showed, or there is no `Listing` at all. Only items
/// that cannot be understood are missing, and they are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// The members, each id once, in the service's order.
    pub items: Vec<T>,
    /// How many items cannot be understood: no object, or without a usable id. Where there are any,
    /// an object that is not among [`items`](Self::items) may be there all the same.
    pub unread: usize,
    /// The service's clock when it began to answer: the `Date` header of the first page, in whole
    /// seconds (cut, not rounded). The local clock at the start of the request where the header is
    /// missing or unreadable.
    pub date: Timestamp,
}

/// JSON that is no flow, no flow set or no list of them.
///
/// Says what is wrong, never what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A status of success that the interface does not have for this request.
    #[error("an unexpected status of success")]
    Status,
    /// The content type is not that of JSON.
    #[error("not sent as JSON")]
    ContentType,
    /// An error, although the status is one of success.
    #[error("an error under a status of success")]
    Error,
    /// Not JSON at all.
    #[error("not JSON")]
    Syntax,
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// `id` is missing, or cannot be an id.
    #[error("no usable id")]
    Id,
    /// `value` is missing, or not a list.
    #[error("no list of values")]
    Values,
    /// The answer of the authority holds no token that can be sent.
    #[error("no access token")]
    Token,
    /// `@odata.nextLink` is not text.
    #[error("@odata.nextLink is not text")]
    NextLink,
}

fn object(value: Value) -> Result<Map<String, Value>, Malformed> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(Malformed::NotAnObject),
    }
}

fn take_id<T: FromStr>(members: &mut Map<String, Value>) -> Result<T, Malformed> {
    let text = take_text(members, "id").ok_or(Malformed::Id)?;
    text.parse().map_err(|_| Malformed::Id)
}

/// Takes a member out if it is text or null; anything else stays where it is.
fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.get_mut(name)?.take() {
        Value::String(text) => {
            members.remove(name);
            Some(text)
        }
        Value::Null => {
            members.remove(name);
            None
        }
        other => {
            members.insert(name.to_owned(), other);
            None
        }
    }
}

fn take_flows(members: &mut Map<String, Value>) -> Option<Vec<Flow>> {
    let partial = members.contains_key("provisioningFlows@odata.nextLink");
    match members.remove("provisioningFlows") {
        Some(Value::Array(flows)) if !partial => flows
            .into_iter()
            .map(|flow| Flow::parse(flow).ok())
            .collect(),
        _ => None,
    }
}

fn without_annotations(members: Map<String, Value>) -> Map<String, Value> {
    let own = members
        .into_iter()
        .filter(|(name, _)| !name.starts_with("@odata."));
    masked(own.collect())
}

fn masked(members: Map<String, Value>) -> Map<String, Value> {
    let mask = |(name, value): (String, Value)| match value {
        Value::Null => (name, Value::Null),
        _ if name.eq_ignore_ascii_case("password") => (name, PASSWORD_MASK.into()),
        value => (name, masked_value(value)),
    };
    members.into_iter().map(mask).collect()
}

fn masked_value(value: Value) -> Value {
    match value {
        Value::Object(members) => masked(members).into(),
        Value::Array(items) => items.into_iter().map(masked_value).collect(),
        plain => plain,
    }
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests;
