//! The four concrete types of flow. A field is optional or required here exactly as in the service's contract. The fields
//! at the top are required by rules of the spec instead, as a flow that is only observed can omit them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretKeyReference, rules};

/// Provisions administrative units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdministrativeUnitFlow {
    /// Which administrative units are created. May be absent with `managementPolicy: Observe`; then it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_options: Option<AdministrativeUnitCreationOptions>,
}

/// Which administrative units are created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdministrativeUnitCreationOptions {
    /// One unit per school.
    pub create_based_on_org: bool,
    /// One unit per school and role group (staff, students).
    pub create_based_on_org_plus_role_group: bool,
}

/// Provisions security groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupFlow {
    /// Which security groups are created. May be absent with `managementPolicy: Observe`; then it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_options: Option<SecurityGroupCreationOptions>,
}

/// Which security groups are created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroupCreationOptions {
    /// One group per role group (staff, students).
    pub create_based_on_role_group: bool,
    /// One group per school and role group.
    pub create_based_on_org_plus_role_group: bool,
}

/// Provisions class groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassGroupFlow {
    /// How class groups are created. May be absent with `managementPolicy: Observe`; then it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ClassGroupConfiguration>,
}

/// How class groups are created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassGroupConfiguration {
    /// Attributes of a class that its group has in addition to the name. Their order is not significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub additional_attributes: Vec<ClassGroupAttribute>,
    /// Additional options for class groups.
    pub additional_options: ClassGroupOptions,
    /// Who becomes an owner and who becomes a member of a class group.
    pub enrollment_mappings: EnrollmentMappings,
}

/// An attribute of a class that its group can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClassGroupAttribute {
    /// The course's title.
    CourseTitle,
    /// The course's code.
    CourseCode,
    /// The course's subject.
    CourseSubject,
    /// The course's grade level.
    CourseGradeLevel,
    /// The course's id in the student information system.
    CourseExternalId,
    /// The academic session's title.
    AcademicSessionTitle,
    /// The academic session's id in the student information system.
    AcademicSessionExternalId,
    /// The class's code.
    ClassCode,
}

/// Additional options for class groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassGroupOptions {
    /// Create a team in Microsoft Teams for each class group.
    pub create_team: bool,
    /// Write the group's display name only when the group is created.
    pub write_display_name_on_create_only: bool,
}

/// Who becomes an owner and who becomes a member of a class group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentMappings {
    /// Roles in a class whose holders own the group, for instance `teacher`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["code".into()]), validation = rules::distinct("ownerEnrollmentMappings", ".code"))]
    pub owner_enrollment_mappings: Vec<SectionRole>,
    /// Roles in a class whose holders are members of the group, for instance `student`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["code".into()]), validation = rules::distinct("memberEnrollmentMappings", ".code"))]
    pub member_enrollment_mappings: Vec<SectionRole>,
}

/// A role in a class, by its code in the service's reference definitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SectionRole {
    /// The code, for instance `teacher`, `student` or `aide`. Not case-sensitive.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::trimmed("code"), validation = rules::printable("code"))]
    pub code: String,
}

/// Provisions users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserFlow {
    /// Create users for people without a matching user. If absent, they are not created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_unmatched_users: Option<bool>,
    /// How existing users are kept up to date. May be absent with `managementPolicy: Observe`; then only the members that
    /// are given are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_options: Option<UserManagementOptions>,
    /// How new users are created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_options: Option<UserCreationOptions>,
}

/// How existing users are kept up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserManagementOptions {
    /// Attributes of a person that the user has. Their order is not significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub additional_attributes: Vec<UserAttribute>,
    /// Additional options for users.
    pub additional_options: UserOptions,
}

/// An attribute of a person that a user can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UserAttribute {
    /// The person's grade level.
    UserGradeLevel,
    /// The person's number.
    UserNumber,
}

/// Additional options for users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserOptions {
    /// The age group of students. If absent, no age group is enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub student_age_group: Option<StudentAgeGroup>,
    /// Associate students with their contacts. If absent, they are not associated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_student_contact_association: Option<bool>,
}

/// The age group of students. If absent, no age group is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StudentAgeGroup {
    /// Students are minors.
    Minor,
    /// Students are not adults.
    NotAdult,
    /// Students are adults.
    Adult,
}

/// How new users are created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserCreationOptions {
    /// One entry per role group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["roleGroup".into()]), validation = rules::distinct("configurations", ".roleGroup"))]
    pub configurations: Vec<UserConfiguration>,
}

/// How new users of one role group are created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserConfiguration {
    /// The id of the role group, for instance `staff` or `students`.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::trimmed("roleGroup"), validation = rules::printable("roleGroup"))]
    pub role_group: String,
    /// The password of new users. A change of the Secret is sent to the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_password: Option<DefaultPassword>,
    /// The licences of new users, as SKU ids (GUIDs). Their order is not significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 64)),
        transform = rules::of_members(vec![rules::guid("a SKU id in licenseSkus")])
    )]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::distinct("licenseSkus", ""))]
    pub license_skus: Vec<String>,
}

/// The password of new users. It is stored in a Secret and cannot be written here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultPassword {
    /// The Secret and the key in it that hold the password.
    pub secret_key_ref: SecretKeyReference,
}
