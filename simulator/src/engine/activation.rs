//! What an eligible person does: activate, deactivate, ask for more time.
//!
//! Activation leaves the eligible row alone and adds an active one (`assignmentType` activated).

use chrono::TimeDelta;
use uuid::Uuid;

use super::assign::{self, Resolved};
use super::create::{Case, Decision};
use super::request::Progress;
use super::target::{Service, Target};
use super::{five_minute_rule, last_holder, overlap, policy, remove};
use crate::error::GraphError;
use crate::types::Kind;
use crate::world::World;

/// How long an approver has (documented, not configurable).
const APPROVAL_WINDOW: TimeDelta = TimeDelta::hours(24);

/// Activates. Without an eligible row: policy failure `EligibilityRule`. Again while active:
/// `RoleAssignmentExists` around the directory's own error text (measured on groups).
pub(super) fn activate(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    if case.kind == Kind::Eligibility {
        return Err(GraphError::invalid_request());
    }
    let window = assign::resolve(world, case)?;
    let input = case.input;
    let eligible = eligible_row(world, case);
    if let Some(book) = world.pim.book(input.target.resource()) {
        let rows = book.alive(Kind::Assignment, input.principal, input.target, case.now);
        overlap::check(rows, window.start, window.end, case.now)
            .map_err(|error| wrapped(error, input.target))?;
    }
    if eligible.is_none() && eligible_elsewhere(world, case) {
        return Err(GraphError::invalid_scope());
    }
    let rules = world.policy(input.target.policy());
    policy::check_activation(
        &rules,
        eligible.is_some(),
        &assign::asked(case, window.length),
        world.behaviour.policy_message_form,
    )?;
    if rules.activation.approval_required {
        return Ok(Decision {
            progress: Progress::AwaitingApproval(case.now + APPROVAL_WINDOW),
            completed: None,
            start: Some(window.start),
            makes_schedule: true,
            approval: true,
            misreported: false,
        });
    }
    Ok(begin(world, case, &window, eligible))
}

/// Adds the active row.
pub(super) fn begin(
    world: &mut World,
    case: &Case<'_>,
    window: &Resolved,
    eligible: Option<Uuid>,
) -> Decision {
    if !case.input.validation_only {
        assign::add_row(world, case, window, Some(eligible.unwrap_or_default()));
    }
    assign::decision(&world.behaviour, window, case.now)
}

/// The eligible row in force that an activation can rest on: the person's own, or one of a group
/// that the person is in.
pub(super) fn eligible_row(world: &World, case: &Case<'_>) -> Option<Uuid> {
    let (input, now) = (case.input, case.now);
    let book = world.pim.book(input.target.resource())?;
    let mut holders = vec![input.principal];
    holders.extend(world.groups_around(input.principal, now));
    holders.into_iter().find_map(|holder| {
        book.alive(Kind::Eligibility, holder, input.target, now)
            .find(|row| row.in_force(now))
            .map(|row| row.id_part)
    })
}

/// Whether the person may activate the role, but at another scope: answered `InvalidScope`.
fn eligible_elsewhere(world: &World, case: &Case<'_>) -> bool {
    let Target::Role { .. } = case.input.target else {
        return false;
    };
    let mut holders = world.groups_around(case.input.principal, case.now);
    holders.push(case.input.principal);
    let book = world.pim.book(case.input.target.resource());
    book.is_some_and(|book| {
        book.rows.iter().any(|row| {
            row.kind == Kind::Eligibility
                && holders.contains(&row.principal)
                && row.in_force(case.now)
        })
    })
}

/// Ends an activation; not in its first five minutes. Twice: 400 for roles; for groups 404, or 400
/// `BadRequest` while the list still shows the row (all measured).
pub(super) fn deactivate(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    let (input, now) = (case.input, case.now);
    let groups = input.target.service() == Service::Groups;
    let missing = || overlap::does_not_exist(if groups { 404 } else { 400 });
    let resource = input.target.resource();
    let book = world.pim.book(resource).ok_or_else(missing)?;
    let mine = |row: &super::row::Row| {
        row.concerns(Kind::Assignment, input.principal, input.target) && row.activated
    };
    let Some(row) = book.rows.iter().find(|row| mine(row) && row.alive(now)) else {
        let lagging = book
            .rows
            .iter()
            .any(|row| mine(row) && now < row.listed_until);
        return Err(if groups && lagging {
            GraphError::bad_request("BadRequest", "The request is invalid.")
        } else {
            missing()
        });
    };
    five_minute_rule::check(
        book,
        input.principal,
        input.target,
        now,
        world.behaviour.minimum_active_age,
    )?;
    last_holder::refuse(&book.rows, row, now, &world.directory)?;
    if !input.validation_only {
        let gone = now + world.behaviour.removal_lag;
        world.pim.kill(resource, now, gone, mine);
    }
    Ok(remove::revoked())
}

/// selfExtend and selfRenew go to an administrator for decision.
pub(super) fn ask(world: &World, case: &Case<'_>) -> Result<Decision, GraphError> {
    let window = assign::resolve(world, case)?;
    Ok(Decision {
        progress: Progress::AwaitingAdministrator,
        completed: None,
        start: Some(window.start),
        makes_schedule: false,
        approval: false,
        misreported: false,
    })
}

/// For groups the message carries the directory's complaint about the membership.
fn wrapped(mut error: GraphError, target: Target) -> GraphError {
    if target.service() == Service::Groups && error.code == "RoleAssignmentExists" {
        error.message.push_str(
            " Request_BadRequest: One or more added object references already exist for the \
             following modified properties: 'members'.",
        );
    }
    error
}
