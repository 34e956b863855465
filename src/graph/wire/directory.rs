//! Users, groups, service principals, role definitions and administrative units, as far as grants need them.

use serde::Deserialize;

use super::schedule::null_as_default;

/// The kind of a directory object, from its `@odata.type`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A person or guest.
    User,
    /// A group.
    Group,
    /// An application's presence in the tenant.
    ServicePrincipal,
    /// Any other kind, as Graph names it without the `#microsoft.graph.` prefix; empty when Graph named none.
    Unknown(String),
}

impl From<&str> for ObjectKind {
    fn from(odata_type: &str) -> Self {
        let name = odata_type.trim_start_matches("#microsoft.graph.");
        if name.eq_ignore_ascii_case("user") {
            Self::User
        } else if name.eq_ignore_ascii_case("group") {
            Self::Group
        } else if name.eq_ignore_ascii_case("servicePrincipal") {
            Self::ServicePrincipal
        } else {
            Self::Unknown(name.to_owned())
        }
    }
}

impl Default for ObjectKind {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

impl<'de> Deserialize<'de> for ObjectKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// Anything that can hold a grant. Objects the client may not read come with id and kind only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryObject {
    /// Object id.
    pub id: String,
    /// Kind of object.
    #[serde(rename = "@odata.type", default, deserialize_with = "null_as_default")]
    pub kind: ObjectKind,
    /// Name for people; not unique.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Users only.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// Service principals only; not the object id.
    #[serde(default)]
    pub app_id: Option<String>,
    /// Groups only: as in [`GroupObject`].
    #[serde(default, deserialize_with = "null_as_default")]
    pub group_types: Vec<String>,
    /// Groups only: as in [`GroupObject`].
    #[serde(default)]
    pub membership_rule: Option<String>,
    /// Groups only: as in [`GroupObject`].
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// Groups only: as in [`GroupObject`].
    #[serde(default)]
    pub is_assignable_to_role: Option<bool>,
}

/// A group, with the facts that decide whether PIM can manage it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupObject {
    /// Object id.
    pub id: String,
    /// Name for people; not unique.
    #[serde(default)]
    pub display_name: Option<String>,
    /// `Unified` for Microsoft 365 groups, `DynamicMembership` for rule-based ones.
    #[serde(default, deserialize_with = "null_as_default")]
    pub group_types: Vec<String>,
    /// The rule of a dynamic group.
    #[serde(default)]
    pub membership_rule: Option<String>,
    /// `true` for groups that are synchronised from on-premises.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// Whether the group may hold directory roles. Graph says null, not false, for ordinary groups.
    #[serde(default)]
    pub is_assignable_to_role: Option<bool>,
    /// Whether it is a security group.
    #[serde(default)]
    pub security_enabled: Option<bool>,
}

/// A directory role. Of a built-in one the id is that of its template, the same in every tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleDefinition {
    /// What grants name it by.
    pub id: String,
    /// Name for people; Microsoft changes it now and then, and that of a custom role need not be unique.
    #[serde(default)]
    pub display_name: Option<String>,
}

/// A part of the directory that roles can be limited to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdministrativeUnit {
    /// Object id.
    pub id: String,
    /// Name for people; not unique.
    #[serde(default)]
    pub display_name: Option<String>,
}

impl From<GroupObject> for DirectoryObject {
    fn from(group: GroupObject) -> Self {
        Self {
            id: group.id,
            kind: ObjectKind::Group,
            display_name: group.display_name,
            user_principal_name: None,
            app_id: None,
            group_types: group.group_types,
            membership_rule: group.membership_rule,
            on_premises_sync_enabled: group.on_premises_sync_enabled,
            is_assignable_to_role: group.is_assignable_to_role,
        }
    }
}

impl GroupObject {
    /// Membership follows a rule: PIM cannot manage the group.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.group_types
            .iter()
            .any(|kind| kind.eq_ignore_ascii_case("DynamicMembership"))
    }

    /// Membership is mastered on-premises: PIM cannot manage the group.
    #[must_use]
    pub fn is_on_premises(&self) -> bool {
        self.on_premises_sync_enabled == Some(true)
    }

    /// The group may hold directory roles, so that its members are privileged.
    #[must_use]
    pub fn is_role_assignable(&self) -> bool {
        self.is_assignable_to_role == Some(true)
    }
}
