//! The directory endpoints: users, groups, service principals, administrative units, members, look-ups
//! by id.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Class, Entry, Object, wire};
use crate::answer::Answer;
use crate::call::Call;
use crate::error::GraphError;
use crate::odata::filter::{Filter, Operand};
use crate::odata::paging;
use crate::odata::shape::{self, Collection};
use crate::permissions::{self, Read};
use crate::types::Access;
use crate::world::World;

/// A set of the directory by its name at the root of a path.
pub(crate) fn class_of(set: &str) -> Option<Class> {
    [Class::User, Class::Group, Class::ServicePrincipal]
        .into_iter()
        .find(|class| class.set().eq_ignore_ascii_case(set))
}

/// Serves `/users`, `/groups`, `/servicePrincipals` and `/directory/administrativeUnits`.
pub(crate) fn serve(
    world: &World,
    call: &Call,
    class: Class,
    rest: &[&str],
) -> Result<Answer, GraphError> {
    if let ("POST", [id, action]) = (call.method.as_str(), rest) {
        permissions::directory(call, Read::MemberGroups(class))?;
        let entry = resolve(world, class, id)?;
        return member_groups(world, call, entry, action);
    }
    if call.method != "GET" {
        return Err(GraphError::new(
            405,
            "BadRequest",
            "The method is not allowed.",
        ));
    }
    match (class, rest) {
        (_, []) => list(world, call, class),
        (_, [id]) => {
            permissions::directory(call, Read::Objects(class))?;
            one(call, resolve(world, class, id)?, class)
        }
        (Class::Group, [id, "members", cast @ ..]) => {
            permissions::directory(call, Read::Members)?;
            let group = resolve(world, class, id)?.id;
            let ids = world.members_of(group, Access::Member, call.now);
            // Untyped member lists of v1.0 leave service principals out (measured on a live tenant).
            members(world, call, &ids, cast, call.version == "v1.0")
        }
        (Class::Group, [id, "transitiveMembers", cast @ ..]) => {
            permissions::directory(call, Read::Members)?;
            let group = resolve(world, class, id)?.id;
            members(
                world,
                call,
                &world.members_through(group, call.now),
                cast,
                false,
            )
        }
        (Class::Group, [id, "owners", cast @ ..]) => {
            permissions::directory(call, Read::Owners)?;
            let group = resolve(world, class, id)?.id;
            members(
                world,
                call,
                &world.members_of(group, Access::Owner, call.now),
                cast,
                false,
            )
        }
        (Class::AdministrativeUnit, [id, "members", cast @ ..]) => {
            permissions::directory(call, Read::UnitMembers)?;
            let entry = resolve(world, class, id)?;
            let Object::AdministrativeUnit(unit) = &entry.object else {
                return Err(GraphError::no_such_object(id));
            };
            members(world, call, &unit.members, cast, false)
        }
        (_, [id, "transitiveMemberOf", cast @ ..]) => {
            permissions::directory(call, Read::MemberGroups(class))?;
            let id = resolve(world, class, id)?.id;
            members(world, call, &world.groups_around(id, call.now), cast, false)
        }
        (_, [.., last]) => Err(GraphError::unknown_segment(last)),
    }
}

/// Serves `/servicePrincipals(appId='…')`.
pub(crate) fn by_app_id(world: &World, call: &Call, app_id: &str) -> Result<Answer, GraphError> {
    let class = Class::ServicePrincipal;
    permissions::directory(call, Read::Objects(class))?;
    let id = app_id.trim_matches('\'');
    let entry = Uuid::try_parse(id)
        .ok()
        .and_then(|id| world.directory.by_app_id(id));
    one(
        call,
        entry.ok_or_else(|| GraphError::no_such_object(id))?,
        class,
    )
}

