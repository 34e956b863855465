//! The command line of `pim-operator`.

mod crds;
mod logs;
mod policies;
mod run;
mod traces;

use clap::{Parser, Subcommand};

pub use run::RunArgs;

/// Microsoft Entra Privileged Identity Management as Kubernetes manifests.
#[derive(Debug, Parser)]
#[command(name = "pim-operator", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller.
    Run(Box<run::RunArgs>),
    /// Print the CustomResourceDefinitions as YAML.
    Crds(crds::CrdsArgs),
    /// Print the ConfigMap that the admission policies judge by, made from GrantBoundaries.
    ///
    /// Boundaries are read as YAML or JSON, one or many, or a list as kubectl prints it; objects of other kinds are passed over:
    ///
    ///   kubectl get grantboundaries -o yaml | pim-operator policies | kubectl apply --server-side -f -
    #[command(verbatim_doc_comment)]
    Policies(policies::PoliciesArgs),
}

/// Why a command failed; printed as it is.
pub type CliError = Box<dyn std::error::Error + Send + Sync>;

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever kept it from ending well, in a sentence.
    pub fn execute(self) -> Result<(), CliError> {
        match self.command {
            Command::Run(args) => args.execute(),
            Command::Crds(args) => args.execute(),
            Command::Policies(args) => args.execute(),
        }
    }
}
