//! Tests run the operator with its own times, as users do. Here is where it has shorter ones, and why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use k8s_openapi::jiff::SignedDuration;

/// Shorter times than the operator's own.
#[derive(Debug)]
pub struct Shorter {
    /// Its name in this file.
    name: &'static str,
    /// The flags.
    pub flags: &'static [(&'static str, &'static str)],
    /// Why they are needed.
    reason: &'static str,
    /// The files that use it, in `tests/it`.
    used_by: &'static [&'static str],
    /// Tests of the same kind that run with the operator's own times.
    also: &'static [&'static str],
}

impl Shorter {
    /// The visibility window.
    pub fn window(&self) -> SignedDuration {
        let mut flags = self.flags.iter();
        let window = flags.find(|(flag, _)| *flag == "--visibility-window");
        window.unwrap().1.parse().unwrap()
    }
}

/// For the crash sweep. The window is the shortest that goes with a time-out that a busy machine can keep.
pub const CRASHES: Shorter = Shorter {
    name: "CRASHES",
    flags: &[
        ("--leader-elect", "false"),
        ("--request-timeout", "1s"),
        ("--visibility-window", "2100ms"),
    ],
    reason: "more than a hundred crashes, each of which would wait for the end of a lease, and of a window or two",
    used_by: &["crash/run.rs"],
    also: &["a_crash_next_to_a_change_is_survived_with_the_operators_own_times"],
};

/// For tests that wait for several windows, or through which more than one fault goes after the other.
pub const FAULTS: Shorter = Shorter {
    name: "FAULTS",
    flags: &[
        ("--leader-elect", "false"),
        ("--request-timeout", "1s"),
        ("--visibility-window", "5s"),
    ],
    reason: "waits for several windows one after the other",
    used_by: &["faults/mod.rs", "faults/quirks.rs"],
    also: &[
        "a_create_without_effect_is_sent_again_whatever_the_answer_was",
        "a_list_of_flows_that_is_empty_for_a_while_makes_nothing_anew",
        "f02_a_create_whose_answer_is_lost_in_whatever_way_is_sent_once",
        "f11_a_flow_that_vanishes_is_made_anew_once_that_is_certain",
    ],
};

/// For operators that have to outlive a control plane which is away for longer than a lease.
pub const ALONE: Shorter = Shorter {
    name: "ALONE",
    flags: &[
        ("--leader-elect", "false"),
        ("--request-timeout", "1s"),
        ("--visibility-window", "3s"),
    ],
    reason: "without its lease the operator would end, and not meet what the test is about",
    used_by: &[
        "cluster_faults/definitions.rs",
        "cluster_faults/outages.rs",
        "cluster_faults/proxied.rs",
    ],
    also: &[
        "deleted_definitions_take_all_with_them_until_they_are_back",
        "f03_a_failed_status_write_after_a_create_leads_to_no_second_create",
        "f03_an_api_server_frozen_after_a_create_leads_to_no_second_create",
    ],
};

/// For a process that is killed every few seconds.
pub const ENDURANCE: Shorter = Shorter {
    name: "ENDURANCE",
    flags: &[
        ("--leader-elect", "false"),
        ("--request-timeout", "1s"),
        ("--visibility-window", "3s"),
    ],
    reason: "no process lives as long as a window, and each next one would wait for the end of a lease",
    used_by: &["endurance.rs"],
    also: &["a_crash_next_to_a_change_is_survived_with_the_operators_own_times"],
};

const ALL: [&Shorter; 4] = [&CRASHES, &FAULTS, &ALONE, &ENDURANCE];

/// The flags that make a test another than what users run.
const TIMES: [&str; 7] = [
    "--leader-elect",
    "--lease-duration",
    "--request-timeout",
    "--visibility-window",
    "requestTimeout=",
    "visibilityWindow=",
    "leaseDuration=",
];

/// Where such a flag is the subject.
const SUBJECTS: [(&str, &str); 2] = [
    ("times.rs", "it is here that they are kept"),
    ("program.rs", "flags that are refused"),
];

#[test]
fn shorter_times_are_exceptions_with_a_reason_and_a_test_without() -> io::Result<()> {
    let sources = sources()?;
    let mut used = BTreeSet::new();
    let mut tests = BTreeSet::new();
    for (path, text) in &sources {
        tests.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("async fn ")?.split('(').next()),
        );
        if SUBJECTS.iter().any(|(subject, _)| path == subject) {
            continue;
        }
        let flag = TIMES.iter().find(|flag| text.contains(**flag));
        assert_eq!(flag, None, "{path} sets a time that is no exception");
        for shorter in ALL {
            if text.contains(&format!("times::{}", shorter.name)) {
                used.insert((shorter.name, path.as_str()));
            }
        }
    }
    let mut told = BTreeSet::new();
    for shorter in ALL {
        assert!(!shorter.reason.is_empty() && !shorter.also.is_empty());
        told.extend(shorter.used_by.iter().map(|path| (shorter.name, *path)));
        for test in shorter.also {
            assert!(tests.contains(test), "there is no test {test}");
        }
    }
    assert_eq!(used, told, "used and told");
    Ok(())
}

/// All files of these tests, by their path in `tests/it`.
fn sources() -> io::Result<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let (mut sources, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let path = folder.join(entry?.file_name());
            if root.join(&path).is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(root.join(&path))?;
                sources.push((path.display().to_string(), text));
            }
        }
    }
    Ok(sources)
}
