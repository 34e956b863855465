//! The estate: the tenant, directory and PIM state that a simulator starts with.
//!
//! It comes from YAML ([`Estate::from_yaml`]), from the built-in story ([`Estate::contoso`]) or from
//! the generator ([`Estate::generate`]); see `estates/contoso.yaml` for the format by example.

mod generate;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::behaviour::Behaviour;
use crate::policies::contexts::AuthenticationContextSeed;
use crate::policies::edit::PolicyPatch;
use crate::types::{Access, Kind, Window};

/// Everything a simulator starts with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Estate {
    /// The tenant.
    pub tenant: TenantSeed,
    /// People.
    pub users: Vec<UserSeed>,
    /// Groups with their plain members and owners.
    pub groups: Vec<GroupSeed>,
    /// Service principals without an application that signs in here.
    pub service_principals: Vec<ServicePrincipalSeed>,
    /// Applications that can get tokens.
    pub applications: Vec<ApplicationSeed>,
    /// Issuers of service account tokens and their public keys.
    pub issuers: Vec<IssuerSeed>,
    /// What differs from the default policies of directory roles.
    pub role_policies: Vec<RolePolicySeed>,
    /// Authentication contexts of Conditional Access.
    pub authentication_contexts: Vec<AuthenticationContextSeed>,
    /// Grants that PIM already knows.
    pub schedules: Vec<ScheduleSeed>,
    /// Administrative units.
    pub administrative_units: Vec<AdministrativeUnitSeed>,
    /// The tenant's own roles, beside the built-in ones.
    pub role_definitions: Vec<RoleDefinitionSeed>,
    /// Role assignments that were made outside PIM.
    pub role_assignments: Vec<RoleAssignmentSeed>,
    /// Grants of roles that PIM already knows.
    pub role_schedules: Vec<RoleScheduleSeed>,
    /// Adds that many groups and people.
    pub generate: Option<GenerateSeed>,
    /// How the simulator behaves, when the estate has a say in it.
    pub behaviour: Option<Behaviour>,
}

/// The tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TenantSeed {
    /// Tenant id.
    pub id: Uuid,
    /// Name in error texts of the token endpoint.
    pub display_name: String,
    /// Domain, usable in place of the id in token URLs.
    pub domain: String,
}

impl Default for TenantSeed {
    fn default() -> Self {
        Self {
            id: Estate::TENANT,
            display_name: "Contoso".to_owned(),
            domain: "contoso.com".to_owned(),
        }
    }
}

/// A person.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserSeed {
    /// Object id; none: made up.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Sign-in name; the name before `@` when no display name is given.
    pub user_principal_name: String,
    /// False for a disabled account.
    #[serde(default)]
    pub account_enabled: Option<bool>,
}

/// A group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupSeed {
    /// Object id; none: made up.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Name; not unique in a tenant.
    pub display_name: String,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// Role-assignable (fixed at creation).
    #[serde(default)]
    pub is_assignable_to_role: bool,
    /// Dynamic membership rule; such a group is refused by PIM.
    #[serde(default)]
    pub membership_rule: Option<String>,
    /// Synchronised from on-premises; such a group is refused by PIM.
    #[serde(default)]
    pub on_premises: bool,
    /// Plain members (made outside PIM): ids, UPNs, group names or app ids.
    #[serde(default)]
    pub members: Vec<String>,
    /// Plain owners.
    #[serde(default)]
    pub owners: Vec<String>,
    /// What differs from the default policies.
    #[serde(default)]
    pub policy: GroupPolicySeed,
}

/// Policy changes of a group, one policy per relationship.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GroupPolicySeed {
    /// Policy of the membership.
    pub member: Option<PolicyPatch>,
    /// Policy of the ownership.
    pub owner: Option<PolicyPatch>,
}

/// Policy changes of a directory role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolePolicySeed {
    /// Id or display name.
    pub role: String,
    /// What changes.
    #[serde(default)]
    pub policy: PolicyPatch,
}

/// A service principal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePrincipalSeed {
    /// Object id; none: made up.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Client id of its application; none: made up.
    #[serde(default)]
    pub app_id: Option<Uuid>,
    /// Name; not unique.
    pub display_name: String,
}

/// An application that can get app-only tokens.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSeed {
    /// Client id.
    pub client_id: Uuid,
    /// Object id of its service principal; none: made up.
    #[serde(default)]
    pub service_principal_id: Option<Uuid>,
    /// Name.
    pub display_name: String,
    /// Client secrets.
    #[serde(default)]
    pub secrets: Vec<SecretSeed>,
    /// Application permissions with admin consent, such as `GroupMember.Read.All`.
    #[serde(default)]
    pub app_roles: Vec<String>,
    /// Federated identity credentials (workload identity).
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredentialSeed>,
    /// Certificates with which the application may sign assertions.
    #[serde(default)]
    pub certificates: Vec<CertificateSeed>,
    /// Set where it is no registered application but an identity of the tenant's machine.
    #[serde(default)]
    pub managed_identity: Option<ManagedIdentity>,
}

/// A certificate of an application.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateSeed {
    /// The certificate in PEM; what else is in the text is not looked at.
    pub pem: String,
    /// When it ends (real time); none: never.
    #[serde(default)]
    pub expires: Option<DateTime<Utc>>,
}

