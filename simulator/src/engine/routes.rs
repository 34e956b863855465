//! The endpoints under `/identityGovernance/privilegedAccess/group`.

use serde_json::Value;
use uuid::Uuid;

use super::input::Input;
use super::list::{RowSet, Scope};
use super::{Actor, approval, create, wire};
use crate::answer::Answer;
use crate::behaviour::{GroupExpansion, UnfilteredList};
use crate::call::Call;
use crate::directory;
use crate::error::GraphError;
use crate::odata::paging;
use crate::odata::shape::{self, Collection, Entity};
use crate::permissions;
use crate::types::Kind;
use crate::world::World;

/// The six sets of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Rows(Kind, RowSet),
    Requests(Kind),
}

const SETS: [(&str, Set); 6] = [
    (
        "assignmentSchedules",
        Set::Rows(Kind::Assignment, RowSet::Schedules),
    ),
    (
        "assignmentScheduleInstances",
        Set::Rows(Kind::Assignment, RowSet::Instances),
    ),
    (
        "assignmentScheduleRequests",
        Set::Requests(Kind::Assignment),
    ),
    (
        "eligibilitySchedules",
        Set::Rows(Kind::Eligibility, RowSet::Schedules),
    ),
    (
        "eligibilityScheduleInstances",
        Set::Rows(Kind::Eligibility, RowSet::Instances),
    ),
    (
        "eligibilityScheduleRequests",
        Set::Requests(Kind::Eligibility),
    ),
];

const BASE: &str = "identityGovernance/privilegedAccess/group";

impl Set {
    fn kind(self) -> Kind {
        match self {
            Self::Rows(kind, _) | Self::Requests(kind) => kind,
        }
    }

    fn type_name(self) -> String {
        let kind = match self.kind() {
            Kind::Assignment => "Assignment",
            Kind::Eligibility => "Eligibility",
        };
        let what = match self {
            Self::Rows(_, RowSet::Schedules) => "Schedule",
            Self::Rows(_, RowSet::Instances) => "ScheduleInstance",
            Self::Requests(_) => "ScheduleRequest",
        };
        format!("microsoft.graph.privilegedAccessGroup{kind}{what}")
    }

    fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Rows(_, RowSet::Schedules) => &[
                "id",
                "scheduleInfo",
                "createdDateTime",
                "modifiedDateTime",
                "createdUsing",
                "status",
                "principalId",
                "accessId",
                "groupId",
                "memberType",
                "assignmentType",
            ],
            Self::Rows(_, RowSet::Instances) => &[
                "id",
                "startDateTime",
                "endDateTime",
                "principalId",
                "accessId",
                "groupId",
                "memberType",
                "assignmentType",
                "assignmentScheduleId",
                "eligibilityScheduleId",
            ],
            Self::Requests(_) => &[
                "id",
                "status",
                "createdDateTime",
                "completedDateTime",
                "approvalId",
                "customData",
                "createdBy",
                "action",
                "isValidationOnly",
                "justification",
                "scheduleInfo",
                "ticketInfo",
                "principalId",
                "accessId",
                "groupId",
                "targetScheduleId",
            ],
        }
    }
}

/// Serves a call; `rest` is what follows the base path.
pub(crate) fn serve(world: &mut World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    let (name, rest) = rest
        .split_first()
        .ok_or_else(|| GraphError::unknown_segment("group"))?;
    if !world.behaviour.licensed {
        return Err(GraphError::bad_request(
            "AadPremiumLicenseRequired",
            "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance license.",
        ));
    }
    if *name == "assignmentApprovals" {
        return approvals(world, call, rest);
    }
    let set = SETS
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, set)| *set);
    let set = set.ok_or_else(|| GraphError::unknown_segment(name))?;
    match (call.method.as_str(), set, rest) {
        ("GET", _, []) => list(world, call, name, set),
        ("GET", _, [id]) => match id.strip_prefix("filterByCurrentUser(on='") {
            Some(on) => current_user(world, call, set, on.trim_end_matches("')")),
            None => one(world, call, name, set, id),
        },
        ("POST", Set::Requests(kind), []) => post(world, call, name, kind),
        ("POST", Set::Requests(kind), [id, "cancel"]) => {
            permissions::pim_write(call, kind)?;
            world.cancel(kind, Uuid::try_parse(id).ok(), call.now)?;
            Ok(Answer::empty(204))
        }
        (_, _, [] | [_]) => Err(GraphError::new(
            405,
            "BadRequest",
            "The method is not allowed.",
        )),
        (_, _, [.., last]) => Err(GraphError::unknown_segment(last)),
    }
}

