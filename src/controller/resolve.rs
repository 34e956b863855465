//! Resolve: from the names in a manifest to ids. What was resolved once stays pinned in status, whatever is renamed.

use std::sync::Arc;

use crate::{
    api::{
        boundary::PrincipalKind, conditions::Reason, guid::Guid, references::GroupRef,
        references::PrincipalRef, status::ResolvedReferences,
    },
    graph::{GraphError, GroupObject, ObjectKind},
};

use super::{grant::Grant, tenants::Tenant};

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
    let (group, principal) = tokio::join!(
        group(&grant.target().group, tenant),
        principal(&grant.terms().principal, tenant)
    );
    let (group_id, target_name) = group?;
    let (principal_id, principal_name, principal_kind) = principal?;
    Ok(ResolvedReferences {
        tenant_id: tenant.id.clone(),
        group_id,
        principal_id,
        target_name,
        principal_name,
        principal_kind,
    })
}

/// Whether what is pinned is what an id in the spec names. A name may have passed to something else since; an id has not.
fn names_pinned<K: Grant>(grant: &K, pinned: &ResolvedReferences) -> bool {
    let same = |id: &Option<Guid>, pinned: &Guid| id.as_ref().is_none_or(|id| id == pinned);
    same(&grant.target().group.id, &pinned.group_id)
        && same(&grant.terms().principal.id, &pinned.principal_id)
}

async fn group(reference: &GroupRef, tenant: &Arc<Tenant>) -> Result<(Guid, String), Unresolved> {
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
) -> Result<(Guid, String, Option<PrincipalKind>), Unresolved> {
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
                return Ok((id.clone(), id.to_string(), None));
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
            Ok(group) => Ok((
                Guid::new(&group.id),
                name.clone(),
                Some(PrincipalKind::Group),
            )),
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
    Ok((Guid::new(&found.id), name, kind))
}

/// The only element, or how many there are.
fn one<T>(mut found: Vec<T>) -> Result<T, usize> {
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), rest) => Err(rest + 1),
        (None, _) => Err(0),
    }
}
