//! The `pim-operator` command.

use std::process::ExitCode;

use clap::Parser;
use pim_operator::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pim-operator: {error}");
            ExitCode::FAILURE
        }
    }
}