fn post(world: &mut World, call: &Call, name: &str, kind: Kind) -> Result<Answer, GraphError> {
    let removal_only = permissions::pim_post(call, kind)?;
    let input = Input::parse(kind, &call.body)?;
    if removal_only && !input.action.is_removal() {
        permissions::pim_write(call, kind)?;
    }
    let request = world.create(kind, input, &call.actor(), call.now)?;
    let context = format!(
        "{}/{}/$metadata#{BASE}/{name}/$entity",
        call.base, call.version
    );
    let location = format!(
        "{}/{}/{BASE}/{name}/{}",
        call.base, call.version, request.id
    );
    let entity = wire::request(&request, call.now, true);
    Ok(Answer::json(201, &Entity { context, entity }).header("Location", location))
}

fn list(world: &mut World, call: &Call, name: &str, set: Set) -> Result<Answer, GraphError> {
    permissions::pim_read(call, set.kind())?;
    let requests = matches!(set, Set::Requests(_));
    let query = &call.query;
    let type_name = set.type_name();
    shape::check_select(query.select.as_deref(), &type_name, set.properties())?;
    check_options(call, set)?;
    let scope = Scope::of(query.filter.as_ref(), requests, &type_name)?;
    let context = shape::context(
        &call.base,
        &call.version,
        &format!("{BASE}/{name}"),
        query,
        false,
    );
    let Some(scope) = scope else {
        return match world.behaviour.unfiltered_list {
            UnfilteredList::Empty => Ok(page(call, context, Vec::new(), None)),
            UnfilteredList::Error => Err(GraphError::bad_request(
                "BadRequest",
                "The $filter query option with groupId or principalId is required.",
            )),
        };
    };
    let (value, next) = bodies(world, call, set, scope, false);
    Ok(page(call, context, value, next))
}

/// Renders a page.
fn page(call: &Call, context: String, value: Vec<Value>, next: Option<u64>) -> Answer {
    let next_link = next.map(|seq| call.query.next_link(&call.base, &call.path, seq));
    Answer::json(
        200,
        &Collection {
            context,
            count: None,
            next_link,
            value,
        },
    )
}

