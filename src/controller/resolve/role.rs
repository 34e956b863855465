//! Roles and scopes: from names to ids. Microsoft renames roles, so a name counts once and its id from then on.

use std::sync::Arc;

use crate::{
    api::{
        boundary::DirectoryScopeId, conditions::Reason, guid::Guid,
        references::AdministrativeUnitRef, references::RoleRef, role_grant::RoleTarget,
    },
    controller::{
        grant::{ADMINISTRATIVE_UNITS, scope_text},
        tenants::Tenant,
    },
    graph::{Advice, GraphError, RoleDefinition},
};

use super::{Unresolved, one};

/// The scope of a grant that names none.
const TENANT: &str = "/";

fn wrong<T>(reason: Reason, message: String, may_appear: bool) -> Result<T, Unresolved> {
    Err(Unresolved::Wrong {
        reason,
        message,
        may_appear,
    })
}

/// The id is all that a grant needs; without the permission to read names, it stands for itself.
fn is_unreadable(error: &GraphError) -> bool {
    matches!(error.advice(), Advice::FixPermissions { .. })
}

/// The id of a role definition, and its name.
pub(in crate::controller) async fn role(
    reference: &RoleRef,
    tenant: &Arc<Tenant>,
) -> Result<(Guid, String), Unresolved> {
    let roles = tenant.directory.roles().await;
    let found = match (&reference.id, &reference.display_name) {
        (Some(id), _) => match roles {
            Ok(roles) => {
                let has_id = |role: &&RoleDefinition| role.id.eq_ignore_ascii_case(id.as_str());
                let Some(role) = roles.iter().find(has_id) else {
                    tenant.directory.forget_roles();
                    let message = format!("there is no role with the id {id} in the tenant");
                    return wrong(Reason::TargetNotFound, message, true);
                };
                role.clone()
            }
            Err(error) if is_unreadable(&error) => return Ok((id.clone(), id.to_string())),
            Err(error) => return Err(error.into()),
        },
        (None, Some(name)) => match one(named(&roles?, name)) {
            Ok(role) => role,
            Err(0) => {
                tenant.directory.forget_roles();
                let message = format!("there is no role named \"{name}\" in the tenant");
                return wrong(Reason::TargetNotFound, message, true);
            }
            Err(several) => {
                let message = format!(
                    "{several} roles are named \"{name}\"; write `role.id` instead of `displayName`"
                );
                return wrong(Reason::Ambiguous, message, false);
            }
        },
        (None, None) => {
            let message = "`role` must set `id` or `displayName`".to_owned();
            return wrong(Reason::InvalidSpec, message, false);
        }
    };
    let name = found.display_name.unwrap_or_else(|| found.id.clone());
    Ok((Guid::new(&found.id), name))
}

/// The roles of a name. Case counts only where it tells two apart.
fn named(roles: &[RoleDefinition], name: &str) -> Vec<RoleDefinition> {
    let matching = |equal: &dyn Fn(&str) -> bool| {
        let found = roles
            .iter()
            .filter(|role| role.display_name.as_deref().is_some_and(equal));
        found.cloned().collect::<Vec<_>>()
    };
    let exact = matching(&|other| other == name);
    if exact.is_empty() {
        matching(&|other| other.to_lowercase() == name.to_lowercase())
    } else {
        exact
    }
}

/// The scope of a role as Graph writes it, and its name.
pub(super) async fn scope(
    target: &RoleTarget,
    tenant: &Arc<Tenant>,
) -> Result<(String, String), Unresolved> {
    let Some(unit) = &target.administrative_unit else {
        let declared = target.directory_scope_id.as_ref();
        return declared_scope(declared, tenant).await;
    };
    let (id, name) = match (&unit.id, &unit.display_name) {
        (Some(id), _) => administrative_unit(id, tenant).await?,
        (None, Some(name)) => {
            let units = tenant.directory.administrative_units_named(name).await?;
            match one(units) {
                Ok(unit) => (Guid::new(&unit.id), name.clone()),
                Err(0) => {
                    let message =
                        format!("there is no administrative unit named \"{name}\" in the tenant");
                    return wrong(Reason::TargetNotFound, message, true);
                }
                Err(several) => {
                    let message = format!(
                        "{several} administrative units are named \"{name}\"; write `administrativeUnit.id` instead of `displayName`"
                    );
                    return wrong(Reason::Ambiguous, message, false);
                }
            }
        }
        (None, None) => {
            let message = "`administrativeUnit` must set `id` or `displayName`".to_owned();
            return wrong(Reason::InvalidSpec, message, false);
        }
    };
    Ok((format!("{ADMINISTRATIVE_UNITS}{id}"), name))
}

