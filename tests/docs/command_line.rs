//! The page of the command line, from its definition.

use std::fmt::Write;

use clap::{Arg, CommandFactory};
use pim_operator::cli::Cli;

/// The page.
pub fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut text = "<!-- Made by `make docs` from src/cli. Do not edit. -->\n# The command line\n\nWith `--help`, each command says the same. In a cluster the chart sets all of this by its values.\n".to_owned();
    for command in command
        .get_subcommands()
        .filter(|one| one.get_name() != "help")
    {
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        write!(
            text,
            "\n## pim-operator {}\n\n{}\n",
            command.get_name(),
            paragraphs(&about)
        )
        .unwrap();
        text.push_str("\n| Argument | Default | Variable | |\n|---|---|---|---|\n");
        let shown = |argument: &&Arg| !["help", "version"].contains(&argument.get_id().as_str());
        for argument in command.get_arguments().filter(shown) {
            row(argument, &mut text);
        }
    }
    text
}

/// A text with its examples, which are indented, as blocks of code.
fn paragraphs(text: &str) -> String {
    let blocks = text.split("\n\n").map(|block| {
        if block.starts_with("  ") {
            format!("```console\n{}\n```", block.trim())
        } else {
            block.to_owned()
        }
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

fn row(argument: &Arg, text: &mut String) {
    let value = argument.get_value_names().unwrap_or_default().first();
    let value = value.filter(|_| argument.get_action().takes_values());
    let name = match (argument.get_long(), value) {
        (Some(long), Some(value)) => format!("--{long} {value}"),
        (Some(long), None) => format!("--{long}"),
        (None, value) => value.map(ToString::to_string).unwrap_or_default(),
    };
    let defaults = argument.get_default_values().iter();
    let defaults = defaults
        .filter_map(|value| value.to_str())
        .collect::<Vec<_>>()
        .join(",");
    let default = if argument.get_action().takes_values() && !defaults.is_empty() {
        format!("`{defaults}`")
    } else {
        String::new()
    };
    let variable = argument.get_env().and_then(|name| name.to_str());
    let variable = variable.map(|name| format!("`{name}`")).unwrap_or_default();
    let help = argument.get_long_help().or(argument.get_help());
    let mut help = help
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('\n', " ");
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|word| format!("`{}`", word.get_name()))
        .collect();
    if argument.get_action().takes_values() && !words.is_empty() {
        write!(help, ": {}", words.join(", ")).unwrap();
    }
    writeln!(
        text,
        "| `{name}` | {default} | {variable} | {} |",
        help.replace('|', "\\|")
    )
    .unwrap();
}
