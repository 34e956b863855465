//! Builds or runs the test control plane from the command line.

use clap::{Parser, Subcommand};
use pim_testbed::{Binaries, ControlPlane, ControlPlaneOptions, Error};

/// A real Kubernetes control plane for tests, without containers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Build the programs, unless they are there already, and print their folder.
    Build,
    /// Start a control plane, print how to use it, and stop it on Ctrl-C.
    Up {
        /// Also run kube-controller-manager (namespace deletion, garbage collection).
        #[arg(long)]
        controller_manager: bool,
    },
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed: {error}");
            let causes = std::iter::successors(std::error::Error::source(&error), |e| e.source());
            causes.for_each(|cause| eprintln!("  because: {cause}"));
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(action: Action) -> Result<(), Error> {
    match action {
        Action::Build => {
            let binaries = Binaries::locate_or_build().await?;
            if let Some(folder) = binaries.etcd.parent() {
                println!("{}", folder.display());
            }
        }
        Action::Up { controller_manager } => {
            let cluster = ControlPlane::start(ControlPlaneOptions { controller_manager }).await?;
            println!("export KUBECONFIG={}", cluster.kubeconfig_path().display());
            eprintln!(
                "testbed: Kubernetes is at {}; Ctrl-C stops and removes it",
                cluster.url()
            );
            // If the signal cannot be waited for, stopping at once is the safe answer.
            let _ = tokio::signal::ctrl_c().await;
        }
    }
    Ok(())
}
