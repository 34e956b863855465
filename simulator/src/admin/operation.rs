//! What an administrator in the portal, or a person, can do behind the operator's back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::behaviour::Behaviour;
use crate::estate::{
    AdministrativeUnitSeed, ApplicationSeed, CertificateSeed, FederatedCredentialSeed, GroupSeed,
    IssuerSeed, RoleAssignmentSeed, RoleDefinitionSeed, ServicePrincipalSeed, UserSeed,
    tenant_wide,
};
use crate::policies::contexts::AuthenticationContextSeed;
use crate::policies::edit::PolicyPatch;
use crate::types::{Access, Kind, Window};

/// One deed. In JSON: an object with the name of the deed under `do`.
///
/// Groups and principals are named by id, user principal name, display name or client id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Operation {
    /// Adds a user.
    AddUser(UserSeed),
    /// Renames or disables a user.
    AlterUser {
        /// Who.
        user: String,
        /// New name.
        #[serde(default)]
        display_name: Option<String>,
        /// New sign-in name.
        #[serde(default)]
        user_principal_name: Option<String>,
        /// Enable or disable.
        #[serde(default)]
        account_enabled: Option<bool>,
    },
    /// Adds a group.
    AddGroup(Box<GroupSeed>),
    /// Renames a group, or makes it dynamic or synchronised.
    AlterGroup {
        /// Which.
        group: String,
        /// New name.
        #[serde(default)]
        display_name: Option<String>,
        /// New dynamic rule.
        #[serde(default)]
        membership_rule: Option<String>,
        /// Synchronised from on-premises or not.
        #[serde(default)]
        on_premises: Option<bool>,
    },
    /// Adds a service principal.
    AddServicePrincipal(ServicePrincipalSeed),
    /// Deletes a user, group, service principal or administrative unit.
    Delete {
        /// Which.
        object: String,
    },
    /// Adds a plain membership or ownership, outside PIM.
    AddMember {
        /// Group.
        group: String,
        /// Principal.
        principal: String,
        /// Member or owner.
        #[serde(default)]
        access_id: Access,
    },
    /// Removes a membership or ownership through the groups API, also one that PIM made.
    RemoveMember {
        /// Group.
        group: String,
        /// Principal.
        principal: String,
        /// Member or owner.
        #[serde(default)]
        access_id: Access,
    },
    /// Adds an application that can sign in.
    AddApplication(Box<ApplicationSeed>),
    /// Replaces the application permissions; tokens already issued keep theirs.
    SetAppRoles {
        /// Client id.
        client_id: String,
        /// New permissions.
        app_roles: Vec<String>,
    },
    /// Replaces the client secrets by a new one.
    RotateSecret {
        /// Client id.
        client_id: String,
        /// New secret.
        secret: String,
    },
    /// Ends all client secrets at a time (virtual).
    ExpireSecrets {
        /// Client id.
        client_id: String,
        /// When; none: now.
        #[serde(default)]
        at: Option<DateTime<Utc>>,
    },
    /// Replaces the certificates of an application.
    SetCertificates {
        /// Client id.
        client_id: String,
        /// New certificates.
        certificates: Vec<CertificateSeed>,
    },
    /// Replaces the federated identity credentials of an application.
    SetFederatedCredentials {
        /// Client id.
        client_id: String,
        /// New credentials.
        federated_credentials: Vec<FederatedCredentialSeed>,
    },
    /// Replaces the keys that an issuer of service account tokens publishes.
    PublishKeys(IssuerSeed),
    /// Changes the PIM policy of a group's membership or ownership.
    SetPolicy {
        /// Group.
        group: String,
        /// Member or owner.
        #[serde(default)]
        access_id: Access,
        /// What changes.
        policy: Box<PolicyPatch>,
    },
    /// Changes the PIM policy of a directory role.
    SetRolePolicy {
        /// Id or display name.
        role: String,
        /// What changes.
        policy: Box<PolicyPatch>,
    },
    /// Adds or replaces an authentication context.
    SetAuthenticationContext(AuthenticationContextSeed),
    /// Removes an authentication context; policies that name it stay as they are.
    RemoveAuthenticationContext {
        /// `c1` to `c99`.
        id: String,
    },
    /// Adds a grant in the portal.
    Assign(Grant),
    /// Changes the window of a grant in the portal.
    Update(Grant),
    /// Extends a grant in the portal.
    Extend(Grant),
    /// Removes a grant in the portal.
    Remove {
        /// Eligible or active.
        kind: Kind,
        /// Group.
        group: String,
        /// Principal.
        principal: String,
        /// Member or owner.
        #[serde(default)]
        access_id: Access,
    },
    /// A person activates; policy and approval apply.
    Activate {
        /// Who.
        user: String,
        /// Group.
        group: String,
        /// Member or owner.
        #[serde(default)]
        access_id: Access,
        /// How long.
        #[serde(default)]
        window: Window,
        /// Why.
        #[serde(default)]
        justification: Option<String>,
    },
    /// A person ends an activation; not in its first five minutes.
    Deactivate {
        /// Who.
        user: String,
        /// Group.
        group: String,
        /// Member or owner.
        #[serde(default)]
        access_id: Access,
    },
    /// Adds a grant of a role in the portal.
    AssignRole(RoleGrant),
    /// Changes the window of a grant of a role in the portal.
    UpdateRole(RoleGrant),
    /// Extends a grant of a role in the portal.
    ExtendRole(RoleGrant),
    /// Removes a grant of a role in the portal.
    RemoveRole(RoleGrant),
    /// A person activates a role; policy and approval apply. The kind is not looked at.
    ActivateRole(RoleGrant),
    /// A person ends the activation of a role. Kind and window are not looked at.
    DeactivateRole(RoleGrant),
    /// Adds a role assignment outside PIM.
    AddRoleAssignment(RoleAssignmentSeed),
    /// Removes a role assignment in force, also one that PIM made.
    RemoveRoleAssignment(RoleAssignmentSeed),
    /// Adds a custom role.
    AddRoleDefinition(RoleDefinitionSeed),
    /// Gives a role another name, as Microsoft does with built-in ones.
    RenameRole {
        /// Which: id or name.
        role: String,
        /// New name.
        display_name: String,
    },
    /// Deletes a custom role.
    DeleteRole {
        /// Which: id or name.
        role: String,
    },
    /// Adds an administrative unit.
    AddAdministrativeUnit(AdministrativeUnitSeed),
    /// Renames an administrative unit, or replaces its members.
    AlterAdministrativeUnit {
        /// Which.
        unit: String,
        /// New name.
        #[serde(default)]
        display_name: Option<String>,
        /// New members.
        #[serde(default)]
        members: Option<Vec<String>>,
    },
    /// An approver agrees to a request.
    Approve {
        /// Request id.
        request: String,
    },
    /// An approver refuses a request.
    Deny {
        /// Request id.
        request: String,
    },
    /// Changes how the simulator behaves.
    SetBehaviour {
        /// New behaviour; what is absent is at its default.
        behaviour: Box<Behaviour>,
    },
}

