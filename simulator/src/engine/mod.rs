//! The PIM engine, for groups and for directory roles: schedules, instances and requests, and the rules between them.
//!
//! Time drives nothing here by itself. Each row and request knows its dates; what is listed, in
//! force or expired is worked out from the virtual time of the call.
//!
//! | File | Rule |
//! |---|---|
//! | [`store`] | where rows and requests are kept, and who may see them when |
//! | [`target`] | what a row is about: a group, or a role at a scope |
//! | [`row`], [`request`] | one row, one request and their states over time |
//! | [`input`] | reading a request body |
//! | [`create`] | the order of checks for a POST, and its effect |
//! | [`assign`], [`remove`], [`activation`] | the verbs |
//! | `five_minute_rule`, `last_holder`, `overlap`, `prerequisites`, `policy` | what refuses them |
//! | `cross_deletion` | what an update takes with it |
//! | `replication`, `purge` | delays and the end of history |
//! | [`routes`], [`approval_routes`], [`sets`] | the endpoints |
//! | [`list`], [`shaping`], [`wire`] | the read side |

mod activation;
mod approval;
pub(crate) mod approval_routes;
mod assign;
mod create;
mod cross_deletion;
mod five_minute_rule;
pub(crate) mod input;
mod last_holder;
pub(crate) mod list;
mod overlap;
pub(crate) mod policy;
mod prerequisites;
mod purge;
mod remove;
mod replication;
pub(crate) mod request;
pub(crate) mod routes;
pub(crate) mod row;
pub(crate) mod sets;
mod shaping;
pub(crate) mod store;
pub(crate) mod target;
pub(crate) mod wire;

pub use policy::{ActivationRules, AdminRules, Policy, Requirement};

use uuid::Uuid;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) enum Actor {
    /// An application with its own token; the object id of its service principal.
    App(Uuid),
    /// A person with a delegated token.
    Person {
        id: Uuid,
        mfa: bool,
        contexts: Vec<String>,
    },
    /// An administrator in the portal (see [`crate::Admin`]): not held to policy or age.
    Portal,
}

impl Actor {
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::App(id) | Self::Person { id, .. } => Some(*id),
            Self::Portal => None,
        }
    }

    pub fn is_portal(&self) -> bool {
        matches!(self, Self::Portal)
    }
}
