//! Reasons of events. A problem has the [reason](super::reason) of its condition instead.

macro_rules! occurrences {
    ($($(#[doc = $meaning:literal])+ $name:ident: $severity:ident,)+) => {
        /// What happened, apart from problems.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Occurrence {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Occurrence {
            /// Each occurrence with its meaning, from which `docs/reference/` is generated.
            pub const ALL: &[(Self, &str)] = &[$((Self::$name, concat!($($meaning),+))),+];

            /// Returns the reason of its event.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// Returns the severity of its event.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity),+
                }
            }
        }
    };
}

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Expected progress.
    Normal,
    /// A problem.
    Warning,
}

impl Severity {
    /// Returns the `type` of an event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

occurrences! {
    /// The operator created the remote object.
    Created: Normal,
    /// The operator adopted a remote object that existed.
    Adopted: Normal,
    /// The operator found the remote object that it only observes.
    Found: Normal,
    /// The operator updated the remote object to match the spec.
    Updated: Normal,
    /// The service accepted a reset of the flow.
    Reset: Normal,
    /// The operator deleted the remote object, and no list contains it any more.
    Deleted: Normal,
    /// A problem that was reported before is over, and the remote object matches the spec.
    Recovered: Normal,
    /// The resource no longer matches `--watch-selector`: its finalizer was removed, and nothing was changed at the service.
    LetGo: Normal,
    /// The credential of a connection expires in 30, 7 or 1 days, or has expired: one event for each.
    CredentialExpires: Warning,
    /// The operator cannot parse the resource and ignores it: one event for each version of it, and after a restart.
    Unreadable: Warning,
}
