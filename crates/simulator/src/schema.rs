//! Metadata of each type: property names, their shapes and which may be absent.
//!
//! Tables only. [`crate::validate`] checks requests against them, [`crate::render`] makes answers from them.

/// The shape of a value.
#[derive(Debug)]
pub(crate) enum Shape {
    Boolean,
    Text,
    /// A text that is kept, but answered as asterisks.
    Password,
    /// One of a closed list of words.
    Word(&'static [&'static str]),
    /// A code of an open reference list; known ones have a canonical casing.
    Code,
    /// A reference to a role group, set by `@odata.bind`.
    RoleGroup,
    /// A reference to a code, set by `@odata.bind` in place of `code`.
    Reference,
    Complex(&'static Type),
    List(&'static Shape),
}

/// Whether a property may be left out or be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Not nullable: must be given.
    Required,
    /// May be null or absent.
    Nullable,
    /// A collection, which may be absent and is then empty.
    Collection,
    /// A navigation property, seen only when the service chooses to show it.
    Navigation,
    /// On its way out of the service.
    Deprecated,
}

#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
}

/// Whether the metadata declares the property with this very type or with an abstract base of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    /// `@odata.type` may be sent and is never answered.
    Concrete,
    /// `@odata.type` must be sent and is always answered.
    Abstract,
}

#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    pub(crate) declared: Declared,
    pub(crate) properties: &'static [Property],
}

const fn property(name: &'static str, shape: Shape, presence: Presence) -> Property {
    Property {
        name,
        shape,
        presence,
    }
}

const fn flow(name: &'static str, properties: &'static [Property]) -> Type {
    Type {
        name,
        declared: Declared::Abstract,
        properties,
    }
}

const fn complex(name: &'static str, properties: &'static [Property]) -> Type {
    Type {
        name,
        declared: Declared::Concrete,
        properties,
    }
}

use Presence::{Collection, Deprecated, Navigation, Nullable, Required};
use Shape::{Boolean, Code, Complex, List, Password, Reference, RoleGroup, Text, Word};

/// Names that only the service writes, on sets and on flows.
pub(crate) const READ_ONLY: [&str; 4] = [
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "readinessStatus",
];

pub(crate) static FLOW_SET: Type = complex(
    "outboundProvisioningFlowSet",
    &[
        property("displayName", Text, Required),
        property("filter", Complex(&BASIC_FILTER), Nullable),
    ],
);

static BASIC_FILTER: Type = Type {
    name: "basicFilter",
    declared: Declared::Abstract,
    properties: &[
        property("attribute", Word(&["orgExternalId"]), Required),
        property("in", List(&Text), Required),
    ],
};

pub(crate) static ADMINISTRATIVE_UNIT_FLOW: Type = flow(
    "administrativeUnitProvisioningFlow",
    &[property(
        "creationOptions",
        Complex(&ADMIN_UNIT_CREATION_OPTIONS),
        Required,
    )],
);

static ADMIN_UNIT_CREATION_OPTIONS: Type = complex(
    "adminUnitCreationOptions",
    &[
        property("createBasedOnOrg", Boolean, Required),
        property("createBasedOnOrgPlusRoleGroup", Boolean, Required),
    ],
);

pub(crate) static SECURITY_GROUP_FLOW: Type = flow(
    "securityGroupProvisioningFlow",
    &[property(
        "creationOptions",
        Complex(&SECURITY_GROUP_CREATION_OPTIONS),
        Required,
    )],
);

static SECURITY_GROUP_CREATION_OPTIONS: Type = complex(
    "securityGroupCreationOptions",
    &[
        property("createBasedOnRoleGroup", Boolean, Required),
        property("createBasedOnOrgPlusRoleGroup", Boolean, Required),
    ],
);

pub(crate) static CLASS_GROUP_FLOW: Type = flow(
    "classGroupProvisioningFlow",
    &[property(
        "configuration",
        Complex(&CLASS_GROUP_CONFIGURATION),
        Required,
    )],
);