/// A page of the items in scope, shaped as the query asks, and where the next one begins.
fn bodies(
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
struct Links {
    group: Uuid,
    principal: Uuid,
    /// Third part of the id of the eligible or target schedule.
    schedule: Option<Uuid>,
}

impl Links {
    fn of(group: Uuid, principal: Uuid, schedule: Option<Uuid>) -> Self {
        Self {
            group,
            principal,
            schedule,
        }
    }
}

/// `$expand`, then `$select`.
fn finish(world: &World, call: &Call, set: Set, value: &mut Value, links: Links) {
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

/// Options that these sets do not take.
fn check_options(call: &Call, set: Set) -> Result<(), GraphError> {
    let query = &call.query;
    if query.count {
        return Err(GraphError::unsupported_query(
            "$count is not supported on this resource.",
        ));
    }
    if let Some((name, _)) = &query.order_by
        && (name != "createdDateTime" || !matches!(set, Set::Requests(_)))
    {
        return Err(GraphError::unsupported_query(format!(
            "Sorting by '{name}' is not supported."
        )));
    }
    let active = set.kind() == Kind::Assignment;
    for expand in &query.expand {
        let known = match expand.name.as_str() {
            "group" | "principal" => true,
            "activatedUsing" => active,
            "targetSchedule" => matches!(set, Set::Requests(_)),
            _ => false,
        };
        if !known {
            let name = std::slice::from_ref(&expand.name);
            shape::check_select(Some(name), &set.type_name(), &[])?;
        }
    }
    Ok(())
}

/// GET by id. A row that is gone answers 404 `UnknownError` without a text; a purged request says so.
fn one(
    world: &mut World,
    call: &Call,
    name: &str,
    set: Set,
    id: &str,
) -> Result<Answer, GraphError> {
    permissions::pim_read(call, set.kind())?;
    let type_name = set.type_name();
    shape::check_select(call.query.select.as_deref(), &type_name, set.properties())?;
    check_options(call, set)?;
    let found = match set {
        Set::Rows(..) => {
            let group = id
                .split('_')
                .next()
                .and_then(|group| Uuid::try_parse(group).ok());
            let scope = Scope {
                group,
                principal: None,
            };
            row_by_id(world, call, set, scope, id)
                .ok_or_else(|| GraphError::new(404, "UnknownError", ""))?
        }
        Set::Requests(kind) => {
            let request = Uuid::try_parse(id)
                .ok()
                .and_then(|id| world.pim.request(id, call.now, &world.behaviour))
                .filter(|request| request.kind == kind)
                .ok_or_else(create::no_such_request)?;
            let mut value = to_value(&wire::request(request, call.now, false));
            let input = &request.input;
            let links = Links::of(input.group, input.principal, request.target);
            finish(world, call, set, &mut value, links);
            value
        }
    };
    let set_name = format!("{BASE}/{name}");
    let context = shape::context(&call.base, &call.version, &set_name, &call.query, true);
    Ok(Answer::json(
        200,
        &Entity {
            context,
            entity: found,
        },
    ))
}

/// Own rows and requests of the person who asks; an application has none. Rows held through a group
/// are not among them.
fn current_user(world: &mut World, call: &Call, set: Set, on: &str) -> Result<Answer, GraphError> {
    permissions::pim_read(call, set.kind())?;
    let Actor::Person { id, .. } = call.actor() else {
        return Err(GraphError::unauthorized_access());
    };
    let requests = matches!(set, Set::Requests(_));
    let allowed = on == "principal" || (requests && matches!(on, "createdBy" | "approver"));
    if !allowed {
        return Err(GraphError::bad_request(
            "BadRequest",
            format!("Invalid value '{on}' for on."),
        ));
    }
    if let Some(filter) = call.query.filter.as_ref() {
        Scope::of(Some(filter), requests, &set.type_name())?;
    }
    check_options(call, set)?;
    let scope = Scope {
        group: None,
        principal: Some(id),
    };
    let (value, next) = if on == "principal" {
        bodies(world, call, set, scope, true)
    } else {
        (others_requests(world, call, set, id, on), None)
    };
    let name = set.type_name();
    let name = name.trim_start_matches("microsoft.graph.");
    let context = format!(
        "{}/{}/$metadata#Collection({name})",
        call.base, call.version
    );
    Ok(page(call, context, value, next))
}

/// Requests that the person made, or may decide as owner of the group.
fn others_requests(world: &World, call: &Call, set: Set, person: Uuid, on: &str) -> Vec<Value> {
    let decides = |group: Uuid| {
        world
            .members_of(group, crate::types::Access::Owner, call.now)
            .contains(&person)
    };
    let view = world.view(call.now, call.stale);
    let filter = call.query.filter.as_ref();
    let mut items = Vec::new();
    for group in world.pim.group_ids() {
        let scope = Scope {
            group: Some(group),
            principal: None,
        };
        for request in world.requests(set.kind(), scope, filter, view) {
            let mine = match on {
                "createdBy" => request.created_by == Some(person),
                _ => request.approval && request.input.principal != person && decides(group),
            };
            if mine {
                items.push((
                    request.seq,
                    to_value(&wire::request(request, call.now, false)),
                ));
            }
        }
    }
    items.sort_by_key(|(seq, _)| *seq);
    items.into_iter().map(|(_, value)| value).collect()
}

/// The row with this id, or with this instance id, as a list would show it.
fn row_by_id(world: &mut World, call: &Call, set: Set, scope: Scope, id: &str) -> Option<Value> {
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

/// Approvals can be read by people only; an application is always refused.
fn approvals(world: &World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    if !matches!(call.actor(), Actor::Person { .. }) {
        return Err(GraphError::scope_not_granted(&[
            "PrivilegedAssignmentSchedule.Read.AzureADGroup",
        ]));
    }
    permissions::pim_read(call, Kind::Assignment)?;
    let [id] = rest else {
        return Err(GraphError::unknown_segment(
            rest.last().unwrap_or(&"assignmentApprovals"),
        ));
    };
    let request = Uuid::try_parse(id)
        .ok()
        .and_then(|id| world.pim.request(id, call.now, &world.behaviour))
        .filter(|request| request.approval)
        .ok_or_else(create::no_such_request)?;
    let context = format!(
        "{}/{}/$metadata#{BASE}/assignmentApprovals/$entity",
        call.base, call.version
    );
    let mut entity = approval::body(request, call.now);
    if call.version == "beta"
        && let Value::Object(map) = &mut entity
        && let Some(stages) = map.remove("stages")
    {
        map.insert("steps".to_owned(), stages);
    }
    Ok(Answer::json(200, &Entity { context, entity }))
}

fn to_value(item: &impl serde::Serialize) -> Value {
    serde_json::to_value(item).unwrap_or_default()
}
