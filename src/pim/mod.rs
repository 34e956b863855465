//! What the operator decides, as pure functions: values and a time in, values out. No I/O, no clock, no Kubernetes client.
//!
//! [`duration`] reads ISO 8601 as Graph takes it; [`window`] is the arithmetic of starts and ends and the rule that fixes
//! ("anchors") a declared window once; [`desired`] is a manifest's terms, parsed; [`observed`] is what Entra lists and what
//! the object's status remembers; [`boundary`] decides whether a grant is allowed at all and [`echo`] puts boundaries into
//! the words of the admission policies; [`plan`] decides about a grant and [`removal`] about a deleted one; [`retry`] says
//! when a refused request may be sent again; [`rivalry`] which grants of a role delete each other; [`guard`] says how many grants may be revoked before a person has to agree; [`policy`] holds the decisions about PIM policies.
//! [`provenance`] is what a request says of where it comes from, and [`history`] what earlier requests say of a window. The
//! laws that hold for every plan are property tests in `laws`.

pub mod boundary;
pub mod desired;
pub mod duration;
pub mod echo;
pub mod guard;
pub mod history;
pub mod observed;
pub mod permissions;
pub mod plan;
pub mod policy;
pub mod provenance;
pub mod removal;
pub mod retry;
pub mod rivalry;
pub mod window;

#[cfg(test)]
mod laws;
