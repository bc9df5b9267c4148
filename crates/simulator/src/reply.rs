//! An answer before it becomes bytes.

use axum::http::StatusCode;
use serde_json::Value;

use crate::flow_type::FlowType;

/// What is in the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Empty,
    Json(Value),
    /// The page of a gateway.
    Html,
    /// A page of the authority.
    Page(String),
    Text(String),
}

/// What a request has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) set: Option<String>,
    pub(crate) flow: Option<String>,
    pub(crate) flow_type: Option<FlowType>,
}

/// An answer: status, body, headers of its own, and what was changed on the way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) change: Option<Change>,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content: Content::Empty,
            headers: Vec::new(),
            change: None,
        }
    }

    pub(crate) fn json(status: StatusCode, body: impl Into<Value>) -> Self {
        Self {
            content: Content::Json(body.into()),
            ..Self::empty(status)
        }
    }

    pub(crate) fn html(status: StatusCode) -> Self {
        Self {
            content: Content::Html,
            ..Self::empty(status)
        }
    }

    pub(crate) fn page(status: StatusCode, page: String) -> Self {
        Self {
            content: Content::Page(page),
            ..Self::empty(status)
        }
    }

    pub(crate) fn text(text: String) -> Self {
        Self {
            content: Content::Text(text),
            ..Self::empty(StatusCode::OK)
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn changed_set(mut self, set: &str) -> Self {
        self.change = Some(Change {
            set: Some(set.to_owned()),
            flow: None,
            flow_type: None,
        });
        self
    }

    pub(crate) fn changed_flow(mut self, set: &str, flow: &str, kind: FlowType) -> Self {
        self.change = Some(Change {
            set: Some(set.to_owned()),
            flow: Some(flow.to_owned()),
            flow_type: Some(kind),
        });
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}