static CLASS_GROUP_CONFIGURATION: Type = complex(
    "classGroupConfiguration",
    &[
        property(
            "additionalAttributes",
            List(&CLASS_GROUP_ATTRIBUTE),
            Collection,
        ),
        property(
            "additionalOptions",
            Complex(&ADDITIONAL_CLASS_GROUP_OPTIONS),
            Required,
        ),
        property(
            "enrollmentMappings",
            Complex(&ENROLLMENT_MAPPINGS),
            Required,
        ),
    ],
);

static CLASS_GROUP_ATTRIBUTE: Shape = Word(&[
    "courseTitle",
    "courseCode",
    "courseSubject",
    "courseGradeLevel",
    "courseExternalId",
    "academicSessionTitle",
    "academicSessionExternalId",
    "classCode",
]);

static ADDITIONAL_CLASS_GROUP_OPTIONS: Type = complex(
    "additionalClassGroupOptions",
    &[
        property("createTeam", Boolean, Required),
        property("writeDisplayNameOnCreateOnly", Boolean, Required),
    ],
);

static ENROLLMENT_MAPPINGS: Type = complex(
    "enrollmentMappings",
    &[
        property(
            "memberEnrollmentMappings",
            List(&Complex(&SECTION_ROLE)),
            Collection,
        ),
        property(
            "ownerEnrollmentMappings",
            List(&Complex(&SECTION_ROLE)),
            Collection,
        ),
    ],
);

static SECTION_ROLE: Type = complex(
    "sectionRoleReferenceValue",
    &[
        property("code", Code, Nullable),
        property("value", Reference, Navigation),
    ],
);

/// Section roles whose casing the service knows.
pub(crate) const SECTION_ROLES: [&str; 12] = [
    "teacher",
    "proctor",
    "teacherAssistant",
    "paraprofessional",
    "physicalTherapist",
    "speechTherapist",
    "visionTherapist",
    "occupationalTherapist",
    "staff",
    "student",
    "substitute",
    "aide",
];

pub(crate) static USER_FLOW: Type = flow(
    "userProvisioningFlow",
    &[
        property("createUnmatchedUsers", Boolean, Nullable),
        property(
            "managementOptions",
            Complex(&USER_MANAGEMENT_OPTIONS),
            Required,
        ),
        property("creationOptions", Complex(&USER_CREATION_OPTIONS), Nullable),
    ],
);

static USER_MANAGEMENT_OPTIONS: Type = complex(
    "userManagementOptions",
    &[
        property(
            "additionalAttributes",
            List(&Word(&["userGradeLevel", "userNumber"])),
            Collection,
        ),
        property(
            "additionalOptions",
            Complex(&ADDITIONAL_USER_OPTIONS),
            Required,
        ),
    ],
);

static ADDITIONAL_USER_OPTIONS: Type = complex(
    "additionalUserOptions",
    &[
        property("allowStudentContactAssociation", Boolean, Nullable),
        property(
            "studentAgeGroup",
            Word(&["minor", "notAdult", "adult"]),
            Nullable,
        ),
        property("markAllStudentsAsMinors", Boolean, Deprecated),
    ],
);

static USER_CREATION_OPTIONS: Type = complex(
    "userCreationOptions",
    &[property(
        CONFIGURATIONS,
        List(&Complex(&USER_CONFIGURATION)),
        Collection,
    )],
);

/// The one collection that the documented examples answer in another order than it was sent.
pub(crate) const CONFIGURATIONS: &str = "configurations";

static USER_CONFIGURATION: Type = complex(
    "userConfiguration",
    &[
        property(
            "defaultPasswordSettings",
            Complex(&SIMPLE_PASSWORD_SETTINGS),
            Nullable,
        ),
        property("licenseSkus", List(&Text), Collection),
        property("roleGroup", RoleGroup, Navigation),
    ],
);

static SIMPLE_PASSWORD_SETTINGS: Type = Type {
    name: "simplePasswordSettings",
    declared: Declared::Abstract,
    properties: &[property("password", Password, Required)],
};
