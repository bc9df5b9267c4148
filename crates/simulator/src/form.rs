//! Forms that are sent to the authority.

use std::collections::BTreeMap;

use url::form_urlencoded;

use crate::{denied::Denied, request::Request};

/// The fields of a form. An empty field counts as absent.
#[derive(Debug)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads the body of a request. Of two fields of a name, the last counts.
    pub(crate) fn of(request: &Request) -> Self {
        let fields = form_urlencoded::parse(&request.body).into_owned();
        Self(fields.filter(|(_, value)| !value.is_empty()).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns a field that must be there.
    pub(crate) fn field(&self, name: &str) -> Result<&str, Denied> {
        self.get(name).ok_or_else(|| {
            let text = format!("the request body must contain the following parameter: '{name}'");
            Denied::bad_request("invalid_request", 900_144, text)
        })
    }
}
