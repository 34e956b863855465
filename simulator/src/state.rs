//! Everything the simulator holds, for a person or a test to look at. Secrets are left out.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Class, Object};
use crate::engine::wire;
use crate::policies::PolicyScope;
use crate::types::{Access, Kind, RequestView, ScheduleView};
use crate::world::World;

/// Rows that have not ended, in order of creation.
pub(crate) fn schedules(world: &World, kind: Kind, now: DateTime<Utc>) -> Vec<ScheduleView> {
    let mut rows: Vec<_> = world
        .pim
        .all_groups()
        .flat_map(|(_, group)| &group.rows)
        .filter(|row| row.kind == kind && row.alive(now))
        .collect();
    rows.sort_unstable_by_key(|row| row.seq);
    rows.into_iter().map(|row| row.view(now)).collect()
}

/// All requests, purged ones included.
pub(crate) fn requests(world: &World, now: DateTime<Utc>) -> Vec<RequestView> {
    world
        .pim
        .requests
        .iter()
        .map(|request| request.view(now))
        .collect()
}

/// The whole state.
pub(crate) fn dump(world: &World, now: DateTime<Utc>) -> Value {
    let eligibilities = schedules(world, Kind::Eligibility, now);
    let assignments = schedules(world, Kind::Assignment, now);
    let requests = requests(world, now);
    let bodies: Vec<_> = world
        .pim
        .requests
        .iter()
        .map(|request| wire::request(request, now, false))
        .collect();
    json!({
        "counts": {
            "users": world.directory.count(Class::User),
            "groups": world.directory.count(Class::Group),
            "servicePrincipals": world.directory.count(Class::ServicePrincipal),
            "eligibilitySchedules": eligibilities.len(),
            "assignmentSchedules": assignments.len(),
            "requests": requests.len(),
        },
        "eligibilitySchedules": eligibilities,
        "assignmentSchedules": assignments,
        "requests": bodies,
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
    let mut objects: [Vec<Value>; 3] = Default::default();
    for (list, class) in
        objects
            .iter_mut()
            .zip([Class::User, Class::Group, Class::ServicePrincipal])
    {
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
            });
        }
    }
    let [users, groups, service_principals] = objects;
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
        "applications": applications,
        "authenticationContexts": world.authentication_contexts,
        "behaviour": world.behaviour,
    })
}