async fn declared_scope(
    declared: Option<&DirectoryScopeId>,
    tenant: &Arc<Tenant>,
) -> Result<(String, String), Unresolved> {
    let scope = declared.map_or_else(|| TENANT.to_owned(), |scope| scope_text(&scope.0));
    if scope == TENANT {
        return Ok((scope.clone(), scope));
    }
    if let Some(id) = scope.strip_prefix(ADMINISTRATIVE_UNITS) {
        let (_, name) = administrative_unit(&Guid::new(id), tenant).await?;
        return Ok((scope, name));
    }
    let id = scope.trim_start_matches('/');
    match tenant.directory.object(id).await {
        Ok(Some(found)) => {
            let name = found.display_name.unwrap_or_else(|| scope.clone());
            Ok((scope, name))
        }
        Ok(None) => {
            let message = format!("there is no object with the id {id} in the tenant");
            wrong(Reason::TargetNotFound, message, true)
        }
        Err(error) if is_unreadable(&error) => Ok((scope.clone(), scope)),
        Err(error) => Err(error.into()),
    }
}

async fn administrative_unit(
    id: &Guid,
    tenant: &Arc<Tenant>,
) -> Result<(Guid, String), Unresolved> {
    match tenant.directory.administrative_unit(id.as_str()).await {
        Ok(Some(unit)) => {
            let name = unit.display_name.unwrap_or_else(|| unit.id.clone());
            Ok((id.clone(), name))
        }
        Ok(None) => {
            let message = format!("there is no administrative unit with the id {id} in the tenant");
            wrong(Reason::TargetNotFound, message, true)
        }
        Err(error) if is_unreadable(&error) => Ok((id.clone(), id.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Whether a pinned scope is one that a manifest names.
pub(super) fn names_scope(target: &RoleTarget, pinned: &str) -> bool {
    match (&target.directory_scope_id, &target.administrative_unit) {
        (_, Some(AdministrativeUnitRef { id: Some(id), .. })) => {
            pinned == format!("{ADMINISTRATIVE_UNITS}{id}")
        }
        (_, Some(_)) => pinned.starts_with(ADMINISTRATIVE_UNITS),
        (Some(scope), None) => pinned == scope_text(&scope.0),
        (None, None) => pinned == TENANT,
    }
}

/// The directory object that is a scope, if the scope is one.
pub(in crate::controller) fn object_scope(scope: &DirectoryScopeId) -> Option<Guid> {
    let id = scope.0.strip_prefix('/')?;
    (!id.is_empty() && !id.contains('/')).then(|| Guid::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(id: &str, name: &str) -> RoleDefinition {
        RoleDefinition {
            id: id.to_owned(),
            display_name: Some(name.to_owned()),
        }
    }

    #[test]
    fn the_case_of_a_name_counts_only_where_it_tells_two_roles_apart() {
        let roles = [
            role("1", "Helpdesk Administrator"),
            role("2", "helpdesk administrator"),
            role("3", "User Administrator"),
        ];
        let ids = |name: &str| {
            let found = named(&roles, name).into_iter();
            found.map(|role| role.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("Helpdesk Administrator"), ["1"]);
        assert_eq!(ids("HELPDESK ADMINISTRATOR"), ["1", "2"]);
        assert_eq!(ids("user administrator"), ["3"]);
        assert!(ids("Helpdesk").is_empty());
    }

    fn target(scope: Option<&str>, unit: Option<(Option<&str>, Option<&str>)>) -> RoleTarget {
        RoleTarget {
            role: RoleRef {
                id: None,
                display_name: Some("Helpdesk Administrator".to_owned()),
            },
            directory_scope_id: scope.map(|scope| DirectoryScopeId(scope.to_owned())),
            administrative_unit: unit.map(|(id, name)| AdministrativeUnitRef {
                id: id.map(Guid::new),
                display_name: name.map(str::to_owned),
            }),
        }
    }

    #[test]
    fn a_pinned_scope_is_never_wider_than_the_one_that_is_named() {
        let unit = "/administrativeUnits/u1";
        assert!(names_scope(&target(None, None), "/"));
        assert!(!names_scope(&target(None, None), unit));
        assert!(names_scope(&target(Some(unit), None), unit));
        assert!(!names_scope(&target(Some(unit), None), "/"));
        assert!(!names_scope(&target(Some("/u1"), None), unit));
        let by_id = target(None, Some((Some("u1"), None)));
        assert!(names_scope(&by_id, unit));
        assert!(!names_scope(&by_id, "/administrativeUnits/u2"));
        let by_name = target(None, Some((None, Some("Sales"))));
        assert!(names_scope(&by_name, "/administrativeUnits/u2"));
        assert!(!names_scope(&by_name, "/"));
    }

    #[test]
    fn only_a_single_object_is_an_object_scope() {
        let scope = |text: &str| object_scope(&DirectoryScopeId(text.to_owned()));
        assert_eq!(scope("/"), None);
        assert_eq!(scope("/administrativeUnits/u1"), None);
        assert_eq!(scope("/o1"), Some(Guid::new("o1")));
    }
}
