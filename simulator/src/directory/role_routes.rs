//! The endpoints of role definitions and role assignments, beside the schedules under
//! `/roleManagement/directory`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::roles::RoleDefinition;
use crate::answer::Answer;
use crate::call::Call;
use crate::directory;
use crate::engine::list::Scope;
use crate::engine::sets::{Listing, Set};
use crate::engine::target::{Service, Target};
use crate::engine::wire::Seen;
use crate::error::GraphError;
use crate::odata::filter::{Filter, Operand};
use crate::odata::paging;
use crate::odata::query::Query;
use crate::odata::shape::{self, Collection};
use crate::permissions::{self, Read};
use crate::types::Kind;
use crate::world::World;

const DEFINITIONS: &str = "roleDefinitions";
const ASSIGNMENTS: &str = "roleAssignments";
const DEFINITION_TYPE: &str = "microsoft.graph.unifiedRoleDefinition";
const ASSIGNMENT_TYPE: &str = "microsoft.graph.unifiedRoleAssignment";

const DEFINITION_PROPERTIES: &[&str] = &[
    "id",
    "description",
    "displayName",
    "isBuiltIn",
    "isEnabled",
    "resourceScopes",
    "templateId",
    "version",
    "rolePermissions",
];
const DEFINITION_FILTERS: &[&str] = &["id", "displayName", "isBuiltIn", "templateId"];
const ASSIGNMENT_PROPERTIES: &[&str] = &[
    "id",
    "principalId",
    "roleDefinitionId",
    "directoryScopeId",
    "appScopeId",
    "condition",
];

/// Serves `roleDefinitions` and `roleAssignments`. `None`: it is neither.
pub(crate) fn serve(
    world: &mut World,
    call: &Call,
    rest: &[&str],
) -> Option<Result<Answer, GraphError>> {
    let (name, rest) = rest.split_first()?;
    if ![DEFINITIONS, ASSIGNMENTS].contains(name) {
        return None;
    }
    Some(route(world, call, name, rest))
}

fn route(world: &mut World, call: &Call, name: &str, rest: &[&str]) -> Result<Answer, GraphError> {
    permissions::directory(call, Read::Roles)?;
    match (call.method.as_str(), rest) {
        ("GET", []) if name == DEFINITIONS => definitions(world, call),
        ("GET", [id]) if name == DEFINITIONS => definition(world, call, id),
        ("GET", []) => assignments(world, call, None),
        ("GET", [id]) => assignments(world, call, Some(id)),
        (_, [_, segment, ..]) => Err(GraphError::unknown_segment(segment)),
        _ => Err(GraphError::new(
            405,
            "BadRequest",
            "The method is not allowed.",
        )),
    }
}

/// Options that neither set takes.
fn check_options(query: &Query, expands: &[&str]) -> Result<(), GraphError> {
    if query.count || query.order_by.is_some() {
        return Err(GraphError::unsupported_query(
            "$count and $orderby are not supported on this resource.",
        ));
    }
    match query
        .expand
        .iter()
        .find(|expand| !expands.contains(&expand.name.as_str()))
    {
        Some(expand) => Err(GraphError::bad_request(
            "BadRequest",
            format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{}'.",
                expand.name
            ),
        )),
        None => Ok(()),
    }
}

/// The list. `or` is refused, and names compare with their case (both measured on live tenants).
fn definitions(world: &World, call: &Call) -> Result<Answer, GraphError> {
    let query = &call.query;
    let select = query.select.as_deref();
    shape::check_select(select, DEFINITION_TYPE, DEFINITION_PROPERTIES)?;
    check_options(query, &[])?;
    let filter = query.filter.as_ref();
    if let Some(filter) = filter {
        filter.check(DEFINITION_TYPE, DEFINITION_FILTERS, false)?;
    }
    let lag = world.behaviour.directory_search_lag;
    let found: Vec<&RoleDefinition> = world
        .roles
        .list()
        .filter(|role| filter.is_none() || !(role.fresh && call.now < role.created + lag))
        .filter(|role| filter.is_none_or(|filter| fits(role, filter)))
        .collect();
    let size = query.top.unwrap_or(usize::MAX);
    let (page, next) = paging::cut(found, |role| role.seq, query.after, false, size);
    let value = page
        .into_iter()
        .map(|role| {
            let mut body = role.body(&call.version);
            shape::select(&mut body, select, &[]);
            body
        })
        .collect();
    Ok(collection(call, DEFINITIONS, value, next))
}

