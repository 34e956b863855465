//! From rows and requests to the bodies of an answer: page, `$expand`, `$select`.

use serde_json::Value;
use uuid::Uuid;

use super::list::{RowSet, Scope};
use super::sets::Set;
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
    let (items, next): (Vec<(Value, Links)>, _) = match set {
        Set::Rows(kind, which) => {
            let mut rows = world.rows(kind, which, scope, filter, view);
            rows.retain(|seen| !direct_only || seen.member_type() == "direct");
            let (rows, next) = paging::cut(rows, |seen| seen.row.seq, query.after, false, size);
            let items = rows.into_iter().map(|seen| {
                let value = match which {
                    RowSet::Schedules => to_value(&wire::schedule(seen, now)),
                    RowSet::Instances => to_value(&wire::instance(seen)),
                };
                let using = seen.row.activated_using;
                (value, Links::of(seen.row.group, seen.principal, using))
            });
            (items.collect(), next)
        }
        Set::Requests(kind) => {
            let found = world.requests(kind, scope, filter, view);
            let (found, next) = paging::cut(found, |r| r.seq, query.after, descending, size);
            let items = found.into_iter().map(|request| {
                let value = to_value(&wire::request(request, now, false));
                let input = &request.input;
                (
                    value,
                    Links::of(input.group, input.principal, request.target),
                )
            });
            (items.collect(), next)
        }
    };
    let shaped = items.into_iter().map(|(mut value, links)| {
        finish(world, call, set, &mut value, links);
        value
    });
    (shaped.collect(), next)
}

/// What `$expand` can follow.
#[derive(Clone, Copy)]
pub(super) struct Links {
    pub group: Uuid,
    pub principal: Uuid,
    /// Third part of the id of the eligible or target schedule.
    schedule: Option<Uuid>,
}

impl Links {
    pub fn of(group: Uuid, principal: Uuid, schedule: Option<Uuid>) -> Self {
        Self {
            group,
            principal,
            schedule,
        }
    }
}

/// `$expand`, then `$select`.
pub(super) fn finish(world: &World, call: &Call, set: Set, value: &mut Value, links: Links) {
    let mut expanded = Vec::new();
    for expand in &call.query.expand {
        let mut inner = match expand.name.as_str() {
            "group" => match world.behaviour.group_expansion {
                GroupExpansion::Absent => continue,
                GroupExpansion::Null => Value::Null,
                GroupExpansion::Filled => directory::routes::expanded(world, links.group),
            },
            "principal" => directory::routes::expanded(world, links.principal),
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
        let rows = &world.pim.group(links.group)?.rows;
        rows.iter()
            .find(|row| row.id_part == part && row.kind == Kind::Eligibility)
    });
    row.map_or(Value::Null, |row| {
        let seen = wire::Seen {
            row,
            principal: row.principal,
        };
        match set {
            Set::Rows(_, RowSet::Instances) => to_value(&wire::instance(seen)),
            _ => to_value(&wire::schedule(seen, call.now)),
        }
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
    let Set::Rows(kind, which) = set else {
        return None;
    };
    let view = world.view(call.now, call.stale);
    let (mut value, links) = world
        .rows(kind, which, scope, None, view)
        .into_iter()
        .find(|seen| match which {
            RowSet::Schedules => seen.row.id() == id,
            RowSet::Instances => seen.row.instance_id() == id,
        })
        .map(|seen| {
            let value = match which {
                RowSet::Schedules => to_value(&wire::schedule(seen, call.now)),
                RowSet::Instances => to_value(&wire::instance(seen)),
            };
            (
                value,
                Links::of(seen.row.group, seen.principal, seen.row.activated_using),
            )
        })?;
    finish(world, call, set, &mut value, links);
    Some(value)
}

pub(super) fn to_value(item: &impl serde::Serialize) -> Value {
    serde_json::to_value(item).unwrap_or_default()
}