/// Serves `/directoryObjects`.
pub(crate) fn objects(world: &World, call: &Call, rest: &[&str]) -> Result<Answer, GraphError> {
    match (call.method.as_str(), rest) {
        ("POST", ["getByIds" | "microsoft.graph.getByIds"]) => get_by_ids(world, call),
        ("POST", [id, action]) => {
            let entry = any(world, id)?;
            permissions::directory(call, Read::MemberGroups(entry.object.class()))?;
            member_groups(world, call, entry, action)
        }
        ("GET", [id]) => {
            permissions::directory(call, Read::AnyObject)?;
            let entry = any(world, id)?;
            let mut value = typed(call, entry);
            let context = shape::context(
                &call.base,
                &call.version,
                "directoryObjects",
                &call.query,
                true,
            );
            add(&mut value, "@odata.context", context.into());
            Ok(Answer::json(200, &value))
        }
        (_, segments) => Err(GraphError::unknown_segment(
            segments.last().unwrap_or(&"directoryObjects"),
        )),
    }
}

/// `getMemberGroups`, and `checkMemberGroups`, which answers those of up to 20 given groups.
fn member_groups(
    world: &World,
    call: &Call,
    entry: &Entry,
    action: &str,
) -> Result<Answer, GraphError> {
    let bad = |text: &str| GraphError::bad_request("Request_BadRequest", text);
    let body: Value =
        serde_json::from_slice(&call.body).map_err(|_| bad("Invalid request body."))?;
    let mut value = world.groups_around(entry.id, call.now);
    match action.trim_start_matches("microsoft.graph.") {
        "getMemberGroups"
            if body
                .get("securityEnabledOnly")
                .is_some_and(Value::is_boolean) => {}
        "getMemberGroups" => {
            return Err(bad("The parameter securityEnabledOnly is missing."));
        }
        "checkMemberGroups" => {
            let asked = body.get("groupIds").and_then(Value::as_array);
            let asked = asked.ok_or_else(|| bad("The parameter groupIds is missing."))?;
            if asked.is_empty() || asked.len() > 20 {
                return Err(bad("groupIds must hold 1 to 20 ids."));
            }
            let ids = asked
                .iter()
                .map(|id| id.as_str().and_then(|id| Uuid::try_parse(id).ok()));
            let ids: Vec<Uuid> = ids
                .collect::<Option<_>>()
                .ok_or_else(|| bad("Invalid object identifier."))?;
            value.retain(|group| ids.contains(group));
        }
        other => return Err(GraphError::unknown_segment(other)),
    }
    let context = format!(
        "{}/{}/$metadata#Collection(Edm.String)",
        call.base, call.version
    );
    Ok(Answer::json(
        200,
        &Collection {
            context,
            count: None,
            next_link: None,
            value,
        },
    ))
}

/// An object inside another answer.
pub(crate) fn expanded(world: &World, id: Uuid) -> Value {
    match world.directory.known(id) {
        None => json!({"@odata.type": "#microsoft.graph.directoryObject", "id": id}),
        Some(entry) => {
            let mut value = wire::short(entry);
            add(
                &mut value,
                "@odata.type",
                entry.object.class().odata_type().into(),
            );
            value
        }
    }
}

fn any<'w>(world: &'w World, id: &str) -> Result<&'w Entry, GraphError> {
    let entry = Uuid::try_parse(id)
        .ok()
        .and_then(|id| world.directory.get(id));
    entry.ok_or_else(|| GraphError::no_such_object(id))
}

/// By id, or a user by sign-in name. An id of another class answers 404, as live tenants do.
fn resolve<'w>(world: &'w World, class: Class, id: &str) -> Result<&'w Entry, GraphError> {
    let entry = match Uuid::try_parse(id) {
        Ok(id) => world.directory.get(id),
        Err(_) if class == Class::User => world.directory.by_upn(id),
        Err(_) => {
            return Err(GraphError::bad_request(
                "Request_BadRequest",
                format!("Invalid object identifier '{id}'."),
            ));
        }
    };
    entry
        .filter(|entry| entry.object.class() == class)
        .ok_or_else(|| GraphError::no_such_object(id))
}

fn one(call: &Call, entry: &Entry, class: Class) -> Result<Answer, GraphError> {
    check_select(call, class)?;
    let mut value = shaped(call, entry);
    let context = shape::context(&call.base, &call.version, class.set(), &call.query, true);
    add(&mut value, "@odata.context", context.into());
    Ok(Answer::json(200, &value))
}

