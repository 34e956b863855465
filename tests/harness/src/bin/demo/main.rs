//! `make demo`: the life of a few grants, told step by step.
//!
//! A real API server, the Graph simulator and the operator, each a process or server of its own on loopback. Everything shown is
//! what they really answered: `kubectl`'s own output, and the requests as the simulator received them. Every step states what it
//! expects and ends the demo where that is not so.
//!
//! - `story/` holds the steps; the manifests they apply are in `config/story`;
//! - `stage` is the machinery behind them, `graph` counts what was asked of Graph, `screen` prints.

mod failure;
mod graph;
mod screen;
mod stage;
mod story;

use std::process::ExitCode;

use pim_harness::process::run_if_operator;

use crate::{screen::Screen, stage::Stage};

fn main() -> ExitCode {
    match run_if_operator() {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => {
            eprintln!("operator: {error}");
            return ExitCode::FAILURE;
        }
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(demo())
}

async fn demo() -> ExitCode {
    let screen = Screen::of_stdout();
    let mut stage = match Stage::set(screen).await {
        Ok(stage) => stage,
        Err(failure) => {
            screen.failure(&failure);
            return ExitCode::FAILURE;
        }
    };
    let told = story::tell(&mut stage).await;
    match &told {
        Ok(steps) => println!("demo: {steps} steps passed"),
        Err(failure) => {
            screen.failure(failure);
            stage.show_operator_log();
        }
    }
    if std::env::var("KEEP").is_ok_and(|keep| !matches!(keep.as_str(), "" | "0")) {
        stage.keep().await;
    }
    if told.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
