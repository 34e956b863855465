//! Ids of policies and of their assignments.
//!
//! A policy is `Group_{group}_{guid}` or `DirectoryRole_{tenant}_{guid}` (`Directory_…` when it was
//! asked for by the older scope type); its assignment is the policy id, `_`, and `member`, `owner` or
//! the role definition. Onboarding a group changes the ids of both its policies; an old id keeps
//! resolving and is answered with the new one (measured). The guids are derived, not drawn, so that
//! nothing has to be kept for a policy that nobody touched.

use uuid::{Uuid, uuid};

use super::PolicyScope;
use crate::error::GraphError;
use crate::world::World;

const NAMESPACE: Uuid = uuid!("5d3c6f0e-7a50-4c6b-9a7d-0f2f7c1f5a11");

/// The scope types of the API. The two of roles show the same policies under different ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScopeType {
    Group,
    DirectoryRole,
    Directory,
}

impl ScopeType {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Group, Self::DirectoryRole, Self::Directory]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    /// The one that the API prefers.
    pub fn of(scope: PolicyScope) -> Self {
        match scope {
            PolicyScope::Group { .. } => Self::Group,
            PolicyScope::Role { .. } => Self::DirectoryRole,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Group => "Group",
            Self::DirectoryRole => "DirectoryRole",
            Self::Directory => "Directory",
        }
    }
}

/// A policy and the scope type it is seen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub scope: PolicyScope,
    pub by: ScopeType,
}

impl Named {
    /// `scopeId`: the group, or the whole tenant.
    pub fn scope_id(self) -> String {
        match self.scope {
            PolicyScope::Group { group, .. } => group.to_string(),
            PolicyScope::Role { .. } => "/".to_owned(),
        }
    }

    pub fn policy_id(self, world: &World) -> String {
        let onboarded = match self.scope {
            PolicyScope::Group { group, .. } => world.is_onboarded(group),
            PolicyScope::Role { .. } => false,
        };
        let owner = match self.scope {
            PolicyScope::Group { group, .. } => group,
            PolicyScope::Role { .. } => world.tenant.id,
        };
        let guid = guid(world, self.scope, onboarded);
        format!("{}_{owner}_{guid}", self.by.as_str())
    }

    pub fn assignment_id(self, world: &World) -> String {
        let (policy, role) = (self.policy_id(world), self.scope.role_definition_id());
        format!("{policy}_{role}")
    }
}

fn guid(world: &World, scope: PolicyScope, onboarded: bool) -> Uuid {
    let what = match scope {
        PolicyScope::Group { group, access } => format!("{group}/{}", access.as_str()),
        PolicyScope::Role { role } => role.to_string(),
    };
    let name = format!("{}/{what}/{onboarded}", world.tenant.id);
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The policy behind an id, current or from before onboarding. Anything else is 400 (measured for a
/// made-up guid).
pub(super) fn policy(world: &World, id: &str) -> Result<Named, GraphError> {
    find(world, id).ok_or_else(|| GraphError::bad_request("BadRequest", "The request is invalid."))
}

fn find(world: &World, id: &str) -> Option<Named> {
    let mut parts = id.split('_');
    let (by, owner, wanted) = (parts.next()?, parts.next()?, parts.next()?);
    let by = ScopeType::parse(by)?;
    let (owner, wanted) = (Uuid::try_parse(owner).ok()?, Uuid::try_parse(wanted).ok()?);
    if parts.next().is_some() {
        return None;
    }
    let scopes = match by {
        ScopeType::Group => PolicyScope::of_group(owner).to_vec(),
        _ if owner != world.tenant.id => return None,
        _ => world
            .policy_roles()
            .into_iter()
            .map(|role| PolicyScope::Role { role })
            .collect(),
    };
    let scope = scopes.into_iter().find(|scope| {
        let known_after =
            matches!(scope, PolicyScope::Group { group, .. } if world.is_onboarded(*group));
        guid(world, *scope, false) == wanted || (known_after && guid(world, *scope, true) == wanted)
    })?;
    Some(Named { scope, by })
}

/// The policy behind an assignment id.
pub(super) fn assignment(world: &World, id: &str) -> Result<Named, GraphError> {
    let (policy_id, role) = id.rsplit_once('_').unwrap_or((id, ""));
    let named = policy(world, policy_id)?;
    if named.scope.role_definition_id().eq_ignore_ascii_case(role) {
        Ok(named)
    } else {
        Err(GraphError::resource_not_found())
    }
}
