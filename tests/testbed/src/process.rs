//! A child process that never outlives this one, even when this one is killed with `kill -9`.
//!
//! Each child starts as a `sh` that forks a watcher and then becomes the program (`exec`). The watcher
//! reads a pipe whose other end only this process holds: when the pipe closes, whatever the reason, it
//! kills the program and removes the control plane's folder. Children are `std` processes, not tokio's,
//! because they outlive the runtime of the test that happened to start them.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use crate::Error;

/// `$1` is the folder to remove (may be empty), the rest is the command. A line on the pipe dismisses the
/// watcher: the program is already dead, and its process id may soon be somebody else's.
const SUPERVISE: &str = r#"
doomed=$1; shift
exec 3<&0 0</dev/null
(
  read -r line <&3 && exit 0
  kill -KILL $$
  [ -n "$doomed" ] || exit 0
  tries=0 # a process that is still dying can put a file into a folder that is being removed
  until rm -rf "$doomed" || [ $tries -ge 20 ]; do tries=$((tries + 1)); sleep 1; done
) &
exec 3<&-
exec "$@"
"#;

/// A running program, its log, and the pipe that ties its life to ours. Dropping it kills the program.
#[derive(Debug)]
pub(crate) struct Supervised {
    program: &'static str,
    log: PathBuf,
    child: Child,
    /// Kept apart from `child`, whose `wait` would close it and so alarm the watcher.
    leash: Option<ChildStdin>,
}

impl Supervised {
    /// Runs `command`, with its output appended to `log`. If this process dies first, the program is
    /// killed and `doomed`, if any, is removed with all it holds.
    pub(crate) fn spawn(
        program: &'static str,
        command: &Command,
        log: &Path,
        doomed: Option<&Path>,
    ) -> Result<Self, Error> {
        let open = || File::options().create(true).append(true).open(log);
        let output = open().map_err(Error::io("opening", log))?;
        let errors = output.try_clone().map_err(Error::io("opening", log))?;
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", SUPERVISE, "testbed-supervisor"])
            .arg(doomed.unwrap_or(Path::new("")))
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        // A process group of its own: Ctrl-C is for us, who then stop the children in order.
        let mut child = shell
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io("starting", Path::new(command.get_program())))?;
        Ok(Self {
            program,
            log: log.to_owned(),
            leash: child.stdin.take(),
            child,
        })
    }

    /// The program's process id (the supervising shell has become the program).
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if the program has ended.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        let status = self
            .child
            .try_wait()
            .map_err(Error::io("waiting for", &self.log))?;
        if status.is_some() {
            self.dismiss_watcher();
        }
        Ok(status)
    }

    /// An error, with the end of the log, if the program has ended.
    pub(crate) fn expect_running(&mut self) -> Result<(), Error> {
        match self.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Error::Exited {
                program: self.program,
                status,
                tail: self.log_tail(),
            }),
        }
    }

    /// The last lines of the log.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    /// What the program is called in messages.
    pub(crate) fn program(&self) -> &'static str {
        self.program
    }

    fn dismiss_watcher(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            // An error means that the watcher is gone already.
            let _ = leash.write_all(b"\n");
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.child.kill();
        if self.child.wait().is_ok() {
            self.dismiss_watcher();
        }
    }
}

/// The last lines of a log file; empty if it cannot be read.
pub(crate) fn log_tail(log: &Path) -> String {
    const LINES: usize = 15;
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
