//! adminRemove: names a principal and a target, never a row.

use super::assign::check_age;
use super::create::{Case, Decision};
use super::request::Progress;
use super::{last_holder, overlap};
use crate::error::GraphError;
use crate::types::Kind;
use crate::world::World;

/// Removes the grant; without one, a person's activation. The answer is `Revoked`.
///
/// A fault that live tenants showed twice: the removal of an active row works, and is answered 400
/// `RoleAssignmentDoesNotExist` all the same.
pub(super) fn remove(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    let (kind, input, now) = (case.kind, case.input, case.now);
    let book = world
        .pim
        .book(input.target.resource())
        .ok_or_else(|| overlap::does_not_exist(400))?;
    let rows: Vec<_> = book
        .alive(kind, input.principal, input.target, now)
        .collect();
    let only_activated = rows.iter().all(|row| row.activated);
    if rows.is_empty() {
        return Err(overlap::does_not_exist(400));
    }
    check_age(world, case)?;
    if !case.actor.is_portal() {
        rows.iter()
            .try_for_each(|row| last_holder::refuse(&book.rows, row, now, &world.directory))?;
    }
    if input.validation_only {
        return Ok(revoked());
    }
    let gone = now + world.behaviour.removal_lag;
    world.pim.kill(input.target.resource(), now, gone, |row| {
        row.concerns(kind, input.principal, input.target) && (only_activated || !row.activated)
    });
    let behaviour = &mut world.behaviour;
    let misreported =
        kind == Kind::Assignment && !case.actor.is_portal() && behaviour.misreported_removals > 0;
    if misreported {
        behaviour.misreported_removals -= 1;
    }
    Ok(Decision {
        misreported,
        ..revoked()
    })
}

/// The answer to a removal has neither completion nor schedule.
pub(super) fn revoked() -> Decision {
    Decision {
        progress: Progress::Done("Revoked"),
        completed: None,
        start: None,
        makes_schedule: false,
        approval: false,
        misreported: false,
    }
}
