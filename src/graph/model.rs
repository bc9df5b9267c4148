//! Objects of the service: flow sets, flows and complete lists of them.
//!
//! Plain data without IO, so that pure code can depend on it. Parsing is strict about the identity of
//! an object and lenient about everything else: the interface is beta, and an unknown member must
//! neither be lost nor make an object unreadable.

mod id;

use std::{fmt, str::FromStr};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::id::{FlowId, FlowSetId, InvalidId};

/// Mask in place of a password.
///
/// The service itself returns fifteen asterisks. Parsing replaces any other value with the same, so that
/// no [`Flow`] ever contains a password, even if the service returned one.
pub const PASSWORD_MASK: &str = "***************";

/// Type of a flow.
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
    /// All types, in alphabetical order.
    pub const ALL: [Self; 4] = [
        Self::AdministrativeUnit,
        Self::ClassGroup,
        Self::SecurityGroup,
        Self::User,
    ];

    /// Returns the short name, for users, columns and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdministrativeUnit => "administrativeUnit",
            Self::ClassGroup => "classGroup",
            Self::SecurityGroup => "securityGroup",
            Self::User => "user",
        }
    }

    /// Returns the value of `@odata.type` for this type in the interface.
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

    /// Parses a value of `@odata.type`, in any case and with or without the prefix before the namespace.
    /// Returns `None` for an unknown type.
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

/// Provisioning flow as the service returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Id that the service gave it.
    pub id: FlowId,
    /// Type of the flow, or `None` if it is unknown to this client.
    pub flow_type: Option<FlowType>,
    /// When it was created, verbatim.
    pub created: Option<String>,
    /// When its configuration last changed, verbatim. A change of [`Self::readiness`] does not affect
    /// it.
    pub last_modified: Option<String>,
    /// Value of `readinessStatus`, verbatim, even if it is unknown to this client.
    pub readiness: Option<String>,
    /// All other members, verbatim except for passwords, which are [masked](PASSWORD_MASK), and without
    /// the annotations (`@odata.…`) of the flow itself.
    pub properties: Map<String, Value>,
}

impl Flow {
    /// Parses a flow from the JSON of a response.
    ///
    /// A date or readiness of an unexpected JSON type stays among the
    /// [`properties`](Self::properties).
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the value is not an object or does not contain a usable id.
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

    /// Returns the time of creation, or `None` if it is missing or cannot be parsed.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        time(self.created.as_deref())
    }
}

/// Outbound provisioning flow set as the service returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowSet {
    /// Id that the service gave it.
    pub id: FlowSetId,
    /// Display name, which need not be unique; empty if the service returned none.
    pub display_name: String,
    /// Filter of organisations, verbatim, or `None` for all.
    pub filter: Option<Value>,
    /// When it was created, verbatim.
    pub created: Option<String>,
    /// When it last changed, verbatim.
    pub last_modified: Option<String>,
}

impl FlowSet {
    /// Parses a flow set from the JSON of a response.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the value is not an object or does not contain a usable id.
    pub fn parse(value: Value) -> Result<Self, Malformed> {
        let mut members = object(value)?;
        let set = Self {
            id: take_id(&mut members)?,
            display_name: take_text(&mut members, "displayName").unwrap_or_default(),
            filter: members.remove("filter").filter(|filter| !filter.is_null()),
            created: take_text(&mut members, "createdDateTime"),
            last_modified: take_text(&mut members, "lastModifiedDateTime"),
        };
        Ok(set)
    }

    /// Returns the time of creation, or `None` if it is missing or cannot be parsed.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        time(self.created.as_deref())
    }
}

/// Complete list of objects: a list with a missing page is an error, not a `Listing`. Only items that
/// cannot be parsed are missing, and they are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// Items in the order of the service, each id once.
    pub items: Vec<T>,
    /// Number of items that cannot be parsed, because they are not objects or have no usable id. If it is
    /// not zero, an object that is missing from [`items`](Self::items) may nevertheless exist.
    pub unread: usize,
    /// Service time at the start of the response: the `Date` header of the first page, in whole seconds
    /// (truncated, not rounded), or the local time at the start of the request if the header is missing
    /// or unreadable.
    pub date: Timestamp,
}

/// Reason why a response could not be parsed. It does not contain the text of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A 2xx status that is not documented for this request.
    #[error("an unexpected status of success")]
    Status,
    /// The content type is not that of JSON.
    #[error("not sent as JSON")]
    ContentType,
    /// An error body with a 2xx status.
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
    /// The response of the authority contains no usable token.
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

/// Removes a member if it is text or null, and returns the text. Any other value is kept.
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
