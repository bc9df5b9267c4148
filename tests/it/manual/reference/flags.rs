//! The flags of `industrydata-operator run`.

use clap::{Arg, CommandFactory, Parser};
use industrydata_operator::settings::Arguments;

use super::{code, row, table};

#[derive(Parser)]
struct Run {
    #[command(flatten)]
    _arguments: Arguments,
}

pub fn page() -> String {
    let command = Run::command();
    let flags: Vec<&Arg> = command.get_arguments().collect();
    let mut headings: Vec<&str> = flags
        .iter()
        .filter_map(|flag| flag.get_help_heading())
        .collect();
    headings.dedup();
    let mut page = "# Flags

The flags of `industrydata-operator run`. Each has an environment variable, and the flag takes precedence over the
variable. `industrydata-operator crds` prints the CustomResourceDefinitions and has no flags.

"
    .to_owned();
    for heading in headings {
        let of_heading = flags
            .iter()
            .filter(|flag| flag.get_help_heading() == Some(heading));
        let head = ["flag", "default", "meaning"];
        let of_heading = table(&head, of_heading.map(|flag| line(flag)));
        page.extend(["## ", heading, "\n\n", &of_heading]);
    }
    page.trim_end().to_owned() + "\n"
}

fn line(flag: &Arg) -> String {
    let name = flag.get_long().unwrap();
    let variable = flag.get_env().unwrap().to_str().unwrap();
    let default: Vec<&str> = flag
        .get_default_values()
        .iter()
        .filter_map(|value| value.to_str())
        .collect();
    let words = flag.get_possible_values();
    let words: Vec<String> = words.iter().map(|word| code(word.get_name())).collect();
    let choice = if flag.get_action().takes_values() && !words.is_empty() {
        format!(". One of {}", words.join(", "))
    } else {
        String::new()
    };
    let help = flag.get_help().unwrap();
    row([
        format!("`--{name}` `{variable}`").as_str(),
        &code(&default.join(",")),
        &format!("{help}{choice}."),
    ])
}
