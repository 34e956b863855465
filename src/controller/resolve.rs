//! Resolve: from the names in a manifest to ids. What was resolved once stays pinned in status, whatever is renamed.

mod role;

use std::sync::Arc;

use crate::{
    api::{
        boundary::PrincipalKind, conditions::Reason, guid::Guid, references::GroupRef,
        references::PrincipalRef, status::ResolvedReferences,
    },
    graph::{GraphError, GroupObject, ObjectKind, ScheduleKind},
};

use super::{
    grant::{Grant, Named},
    tenants::Tenant,
};

pub(super) use role::object_scope;
pub(super) use role::role;
use role::{names_scope, scope};

/// Why a reference leads nowhere.
#[derive(Debug)]
pub enum Unresolved {
    /// It was looked up, and this is what is wrong with it.
    Wrong {
        /// The reason for the condition.
        reason: Reason,
        /// The sentence for the condition.
        message: String,
        /// Whether waiting can help: a new object may be minutes old.
        may_appear: bool,
    },
    /// It could not be looked up.
    Failed(GraphError),
}

impl Unresolved {
    /// What a status says was resolved is not of the sort that the object names.
    pub(super) fn of_another_sort() -> Self {
        Self::Wrong {
            reason: Reason::InvalidSpec,
            message: "what was resolved is not of this object's kind".to_owned(),
            may_appear: true,
        }
    }
}

impl From<GraphError> for Unresolved {
    fn from(error: GraphError) -> Self {
        Self::Failed(error)
    }
}

/// The ids behind a grant's references.
///
/// # Errors
/// [`Unresolved`] when a name is missing, ambiguous or unusable, or the directory could not be asked.
pub async fn resolve<K: Grant>(
    grant: &K,
    tenant: &Arc<Tenant>,
) -> Result<ResolvedReferences, Unresolved> {
    if let Some(pinned) = grant.status().and_then(|status| status.resolved.as_ref())
        && pinned.tenant_id == tenant.id
        && names_pinned(grant, pinned)
    {
        return Ok(pinned.clone());
    }
    let (target, principal) = tokio::join!(
        target(grant.named(), tenant),
        principal(&grant.terms().principal, tenant)
    );
    let (target, principal) = (target?, principal?);
    if target.role_id.is_some() {
        holds_roles(&principal, K::SCHEDULES)?;
    }
    Ok(ResolvedReferences {
        tenant_id: tenant.id.clone(),
        group_id: target.group_id,
        role_id: target.role_id,
        directory_scope_id: target.scope.as_ref().map(|(scope, _)| scope.clone()),
        principal_id: principal.id,
        target_name: target.name,
        scope_name: target.scope.map(|(_, name)| name),
        principal_name: principal.name,
        principal_kind: principal.kind,
    })
}

/// What a grant is about, in ids and names.
struct Found {
    group_id: Option<Guid>,
    role_id: Option<Guid>,
    name: String,
    /// The scope of a role, and its name.
    scope: Option<(String, String)>,
}

/// Who receives it.
struct Principal {
    id: Guid,
    name: String,
    kind: Option<PrincipalKind>,
    role_assignable: Option<bool>,
}

async fn target(named: Named<'_>, tenant: &Arc<Tenant>) -> Result<Found, Unresolved> {
    match named {
        Named::Group(reference, _) => {
            let (id, name) = group(reference, tenant).await?;
            Ok(Found {
                group_id: Some(id),
                role_id: None,
                name,
                scope: None,
            })
        }
        Named::Role(target) => {
            let (role, scope) = tokio::join!(role(&target.role, tenant), scope(target, tenant));
            let (id, name) = role?;
            Ok(Found {
                group_id: None,
                role_id: Some(id),
                name,
                scope: Some(scope?),
            })
        }
    }
}

/// Whether what is pinned is what an id in the spec names. A name may have passed to something else since; an id has not.
fn names_pinned<K: Grant>(grant: &K, pinned: &ResolvedReferences) -> bool {
    let same = |id: &Option<Guid>, pinned: Option<&Guid>| {
        pinned.is_some() && id.as_ref().is_none_or(|id| Some(id) == pinned)
    };
    let target = match grant.named() {
        Named::Group(group, _) => same(&group.id, pinned.group_id.as_ref()),
        Named::Role(target) => {
            same(&target.role.id, pinned.role_id.as_ref())
                && pinned
                    .directory_scope_id
                    .as_deref()
                    .is_some_and(|scope| names_scope(target, scope))
        }
    };
    target && same(&grant.terms().principal.id, Some(&pinned.principal_id))
}

