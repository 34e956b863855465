//! Whether PIM knows the target and the principal at all, and takes them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::input::{Action, Input};
use super::target::{Resource, RoleScope, Target};
use crate::directory::{Class, Object};
use crate::error::GraphError;
use crate::types::Kind;
use crate::world::World;

/// What becomes of a request that passes the other checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Readiness {
    Ready,
    /// 201 with status `Granted`, and no schedule ever.
    Stuck,
    /// 201 with status `Failed`; nothing comes of it.
    Fails,
}

/// Refuses targets that PIM does not take.
pub(super) fn check_target(
    world: &mut World,
    input: &Input,
    now: DateTime<Utc>,
) -> Result<Readiness, GraphError> {
    match input.target {
        Target::Group { group, .. } => check_group(world, input, group),
        Target::Role { role, scope } => check_role(world, role, scope, now),
    }
}

/// Refuses unknown, deleted, dynamic and synchronised groups. A group made a moment ago answers 404
/// `ResourceNotFound` a few times, then 201 with `Failed` a few times (live order of events).
fn check_group(world: &mut World, input: &Input, group: Uuid) -> Result<Readiness, GraphError> {
    let not_found = || GraphError::new(404, "ResourceNotFound", "The resource is not found.");
    let entry = world.directory.get(group).ok_or_else(not_found)?;
    let object = entry.group().ok_or_else(not_found)?;
    // No source names the error codes of the next two; the documentation only says "not supported".
    if object.membership_rule.is_some() {
        return Err(unsupported("a group with dynamic membership"));
    }
    if object.on_premises {
        return Err(unsupported("a group that is synchronised from on-premises"));
    }
    let pim = world.pim.book_mut(Resource::Group(group));
    if pim.not_found_left > 0 {
        pim.not_found_left -= 1;
        return Err(not_found());
    }
    if pim.failed_left > 0 && !input.action.is_removal() && !input.validation_only {
        pim.failed_left -= 1;
        return Ok(Readiness::Fails);
    }
    Ok(Readiness::Ready)
}

/// Refuses unknown roles (404 for a custom one made a moment ago, as clients have reported), scopes
/// that do not exist, and scopes that a built-in role cannot have.
fn check_role(
    world: &World,
    role: Uuid,
    scope: RoleScope,
    now: DateTime<Utc>,
) -> Result<Readiness, GraphError> {
    let missing = |status| GraphError::new(status, "RoleNotFound", "The role is not found.");
    let definition = world.roles.get(role).ok_or_else(|| missing(400))?;
    if definition.fresh && now < definition.created + world.behaviour.new_principal_lag {
        return Err(missing(404));
    }
    let exists = |id| world.directory.get(id).map(|entry| entry.object.class());
    let takes = match scope {
        RoleScope::Tenant | RoleScope::App => true,
        RoleScope::AdministrativeUnit(id) => match exists(id) {
            Some(Class::AdministrativeUnit) => definition.takes_administrative_units(),
            _ => return Err(GraphError::invalid_scope()),
        },
        RoleScope::Object(id) => match exists(id) {
            None | Some(Class::AdministrativeUnit) => return Err(GraphError::invalid_scope()),
            Some(class) => definition.takes_objects(class),
        },
    };
    if takes {
        return Ok(Readiness::Ready);
    }
    Err(GraphError::bad_request(
        "Request_BadRequest",
        format!(
            "The built-in role '{}' is not supported at single resource scope.",
            definition.display_name
        ),
    ))
}

/// Refuses unknown principals and those not replicated yet (`SubjectNotFound`), and what cannot hold
/// the target.
pub(super) fn check_principal(
    world: &World,
    kind: Kind,
    input: &Input,
    now: DateTime<Utc>,
) -> Result<Readiness, GraphError> {
    let missing = |status| GraphError::new(status, "SubjectNotFound", "The subject is not found.");
    let known = world
        .directory
        .known(input.principal)
        .filter(|entry| entry.object.class() != Class::AdministrativeUnit)
        .ok_or_else(|| missing(400))?;
    if known.deleted.is_some() {
        return Err(missing(404));
    }
    let lag = world.behaviour.new_principal_lag;
    if known.fresh && now < known.created + lag {
        return Err(missing(400));
    }
    if matches!(input.action, Action::AdminRemove | Action::SelfDeactivate) {
        return Ok(Readiness::Ready);
    }
    match (input.target, &known.object) {
        (Target::Group { group, .. }, Object::Group(_)) => {
            let into = world.directory.get(group).and_then(|entry| entry.group());
            let role_assignable = into.is_some_and(|group| group.is_assignable_to_role);
            if kind == Kind::Assignment && role_assignable {
                // It may be eligible.
                return Err(unsupported(
                    "a group as active member of a role-assignable group",
                ));
            }
            Ok(Readiness::Ready)
        }
        // A request for a group that is not role-assignable stays `Granted` for ever (reported by
        // users of several clients).
        (Target::Role { .. }, Object::Group(group)) if !group.is_assignable_to_role => {
            Ok(Readiness::Stuck)
        }
        // Documented; no source names the error code.
        (Target::Role { .. }, Object::ServicePrincipal(_)) if kind == Kind::Eligibility => {
            Err(unsupported("a service principal that is eligible"))
        }
        _ => Ok(Readiness::Ready),
    }
}

fn unsupported(what: &str) -> GraphError {
    let mut error = GraphError::invalid_request();
    error.message = format!("The role assignment request is invalid: {what} is not supported.");
    error
}
