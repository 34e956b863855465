//! Whether PIM knows the group and the principal at all, and takes them.

use chrono::{DateTime, Utc};

use super::input::{Action, Input};
use crate::directory::Class;
use crate::error::GraphError;
use crate::types::Kind;
use crate::world::World;

/// What a group that just replicated answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    /// 201 with status `Failed`; nothing comes of it.
    Fails,
}

/// Refuses unknown, deleted, dynamic and synchronised groups. A group made a moment ago answers 404
/// `ResourceNotFound` a few times, then 201 with `Failed` a few times (live order of events).
pub(super) fn check_group(world: &mut World, input: &Input) -> Result<Readiness, GraphError> {
    let not_found = || GraphError::new(404, "ResourceNotFound", "The resource is not found.");
    let entry = world.directory.get(input.group).ok_or_else(not_found)?;
    let group = entry.group().ok_or_else(not_found)?;
    // No source names the error codes of the next two; the documentation only says "not supported".
    if group.membership_rule.is_some() {
        return Err(unsupported("a group with dynamic membership"));
    }
    if group.on_premises {
        return Err(unsupported("a group that is synchronised from on-premises"));
    }
    let pim = world.pim.group_mut(input.group);
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

/// Refuses unknown principals and those not replicated yet (`SubjectNotFound`), and groups as active
/// members of a role-assignable group (they may be eligible).
pub(super) fn check_principal(
    world: &World,
    kind: Kind,
    input: &Input,
    now: DateTime<Utc>,
) -> Result<(), GraphError> {
    let missing = |status| GraphError::new(status, "SubjectNotFound", "The subject is not found.");
    let known = world
        .directory
        .known(input.principal)
        .ok_or_else(|| missing(400))?;
    if known.deleted.is_some() {
        return Err(missing(404));
    }
    let lag = world.behaviour.new_principal_lag;
    if known.fresh && now < known.created + lag {
        return Err(missing(400));
    }
    let nested = known.object.class() == Class::Group;
    let adds = !matches!(input.action, Action::AdminRemove | Action::SelfDeactivate);
    let role_assignable = world
        .directory
        .get(input.group)
        .and_then(|entry| entry.group())
        .is_some_and(|group| group.is_assignable_to_role);
    if adds && kind == Kind::Assignment && nested && role_assignable {
        return Err(unsupported(
            "a group as active member of a role-assignable group",
        ));
    }
    Ok(())
}

fn unsupported(what: &str) -> GraphError {
    let mut error = GraphError::invalid_request();
    error.message = format!("The role assignment request is invalid: {what} is not supported.");
    error
}
