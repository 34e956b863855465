//! A permanent active grant and an eligible one of the same principal and target delete each other.
//!
//! Measured on live tenants for directory roles: an update that made the active grant permanent silently
//! removed the eligible one; an update of the eligible grant beside a permanent active one removed the
//! active. Both were answered with success, no request was recorded for the removal, and right after
//! both lists were empty for a moment. Creating either beside the other is accepted and deletes nothing.
//! Nobody measured it for groups: there it is a knob.

use super::create::Case;
use super::target::Service;
use crate::types::Kind;
use crate::world::World;

/// Removes the row of the other kind where an update does. True: it removed one.
pub(super) fn strike(world: &mut World, case: &Case<'_>, permanent: bool) -> bool {
    let (input, now) = (case.input, case.now);
    let roles = input.target.service() == Service::Roles;
    let strikes = match case.kind {
        Kind::Assignment => {
            permanent && (roles || world.behaviour.permanent_active_removes_eligible)
        }
        Kind::Eligibility => roles,
    };
    if !strikes {
        return false;
    }
    let resource = input.target.resource();
    world.pim.kill(resource, now, now, |row| match case.kind {
        Kind::Assignment => row.concerns(Kind::Eligibility, input.principal, input.target),
        Kind::Eligibility => {
            row.concerns(Kind::Assignment, input.principal, input.target)
                && row.end.is_none()
                && !row.activated
        }
    }) > 0
}