fn list(world: &World, call: &Call, class: Class) -> Result<Answer, GraphError> {
    permissions::directory(call, Read::Objects(class))?;
    check_select(call, class)?;
    let query = &call.query;
    let filter = query.filter.as_ref();
    if let Some(filter) = filter {
        filter.check(type_name(class), wire::filters(class), true)?;
    }
    let advanced = query.count || filter.is_some_and(Filter::uses_ne);
    if advanced && !(call.eventual && query.count) {
        return Err(GraphError::unsupported_query(
            "Advanced queries need the header ConsistencyLevel: eventual and $count=true.",
        ));
    }
    if let Some((name, _)) = &query.order_by
        && !["displayName", "userPrincipalName"].contains(&name.as_str())
    {
        return Err(GraphError::unsupported_query(format!(
            "Sorting by '{name}' is not supported."
        )));
    }
    let size = query
        .top
        .unwrap_or(world.behaviour.directory_page_size)
        .max(1);
    let found = found(world, call, class);
    let count = query.count.then_some(found.len());
    let (page, next) = match &query.order_by {
        None => paging::cut(found, |entry| entry.seq, query.after, false, size),
        Some((name, descending)) => sorted(found, name, *descending, query.after, size),
    };
    let value: Vec<Value> = page.into_iter().map(|entry| shaped(call, entry)).collect();
    let next_link = next.map(|seq| query.next_link(&call.base, &call.path, seq));
    let context = shape::context(&call.base, &call.version, class.set(), query, false);
    Ok(Answer::json(
        200,
        &Collection {
            context,
            count,
            next_link,
            value,
        },
    ))
}

/// Objects that fit the filter. Names and sign-in names are looked up in the indexes; objects that
/// were made a moment ago are not found by search yet.
fn found<'w>(world: &'w World, call: &Call, class: Class) -> Vec<&'w Entry> {
    let directory = &world.directory;
    let lag = world.behaviour.directory_search_lag;
    let Some(filter) = call.query.filter.as_ref() else {
        return directory.list(class, 0).collect();
    };
    let replicated = |entry: &&Entry| !(entry.fresh && call.now < entry.created + lag);
    let fits = |entry: &&Entry| {
        let value = wire::full(entry);
        filter.matches(&|path| match value.get(path) {
            Some(Value::String(text)) => Operand::Text(text.as_str().into()),
            Some(Value::Bool(flag)) => Operand::Bool(*flag),
            _ => Operand::Null,
        })
    };
    let candidates: Vec<&Entry> = if let Some(name) = filter.required_text("displayName") {
        directory.by_name(class, name)
    } else if let Some(upn) = filter.required_text("userPrincipalName") {
        directory.by_upn(upn).into_iter().collect()
    } else if let Some(app_id) = filter.required_id(&["appId"]) {
        directory.by_app_id(app_id).into_iter().collect()
    } else if let Some(id) = filter.required_id(&["id"]) {
        directory.get(id).into_iter().collect()
    } else {
        directory.list(class, 0).collect()
    };
    let mut found: Vec<_> = candidates
        .into_iter()
        .filter(|entry| entry.object.class() == class)
        .filter(replicated)
        .filter(fits)
        .collect();
    found.sort_unstable_by_key(|entry| entry.seq);
    found
}

/// A page in order of a name. The token holds the number of items served.
fn sorted<'w>(
    mut found: Vec<&'w Entry>,
    name: &str,
    descending: bool,
    after: Option<u64>,
    size: usize,
) -> (Vec<&'w Entry>, Option<u64>) {
    found.sort_by_cached_key(|entry| {
        let value = wire::full(entry);
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_lowercase()
    });
    if descending {
        found.reverse();
    }
    let start = after
        .and_then(|after| usize::try_from(after).ok())
        .unwrap_or(0);
    let total = found.len();
    let page: Vec<_> = found.into_iter().skip(start).take(size).collect();
    let served = start + page.len();
    let next = (served < total).then(|| u64::try_from(served).unwrap_or(u64::MAX));
    (page, next)
}

