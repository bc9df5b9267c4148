//! What kubectl prints of a resource, without what differs from run to run.

use crate::test_env::TestEnv;

use super::scenes::Scene;

/// The row of a resource, and its description.
pub async fn of(env: &TestEnv, scene: &Scene) -> String {
    let kind = scene.kind.to_lowercase();
    let get = ["get", &kind, &scene.name, "--output", "wide"];
    let row = env.kubectl(&get).await.unwrap();
    let described = described(env, scene).await;
    format!(
        "$ kubectl get {kind} {name} --output wide\n{row}\n$ kubectl describe {kind} {name}\n{described}\n",
        name = scene.name,
        row = masked(&row),
        described = sorted_events(&masked(&described)),
    )
}

/// The description of a resource, as kubectl prints it.
pub async fn described(env: &TestEnv, scene: &Scene) -> String {
    let kind = scene.kind.to_lowercase();
    let describe = ["describe", &kind, &scene.name];
    env.kubectl(&describe).await.unwrap()
}

/// A text with `…` in place of ids, times, ages and numbers of attempts. Columns are three spaces apart.
fn masked(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        let cells = line
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty());
        let cells = cells.map(|cell| {
            let words = cell.split(' ').map(masked_word);
            without_count(words.collect::<Vec<_>>().join(" "))
        });
        let line = cells.collect::<Vec<_>>().join("   ");
        format!("{}{}", &text_of(' ', indent), line)
    });
    let lines: Vec<String> = lines.map(without_numbers).collect();
    lines.join("\n") + "\n"
}

fn text_of(character: char, count: usize) -> String {
    std::iter::repeat_n(character, count).collect()
}

fn masked_word(word: &str) -> String {
    let plain = word.trim_matches(['(', ')', ',', '.', '"']);
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = plain.len() == 36
        && plain
            .split('-')
            .all(|part| !part.is_empty() && is_hex(part));
    let is_hash = plain.len() >= 16 && is_hex(plain);
    let is_time = plain.len() >= 20 && plain.starts_with("20") && plain.as_bytes()[10] == b'T';
    if is_id || is_hash || is_time || is_age(plain) {
        word.replace(plain, "…")
    } else {
        word.to_owned()
    }
}

/// Whether a word is a duration as kubectl prints it, such as `2m3s`.
fn is_age(word: &str) -> bool {
    let units = word.split_inclusive(['s', 'm', 'h', 'd']);
    !word.is_empty()
        && units.into_iter().all(|part| {
            let digits = part.trim_end_matches(['s', 'm', 'h', 'd']);
            digits.len() + 1 == part.len()
                && !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Removes how often an event was repeated.
fn without_count(cell: String) -> String {
    match cell.split_once(" (x") {
        Some((age, rest)) if rest.ends_with(')') => age.to_owned(),
        _ => cell,
    }
}

fn without_numbers(line: String) -> String {
    let trimmed = line.trim_start();
    let counters = ["Resource Version:", "Failures:", "Generation:"];
    match counters
        .iter()
        .find(|counter| trimmed.starts_with(**counter))
    {
        Some(counter) => format!("{}{counter}   …", text_of(' ', line.len() - trimmed.len())),
        None => line,
    }
}

/// Puts events in the order of their text: several happen within a second.
fn sorted_events(described: &str) -> String {
    let (before, events) = described.split_once("Events:").unwrap_or((described, ""));
    let mut lines: Vec<&str> = events.lines().skip(1).collect();
    let head = lines.len().min(2);
    lines[head..].sort_unstable();
    lines.dedup();
    let first = events.lines().next().unwrap_or_default();
    format!("{before}Events:{first}\n{}", lines.join("\n"))
}
