//! Everything the simulator holds, for a person or a test to look at. Secrets are left out.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Class, Object};
use crate::engine::row::Row;
use crate::engine::target::Service;
use crate::engine::wire;
use crate::policies::PolicyScope;
use crate::types::{Access, Kind, RequestView, RoleRequestView, RoleScheduleView, ScheduleView};
use crate::world::World;

/// Rows that have not ended, in order of creation.
fn rows(world: &World, kind: Kind, now: DateTime<Utc>) -> Vec<&Row> {
    let books = world.pim.books();
    let mut rows: Vec<_> = books
        .flat_map(|book| &book.rows)
        .filter(|row| row.kind == kind && row.alive(now))
        .collect();
    rows.sort_unstable_by_key(|row| row.seq);
    rows
}

/// Rows of groups that have not ended, in order of creation.
pub(crate) fn schedules(world: &World, kind: Kind, now: DateTime<Utc>) -> Vec<ScheduleView> {
    let rows = rows(world, kind, now).into_iter();
    rows.filter_map(|row| row.view(now)).collect()
}

/// Rows of roles that have not ended, in order of creation.
pub(crate) fn role_schedules(
    world: &World,
    kind: Kind,
    now: DateTime<Utc>,
) -> Vec<RoleScheduleView> {
    let rows = rows(world, kind, now).into_iter();
    rows.filter_map(|row| row.role_view(now)).collect()
}

/// All requests about groups, purged ones included.
pub(crate) fn requests(world: &World, now: DateTime<Utc>) -> Vec<RequestView> {
    let requests = world.pim.requests.iter();
    requests.filter_map(|request| request.view(now)).collect()
}

/// All requests about roles, purged ones included.
pub(crate) fn role_requests(world: &World, now: DateTime<Utc>) -> Vec<RoleRequestView> {
    let requests = world.pim.requests.iter();
    requests
        .filter_map(|request| request.role_view(now))
        .collect()
}

/// The whole state.
pub(crate) fn dump(world: &World, now: DateTime<Utc>) -> Value {
    let eligibilities = schedules(world, Kind::Eligibility, now);
    let assignments = schedules(world, Kind::Assignment, now);
    let role_eligibilities = role_schedules(world, Kind::Eligibility, now);
    let role_assignments = role_schedules(world, Kind::Assignment, now);
    let requests = |service| -> Vec<_> {
        let requests = world.pim.requests.iter();
        requests
            .filter(|request| request.service() == service)
            .map(|request| wire::request(request, now, false))
            .collect()
    };
    let group_requests = requests(Service::Groups);
    let role_requests = requests(Service::Roles);
    json!({
        "counts": {
            "users": world.directory.count(Class::User),
            "groups": world.directory.count(Class::Group),
            "servicePrincipals": world.directory.count(Class::ServicePrincipal),
            "administrativeUnits": world.directory.count(Class::AdministrativeUnit),
            "roleDefinitions": world.roles.list().count(),
            "eligibilitySchedules": eligibilities.len(),
            "assignmentSchedules": assignments.len(),
            "requests": group_requests.len(),
            "roleEligibilitySchedules": role_eligibilities.len(),
            "roleAssignmentSchedules": role_assignments.len(),
            "roleRequests": role_requests.len(),
        },
        "eligibilitySchedules": eligibilities,
        "assignmentSchedules": assignments,
        "requests": group_requests,
        "roleEligibilitySchedules": role_eligibilities,
        "roleAssignmentSchedules": role_assignments,
        "roleRequests": role_requests,
        "policies": world.changed_policies(),
        "estate": estate(world),
    })
}

/// What the policies of a group demand.
fn policies(world: &World, group: Uuid) -> Value {
    let of = |access| world.policy(PolicyScope::Group { group, access });
    json!({"member": of(Access::Member), "owner": of(Access::Owner)})
}

/// Directory, policies, applications and behaviour.
pub(crate) fn estate(world: &World) -> Value {
    let mut objects: [Vec<Value>; 4] = Default::default();
    for (list, class) in objects.iter_mut().zip(Class::ALL) {
        for entry in world.directory.list(class, 0) {
            list.push(match &entry.object {
                Object::User(user) => json!({
                    "id": entry.id,
                    "displayName": user.display_name,
                    "userPrincipalName": user.user_principal_name,
                    "accountEnabled": user.account_enabled,
                }),
                Object::Group(group) => {
                    let pim = world.pim.group(entry.id);
                    json!({
                        "id": entry.id,
                        "displayName": group.display_name,
                        "description": group.description,
                        "isAssignableToRole": group.is_assignable_to_role,
                        "membershipRule": group.membership_rule,
                        "onPremises": group.on_premises,
                        "onboarded": pim.is_some_and(|pim| pim.onboarded),
                        "policy": policies(world, entry.id),
                    })
                }
                Object::ServicePrincipal(sp) => json!({
                    "id": entry.id,
                    "appId": sp.app_id,
                    "displayName": sp.display_name,
                }),
                Object::AdministrativeUnit(unit) => json!({
                    "id": entry.id,
                    "displayName": unit.display_name,
                    "description": unit.description,
                    "members": unit.members,
                }),
            });
        }
    }
    let [users, groups, service_principals, administrative_units] = objects;
    let custom_roles: Vec<Value> = world
        .roles
        .list()
        .filter(|role| !role.is_built_in)
        .map(|role| json!({"id": role.id, "displayName": role.display_name}))
        .collect();
    let applications: Vec<Value> = world
        .applications
        .iter()
        .map(|application| {
            json!({
                "clientId": application.client_id,
                "servicePrincipalId": application.service_principal_id,
                "displayName": application.display_name,
                "appRoles": application.app_roles,
            })
        })
        .collect();
    json!({
        "tenant": world.tenant,
        "users": users,
        "groups": groups,
        "servicePrincipals": service_principals,
        "administrativeUnits": administrative_units,
        "roleDefinitions": custom_roles,
        "applications": applications,
        "authenticationContexts": world.authentication_contexts,
        "behaviour": world.behaviour,
    })
}
