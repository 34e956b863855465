//! adminAssign, adminUpdate, adminExtend and adminRenew: one new schedule, with a new id each time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::create::{Case, Decision};
use super::input::Expiration;
use super::request::Progress;
use super::row::Row;
use super::{Actor, cross_deletion, five_minute_rule, overlap, policy, purge, replication};
use crate::error::GraphError;
use crate::world::World;

/// A window with its dates worked out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolved {
    pub start: DateTime<Utc>,
    pub effective: DateTime<Utc>,
    pub end: Option<DateTime<Utc>>,
    pub listed_from: DateTime<Utc>,
    pub instance_from: DateTime<Utc>,
    pub future: bool,
    /// Length as asked, for policy.
    pub length: Option<Duration>,
}

/// Works out when a window begins and ends.
///
/// A start in the past or now is replaced by the completion. A duration counts from the real start,
/// short of the time the request took, so the stored length is a little short (all measured on
/// live tenants). An end given as a date is kept as sent.
pub(super) fn resolve(world: &World, case: &Case<'_>) -> Result<Resolved, GraphError> {
    let asked = case
        .input
        .schedule
        .ok_or_else(GraphError::invalid_request)?;
    let behaviour = &world.behaviour;
    let future = asked.start.filter(|start| *start > case.now);
    let appearance = match future {
        Some(start) => replication::scheduled(behaviour, case.now, start, case.id),
        None => replication::immediate(behaviour, case.now),
    };
    let start = future.unwrap_or(case.now);
    let (end, length) = match asked.expiration {
        Expiration::Never => (None, None),
        Expiration::At(end) => {
            let length = (end - start)
                .to_std()
                .ok()
                .filter(|length| !length.is_zero());
            (
                Some(end),
                Some(length.ok_or_else(GraphError::invalid_request)?),
            )
        }
        Expiration::After(length) => {
            let counted = length.saturating_sub(behaviour.processing_time);
            let end = chrono::TimeDelta::from_std(counted)
                .ok()
                .and_then(|counted| appearance.effective.checked_add_signed(counted))
                .ok_or_else(GraphError::invalid_request)?;
            (Some(end), Some(length))
        }
    };
    five_minute_rule::check_length(length)?;
    Ok(Resolved {
        start,
        effective: appearance.effective,
        end,
        listed_from: appearance.listed_from,
        instance_from: appearance.instance_from,
        future: future.is_some(),
        length,
    })
}

/// A new grant. One that is there already answers `RoleAssignmentExists`.
pub(super) fn assign(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    let window = resolve(world, case)?;
    let input = case.input;
    if let Some(book) = world.pim.book(input.target.resource()) {
        let rows = book.alive(case.kind, input.principal, input.target, case.now);
        overlap::check(rows, window.start, window.end, case.now)?;
    }
    check_policy(world, case, &window)?;
    Ok(grant(world, case, &window, false))
}

/// A new window for an existing grant: the schedule is replaced, its id changes.
pub(super) fn update(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    require_existing(world, case)?;
    check_age(world, case)?;
    replace(world, case)
}

/// A later end for a grant that has not ended.
pub(super) fn extend(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    require_existing(world, case)?;
    replace(world, case)
}

/// A new window for a grant that ended in the last 30 days.
pub(super) fn renew(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    let window = resolve(world, case)?;
    let input = case.input;
    let book = world
        .pim
        .book(input.target.resource())
        .ok_or_else(|| overlap::does_not_exist(400))?;
    if book
        .alive(case.kind, input.principal, input.target, case.now)
        .next()
        .is_some()
    {
        return Err(overlap::exists());
    }
    let renewable = book.rows.iter().any(|row| {
        row.concerns(case.kind, input.principal, input.target) && purge::renewable(row, case.now)
    });
    if !renewable {
        return Err(overlap::does_not_exist(400));
    }
    check_policy(world, case, &window)?;
    Ok(grant(world, case, &window, false))
}