/// A grant, as an administrator enters it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Eligible or active.
    pub kind: Kind,
    /// Group.
    pub group: String,
    /// Principal.
    pub principal: String,
    /// Member or owner.
    #[serde(default)]
    pub access_id: Access,
    /// From when to when.
    #[serde(default)]
    pub window: Window,
    /// Why.
    #[serde(default)]
    pub justification: Option<String>,
}

/// A grant of a role, as an administrator enters it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrant {
    /// Eligible or active.
    #[serde(default = "active")]
    pub kind: Kind,
    /// Role: id or name.
    pub role: String,
    /// Scope; an administrative unit may be given by its name.
    #[serde(default = "tenant_wide")]
    pub directory_scope_id: String,
    /// Principal.
    pub principal: String,
    /// From when to when.
    #[serde(default)]
    pub window: Window,
    /// Why.
    #[serde(default)]
    pub justification: Option<String>,
}

fn active() -> Kind {
    Kind::Assignment
}

/// Why a deed was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// Nothing has that id or name.
    #[error("no {what} is called {name}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
    },
    /// More than one object has that name.
    #[error("more than one object is called {name}")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// Graph would refuse it.
    #[error("{code}: {message}")]
    Refused {
        /// Graph's error code.
        code: String,
        /// Graph's message.
        message: String,
    },
}

impl From<crate::error::GraphError> for AdminError {
    fn from(error: crate::error::GraphError) -> Self {
        Self::Refused {
            code: error.code,
            message: error.message,
        }
    }
}
