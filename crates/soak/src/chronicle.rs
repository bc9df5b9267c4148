//! What was done and when, and the figures and reports that are made of it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::time::Duration;

use industrydata_simulator::{Entry, Operation};
use industrydata_testbed::Hit;
use tokio::time::Instant;

use crate::scene::Scene;

/// How many requests to the service a report ends with.
const TAIL: usize = 60;

pub struct Chronicle {
    start: Instant,
    lines: Vec<String>,
    deeds: usize,
    processes: BTreeMap<&'static str, usize>,
    checkpoints: usize,
    longest: Duration,
}

impl Chronicle {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            lines: Vec::new(),
            deeds: 0,
            processes: BTreeMap::new(),
            checkpoints: 0,
            longest: Duration::ZERO,
        }
    }

    pub fn note(&mut self, what: &str) {
        let seconds = self.start.elapsed().as_secs_f64();
        self.lines.push(format!("{seconds:9.3} {what}"));
    }

    pub fn deed(&mut self, what: &str) {
        self.deeds += 1;
        self.note(what);
    }

    pub fn process(&mut self, what: &'static str) {
        *self.processes.entry(what).or_default() += 1;
        self.note(what);
    }

    pub fn checkpoint(&mut self, took: Duration) {
        self.checkpoints += 1;
        self.longest = self.longest.max(took);
        let (count, seconds) = (self.checkpoints, took.as_secs_f64());
        self.say(format_args!(
            "checkpoint {count}: all as declared, after {seconds:.1} s"
        ));
    }

    /// Tells whoever watches, and remembers it.
    pub fn say(&mut self, what: impl Display) {
        let what = what.to_string();
        // Nobody watches any more if this fails.
        let _ = writeln!(std::io::stdout(), "{what}");
        self.note(&what);
    }

    /// One line about everything.
    pub fn figures(&self, scene: &Scene) -> String {
        let journal = scene.simulator.journal();
        let committed = |operations: [Operation; 2]| -> usize {
            operations.map(|one| journal.committed(one)).iter().sum()
        };
        let mut faults: BTreeMap<String, usize> = BTreeMap::new();
        let hits = [
            ("api ", scene.cluster.hits()),
            ("graph ", scene.service.hits()),
        ];
        for (side, hits) in hits {
            for Hit { effect, .. } in hits {
                *faults
                    .entry(format!("{side}{}", word(&format!("{effect:?}"))))
                    .or_default() += 1;
            }
        }
        for fault in journal.entries().iter().flat_map(|entry| &entry.faults) {
            *faults
                .entry(format!("service {}", word(fault)))
                .or_default() += 1;
        }
        format!(
            "{} deeds, {} faults {faults:?}, processes {:?}, {} creates, {} resets, {} deletes, {} updates, {} \
             requests, {} checkpoints, the slowest settled after {:.1} s",
            self.deeds,
            faults.values().sum::<usize>(),
            self.processes,
            committed([Operation::CreateSet, Operation::CreateFlow]),
            journal.committed(Operation::ResetFlow),
            committed([Operation::DeleteSet, Operation::DeleteFlow]),
            committed([Operation::UpdateSet, Operation::UpdateFlow]),
            journal.entries().len(),
            self.checkpoints,
            self.longest.as_secs_f64(),
        )
    }

    /// What was done, and what the service was asked for about the objects that `breach` names.
    pub fn report(&self, scene: &Scene, breach: &anyhow::Error) -> String {
        let breach = format!("{breach:#}");
        let mut text = format!(
            "{breach}\n\n== done\n{}\n\n== journal\n",
            self.lines.join("\n")
        );
        let journal = scene.simulator.journal();
        let named =
            |id: &Option<String>| id.as_ref().is_some_and(|id| breach.contains(id.as_str()));
        let (about, all): (Vec<&Entry>, Vec<&Entry>) = journal
            .entries()
            .iter()
            .partition(|entry| named(&entry.set) || named(&entry.flow));
        let changes = all.into_iter().filter(|entry| entry.operation.is_write());
        let changes: Vec<&Entry> = changes.collect();
        for entry in about.iter().chain(changes.iter().rev().take(TAIL).rev()) {
            // A text in memory takes everything.
            let _ = writeln!(text, "{entry:?}");
        }
        text
    }
}

/// The first word of what something is called.
fn word(name: &str) -> &str {
    name.split(|letter: char| !letter.is_alphanumeric())
        .next()
        .unwrap_or(name)
}
