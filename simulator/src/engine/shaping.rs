//! From rows and requests to the bodies of an answer: page, `$expand`, `$select`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::list::Scope;
use super::request::Request;
use super::sets::{Listing, Set};
use super::target::Target;
use super::wire;
use crate::behaviour::GroupExpansion;
use crate::call::Call;
use crate::directory;
use crate::odata::{paging, shape};
use crate::types::Kind;
use crate::world::World;

/// A page of the items in scope, shaped as the query asks, and where the next one begins.
pub(super) fn bodies(
    world: &mut World,
    call: &Call,
    set: Set,
    scope: Scope,
    direct_only: bool,
) -> (Vec<Value>, Option<u64>) {
    let (query, now) = (&call.query, call.now);
    let view = world.view(now, call.stale);
    let filter = query.filter.as_ref();
    let size = query
        .top
        .or(world.behaviour.pim_page_size)
        .unwrap_or(usize::MAX);
    let descending = query
        .order_by
        .as_ref()
        .is_some_and(|(_, descending)| *descending);
    let (items, next): (Vec<(Value, Links)>, _) = if set.is_requests() {
        let found = world.requests(set, scope, filter, view);
        let (found, next) = paging::cut(found, |r| r.seq, query.after, descending, size);
        let items = found.into_iter().map(|request| {
            let value = to_value(&wire::request(request, now, false));
            (value, Links::of_request(request))
        });
        (items.collect(), next)
    } else {
        let mut rows = world.rows(set, scope, filter, view);
        rows.retain(|seen| !direct_only || seen.is_direct());
        let (rows, next) = paging::cut(rows, |seen| seen.row.seq, query.after, false, size);
        let items = rows
            .into_iter()
            .map(|seen| (body(set, seen, now), Links::of_row(&seen)));
        (items.collect(), next)
    };
    let shaped = items.into_iter().map(|(mut value, links)| {
        finish(world, call, set, &mut value, links);
        value
    });
    (shaped.collect(), next)
}

/// A row as its set shows it.
fn body(set: Set, seen: wire::Seen<'_>, now: DateTime<Utc>) -> Value {
    match set.listing {
        Listing::Instances => to_value(&wire::instance(seen)),
        _ => to_value(&wire::schedule(seen, now)),
    }
}

/// What `$expand` can follow.
#[derive(Clone, Copy)]
pub(super) struct Links {
    target: Target,
    principal: Uuid,
    /// What the id of the eligible or target schedule carries.
    schedule: Option<Uuid>,
}

impl Links {
    fn of_row(seen: &wire::Seen<'_>) -> Self {
        Self {
            target: seen.row.target,
            principal: seen.principal,
            schedule: seen.row.activated_using,
        }
    }

    pub fn of_request(request: &Request) -> Self {
        Self {
            target: request.input.target,
            principal: request.input.principal,
            schedule: request.target,
        }
    }
}

/// `$expand`, then `$select`.
pub(super) fn finish(world: &World, call: &Call, set: Set, value: &mut Value, links: Links) {
    let mut expanded = Vec::new();
    for expand in &call.query.expand {
        let object =
            |id: Option<Uuid>| id.map_or(Value::Null, |id| directory::routes::expanded(world, id));
        let mut inner = match (expand.name.as_str(), links.target) {
            ("group", Target::Group { group, .. }) => match world.behaviour.group_expansion {
                GroupExpansion::Absent => continue,
                GroupExpansion::Null => Value::Null,
                GroupExpansion::Filled => object(Some(group)),
            },
            ("principal", _) => object(Some(links.principal)),
            ("roleDefinition", Target::Role { role, .. }) => world
                .roles
                .get(role)
                .map_or(Value::Null, |role| role.body(&call.version)),
            ("directoryScope", Target::Role { scope, .. }) => object(scope.object()),
            ("appScope", _) => Value::Null,
            _ => linked_schedule(world, call, set, links),
        };
        shape::select(&mut inner, expand.select.as_deref(), &[]);
        expanded.push(expand.name.as_str());
        if let Value::Object(map) = value {
            map.insert(expand.name.clone(), inner);
        }
    }
    shape::select(value, call.query.select.as_deref(), &expanded);
}

/// The schedule behind `activatedUsing` or `targetSchedule`; of an instance, the instance.
fn linked_schedule(world: &World, call: &Call, set: Set, links: Links) -> Value {
    let row = links.schedule.and_then(|part| {
        let rows = &world.pim.book(links.target.resource())?.rows;
        rows.iter()
            .find(|row| row.id_part == part && row.kind == Kind::Eligibility)
    });
    row.map_or(Value::Null, |row| {
        body(set, wire::Seen::directly(row), call.now)
    })
}

/// The row with this id, or with this instance id, as a list would show it.
pub(super) fn row_by_id(
    world: &mut World,
    call: &Call,
    set: Set,
    scope: Scope,
    id: &str,
) -> Option<Value> {
    let view = world.view(call.now, call.stale);
    let (mut value, links) = world
        .rows(set, scope, None, view)
        .into_iter()
        .find(|seen| match set.listing {
            Listing::Instances => seen.row.instance_id() == id,
            _ => seen.row.id() == id,
        })
        .map(|seen| (body(set, seen, call.now), Links::of_row(&seen)))?;
    finish(world, call, set, &mut value, links);
    Some(value)
}

pub(super) fn to_value(item: &impl serde::Serialize) -> Value {
    serde_json::to_value(item).unwrap_or_default()
}
