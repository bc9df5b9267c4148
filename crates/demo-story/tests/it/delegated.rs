//! `--delegated`: the person signs in on the page that the terminal shows.

use std::path::Path;
use std::time::Duration;

use industrydata_terminal::{Terminal, command};

/// Nothing here takes this long, however busy the machine is. The control plane may have to be built.
const PATIENCE: Duration = Duration::from_mins(15);

/// The last line of the sign-in.
const SIGNED_IN: &str = "graphconnection.industrydata.dev/contoso created";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_and_the_flows_become_ready() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut command = command(env!("CARGO_BIN_EXE_industrydata-demo-story"));
    command.arg("--delegated");
    let mut terminal = Terminal::run(command).unwrap();
    let waiting = terminal.wait_for(" left, Ctrl-C", PATIENCE).unwrap();
    let page = after("To sign in, open  ", &waiting);
    let code = after("and enter the code  ", &waiting);
    let form = [("user_code", code.as_str()), ("decision", "approve")];
    let answer = reqwest::Client::new().post(&page).form(&form).send();
    assert!(answer.await.unwrap().status().is_success());
    let signed_in = terminal.wait_for(SIGNED_IN, PATIENCE).unwrap();
    terminal.wait_for("All are ready.", PATIENCE).unwrap();
    terminal
        .wait_for("Ctrl-C ends the demo.", PATIENCE)
        .unwrap();
    terminal.type_keys("\u{3}").unwrap();
    assert_eq!(terminal.end(PATIENCE).unwrap(), 0);

    let (end, _) = signed_in.split_once(SIGNED_IN).unwrap();
    let kept = format!(
        "--- while it waits\n{}--- once the person has signed in\n{}{SIGNED_IN}\n",
        without_chance(&waiting, &code),
        without_chance(end, &code)
    );
    assert_screen("tests/it/delegated.screen.txt", &kept);
}

/// The word after a text.
fn after(text: &str, screen: &str) -> String {
    let (_, rest) = screen.split_once(text).unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// The screen with the same ports, code, file and time in each run, and without the build of the control plane, which
/// happens once on a machine.
fn without_chance(screen: &str, code: &str) -> String {
    let screen = screen.replace(code, "BCDF-GHJK");
    let story = screen
        .lines()
        .skip_while(|line| !line.starts_with("cluster "));
    let lines = story.map(|line| {
        if let Some((start, rest)) = line.split_once("127.0.0.1:") {
            let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{start}127.0.0.1:8090{rest}\n")
        } else if let Some((start, _)) = line.split_once("/industrydata-demo-") {
            let (title, _) = start.split_once("  ").unwrap();
            format!("{title}  industrydata-demo.log (until the end)\n")
        } else if line.contains(" left, Ctrl-C") {
            let (start, rest) = line.split_once('(').unwrap();
            let (_, end) = rest.split_once(" left").unwrap();
            format!("{start}(14:57 left{end}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// Compares the screen with the one that was reviewed. `UPDATE=1` writes it.
fn assert_screen(file: &str, screen: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&file, screen).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == screen, "{} differs from:\n{screen}", file.display());
}
