//! What administrators and people do with roles and administrative units.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Admin;
use super::operation::{AdminError, Operation, RoleGrant};
use crate::directory::{Class, Object};
use crate::engine::Actor;
use crate::engine::input::{Action, Input};
use crate::types::{Kind, Window};
use crate::world::World;

/// Carries out the deeds about roles.
pub(super) fn perform(
    world: &mut World,
    operation: Operation,
    now: DateTime<Utc>,
) -> Result<Uuid, AdminError> {
    let (action, grant) = match operation {
        Operation::AssignRole(grant) => (Action::AdminAssign, grant),
        Operation::UpdateRole(grant) => (Action::AdminUpdate, grant),
        Operation::ExtendRole(grant) => (Action::AdminExtend, grant),
        Operation::RemoveRole(grant) => (Action::AdminRemove, grant),
        Operation::ActivateRole(grant) => (Action::SelfActivate, grant),
        Operation::DeactivateRole(grant) => (Action::SelfDeactivate, grant),
        operation => return directory(world, operation, now),
    };
    let target = world.find_role_target(&grant.role, &grant.directory_scope_id)?;
    let principal = world.find_principal(&grant.principal)?;
    let (actor, kind) = if action.is_own() {
        let actor = Actor::Person {
            id: principal,
            mfa: true,
            contexts: Vec::new(),
        };
        (actor, Kind::Assignment)
    } else {
        (Actor::Portal, grant.kind)
    };
    let input = Input::from_window(action, target, principal, grant.window, grant.justification);
    Ok(world.create(kind, &input, &actor, now)?.id)
}

fn directory(
    world: &mut World,
    operation: Operation,
    now: DateTime<Utc>,
) -> Result<Uuid, AdminError> {
    match operation {
        Operation::AddRoleAssignment(seed) => {
            let target = world.find_role_target(&seed.role, &seed.directory_scope_id)?;
            let principal = world.find_principal(&seed.principal)?;
            world.pim.begin_write();
            if !world.holds(principal, target, now) {
                world.add_plain(target, principal, now);
            }
            Ok(principal)
        }
        Operation::RemoveRoleAssignment(seed) => {
            let target = world.find_role_target(&seed.role, &seed.directory_scope_id)?;
            let principal = world.find_principal(&seed.principal)?;
            world.pim.begin_write();
            let gone = now + world.behaviour.removal_lag;
            let count = world.pim.kill(target.resource(), now, gone, |row| {
                row.concerns(Kind::Assignment, principal, target) && row.in_force(now)
            });
            if count == 0 {
                return Err(AdminError::NotFound {
                    what: "role assignment",
                    name: seed.principal,
                });
            }
            Ok(principal)
        }
        Operation::AddRoleDefinition(seed) => Ok(world.roles.add(&seed, now, true)),
        Operation::RenameRole { role, display_name } => {
            let id = world.find_role(&role)?;
            world.roles.rename(id, display_name);
            Ok(id)
        }
        Operation::DeleteRole { role } => {
            let id = world.find_role(&role)?;
            world.pim.begin_write();
            world.delete_role(id, now);
            Ok(id)
        }
        Operation::AddAdministrativeUnit(seed) => world.add_administrative_unit(&seed, now, true),
        Operation::AlterAdministrativeUnit {
            unit,
            display_name,
            members,
        } => {
            let id = world.find(Class::AdministrativeUnit, &unit)?;
            let members = members
                .map(|names| {
                    names
                        .iter()
                        .map(|name| world.find_principal(name))
                        .collect()
                })
                .transpose()?;
            world.directory.alter(id, |object| {
                if let Object::AdministrativeUnit(unit) = object {
                    unit.display_name = display_name.unwrap_or_else(|| unit.display_name.clone());
                    unit.members = members.unwrap_or_else(|| unit.members.clone());
                }
            });
            Ok(id)
        }
        _ => Err(AdminError::NotFound {
            what: "deed",
            name: String::new(),
        }),
    }
}

/// Roles by id or name; scopes as `directoryScopeId`, an administrative unit also by name
/// (`/administrativeUnits/Sales EMEA`).
impl Admin {
    /// Adds a grant of a role in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn assign_role(
        &self,
        kind: Kind,
        role: &str,
        directory_scope_id: &str,
        principal: &str,
        window: Window,
    ) -> Result<String, AdminError> {
        let grant = grant(kind, role, directory_scope_id, principal, window);
        self.apply(Operation::AssignRole(grant))
    }

    /// Changes the window of a grant of a role in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn update_role(
        &self,
        kind: Kind,
        role: &str,
        directory_scope_id: &str,
        principal: &str,
        window: Window,
    ) -> Result<String, AdminError> {
        let grant = grant(kind, role, directory_scope_id, principal, window);
        self.apply(Operation::UpdateRole(grant))
    }

    /// Removes a grant of a role in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn remove_role(
        &self,
        kind: Kind,
        role: &str,
        directory_scope_id: &str,
        principal: &str,
    ) -> Result<String, AdminError> {
        let window = Window::permanent();
        let grant = grant(kind, role, directory_scope_id, principal, window);
        self.apply(Operation::RemoveRole(grant))
    }

    /// A person activates a role; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn activate_role(
        &self,
        user: &str,
        role: &str,
        directory_scope_id: &str,
        window: Window,
        justification: &str,
    ) -> Result<String, AdminError> {
        let grant = grant(Kind::Assignment, role, directory_scope_id, user, window);
        self.apply(Operation::ActivateRole(RoleGrant {
            justification: Some(justification.to_owned()),
            ..grant
        }))
    }

    /// A person ends the activation of a role; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn deactivate_role(
        &self,
        user: &str,
        role: &str,
        directory_scope_id: &str,
    ) -> Result<String, AdminError> {
        let window = Window::permanent();
        let grant = grant(Kind::Assignment, role, directory_scope_id, user, window);
        self.apply(Operation::DeactivateRole(grant))
    }

    /// Gives a role another name, as Microsoft does with built-in ones.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn rename_role(&self, role: &str, display_name: &str) -> Result<String, AdminError> {
        self.apply(Operation::RenameRole {
            role: role.to_owned(),
            display_name: display_name.to_owned(),
        })
    }
}

fn grant(
    kind: Kind,
    role: &str,
    directory_scope_id: &str,
    principal: &str,
    window: Window,
) -> RoleGrant {
    RoleGrant {
        kind,
        role: role.to_owned(),
        directory_scope_id: directory_scope_id.to_owned(),
        principal: principal.to_owned(),
        window,
        justification: None,
    }
}
