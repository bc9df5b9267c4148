//! The four concrete types of a provisioning flow.

use serde::{Deserialize, Serialize};

use crate::schema::{self, Type};

/// Prefix of every `@odata.type` of this namespace.
pub(crate) const NAMESPACE: &str = "#microsoft.graph.industryData.";

/// What a flow provisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FlowType {
    /// `administrativeUnitProvisioningFlow`
    AdministrativeUnit,
    /// `classGroupProvisioningFlow`
    ClassGroup,
    /// `securityGroupProvisioningFlow`
    SecurityGroup,
    /// `userProvisioningFlow`
    User,
}

impl FlowType {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::AdministrativeUnit,
        Self::ClassGroup,
        Self::SecurityGroup,
        Self::User,
    ];

    /// The value of `@odata.type`, with its `#`.
    #[must_use]
    pub fn odata_type(self) -> String {
        format!("{NAMESPACE}{}", self.schema().name)
    }

    /// The type that an `@odata.type` names, with or without its `#`.
    #[must_use]
    pub fn from_odata_type(text: &str) -> Option<Self> {
        let name = text.trim_start_matches('#');
        Self::ALL
            .into_iter()
            .find(|kind| kind.odata_type().trim_start_matches('#') == name)
    }

    pub(crate) fn schema(self) -> &'static Type {
        match self {
            Self::AdministrativeUnit => &schema::ADMINISTRATIVE_UNIT_FLOW,
            Self::ClassGroup => &schema::CLASS_GROUP_FLOW,
            Self::SecurityGroup => &schema::SECURITY_GROUP_FLOW,
            Self::User => &schema::USER_FLOW,
        }
    }
}
