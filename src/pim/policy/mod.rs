//! The decisions about a PIM policy: what it says, what a manifest states of it, what has to be sent, in which order.
//!
//! [`RuleId`] names the 17 rules; [`Policy`] is a policy as Graph reports it, normalised; [`Stated`] is what a manifest wants of it;
//! [`plan`](plan()) turns the difference into what is sent, [`order`] says which of two rules is the tighter one. [`floor`] holds what is
//! stated against a boundary's floor, [`lints`](lints()) finds what looks like a mistake, [`baseline`] keeps what was found, and
//! [`preflight`](preflight()) tells a grant what the policy will say to it. The laws of all this are property tests in `laws`.

pub mod baseline;
pub mod describe;
pub mod floor;
mod lint;
mod model;
pub mod order;
mod plan;
mod preflight;
mod rules;
pub mod span;
mod stated;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;

pub use lint::{Lint, LintFacts, lints};
pub use model::{Address, Approver, Policy, Rule, demand_text, level_text};
pub use order::Relation;
pub use plan::{Obstacle, Plan, bodies, plan};
pub use preflight::{Ask, GrantSort, PolicyRejected, preflight};
pub use rules::{Audience, Moment, RuleId};
pub use stated::{Difference, InvalidPolicy, Stated, Wish};
