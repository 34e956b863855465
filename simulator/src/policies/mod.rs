//! Role management policies: what PIM asks of a grant or an activation, as 17 rules a policy.
//!
//! Every group has two policies (membership and ownership), every directory role has one. The rules
//! are kept as Graph shows them, so that rules nobody here knows survive too; what the engine
//! enforces is worked out from them at each request, and there is no second truth. A policy that
//! nobody touched is not stored: it is the default of its kind.
//!
//! | File | Rule |
//! |---|---|
//! | [`defaults`] | the 17 rules and their documented values |
//! | [`ids`] | policy and assignment ids, and how they change at onboarding |
//! | [`store`] | what was changed, and who may see it when |
//! | [`effective`] | from rules to what the engine enforces |
//! | [`edit`] | what an administrator changes in the portal, and what an estate asks for |
//! | [`change`], [`shapes`], [`approvers`] | what a PATCH may say |
//! | [`routes`], [`list`], [`wire`] | the endpoints |
//! | [`contexts`] | authentication contexts |

mod approvers;
mod change;
pub(crate) mod contexts;
mod defaults;
pub(crate) mod edit;
mod effective;
mod ids;
mod list;
pub(crate) mod routes;
mod shapes;
pub(crate) mod store;
mod wire;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::types::Access;
use crate::world::World;

/// What a policy governs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyScope {
    /// One relationship to a group.
    Group {
        /// Object id of the group.
        group: Uuid,
        /// Membership or ownership.
        access: Access,
    },
    /// A directory role in the whole tenant.
    Role {
        /// Id of the role definition; for a built-in role its template id.
        role: Uuid,
    },
}

impl PolicyScope {
    /// `roleDefinitionId` as assignments show it: a word for groups, an id for roles.
    fn role_definition_id(self) -> String {
        match self {
            Self::Group { access, .. } => access.as_str().to_owned(),
            Self::Role { role } => role.to_string(),
        }
    }

    /// Membership and ownership of a group.
    fn of_group(group: Uuid) -> [Self; 2] {
        [Access::Member, Access::Owner].map(|access| Self::Group { group, access })
    }
}

impl World {
    /// Every role definition that has a policy.
    fn policy_roles(&self) -> Vec<Uuid> {
        self.roles.list().map(|role| role.id).collect()
    }
}
