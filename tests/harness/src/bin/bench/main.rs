//! `make bench`: what the operator costs, counted where it arrives: at the Graph simulator and in the API server's audit log.
//!
//! Every case has bars; one that is missed makes the bench fail. Cases can be named as arguments; all run otherwise.

mod availability;
mod boundary;
mod cold_start;
mod estate;
mod kill_points;
mod memory;
mod meter;
mod policies;
mod report;
mod roles;
mod two_tenants;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use pim_harness::{bed::BedError, process};

use report::Case;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// 1,000 grants are created.
    #[value(name = "create_1000")]
    Create,
    /// Their estate is read again.
    #[value(name = "drift_check_1000")]
    DriftCheck,
    /// The operator starts again on it.
    #[value(name = "restart_1000")]
    Restart,
    /// The same 1,000 grants and the 100 policies of their groups are created together, and read again.
    #[value(name = "create_with_policies")]
    Policies,
    /// The operator holds 10,000 grants.
    #[value(name = "memory_10000")]
    Memory,
    /// The operator is killed between Graph's commit and its own next step.
    #[value(name = "kill_points")]
    KillPoints,
    /// Grants of one tenant, while another throttles.
    #[value(name = "two_tenants")]
    TwoTenants,
    /// 500 grants of 40 roles are read again.
    #[value(name = "drift_check_roles")]
    Roles,
    /// Two replicas: 20 kills, 20 graceful stops and 5 freezes of the leader, while 200 grants are created and changed.
    #[value(name = "availability")]
    Availability,
    /// The operator starts on 1,000 grants, of which one has changed.
    #[value(name = "cold_start")]
    ColdStart,
    /// The operator's memory with nothing to do.
    #[value(name = "idle")]
    Idle,
    /// Rulings on grants in a cluster of 500 boundaries.
    #[value(name = "boundary_decision")]
    Boundary,
}

#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// The cases to measure; all by default.
    cases: Vec<Name>,
    /// Seed of the random kill points.
    #[arg(long, env = "KILL_POINTS_SEED", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match process::run_if_operator().and_then(|was_operator| {
        if was_operator {
            Ok(true)
        } else {
            bench(&Args::parse())
        }
    }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases; whether all bars hold.
#[tokio::main]
async fn bench(args: &Args) -> Result<bool, BedError> {
    let wanted = |name: Name| args.cases.is_empty() || args.cases.contains(&name);
    let mut cases: Vec<Case> = Vec::new();
    if [Name::Create, Name::DriftCheck, Name::Restart]
        .into_iter()
        .any(wanted)
    {
        cases.extend(estate::measure(wanted(Name::DriftCheck), wanted(Name::Restart)).await?);
    }
    if wanted(Name::Roles) {
        cases.push(roles::measure().await?);
    }
    if wanted(Name::Policies) {
        cases.extend(policies::measure().await?);
    }
    if wanted(Name::Memory) {
        cases.push(memory::measure().await?);
    }
    if wanted(Name::KillPoints) {
        cases.push(kill_points::measure(args.seed).await?);
    }
    if wanted(Name::TwoTenants) {
        cases.push(two_tenants::measure().await?);
    }
    if wanted(Name::ColdStart) {
        cases.push(cold_start::measure().await?);
    }
    if wanted(Name::Idle) {
        cases.push(cold_start::idle().await?);
    }
    if wanted(Name::Availability) {
        cases.push(availability::measure().await?);
    }
    if wanted(Name::Boundary) {
        cases.push(boundary::measure()?);
    }
    report::write(&cases)?;
    print!("{}", report::table(&cases));
    let missed: Vec<String> = cases.iter().flat_map(Case::missed).collect();
    for bar in &missed {
        println!("missed: {bar}");
    }
    Ok(missed.is_empty())
}
