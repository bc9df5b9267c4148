//! Objects of the service: flow sets, flows and complete lists of them.
//!
//! Plain data without IO, so that pure code can depend on it. Parsing is strict about the identity of
//! an object and lenient about everything else: the interface is beta, and an unknown member must not
//! make an object unreadable. What is kept is what is used: of the members of a flow those that its
//! definition can contain, with all that is in them. Words that are shown to people are cut and cleaned
//! here, and secrets are masked.

mod definition;
mod id;
mod known;
mod listing;
mod mask;
mod properties;
mod swept;
mod words;

use std::{fmt, hash::Hash, str::FromStr};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, value::RawValue};

pub use super::room::Room;
use super::{
    json::{self, FoundMembers},
    malformed::Malformed,
};
use words::{MAX_NAME, MAX_WORD};

pub use self::{
    definition::{FilterDefinition, FlowDefinition, FlowSetDefinition},
    id::{FlowId, FlowSetId, InvalidId},
    known::KnownProperties,
    listing::Listing,
    mask::{PASSWORD_MASK, without_masks},
    properties::Properties,
    words::displayable,
};

pub(super) use self::swept::SweptSet;

/// Members of a flow that are kept. From [`FIRST_PROPERTY`] on, they are the properties that its definition can
/// contain.
const FLOW_MEMBERS: [&str; 9] = [
    "@odata.type",
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "readinessStatus",
    "creationOptions",
    "configuration",
    "managementOptions",
    "createUnmatchedUsers",
];

const FIRST_PROPERTY: usize = 5;

/// Members of a set that are kept.
const SET_MEMBERS: [&str; 5] = [
    "id",
    "displayName",
    "filter",
    "createdDateTime",
    "lastModifiedDateTime",
];

/// Largest text of the properties of one flow that are kept: about 20 times that of a flow with all role groups and
/// licences.
const MAX_PROPERTIES_BYTES: usize = 128 * 1024;

/// Largest tree of these properties: that of a list of numbers of one digit takes 16 times as much as its text, but that
/// of a list of small objects 80 times.
const MAX_PROPERTIES_TREE: usize = 18 * MAX_PROPERTIES_BYTES;

/// Largest text of the filter of a set: more than the 1,000 values of 256 characters that a spec can declare take with
/// each character escaped (1,000 × 256 × 6 bytes = 1.5 MB).
const MAX_FILTER_BYTES: usize = 2 * 1024 * 1024;

/// Largest tree of such a filter: text takes as much as it has, but 2 MiB of `{"a":1},` would take 170 MiB.
const MAX_FILTER_TREE: usize = 16 * 1024 * 1024;

/// Memory of one node of a map, which has room for 11 members, even if there is only one.
const MAP_NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 2 * size_of::<usize>();

/// Members of a node when they are inserted in their order: a full node is split after the sixth.
const MEMBERS_PER_NODE: usize = 6;

/// Item of a list.
pub(super) trait Listed: Sized {
    /// Id of the item.
    type Id: Clone + Eq + Hash;

    /// Parses an item, with properties that are known.
    fn parse(json: &[u8], known: &KnownProperties) -> Result<Self, Malformed>;

    /// Returns the id of the item.
    fn id(&self) -> &Self::Id;

    /// Returns about how many bytes the item takes in memory.
    fn weight(&self) -> usize;
}

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
    /// When it was created, as the service wrote it; cut and cleaned like all words of the service.
    pub created: Option<String>,
    /// When its configuration last changed, as the service wrote it. A change of [`Self::readiness`]
    /// does not affect it.
    pub last_modified: Option<String>,
    /// Value of `readinessStatus`, even if it is unknown to this client.
    pub readiness: Option<String>,
    /// The members that a definition can contain, verbatim except for secrets, which are
    /// [masked](PASSWORD_MASK).
    pub properties: Properties,
}

impl Listed for Flow {
    type Id = FlowId;

    fn parse(json: &[u8], known: &KnownProperties) -> Result<Self, Malformed> {
        Self::parse(json, known)
    }

    fn id(&self) -> &FlowId {
        &self.id
    }

    fn weight(&self) -> usize {
        let words = [&self.created, &self.last_modified, &self.readiness];
        let words: usize = words.into_iter().flatten().map(String::len).sum();
        size_of::<Self>() + self.id.as_str().len() + words + self.properties.size()
    }
}

impl Flow {
    /// Parses a flow from the JSON of a response. Properties that are known are not parsed again. A word of an unexpected
    /// JSON type counts as missing.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the text is not an object, does not contain a usable id, or is too large.
    pub fn parse(json: &[u8], known: &KnownProperties) -> Result<Self, Malformed> {
        let members = json::members(json, FLOW_MEMBERS)?;
        let [
            flow_type,
            id,
            created,
            last_modified,
            readiness,
            properties @ ..,
        ] = members;
        let flow_type = json::text(flow_type);
        Ok(Self {
            id: parse_id(id)?,
            flow_type: flow_type.as_deref().and_then(FlowType::from_odata_type),
            created: word(created),
            last_modified: word(last_modified),
            readiness: word(readiness),
            properties: known.get(properties, kept)?,
        })
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
    /// Filter of organisations, with secrets masked, or `None` for all.
    pub filter: Option<Value>,
    /// When it was created, as the service wrote it.
    pub created: Option<String>,
    /// When it last changed, as the service wrote it.
    pub last_modified: Option<String>,
}

impl Listed for FlowSet {
    type Id = FlowSetId;

