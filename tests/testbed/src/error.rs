//! What can go wrong, each in one line that says what to do or where it failed.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the control plane could not be built, started or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program needed to build the others is not on the `PATH`.
    #[error("`{program}` is not on the PATH: {remedy}")]
    MissingTool {
        /// The program.
        program: &'static str,
        /// How to get it.
        remedy: &'static str,
    },
    /// `KUBEBUILDER_ASSETS` is set, but a program is not in that folder.
    #[error("KUBEBUILDER_ASSETS is {}, which holds no `{program}`", folder.display())]
    IncompleteAssets {
        /// The folder that `KUBEBUILDER_ASSETS` names.
        folder: PathBuf,
        /// The program that it lacks.
        program: &'static str,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    #[error(
        "no cache folder for the built binaries: set HOME, XDG_CACHE_HOME or KUBEBUILDER_ASSETS"
    )]
    NoCacheFolder,
    /// `go build` failed.
    #[error("building {program} failed; the end of {}:\n{tail}", log.display())]
    Build {
        /// What was being built.
        program: &'static str,
        /// The whole output of `go build`.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A Go module whose files are needed cannot be had.
    #[error("the Go module {module} cannot be had: {said}")]
    Module {
        /// The module.
        module: &'static str,
        /// What Go says.
        said: String,
    },
    /// A process ended that should be running.
    #[error("{program} ended early ({status}); its last lines:\n{tail}")]
    Exited {
        /// Which process.
        program: &'static str,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The last lines of its log.
        tail: String,
    },
    /// The control plane did not become ready in time.
    #[error("{program} was not ready within {} s ({last}); its last lines:\n{tail}", waited.as_secs())]
    NotReady {
        /// Which process.
        program: &'static str,
        /// How long it was given.
        waited: Duration,
        /// The last answer of the readiness probe.
        last: String,
        /// The last lines of its log.
        tail: String,
    },
    /// The certificates could not be made.
    #[error("making the test certificates failed")]
    Certificates(#[from] rcgen::Error),
    /// The readiness probe's TLS set-up failed.
    #[error("the TLS set-up of the readiness probe failed")]
    Tls(#[from] rustls::Error),
    /// The readiness probe's HTTP client could not be made.
    #[error("the HTTP client of the readiness probe could not be made")]
    Probe(#[from] reqwest::Error),
    /// The audit log holds a line that is not an audit event.
    #[error("the audit log holds a line that is not an audit event")]
    Audit(#[from] serde_json::Error),
    /// A file or process operation failed.
    #[error("{action} failed")]
    Io {
        /// What was being done, with the path.
        action: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: says what was being done to which path.
    pub(crate) fn io(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let action = format!("{action} {}", path.display());
        move |source| Self::Io { action, source }
    }
}
