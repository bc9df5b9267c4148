//! The flows as a table: redrawn in place on a terminal, a line for each change elsewhere.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use industrydata_operator::api::{ProvisioningFlow, condition, reason};
use industrydata_operator::clock;

use crate::screen::Screen;

/// Flows by their names.
pub type Flows = BTreeMap<String, ProvisioningFlow>;

/// What of a flow is shown, but for its age.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row([String; 7]);

impl Row {
    fn header() -> Self {
        Self(
            [
                "NAME",
                "TYPE",
                "SET",
                "READINESS",
                "READY",
                "RESET",
                "REASON",
            ]
            .map(str::to_owned),
        )
    }

    fn of(name: &str, flow: &ProvisioningFlow) -> Self {
        let status = flow.status.clone().unwrap_or_default();
        let ready = status
            .conditions
            .into_iter()
            .find(|one| one.type_ == condition::READY);
        let (ready, reason) = ready
            .map(|ready| (ready.status, ready.reason))
            .unwrap_or_default();
        let set = flow.spec.flow_set_ref.as_ref().map(|set| set.name.clone());
        let phase = status.reset.and_then(|reset| reset.phase);
        let reason = if flow.metadata.deletion_timestamp.is_some() {
            "(being deleted)".to_owned()
        } else if [reason::READY, reason::NOT_READY].contains(&reason.as_str()) {
            // Two columns say it already.
            String::new()
        } else {
            reason
        };
        Self([
            name.to_owned(),
            status.type_.unwrap_or_default(),
            set.unwrap_or_default(),
            status.readiness_status.unwrap_or_default(),
            ready,
            phase.map(|phase| format!("{phase:?}")).unwrap_or_default(),
            reason,
        ])
    }

    /// The row as a line of text. The age is left out where lines have the time.
    fn text(&self, age: Option<&str>) -> String {
        let [name, type_, set, readiness, ready, reset, reason] = &self.0;
        let age = age.map(|age| format!("{age:5} ")).unwrap_or_default();
        let text =
            format!("{name:26} {type_:18} {set:5} {readiness:9} {ready:5} {reset:8} {age}{reason}");
        text.trim_end().to_owned()
    }
}

/// A table of flows on the screen.
pub struct Table {
    screen: Screen,
    header: Option<ProgressBar>,
    rows: BTreeMap<String, (Row, ProgressBar)>,
}

impl Table {
    /// A table without rows.
    pub fn new(screen: Screen) -> Self {
        Self {
            screen,
            header: None,
            rows: BTreeMap::new(),
        }
    }

    /// Shows the flows as they are now.
    pub fn show(&mut self, flows: &Flows) {
        if flows.is_empty() && self.rows.is_empty() {
            return;
        }
        self.show_header();
        self.forget_all_but(flows);
        for (name, flow) in flows {
            self.show_flow(name, flow);
        }
    }

    /// Leaves what is shown as plain lines on the terminal; what is shown next, is shown below.
    pub fn settle(&mut self) {
        if !self.screen.is_live() {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        let lines: Vec<_> = self
            .header
            .take()
            .into_iter()
            .chain(rows.into_values().map(|(_, line)| line))
            .collect();
        for line in &lines {
            self.screen.remove(line);
            // A header alone says nothing.
            if lines.len() > 1 {
                self.screen.say(line.message());
            }
        }
    }

    fn show_header(&mut self) {
        if self.header.is_some() {
            return;
        }
        let line = self.screen.line();
        if self.screen.is_live() {
            line.set_message(Row::header().text(Some("AGE")));
        } else {
            self.screen
                .say(format_args!("         {}", Row::header().text(None)));
        }
        self.header = Some(line);
    }

    fn forget_all_but(&mut self, flows: &Flows) {
        let gone = self
            .rows
            .extract_if(.., |name, _| !flows.contains_key(name));
        for (name, (_, line)) in gone {
            self.screen.remove(&line);
            if !self.screen.is_live() {
                self.screen.log(format_args!("{name:26} (gone)"));
            }
        }
    }

    fn show_flow(&mut self, name: &str, flow: &ProvisioningFlow) {
        let row = Row::of(name, flow);
        let before = self.rows.get(name);
        let has_changed = before.is_none_or(|(before, _)| *before != row);
        let line = before.map_or_else(|| self.screen.line(), |(_, line)| line.clone());
        if self.screen.is_live() {
            line.set_message(row.text(Some(&age(flow))));
        } else if has_changed {
            self.screen.log(row.text(None));
        }
        self.rows.insert(name.to_owned(), (row, line));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.settle();
    }
}

fn age(flow: &ProvisioningFlow) -> String {
    let Some(created) = &flow.metadata.creation_timestamp else {
        return String::new();
    };
    let seconds = clock::now().duration_since(created.0).as_secs().max(0);
    if seconds < 120 {
        format!("{seconds}s")
    } else {
        format!("{}m{}s", seconds / 60, seconds % 60)
    }
}