pub(super) async fn group(
    reference: &GroupRef,
    tenant: &Arc<Tenant>,
) -> Result<(Guid, String), Unresolved> {
    let wrong = |reason, message, may_appear| {
        Err(Unresolved::Wrong {
            reason,
            message,
            may_appear,
        })
    };
    let found = match (&reference.id, &reference.display_name) {
        (Some(id), _) => match tenant.directory.group(id.as_str()).await? {
            Some(group) => group,
            None => {
                return wrong(
                    Reason::TargetNotFound,
                    format!("there is no group with the id {id} in the tenant"),
                    true,
                );
            }
        },
        (None, Some(name)) => match one(tenant.directory.groups_named(name).await?) {
            Ok(group) => group,
            Err(0) => {
                return wrong(
                    Reason::TargetNotFound,
                    format!("there is no group named \"{name}\" in the tenant"),
                    true,
                );
            }
            Err(several) => {
                let message = format!(
                    "{several} groups are named \"{name}\"; write `group.id` instead of `displayName`"
                );
                return wrong(Reason::Ambiguous, message, false);
            }
        },
        (None, None) => {
            return wrong(
                Reason::InvalidSpec,
                "`group` must set `id` or `displayName`".to_owned(),
                false,
            );
        }
    };
    let name = found
        .display_name
        .clone()
        .unwrap_or_else(|| found.id.clone());
    if let Some(why) = unsupported(&found) {
        return wrong(
            Reason::TargetNotFound,
            format!("PIM does not support the group {name}: {why}"),
            false,
        );
    }
    Ok((Guid::new(&found.id), name))
}

/// PIM for groups takes neither rule-based nor synchronised groups.
fn unsupported(group: &GroupObject) -> Option<&'static str> {
    if group.is_dynamic() {
        Some("its members come from a rule (dynamic membership)")
    } else if group.is_on_premises() {
        Some("it is synchronised from on-premises")
    } else {
        None
    }
}

async fn principal(
    reference: &PrincipalRef,
    tenant: &Arc<Tenant>,
) -> Result<Principal, Unresolved> {
    let missing = |message| {
        Err(Unresolved::Wrong {
            reason: Reason::PrincipalNotFound,
            message,
            may_appear: true,
        })
    };
    let directory = &tenant.directory;
    let found = if let Some(id) = &reference.id {
        match directory.object(id.as_str()).await {
            Ok(Some(object)) => object,
            Ok(None) => {
                return missing(format!(
                    "there is no user, group or service principal with the id {id} in the tenant"
                ));
            }
            // The id is all that a grant needs; without the permission to read names, it stands for itself.
            Err(error) if matches!(error.advice(), crate::graph::Advice::FixPermissions { .. }) => {
                return Ok(Principal {
                    id: id.clone(),
                    name: id.to_string(),
                    kind: None,
                    role_assignable: None,
                });
            }
            Err(error) => return Err(error.into()),
        }
    } else if let Some(name) = &reference.user_principal_name {
        match directory.user(name).await? {
            Some(user) => user,
            None => return missing(format!("there is no user {name} in the tenant")),
        }
    } else if let Some(app_id) = &reference.service_principal_app_id {
        match directory.service_principal(app_id.as_str()).await? {
            Some(found) => found,
            None => {
                return missing(format!(
                    "there is no service principal of the application {app_id} in the tenant"
                ));
            }
        }
    } else if let Some(name) = &reference.group_display_name {
        return match one(directory.groups_named(name).await?) {
            Ok(group) => Ok(Principal {
                id: Guid::new(&group.id),
                name: name.clone(),
                kind: Some(PrincipalKind::Group),
                role_assignable: Some(group.is_role_assignable()),
            }),
            Err(0) => missing(format!("there is no group named \"{name}\" in the tenant")),
            Err(several) => Err(Unresolved::Wrong {
                reason: Reason::Ambiguous,
                message: format!(
                    "{several} groups are named \"{name}\"; write `principal.id` instead of `groupDisplayName`"
                ),
                may_appear: false,
            }),
        };
    } else {
        return Err(Unresolved::Wrong {
            reason: Reason::InvalidSpec,
            message: "`principal` must name somebody".to_owned(),
            may_appear: false,
        });
    };
    let name = found
        .user_principal_name
        .or(found.display_name)
        .unwrap_or_else(|| found.id.clone());
    let kind = match found.kind {
        ObjectKind::User => Some(PrincipalKind::User),
        ObjectKind::Group => Some(PrincipalKind::Group),
        ObjectKind::ServicePrincipal => Some(PrincipalKind::ServicePrincipal),
        ObjectKind::Unknown(_) => None,
    };
    Ok(Principal {
        id: Guid::new(&found.id),
        name,
        kind,
        role_assignable: Some(found.is_assignable_to_role == Some(true)),
    })
}

/// Whether Entra gives roles to such a principal. Those that it cannot hold are accepted as requests and never carried out.
fn holds_roles(principal: &Principal, schedules: ScheduleKind) -> Result<(), Unresolved> {
    let name = &principal.name;
    let why = match (principal.kind, schedules) {
        (Some(PrincipalKind::ServicePrincipal), ScheduleKind::Eligibility) => format!(
            "{name} is a service principal, and nobody could activate a role for it: write a RoleAssignment"
        ),
        (Some(PrincipalKind::Group), _) if principal.role_assignable == Some(false) => format!(
            "the group {name} may not hold roles: only one that was created with `isAssignableToRole` may"
        ),
        _ => return Ok(()),
    };
    Err(Unresolved::Wrong {
        reason: Reason::InvalidSpec,
        message: why,
        may_appear: false,
    })
}

/// The only element, or how many there are.
pub(super) fn one<T>(mut found: Vec<T>) -> Result<T, usize> {
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), rest) => Err(rest + 1),
        (None, _) => Err(0),
    }
}