fn fits(role: &RoleDefinition, filter: &Filter) -> bool {
    let named = filter.required_text("displayName");
    named.is_none_or(|name| name == role.display_name)
        && filter.matches(&|path| match path {
            "id" | "templateId" => Operand::Text(role.id.to_string().into()),
            "displayName" => Operand::Text(role.display_name.as_str().into()),
            "isBuiltIn" => Operand::Bool(role.is_built_in),
            _ => Operand::Null,
        })
}

fn definition(world: &World, call: &Call, id: &str) -> Result<Answer, GraphError> {
    let select = call.query.select.as_deref();
    shape::check_select(select, DEFINITION_TYPE, DEFINITION_PROPERTIES)?;
    check_options(&call.query, &[])?;
    let role = Uuid::try_parse(id).ok().and_then(|id| world.roles.get(id));
    let mut body = role
        .ok_or_else(|| GraphError::no_such_object(id))?
        .body(&call.version);
    shape::select(&mut body, select, &[]);
    Ok(entity(call, DEFINITIONS, body))
}

/// Role assignments in force, whoever made them: each is also an active instance with the same id.
fn assignments(world: &mut World, call: &Call, id: Option<&str>) -> Result<Answer, GraphError> {
    let query = &call.query;
    let select = query.select.as_deref();
    shape::check_select(select, ASSIGNMENT_TYPE, ASSIGNMENT_PROPERTIES)?;
    check_options(query, &["principal", "roleDefinition", "directoryScope"])?;
    let set = Set {
        service: Service::Roles,
        kind: Kind::Assignment,
        listing: Listing::Instances,
    };
    let filter = query.filter.as_ref();
    if let Some(filter) = filter {
        filter.check(ASSIGNMENT_TYPE, ASSIGNMENT_PROPERTIES, false)?;
    }
    let scope = Scope::of(set, filter)?;
    let view = world.view(call.now, call.stale);
    let mut rows: Vec<_> = world.rows(set, scope, filter, view);
    // Unlike the schedules, it only has what a principal holds itself.
    rows.retain(Seen::is_direct);
    if let Some(id) = id {
        rows.retain(|seen| seen.row.instance_id() == id);
    }
    let size = query.top.unwrap_or(usize::MAX);
    let (page, next) = paging::cut(rows, |seen| seen.row.seq, query.after, false, size);
    let rows: Vec<_> = page.into_iter().map(|seen| seen.row.clone()).collect();
    let mut value = Vec::with_capacity(rows.len());
    for row in rows {
        let Target::Role { role, scope } = row.target else {
            continue;
        };
        let mut body = json!({
            "id": row.instance_id(),
            "principalId": row.principal,
            "roleDefinitionId": role,
            "directoryScopeId": scope.directory(),
            "appScopeId": scope.app(),
            "condition": null,
        });
        let mut expanded = Vec::new();
        for expand in &query.expand {
            let mut inner = match expand.name.as_str() {
                "principal" => directory::routes::expanded(world, row.principal),
                "roleDefinition" => world
                    .roles
                    .get(role)
                    .map_or(Value::Null, |role| role.body(&call.version)),
                _ => scope
                    .object()
                    .map_or(Value::Null, |id| directory::routes::expanded(world, id)),
            };
            shape::select(&mut inner, expand.select.as_deref(), &[]);
            expanded.push(expand.name.as_str());
            if let Value::Object(map) = &mut body {
                map.insert(expand.name.clone(), inner);
            }
        }
        shape::select(&mut body, select, &expanded);
        value.push(body);
    }
    match id {
        None => Ok(collection(call, ASSIGNMENTS, value, next)),
        Some(id) => {
            let body = value.pop().ok_or_else(|| GraphError::no_such_object(id))?;
            Ok(entity(call, ASSIGNMENTS, body))
        }
    }
}

fn collection(call: &Call, set: &str, value: Vec<Value>, next: Option<u64>) -> Answer {
    let set = format!("{}/{set}", Service::Roles.base());
    Answer::json(
        200,
        &Collection {
            context: shape::context(&call.base, &call.version, &set, &call.query, false),
            count: None,
            next_link: next.map(|seq| call.query.next_link(&call.base, &call.path, seq)),
            value,
        },
    )
}

fn entity(call: &Call, set: &str, entity: Value) -> Answer {
    let set = format!("{}/{set}", Service::Roles.base());
    let context = shape::context(&call.base, &call.version, &set, &call.query, true);
    Answer::json(200, &shape::Entity { context, entity })
}
