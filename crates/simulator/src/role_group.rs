//! Role groups: what a user configuration is bound to.

/// A role group and the one role it holds.
#[derive(Debug)]
pub(crate) struct RoleGroup {
    pub(crate) id: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) roles: &'static [&'static str],
}

/// The two that every tenant starts with. They can be read, not changed.
pub(crate) static ROLE_GROUPS: [RoleGroup; 2] = [
    RoleGroup {
        id: "staff",
        display_name: "Staff",
        roles: &["staff"],
    },
    RoleGroup {
        id: "students",
        display_name: "Students",
        roles: &["student"],
    },
];

impl RoleGroup {
    pub(crate) fn find(id: &str) -> Option<&'static Self> {
        ROLE_GROUPS
            .iter()
            .find(|group| group.id.eq_ignore_ascii_case(id))
    }
}
