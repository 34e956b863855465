//! A real Kubernetes control plane for tests, benches and the demo: etcd, kube-apiserver and, on
//! request, kube-controller-manager, as plain processes on loopback. No container runtime, no
//! downloaded binaries, and never the user's own cluster or kubeconfig.
//!
//! ```no_run
//! # async fn example() -> Result<(), pim_testbed::Error> {
//! let cluster = pim_testbed::ControlPlane::shared().await?; // one per process, ready to use
//! println!("{}", cluster.kubeconfig_path().display());
//! # Ok(()) }
//! ```
//!
//! The API server is the real one, so validation, CEL, RBAC, service-account tokens, Events and Leases
//! behave as in production. What is missing is a kubelet: a Deployment is accepted and never runs.
//!
//! Where to look:
//! - `binaries.rs` finds the programs (`KUBEBUILDER_ASSETS`, else the cache); `go_build.rs` builds them
//!   once from the Go modules pinned in `go/`;
//! - `control_plane.rs` starts, restarts and stops them; `process.rs` makes sure that none of them
//!   outlives this process, however it dies; `pki.rs` holds the certificates;
//! - `audit.rs` counts what clients wrote, as the API server saw it.

mod audit;
mod binaries;
mod control_plane;
mod error;
mod flags;
mod go_build;
mod monitoring;
mod pki;
mod process;
mod workdir;

pub use audit::{AuditEvent, WriteCounts, count_writes};
pub use binaries::{Binaries, Release, gitops_verdicts, helm, monitoring_crds, promtool};
pub use control_plane::{ControlPlane, ControlPlaneOptions};
pub use error::Error;
