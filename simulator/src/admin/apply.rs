//! Carrying out the deeds of administrators and people.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::operation::{AdminError, Grant, Operation};
use super::roles;
use crate::core::Core;
use crate::directory::{Class, Object};
use crate::engine::Actor;
use crate::engine::input::{Action, Input};
use crate::engine::target::Target;
use crate::estate::{ApplicationSeed, SecretSeed};
use crate::lock::lock;
use crate::types::{Access, Kind, Window};
use crate::world::World;

/// Who is shown as the author of what is done in the portal.
const PORTAL: &str = "Administrator";

pub(super) fn apply(core: &Core, operation: Operation) -> Result<String, AdminError> {
    let now = core.clock.now();
    let mut world = lock(&core.world);
    perform(&mut world, operation, now).map(|id| id.to_string())
}

fn perform(
    world: &mut World,
    operation: Operation,
    now: DateTime<Utc>,
) -> Result<Uuid, AdminError> {
    match operation {
        Operation::AddUser(seed) => Ok(world.directory.add(seed.id, (&seed).into(), now, true)),
        Operation::AddGroup(seed) => {
            let group = world.add_group(&seed, now, true);
            world.seed_policies(group, &seed.policy, now)?;
            Ok(group)
        }
        Operation::AddServicePrincipal(seed) => Ok(world.add_service_principal(&seed, now, true)),
        Operation::AddApplication(seed) => Ok(world.add_application(*seed, now, true)),
        Operation::AlterUser {
            user,
            display_name,
            user_principal_name,
            account_enabled,
        } => {
            let id = world.find(Class::User, &user)?;
            world.directory.alter(id, |object| {
                if let Object::User(user) = object {
                    replace(&mut user.display_name, display_name);
                    replace(&mut user.user_principal_name, user_principal_name);
                    replace(&mut user.account_enabled, account_enabled);
                }
            });
            Ok(id)
        }
        Operation::AlterGroup {
            group,
            display_name,
            membership_rule,
            on_premises,
        } => {
            let id = world.find(Class::Group, &group)?;
            world.directory.alter(id, |object| {
                if let Object::Group(group) = object {
                    replace(&mut group.display_name, display_name);
                    replace(&mut group.on_premises, on_premises);
                    if let Some(rule) = membership_rule {
                        group.membership_rule = Some(rule).filter(|rule| !rule.is_empty());
                    }
                }
            });
            Ok(id)
        }
        Operation::Delete { object } => {
            let id = match world.find_principal(&object) {
                Err(AdminError::NotFound { .. }) => world.find(Class::AdministrativeUnit, &object),
                found => found,
            }?;
            world.pim.begin_write();
            world.delete(id, now);
            Ok(id)
        }
        Operation::AddMember {
            group,
            principal,
            access_id,
        } => {
            let (group, principal) = pair(world, &group, &principal)?;
            world.pim.begin_write();
            if !world.members_of(group, access_id, now).contains(&principal) {
                let access = access_id;
                world.add_plain(Target::Group { group, access }, principal, now);
            }
            Ok(principal)
        }
        Operation::RemoveMember {
            group,
            principal,
            access_id,
        } => {
            let (group, id) = pair(world, &group, &principal)?;
            world.pim.begin_write();
            let gone = now + world.behaviour.removal_lag;
            let access = access_id;
            let target = Target::Group { group, access };
            let count = world.pim.kill(target.resource(), now, gone, |row| {
                row.concerns(Kind::Assignment, id, target) && row.in_force(now)
            });
            if count == 0 {
                return Err(AdminError::NotFound {
                    what: "member",
                    name: principal,
                });
            }
            Ok(id)
        }
        operation => settings(world, operation, now),
    }
}

