//! The operator as a process of its own, which can be killed.
//!
//! A demo or bench starts itself again as the operator ([`run_if_operator`]): the same code as `pim-operator run`, by the
//! simulator's clock. The product's own command takes no clock from outside, and so can never be given a wrong one.

use std::{
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
};

use clap::Parser;
use pim_operator::cli::{CliError, RunArgs};

use crate::clock::RemoteClock;

/// The first argument that makes an executable the operator.
const ROLE: &str = "operator-under-test";

#[derive(Parser)]
struct Args {
    /// The simulator whose clock is followed.
    #[arg(long)]
    simulator: String,
    #[command(flatten)]
    run: RunArgs,
}

/// Runs this process as the operator if it was started as one. To be called first in `main`.
///
/// # Errors
/// Whatever kept the operator from running.
pub fn run_if_operator() -> Result<bool, CliError> {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_default();
    if args.next().as_deref() != Some(ROLE) {
        return Ok(false);
    }
    let args = Args::parse_from(std::iter::once(program).chain(args));
    end_with_parent();
    // The clock asks over plain http before the operator itself chooses a TLS provider.
    args.run
        .execute_by(|| Ok(Arc::new(RemoteClock::follow(&args.simulator)?)))?;
    Ok(true)
}

/// Ends this process when whoever started it is gone, however it went: it holds the other end of our input.
fn end_with_parent() {
    std::thread::spawn(|| {
        // Nothing is ever written there. An error means the same as the end.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

/// A running operator process; killed when dropped, and ending by itself when this process dies first.
pub struct OperatorProcess {
    child: Child,
    /// Kept apart from `child`, whose `wait` would close it.
    _leash: Option<ChildStdin>,
}

impl OperatorProcess {
    /// Starts this executable again as the operator, with further arguments of `pim-operator run`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        kubeconfig: &Path,
        simulator: &str,
        log: &Path,
        args: &[&str],
    ) -> std::io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([ROLE, "--simulator", simulator]);
        Self::spawn(command, kubeconfig, log, args)
    }

    /// Starts the product's own executable, by the machine's clock, with further arguments of `pim-operator run`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_program(
        program: &Path,
        kubeconfig: &Path,
        log: &Path,
        args: &[&str],
    ) -> std::io::Result<Self> {
        Self::start_program_in(program, kubeconfig, log, args, &[])
    }

    /// The same, with further variables of its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_program_in(
        program: &Path,
        kubeconfig: &Path,
        log: &Path,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("run").envs(variables.iter().copied());
        Self::spawn(command, kubeconfig, log, args)
    }

    fn spawn(
        mut command: Command,
        kubeconfig: &Path,
        log: &Path,
        args: &[&str],
    ) -> std::io::Result<Self> {
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)?;
        let mut child = command
            .args(args)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let leash = child.stdin.take();
        Ok(Self {
            child,
            _leash: leash,
        })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// SIGTERM, and waits for the end; true when it ended well.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn terminate(&mut self) -> std::io::Result<bool> {
        self.signal("TERM")?;
        Ok(self.child.wait()?.success())
    }

    /// Sends a signal, such as `STOP` or `CONT`, and does not wait.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn signal(&self, name: &str) -> std::io::Result<()> {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()?;
        if sent.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("no signal {name} was sent")))
        }
    }

    /// Whether the process ended well; none while it runs.
    ///
    /// # Errors
    /// When the process cannot be asked after.
    pub fn ended(&mut self) -> std::io::Result<Option<bool>> {
        Ok(self.child.try_wait()?.map(|status| status.success()))
    }
}

impl Drop for OperatorProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}
