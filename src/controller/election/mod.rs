//! Who leads, and the fence: nothing is written by a process that does not lead, or may not lead any more.
//!
//! Replicas agree by a Lease, as Kubernetes' own controllers do: the leader renews it, and another takes it once it has not
//! changed for its whole duration, or as soon as it is given back. Whoever leads gives up well before the others may take over
//! (`record`, pure; `candidate`, the requests; `news`, the watch that tells of a change at once).
//!
//! Entra knows nothing of the Lease. So every write, to Graph and to Kubernetes, is held against the time of the last renewal
//! just before it leaves (`fence`, `client`). A process that was stopped past its lease and goes on finds the fence shut, whatever
//! it was about to do.
//!
//! What remains is a stop between that look and the write to the socket: a few instructions. Such a write is harmless. In
//! Kubernetes it is made under the revision that was read before, and conflicts with what the next leader has written. In Graph,
//! what it asks for was recorded as an intent first; the next leader reads Entra before it decides anything, Graph refuses what is
//! there already, and what a late request changed against the manifests is found and put right by the drift check.

mod candidate;
mod client;
mod fence;
mod news;
mod record;

pub use candidate::{Election, LeaseLost};
pub use client::fenced;
pub use fence::{Fence, Fenced, Moment};
pub use record::{BadTimings, Timings};

/// The name of the Lease.
pub const LEASE: &str = "pim-operator";