/// There must be a grant to change; a person's activation is not one.
fn require_existing(world: &World, case: &Case<'_>) -> Result<(), GraphError> {
    let input = case.input;
    let exists = world.pim.book(input.target.resource()).is_some_and(|book| {
        book.alive(case.kind, input.principal, input.target, case.now)
            .any(|row| !row.activated)
    });
    if exists {
        Ok(())
    } else {
        Err(overlap::does_not_exist(400))
    }
}

/// The five-minute rule, unless the portal asks.
pub(super) fn check_age(world: &World, case: &Case<'_>) -> Result<(), GraphError> {
    match world.pim.book(case.input.target.resource()) {
        Some(book) if !case.actor.is_portal() => five_minute_rule::check(
            book,
            case.input.principal,
            case.input.target,
            case.now,
            world.behaviour.minimum_active_age,
        ),
        _ => Ok(()),
    }
}

fn replace(world: &mut World, case: &Case<'_>) -> Result<Decision, GraphError> {
    let window = resolve(world, case)?;
    check_policy(world, case, &window)?;
    Ok(grant(world, case, &window, true))
}

fn check_policy(world: &World, case: &Case<'_>, window: &Resolved) -> Result<(), GraphError> {
    if case.actor.is_portal() {
        return Ok(());
    }
    policy::check_admin(
        &world.policy(case.input.target.policy()),
        case.kind,
        &asked(case, window.length),
        world.behaviour.app_only_needs_justification,
        world.behaviour.policy_message_form,
    )
}

/// What the policy rules look at.
pub(super) fn asked<'a>(case: &'a Case<'_>, length: Option<Duration>) -> policy::Asked<'a> {
    let (mfa, contexts): (bool, &[String]) = match case.actor {
        Actor::Person { mfa, contexts, .. } => (*mfa, contexts),
        Actor::App(_) | Actor::Portal => (false, &[]),
    };
    policy::Asked {
        length,
        justification: case.input.justification.as_deref(),
        ticket_number: case.input.ticket_number.as_deref(),
        mfa,
        app_only: matches!(case.actor, Actor::App(_)),
        contexts,
    }
}

/// Carries the grant out: ends what it replaces and adds the row.
fn grant(world: &mut World, case: &Case<'_>, window: &Resolved, replaces: bool) -> Decision {
    let decision = decision(&world.behaviour, window, case.now);
    if case.input.validation_only {
        return decision;
    }
    if replaces {
        let crossed = cross_deletion::strike(world, case, window.end.is_none());
        let (kind, input) = (case.kind, case.input);
        // The old row is listed until the new one is; after a cross-deletion neither is for a while.
        let gone = if crossed {
            case.now
        } else {
            window.listed_from
        };
        world
            .pim
            .kill(input.target.resource(), case.now, gone, |row| {
                row.concerns(kind, input.principal, input.target) && !row.activated
            });
    }
    add_row(world, case, window, None);
    decision
}

/// Adds the row of a request.
pub(super) fn add_row(
    world: &mut World,
    case: &Case<'_>,
    window: &Resolved,
    activated_using: Option<Uuid>,
) {
    let seq = world.pim.next_seq();
    world.pim.add_row(Row {
        seq,
        kind: case.kind,
        target: case.input.target,
        principal: case.input.principal,
        id_part: case.id,
        created_using: Some(case.id),
        activated_using,
        activated: activated_using.is_some(),
        created: case.now,
        start: window.start,
        effective: window.effective,
        end: window.end,
        listed_from: window.listed_from,
        instance_from: window.instance_from,
        died: None,
        died_seq: 0,
        listed_until: case.now,
        stuck: false,
    });
}

/// Status and dates of a request whose row was added.
pub(super) fn decision(
    behaviour: &crate::Behaviour,
    window: &Resolved,
    now: DateTime<Utc>,
) -> Decision {
    let progress = if window.future {
        Progress::Scheduled(window.effective)
    } else if behaviour.pending_provisioning_for.is_zero() {
        Progress::Done("Provisioned")
    } else {
        Progress::Provisioning(window.effective)
    };
    Decision {
        progress,
        // For a scheduled grant the completion is the requested start (measured).
        completed: Some(if window.future { window.start } else { now }),
        start: Some(window.start),
        makes_schedule: true,
        approval: false,
        misreported: false,
    }
}