    fn parse(json: &[u8], _: &KnownProperties) -> Result<Self, Malformed> {
        Self::parse(json)
    }

    fn id(&self) -> &FlowSetId {
        &self.id
    }

    fn weight(&self) -> usize {
        let words = [&self.created, &self.last_modified];
        let words: usize = words.into_iter().flatten().map(String::len).sum();
        let texts = self.id.as_str().len() + self.display_name.len() + words;
        size_of::<Self>() + texts + self.filter.as_ref().map_or(0, heap_of)
    }
}

impl FlowSet {
    /// Parses a flow set from the JSON of a response. A word of an unexpected JSON type counts as missing.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the text is not an object, does not contain a usable id, or is too large.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        Self::of(json::members(json, SET_MEMBERS)?)
    }

    /// Returns the set with these values of [`SET_MEMBERS`].
    fn of(members: FoundMembers<'_, 5>) -> Result<Self, Malformed> {
        let [id, name, filter, created, last_modified] = members;
        let name = json::text(name).unwrap_or_default();
        Ok(Self {
            id: parse_id(id)?,
            display_name: cut(&name, MAX_NAME),
            filter: parse_filter(filter)?,
            created: word(created),
            last_modified: word(last_modified),
        })
    }

    /// Returns the time of creation, or `None` if it is missing or cannot be parsed.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        time(self.created.as_deref())
    }
}

fn parse_id<T: FromStr>(id: Option<&RawValue>) -> Result<T, Malformed> {
    let text = json::text(id).ok_or(Malformed::Id)?;
    text.parse().map_err(|_| Malformed::Id)
}

fn word(member: Option<&RawValue>) -> Option<String> {
    json::text(member).map(|text| displayable(&text, MAX_WORD))
}

/// Returns the first characters of a text.
///
/// Unlike a word it is not cleaned, because names are compared: it is cleaned where it is shown.
fn cut(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

/// Returns the properties by their names in [`FLOW_MEMBERS`].
fn kept(found: [Option<&RawValue>; 4]) -> Result<Properties, Malformed> {
    let mut properties = Map::new();
    let mut left = MAX_PROPERTIES_BYTES;
    for (name, property) in FLOW_MEMBERS[FIRST_PROPERTY..].iter().zip(found) {
        let size = property.map_or(0, |property| property.get().len());
        if let Some(value) = bounded(property, left)? {
            properties.insert((*name).to_owned(), value);
        }
        left -= size;
    }
    if heap_of_members(&properties) > MAX_PROPERTIES_TREE {
        return Err(Malformed::Size);
    }
    Ok(mask::masked(properties).into())
}

/// Returns the value of a member whose text has at most `max` bytes.
fn bounded(member: Option<&RawValue>, max: usize) -> Result<Option<Value>, Malformed> {
    let Some(member) = member else {
        return Ok(None);
    };
    if member.get().len() > max {
        return Err(Malformed::Size);
    }
    let value = serde_json::from_str(member.get());
    value.map(Some).map_err(|_| Malformed::Syntax)
}

fn parse_filter(filter: Option<&RawValue>) -> Result<Option<Value>, Malformed> {
    let filter = json::non_null(filter);
    if filter.is_some_and(|filter| tree_of(filter.get()) > MAX_FILTER_TREE) {
        return Err(Malformed::Size);
    }
    let filter = bounded(filter, MAX_FILTER_BYTES)?;
    Ok(filter.map(mask::of_value))
}

/// Returns an upper bound of the memory that the tree of a JSON text takes.
fn tree_of(text: &str) -> usize {
    // A list has room for four values, and then for twice as many as before. A member takes its part of a node.
    const VALUE: usize = 4 * size_of::<Value>();
    let size = |byte: u8| match byte {
        b'{' => MAP_NODE,
        b'[' | b',' => VALUE,
        _ => 1,
    };
    text.bytes().map(size).sum()
}

/// Returns about how many bytes a value takes on the heap.
fn heap_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => {
            let items_of_items: usize = items.iter().map(heap_of).sum();
            items.capacity() * size_of::<Value>() + items_of_items
        }
        Value::Object(members) => heap_of_members(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

fn heap_of_members(members: &Map<String, Value>) -> usize {
    let member = |(name, value): (&String, &Value)| name.len() + heap_of(value);
    let nodes = members.len().div_ceil(MEMBERS_PER_NODE) * MAP_NODE;
    nodes + members.iter().map(member).sum::<usize>()
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests;
