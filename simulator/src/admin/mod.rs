//! The administrator's and the user's hands: changes that do not come from the operator.
//!
//! The portal is not held to policy, to the five-minute rule or to the last-owner rule, so that a
//! test can bring about any drift at once; what a *person* does (activate, deactivate) is held to
//! all of them.

mod apply;
mod operation;
mod roles;

use std::sync::Arc;

pub use operation::{AdminError, Grant, Operation, RoleGrant};

use crate::core::Core;
use crate::estate::{ApplicationSeed, GroupSeed, ServicePrincipalSeed, UserSeed};
use crate::policies::edit::PolicyPatch;
use crate::types::{Access, Kind, Window};

/// A handle for deeds behind the operator's back. Every method names groups and principals by id,
/// user principal name, display name or client id, and answers the id of what it made.
#[derive(Clone)]
pub struct Admin {
    core: Arc<Core>,
}

impl Admin {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Does one deed; the answer is the id of what it made or changed.
    ///
    /// # Errors
    /// When a name does not resolve, or Graph would refuse the deed.
    pub fn apply(&self, operation: Operation) -> Result<String, AdminError> {
        apply::apply(&self.core, operation)
    }

    /// Adds a user with this sign-in name and a made-up id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn add_user(&self, user_principal_name: &str) -> Result<String, AdminError> {
        self.apply(Operation::AddUser(UserSeed {
            user_principal_name: user_principal_name.to_owned(),
            ..UserSeed::default()
        }))
    }

    /// Adds a group.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn add_group(&self, group: GroupSeed) -> Result<String, AdminError> {
        self.apply(Operation::AddGroup(Box::new(group)))
    }

    /// Adds a service principal.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn add_service_principal(&self, seed: ServicePrincipalSeed) -> Result<String, AdminError> {
        self.apply(Operation::AddServicePrincipal(seed))
    }

    /// Adds an application that can sign in.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn add_application(&self, seed: ApplicationSeed) -> Result<String, AdminError> {
        self.apply(Operation::AddApplication(Box::new(seed)))
    }

    /// Deletes a user, group, service principal or administrative unit.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn delete(&self, object: &str) -> Result<String, AdminError> {
        self.apply(Operation::Delete {
            object: object.to_owned(),
        })
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn remove_user(&self, user: &str) -> Result<String, AdminError> {
        self.delete(user)
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn remove_group(&self, group: &str) -> Result<String, AdminError> {
        self.delete(group)
    }

    /// Adds a plain membership or ownership.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn add_member(
        &self,
        group: &str,
        principal: &str,
        access: Access,
    ) -> Result<String, AdminError> {
        self.apply(Operation::AddMember {
            group: group.to_owned(),
            principal: principal.to_owned(),
            access_id: access,
        })
    }

    /// Removes a membership or ownership through the groups API, also one that PIM made.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn remove_member(
        &self,
        group: &str,
        principal: &str,
        access: Access,
    ) -> Result<String, AdminError> {
        self.apply(Operation::RemoveMember {
            group: group.to_owned(),
            principal: principal.to_owned(),
            access_id: access,
        })
    }

    /// Adds a grant in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn assign(
        &self,
        kind: Kind,
        group: &str,
        principal: &str,
        access: Access,
        window: Window,
    ) -> Result<String, AdminError> {
        self.apply(Operation::Assign(grant(
            kind, group, principal, access, window,
        )))
    }

    /// Changes the window of a grant in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn update(
        &self,
        kind: Kind,
        group: &str,
        principal: &str,
        access: Access,
        window: Window,
    ) -> Result<String, AdminError> {
        self.apply(Operation::Update(grant(
            kind, group, principal, access, window,
        )))
    }

    /// Extends a grant in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn extend(
        &self,
        kind: Kind,
        group: &str,
        principal: &str,
        access: Access,
        window: Window,
    ) -> Result<String, AdminError> {
        self.apply(Operation::Extend(grant(
            kind, group, principal, access, window,
        )))
    }

    /// Removes a grant in the portal; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn remove(
        &self,
        kind: Kind,
        group: &str,
        principal: &str,
        access: Access,
    ) -> Result<String, AdminError> {
        self.apply(Operation::Remove {
            kind,
            group: group.to_owned(),
            principal: principal.to_owned(),
            access_id: access,
        })
    }

    /// A person activates; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn activate(
        &self,
        user: &str,
        group: &str,
        access: Access,
        window: Window,
        justification: &str,
    ) -> Result<String, AdminError> {
        self.apply(Operation::Activate {
            user: user.to_owned(),
            group: group.to_owned(),
            access_id: access,
            window,
            justification: Some(justification.to_owned()),
        })
    }

    /// A person ends an activation; answers the request id.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn deactivate(
        &self,
        user: &str,
        group: &str,
        access: Access,
    ) -> Result<String, AdminError> {
        self.apply(Operation::Deactivate {
            user: user.to_owned(),
            group: group.to_owned(),
            access_id: access,
        })
    }

    /// An approver agrees to a request.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn approve(&self, request: &str) -> Result<String, AdminError> {
        self.apply(Operation::Approve {
            request: request.to_owned(),
        })
    }

    /// An approver refuses a request.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn deny(&self, request: &str) -> Result<String, AdminError> {
        self.apply(Operation::Deny {
            request: request.to_owned(),
        })
    }

    /// Changes the PIM policy of a group's membership or ownership.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn set_policy(
        &self,
        group: &str,
        access: Access,
        policy: PolicyPatch,
    ) -> Result<String, AdminError> {
        self.apply(Operation::SetPolicy {
            group: group.to_owned(),
            access_id: access,
            policy: Box::new(policy),
        })
    }

    /// Changes the PIM policy of a directory role, by id or display name.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn set_role_policy(&self, role: &str, policy: PolicyPatch) -> Result<String, AdminError> {
        self.apply(Operation::SetRolePolicy {
            role: role.to_owned(),
            policy: Box::new(policy),
        })
    }

    /// Replaces the application permissions; tokens already issued keep theirs.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn set_app_roles(&self, client_id: &str, roles: &[&str]) -> Result<String, AdminError> {
        self.apply(Operation::SetAppRoles {
            client_id: client_id.to_owned(),
            app_roles: roles.iter().map(|&role| role.to_owned()).collect(),
        })
    }

    /// Replaces the client secrets by a new one.
    ///
    /// # Errors
    /// See [`apply`](Self::apply).
    pub fn rotate_secret(&self, client_id: &str, secret: &str) -> Result<String, AdminError> {
        self.apply(Operation::RotateSecret {
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
        })
    }
}

fn grant(kind: Kind, group: &str, principal: &str, access: Access, window: Window) -> Grant {
    Grant {
        kind,
        group: group.to_owned(),
        principal: principal.to_owned(),
        access_id: access,
        window,
        justification: None,
    }
}
