//! `pim-operator crds`.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::CliError;
use crate::api::crds;

/// Options of `crds`.
#[derive(Debug, Args)]
pub struct CrdsArgs {
    /// Write one file a kind into this folder instead of printing.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

impl CrdsArgs {
    pub(super) fn execute(self) -> Result<(), CliError> {
        match self.output_dir {
            Some(folder) => crds::write_to(&folder)?,
            None => std::io::stdout()
                .lock()
                .write_all(crds::to_yaml()?.as_bytes())?,
        }
        Ok(())
    }
}
