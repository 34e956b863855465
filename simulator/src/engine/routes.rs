//! The endpoints under `/identityGovernance/privilegedAccess/group` and `/roleManagement/directory`.

use serde_json::Value;
use uuid::{Uuid, uuid};

use super::input::Input;
use super::list::Scope;
use super::request::Request;
use super::sets::Set;
use super::shaping::{Links, bodies, finish, row_by_id, to_value};
use super::target::{GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR, Resource, Service};
use super::{Actor, approval_routes, create, wire};
use crate::answer::Answer;
use crate::behaviour::UnfilteredList;
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::shape::{self, Collection, Entity};
use crate::permissions;
use crate::world::World;

/// Directory roles that let a person read the role rows of others: Global Administrator, Privileged Role
/// Administrator, Global Reader, Security Administrator, Operator and Reader.
const ROLE_READERS: &[Uuid] = &[
    GLOBAL_ADMINISTRATOR,
    PRIVILEGED_ROLE_ADMINISTRATOR,
    uuid!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
    uuid!("194ae4cb-b126-40b2-bd5b-6091b380977d"),
    uuid!("5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"),
    uuid!("5d6b6bb7-de71-4623-b4af-96380a352509"),
];

/// Serves a call; `rest` is what follows the base path of the service.
pub(crate) fn serve(
    world: &mut World,
    call: &Call,
    service: Service,
    rest: &[&str],
) -> Result<Answer, GraphError> {
    let (name, rest) = rest
        .split_first()
        .ok_or_else(|| GraphError::unknown_segment(service.base()))?;
    let (approvals_name, approvals_in_v1) = service.approvals();
    let has_approvals = approvals_in_v1 || call.version == "beta";
    let set = service.set(name);
    if set.is_none() && !(*name == approvals_name && has_approvals) {
        return Err(GraphError::unknown_segment(name));
    }
    world.check_licence()?;
    let Some(set) = set else {
        permissions::approvals(call, service)?;
        return approval_routes::serve(world, call, service, rest);
    };
    match (call.method.as_str(), set.is_requests(), rest) {
        ("GET", _, []) => list(world, call, set),
        ("GET", _, [id]) => match id.strip_prefix("filterByCurrentUser(on='") {
            Some(on) => current_user(world, call, set, on.trim_end_matches("')")),
            None => one(world, call, set, id),
        },
        ("POST", true, []) => post(world, call, set),
        ("POST", true, [id, "cancel"]) => {
            permissions::pim_write(call, set.service, set.kind)?;
            world.cancel(set, Uuid::try_parse(id).ok(), call.now)?;
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

fn post(world: &mut World, call: &Call, set: Set) -> Result<Answer, GraphError> {
    let removal_only = permissions::pim_post(call, set.service, set.kind)?;
    let input = Input::parse(set, &call.body)?;
    if removal_only && !input.action.is_removal() {
        permissions::pim_write(call, set.service, set.kind)?;
    }
    let request = world.create(set.kind, &input, &call.actor(), call.now)?;
    let path = format!("{}/{}", set.service.base(), set.name());
    let context = format!("{}/{}/$metadata#{path}/$entity", call.base, call.version);
    let location = format!("{}/{}/{path}/{}", call.base, call.version, request.id);
    let entity = wire::request(&request, call.now, true);
    Ok(Answer::json(201, &Entity { context, entity }).header("Location", location))
}

/// Whether the caller may read the set: by the token, and for a person also by a role.
fn check_read(world: &World, call: &Call, set: Set, own: bool) -> Result<(), GraphError> {
    permissions::pim_read(call, set)?;
    match call.actor() {
        Actor::Person { id, .. }
            if set.service == Service::Roles
                && !own
                && !world.holds_role(id, ROLE_READERS, call.now) =>
        {
            Err(GraphError::unauthorized_access())
        }
        _ => Ok(()),
    }
}

fn list(world: &mut World, call: &Call, set: Set) -> Result<Answer, GraphError> {
    check_read(world, call, set, false)?;
    let query = &call.query;
    let type_name = set.type_name();
    shape::check_select(query.select.as_deref(), &type_name, &set.properties())?;
    check_options(call, set)?;
    let scope = Scope::of(set, query.filter.as_ref())?;
    let context = shape::context(
        &call.base,
        &call.version,
        &format!("{}/{}", set.service.base(), set.name()),
        query,
        false,
    );
    if set.service == Service::Groups && scope.is_all() {
        return match world.behaviour.unfiltered_list {
            UnfilteredList::Empty => Ok(page(call, context, Vec::new(), None)),
            UnfilteredList::Error => Err(GraphError::bad_request(
                "BadRequest",
                "The $filter query option with groupId or principalId is required.",
            )),
        };
    }
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
        && (name != "createdDateTime" || !set.is_requests())
    {
        return Err(GraphError::unsupported_query(format!(
            "Sorting by '{name}' is not supported."
        )));
    }
    for expand in &query.expand {
        if !set.expands(&expand.name) {
            let name = std::slice::from_ref(&expand.name);
            shape::check_select(Some(name), &set.type_name(), &[])?;
        }
    }
    Ok(())
}

/// GET by id. A row that is gone answers 404 `UnknownError` without a text; a purged request says so.
fn one(world: &mut World, call: &Call, set: Set, id: &str) -> Result<Answer, GraphError> {
    check_read(world, call, set, false)?;
    let type_name = set.type_name();
    let select = call.query.select.as_deref();
    shape::check_select(select, &type_name, &set.properties())?;
    check_options(call, set)?;
    let found = if set.is_requests() {
        let request = Uuid::try_parse(id)
            .ok()
            .and_then(|id| world.pim.request(id, call.now, &world.behaviour))
            .filter(|request| set.holds(request))
            .ok_or_else(create::no_such_request)?;
        let mut value = to_value(&wire::request(request, call.now, false));
        let links = Links::of_request(request);
        finish(world, call, set, &mut value, links);
        value
    } else {
        // The id of a group's row begins with the group; that of a role's row says nothing.
        let group = id
            .split('_')
            .next()
            .filter(|_| set.service == Service::Groups)
            .and_then(|group| Uuid::try_parse(group).ok());
        let scope = Scope {
            resource: group.map(Resource::Group),
            ..Scope::all(set.service)
        };
        row_by_id(world, call, set, scope, id)
            .ok_or_else(|| GraphError::new(404, "UnknownError", ""))?
    };
    let set_name = format!("{}/{}", set.service.base(), set.name());
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
    check_read(world, call, set, true)?;
    let Actor::Person { id, .. } = call.actor() else {
        return Err(GraphError::unauthorized_access());
    };
    let requests = set.is_requests();
    let allowed = on == "principal" || (requests && matches!(on, "createdBy" | "approver"));
    if !allowed {
        return Err(GraphError::bad_request(
            "BadRequest",
            format!("Invalid value '{on}' for on."),
        ));
    }
    if let Some(filter) = call.query.filter.as_ref() {
        Scope::of(set, Some(filter))?;
    }
    check_options(call, set)?;
    let scope = Scope {
        principal: Some(id),
        ..Scope::all(set.service)
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
    let found = world.requests(set, Scope::all(set.service), filter, view);
    let mine = |request: &&Request| match on {
        "createdBy" => request.created_by == Some(person),
        _ => {
            request.approval
                && request.input.principal != person
                && world.may_decide(person, request.input.target.policy(), call.now)
        }
    };
    let bodies = found.into_iter().filter(mine);
    bodies
        .map(|request| to_value(&wire::request(request, call.now, false)))
        .collect()
}