/// Policies, approvals, applications and the simulator's own behaviour.
fn settings(
    world: &mut World,
    operation: Operation,
    now: DateTime<Utc>,
) -> Result<Uuid, AdminError> {
    match operation {
        Operation::SetPolicy {
            group,
            access_id,
            policy,
        } => {
            let scope = world.group_policy(&group, access_id)?;
            world.edit_policy(scope, &policy, now, Some(PORTAL.to_owned()))?;
            world.find(Class::Group, &group)
        }
        Operation::SetRolePolicy { role, policy } => {
            let scope = world.role_policy(&role)?;
            world.edit_policy(scope, &policy, now, Some(PORTAL.to_owned()))?;
            Ok(world.tenant.id)
        }
        Operation::SetAuthenticationContext(seed) => {
            world.publish_context(seed);
            Ok(world.tenant.id)
        }
        Operation::RemoveAuthenticationContext { id } => {
            world.authentication_contexts.retain(|known| known.id != id);
            Ok(world.tenant.id)
        }
        Operation::SetBehaviour { behaviour } => {
            world.behaviour = *behaviour;
            Ok(world.tenant.id)
        }
        Operation::Approve { request } => decide(world, &request, true, now),
        Operation::Deny { request } => decide(world, &request, false, now),
        Operation::SetAppRoles {
            client_id,
            app_roles,
        } => application(world, &client_id, |application| {
            application.app_roles = app_roles;
        }),
        Operation::RotateSecret { client_id, secret } => {
            application(world, &client_id, |application| {
                application.secrets = vec![SecretSeed {
                    value: secret,
                    expires: None,
                }];
            })
        }
        Operation::ExpireSecrets { client_id, at } => {
            application(world, &client_id, |application| {
                for secret in &mut application.secrets {
                    secret.expires = Some(at.unwrap_or(now));
                }
            })
        }
        Operation::SetCertificates {
            client_id,
            certificates,
        } => application(world, &client_id, |application| {
            application.certificates = certificates;
        }),
        Operation::SetFederatedCredentials {
            client_id,
            federated_credentials,
        } => application(world, &client_id, |application| {
            application.federated_credentials = federated_credentials;
        }),
        Operation::PublishKeys(seed) => {
            world.publish_keys(seed);
            Ok(world.tenant.id)
        }
        operation => grant(world, operation, now),
    }
}

/// The deeds that become schedule requests.
fn grant(world: &mut World, operation: Operation, now: DateTime<Utc>) -> Result<Uuid, AdminError> {
    let (action, grant) = match operation {
        Operation::Assign(grant) => (Action::AdminAssign, grant),
        Operation::Update(grant) => (Action::AdminUpdate, grant),
        Operation::Extend(grant) => (Action::AdminExtend, grant),
        Operation::Remove {
            kind,
            group,
            principal,
            access_id,
        } => (Action::AdminRemove, bare(kind, group, principal, access_id)),
        Operation::Activate {
            user,
            group,
            access_id,
            window,
            justification,
        } => {
            let grant = bare(Kind::Assignment, group, user, access_id);
            (
                Action::SelfActivate,
                Grant {
                    window,
                    justification,
                    ..grant
                },
            )
        }
        Operation::Deactivate {
            user,
            group,
            access_id,
        } => (
            Action::SelfDeactivate,
            bare(Kind::Assignment, group, user, access_id),
        ),
        operation => return roles::perform(world, operation, now),
    };
    let (group, principal) = pair(world, &grant.group, &grant.principal)?;
    let actor = if action.is_own() {
        Actor::Person {
            id: principal,
            mfa: true,
            contexts: Vec::new(),
        }
    } else {
        Actor::Portal
    };
    let access = grant.access_id;
    let target = Target::Group { group, access };
    let input = Input::from_window(action, target, principal, grant.window, grant.justification);
    Ok(world.create(grant.kind, &input, &actor, now)?.id)
}

fn bare(kind: Kind, group: String, principal: String, access_id: Access) -> Grant {
    let (window, justification) = (Window::permanent(), None);
    Grant {
        kind,
        group,
        principal,
        access_id,
        window,
        justification,
    }
}

fn pair(world: &World, group: &str, principal: &str) -> Result<(Uuid, Uuid), AdminError> {
    Ok((
        world.find(Class::Group, group)?,
        world.find_principal(principal)?,
    ))
}

fn decide(
    world: &mut World,
    request: &str,
    approve: bool,
    now: DateTime<Utc>,
) -> Result<Uuid, AdminError> {
    let id = Uuid::try_parse(request).map_err(|_| AdminError::NotFound {
        what: "request",
        name: request.to_owned(),
    })?;
    world.decide(id, approve, now)?;
    Ok(id)
}

fn application(
    world: &mut World,
    client_id: &str,
    change: impl FnOnce(&mut ApplicationSeed),
) -> Result<Uuid, AdminError> {
    let missing = || AdminError::NotFound {
        what: "application",
        name: client_id.to_owned(),
    };
    let id = Uuid::try_parse(client_id).map_err(|_| missing())?;
    let application = world
        .applications
        .iter_mut()
        .find(|app| app.client_id == id);
    change(application.ok_or_else(missing)?);
    Ok(id)
}

fn replace<T>(old: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *old = new;
    }
}
