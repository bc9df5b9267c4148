//! The runs so far, and what each of them shows.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{clock::later, problem::Problem, validate::Object};

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) started: Timestamp,
    pub(crate) activities: Vec<(String, String)>,
}

/// All runs, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RunLog(pub(crate) Vec<Run>);

impl RunLog {
    pub(crate) fn is_running(&self, now: Timestamp, length: Duration) -> bool {
        self.0.last().is_some_and(|run| run.ends(length) > now)
    }

    pub(crate) fn find(&self, id: &str) -> Result<(u64, &Run), Problem> {
        let found = (0..)
            .zip(&self.0)
            .find(|(_, run)| run.id.eq_ignore_ascii_case(id));
        found.ok_or_else(|| Problem::not_found("the run"))
    }
}

impl Run {
    fn ends(&self, length: Duration) -> Timestamp {
        later(self.started, length)
    }

    fn status(&self, now: Timestamp, length: Duration) -> &'static str {
        if self.ends(length) > now {
            "running"
        } else {
            "completed"
        }
    }

    pub(crate) fn shown(&self, now: Timestamp, length: Duration) -> Object {
        let end = self.ends(length);
        Object::from_iter([
            ("id".to_owned(), Value::from(self.id.as_str())),
            (
                "displayName".to_owned(),
                Value::from(format!("Run of {}", self.started)),
            ),
            (
                "startDateTime".to_owned(),
                Value::from(self.started.to_string()),
            ),
            (
                "endDateTime".to_owned(),
                (end <= now).then(|| end.to_string()).into(),
            ),
            ("status".to_owned(), Value::from(self.status(now, length))),
            ("blockingError".to_owned(), Value::Null),
        ])
    }

    pub(crate) fn activity(&self, at: usize, now: Timestamp, length: Duration) -> Option<Object> {
        let (id, name) = self.activities.get(at)?;
        let status = if self.ends(length) > now {
            "inProgress"
        } else {
            "completed"
        };
        Some(Object::from_iter([
            (
                "@odata.type".to_owned(),
                Value::from("#microsoft.graph.industryData.outboundFlowActivity"),
            ),
            ("id".to_owned(), Value::from(id.as_str())),
            ("displayName".to_owned(), Value::from(name.as_str())),
            ("status".to_owned(), Value::from(status)),
            ("blockingError".to_owned(), Value::Null),
        ]))
    }
}