impl CertificateSeed {
    /// SHA-256 of the certificate, as assertions name it (`x5t#S256`).
    pub(crate) fn thumbprint(&self) -> Option<String> {
        let der = crate::token::jwt::certificate(&self.pem)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        Some(URL_SAFE_NO_PAD.encode(digest))
    }
}

/// How a managed identity belongs to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ManagedIdentity {
    /// The machine's own.
    SystemAssigned,
    /// One that was assigned to it.
    UserAssigned,
}

/// The keys that an issuer of service account tokens publishes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerSeed {
    /// The issuer, as tokens name it.
    pub issuer: String,
    /// JSON Web Keys.
    pub keys: Vec<serde_json::Value>,
}

/// A client secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSeed {
    /// The secret.
    pub value: String,
    /// When it ends (virtual time).
    #[serde(default)]
    pub expires: Option<DateTime<Utc>>,
}

/// A federated identity credential: whose tokens stand for the application.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FederatedCredentialSeed {
    /// Issuer of the assertion.
    pub issuer: String,
    /// Subject, such as `system:serviceaccount:pim-system:pim-operator`.
    pub subject: String,
    /// Audience.
    #[serde(default = "exchange_audience")]
    pub audience: String,
}

fn exchange_audience() -> String {
    "api://AzureADTokenExchange".to_owned()
}

/// A grant that exists at the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleSeed {
    /// Eligible or active.
    pub kind: Kind,
    /// Group: id or name.
    pub group: String,
    /// Principal: id, UPN, group name or app id.
    pub principal: String,
    /// Member or owner.
    #[serde(default)]
    pub access_id: Access,
    /// From when to when.
    #[serde(default)]
    pub window: Window,
    /// Justification on the request.
    #[serde(default)]
    pub justification: Option<String>,
}

/// An administrative unit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdministrativeUnitSeed {
    /// Object id; none: made up.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Name; not unique in a tenant.
    pub display_name: String,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// Members: ids, UPNs, group names or app ids.
    #[serde(default)]
    pub members: Vec<String>,
}

/// A custom role.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleDefinitionSeed {
    /// Id; none: made up.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Name.
    pub display_name: String,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// Allowed resource actions.
    #[serde(default)]
    pub actions: Vec<String>,
}

/// A role assignment made outside PIM.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleAssignmentSeed {
    /// Role: id or name.
    pub role: String,
    /// Principal: id, UPN, group name or app id.
    pub principal: String,
    /// Scope; an administrative unit may be given by its name.
    #[serde(default = "tenant_wide")]
    pub directory_scope_id: String,
}

/// A grant of a role that exists at the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleScheduleSeed {
    /// Eligible or active.
    pub kind: Kind,
    /// Role: id or name.
    pub role: String,
    /// Scope; an administrative unit may be given by its name.
    #[serde(default = "tenant_wide")]
    pub directory_scope_id: String,
    /// Principal: id, UPN, group name or app id.
    pub principal: String,
    /// From when to when.
    #[serde(default)]
    pub window: Window,
    /// Justification on the request.
    #[serde(default)]
    pub justification: Option<String>,
}

/// The scope of a role that is not told otherwise.
pub(crate) fn tenant_wide() -> String {
    "/".to_owned()
}

/// How much to generate.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenerateSeed {
    /// Groups.
    pub groups: u32,
    /// People.
    pub people: u32,
    /// Role-assignable groups.
    #[serde(default)]
    pub role_assignable_groups: u32,
    /// Administrative units.
    #[serde(default)]
    pub administrative_units: u32,
    /// Custom roles.
    #[serde(default)]
    pub custom_roles: u32,
}

/// Why an estate could not be read.
#[derive(Debug, thiserror::Error)]
pub enum EstateError {
    /// The file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not an estate.
    #[error("not an estate: {0}")]
    Parse(String),
}

impl Estate {
    /// Tenant id of the story and of generated estates.
    pub const TENANT: Uuid = Uuid::from_u128(0x9f0c_2c1e_0000_4000_8000_0000_0000_0001);
    /// Client id of the operator's application in both.
    pub const OPERATOR_CLIENT_ID: Uuid = Uuid::from_u128(0x1111_1111_0000_4000_8000_0000_0000_0001);
    /// Its client secret.
    pub const OPERATOR_SECRET: &'static str = "simulated-secret";
    /// Id of the group `payments-ops` in the story.
    pub const PAYMENTS_OPS: Uuid = Uuid::from_u128(0x68e5_5cce_cf7e_4a2d_9046_3e4e_75c4_bfa7);

    /// Reads an estate from YAML.
    ///
    /// # Errors
    /// When the text is not an estate.
    pub fn from_yaml(text: &str) -> Result<Self, EstateError> {
        serde_saphyr::from_str(text).map_err(|error| EstateError::Parse(error.to_string()))
    }

    /// Reads an estate from a YAML file.
    ///
    /// # Errors
    /// When the file cannot be read or is not an estate.
    pub fn from_file(path: &Path) -> Result<Self, EstateError> {
        let text = std::fs::read_to_string(path).map_err(|source| EstateError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::from_yaml(&text)
    }

    /// The built-in story, `estates/contoso.yaml`.
    #[must_use]
    pub fn contoso() -> Self {
        Self::from_yaml(include_str!("../../estates/contoso.yaml")).unwrap_or_default()
    }
}