fn members(
    world: &World,
    call: &Call,
    ids: &[Uuid],
    cast: &[&str],
    hides_service_principals: bool,
) -> Result<Answer, GraphError> {
    let class = match cast {
        [] => None,
        [name] => Some(
            name.strip_prefix("microsoft.graph.")
                .and_then(Class::of_type)
                .ok_or_else(|| GraphError::unknown_segment(name))?,
        ),
        [.., last] => return Err(GraphError::unknown_segment(last)),
    };
    let entries: Vec<&Entry> = ids
        .iter()
        .filter_map(|id| world.directory.get(*id))
        .filter(|entry| match class {
            Some(class) => entry.object.class() == class,
            None => !hides_service_principals || entry.object.class() != Class::ServicePrincipal,
        })
        .collect();
    let size = call
        .query
        .top
        .unwrap_or(world.behaviour.directory_page_size)
        .max(1);
    let (page, next) = {
        let mut entries = entries;
        entries.sort_unstable_by_key(|entry| entry.seq);
        paging::cut(entries, |entry| entry.seq, call.query.after, false, size)
    };
    let value: Vec<Value> = page.into_iter().map(|entry| typed(call, entry)).collect();
    let next_link = next.map(|seq| call.query.next_link(&call.base, &call.path, seq));
    let set = class.map_or("directoryObjects", Class::set);
    let context = shape::context(&call.base, &call.version, set, &call.query, false);
    Ok(Answer::json(
        200,
        &Collection {
            context,
            count: None,
            next_link,
            value,
        },
    ))
}

/// Up to 1,000 ids; unknown ones are silently absent.
fn get_by_ids(world: &World, call: &Call) -> Result<Answer, GraphError> {
    permissions::directory(call, Read::AnyObject)?;
    let bad = || GraphError::bad_request("Request_BadRequest", "Invalid request body.");
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| bad())?;
    let ids = body.get("ids").and_then(Value::as_array).ok_or_else(bad)?;
    if ids.len() > 1000 {
        return Err(GraphError::bad_request(
            "Request_BadRequest",
            "Too many ids: at most 1000.",
        ));
    }
    let types: Vec<Class> = body
        .get("types")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| Class::of_type(name.as_str()?))
        .collect();
    let ids = ids
        .iter()
        .map(|id| id.as_str().and_then(|id| Uuid::try_parse(id).ok()));
    let ids: Vec<Uuid> = ids.collect::<Option<_>>().ok_or_else(bad)?;
    let value: Vec<Value> = ids
        .into_iter()
        .filter_map(|id| world.directory.get(id))
        .filter(|entry| types.is_empty() || types.contains(&entry.object.class()))
        .map(|entry| typed(call, entry))
        .collect();
    let context = shape::context(
        &call.base,
        &call.version,
        "directoryObjects",
        &call.query,
        false,
    );
    Ok(Answer::json(
        200,
        &Collection {
            context,
            count: None,
            next_link: None,
            value,
        },
    ))
}

fn check_select(call: &Call, class: Class) -> Result<(), GraphError> {
    let select = call.query.select.as_deref();
    shape::check_select(select, type_name(class), wire::properties(class))
}

fn type_name(class: Class) -> &'static str {
    class.odata_type().trim_start_matches('#')
}

fn shaped(call: &Call, entry: &Entry) -> Value {
    match call.query.select.as_deref() {
        None => wire::short(entry),
        some => {
            let mut value = wire::full(entry);
            shape::select(&mut value, some, &[]);
            value
        }
    }
}

/// An object among objects of other classes: with its type, and bare when the caller may not read it.
fn typed(call: &Call, entry: &Entry) -> Value {
    let class = entry.object.class();
    let mut value = if permissions::class_readable(call, class) {
        shaped(call, entry)
    } else {
        json!({"id": entry.id})
    };
    add(&mut value, "@odata.type", class.odata_type().into());
    value
}

fn add(value: &mut Value, name: &str, what: Value) {
    if let Value::Object(map) = value {
        map.insert(name.to_owned(), what);
    }
}
