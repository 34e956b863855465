//! The endpoints under `/identityGovernance/privilegedAccess/group`.

use serde_json::Value;
use uuid::Uuid;

use super::input::Input;
use super::list::Scope;
use super::sets::{BASE, SETS, Set};
use super::shaping::{Links, bodies, finish, row_by_id, to_value};
use super::{Actor, approval_routes, create, wire};
use crate::answer::Answer;
use crate::behaviour::UnfilteredList;
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::shape::{self, Collection, Entity};
use crate::permissions;
use crate::types::Kind;
use crate::world::World;

/// Serves a call; `rest` is what follows the base path.
pub(crate) fn serve(world: &mut World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    let (name, rest) = rest
        .split_first()
        .ok_or_else(|| GraphError::unknown_segment("group"))?;
    world.check_licence()?;
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
    let request = world.create(kind, &input, &call.actor(), call.now)?;
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

/// Requests that the person made, or may decide as approver.
fn others_requests(world: &World, call: &Call, set: Set, person: Uuid, on: &str) -> Vec<Value> {
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
                _ => {
                    request.approval
                        && request.input.principal != person
                        && world.may_decide(person, request.input.policy(), call.now)
                }
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

/// Approvals are for people only; an application is always refused.
fn approvals(world: &mut World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    if !matches!(call.actor(), Actor::Person { .. }) {
        return Err(GraphError::scope_not_granted(&[
            "PrivilegedAssignmentSchedule.Read.AzureADGroup",
        ]));
    }
    if call.method == "GET" {
        permissions::pim_read(call, Kind::Assignment)?;
    } else {
        permissions::pim_write(call, Kind::Assignment)?;
    }
    approval_routes::serve(world, call, &format!("{BASE}/assignmentApprovals"), rest)
}
