//! Scopes that a client asks for on behalf of a user.

use crate::denied::Denied;

/// Resource of scopes that are named without one.
const GRAPH: &str = "https://graph.microsoft.com";

/// Scope that stands for all permissions that have consent.
const DEFAULT: &str = ".default";

/// Scopes that belong to the protocol, not to a resource. They need no consent here.
const PROTOCOL: [&str; 4] = ["openid", "profile", "email", OFFLINE];

const OFFLINE: &str = "offline_access";

/// A list of scopes, all of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    resource: Option<String>,
    names: Vec<String>,
    protocol: Vec<String>,
}

impl Scopes {
    /// All permissions, for as long as the user's consent lasts.
    pub(crate) fn everything() -> Self {
        Self {
            resource: None,
            names: vec![DEFAULT.to_owned()],
            protocol: vec![OFFLINE.to_owned()],
        }
    }

    /// Reads the field `scope`.
    pub(crate) fn parse(text: &str) -> Result<Self, Denied> {
        let mut scopes = Self {
            resource: None,
            names: Vec::new(),
            protocol: Vec::new(),
        };
        for word in text.split_whitespace() {
            if PROTOCOL.contains(&word) {
                scopes.protocol.push(word.to_owned());
            } else {
                scopes.add(word)?;
            }
        }
        Ok(scopes)
    }

    fn add(&mut self, word: &str) -> Result<(), Denied> {
        let invalid = |number, why: &str| {
            let text = format!("the scope '{word}' is not valid: {why}");
            Err(Denied::bad_request("invalid_scope", number, text))
        };
        let (resource, name) = match word.rsplit_once('/') {
            Some((resource, name)) if resource.contains("://") => {
                (Some(resource.trim_end_matches('/')), name)
            }
            _ => (None, word),
        };
        if name.is_empty() || name.contains('/') {
            return invalid(70_011, "it names no permission");
        }
        if let (Some(known), Some(other)) = (&self.resource, resource)
            && known != other
        {
            return invalid(28_000, "it contains more than one resource");
        }
        self.resource = self.resource.take().or(resource.map(str::to_owned));
        self.names.push(name.to_owned());
        Ok(())
    }

    /// The permissions of an application that these scopes stand for. Each needs consent.
    pub(crate) fn granted(&self, permissions: &[String]) -> Result<Vec<String>, Denied> {
        if self.names.iter().any(|name| name == DEFAULT) {
            return match permissions {
                [] => Err(Denied::without_consent(DEFAULT)),
                all => Ok(all.to_vec()),
            };
        }
        let consented = |name: &String| {
            permissions
                .iter()
                .find(|known| known.eq_ignore_ascii_case(name))
                .cloned()
                .ok_or_else(|| Denied::without_consent(name))
        };
        self.names.iter().map(consented).collect()
    }

    /// The field `scope` of an answer. Names of permissions have the prefix that the client gave them.
    pub(crate) fn answered(&self, granted: &[String]) -> String {
        let protocol = self.protocol.iter().filter(|name| *name != OFFLINE);
        let prefix = self
            .resource
            .as_deref()
            .map(|resource| format!("{resource}/"));
        let prefix = prefix.unwrap_or_default();
        let names = granted.iter().map(|name| format!("{prefix}{name}"));
        protocol.cloned().chain(names).collect::<Vec<_>>().join(" ")
    }

    /// Audience of an access token with these scopes.
    pub(crate) fn audience(&self) -> &str {
        self.resource.as_deref().unwrap_or(GRAPH)
    }

    /// Whether a refresh token is asked for.
    pub(crate) fn is_offline(&self) -> bool {
        self.protocol.iter().any(|name| name == OFFLINE)
    }

    /// With a refresh token, which an exchange of one always gives.
    pub(crate) fn offline(mut self) -> Self {
        if !self.is_offline() {
            self.protocol.push(OFFLINE.to_owned());
        }
        self
    }

    /// Whether an id token is asked for.
    pub(crate) fn is_open_id(&self) -> bool {
        self.protocol.iter().any(|name| name == "openid")
    }

    /// As the client asked for them.
    pub(crate) fn requested(&self) -> String {
        let names = self.answered(&self.names);
        if self.is_offline() {
            format!("{names} {OFFLINE}").trim_start().to_owned()
        } else {
            names
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_keeps_the_resource_that_the_client_named() {
        let permissions = ["A.Read".to_owned(), "B.Read".to_owned()];
        let scopes = Scopes::parse("openid offline_access https://graph.example/a.read").unwrap();
        let granted = scopes.granted(&permissions).unwrap();
        assert_eq!(granted, ["A.Read"]);
        assert_eq!(
            scopes.answered(&granted),
            "openid https://graph.example/A.Read"
        );
        assert!(scopes.is_offline() && scopes.is_open_id());
        assert_eq!(scopes.audience(), "https://graph.example");
        let all = Scopes::parse("https://graph.example//.default").unwrap();
        assert_eq!(all.granted(&permissions).unwrap(), permissions);
        assert_eq!(all.audience(), "https://graph.example");
    }

    #[test]
    fn a_scope_without_consent_and_two_resources_are_refused() {
        let number = |text: &str| {
            let granted = Scopes::parse(text).and_then(|scopes| scopes.granted(&[]));
            granted.unwrap_err().number
        };
        assert_eq!(number("A.Read"), Some(65_001));
        assert_eq!(number(".default"), Some(65_001));
        assert_eq!(
            number("https://a.example/A https://b.example/B"),
            Some(28_000)
        );
        assert_eq!(number("https://a.example/"), Some(70_011));
    }
}
