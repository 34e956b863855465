//! Role definitions: Microsoft's built-in ones, and the tenant's own.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::Class;
use super::builtin_roles::BUILTIN_ROLES;
use crate::estate::RoleDefinitionSeed;

/// Built-in roles that can be assigned over an administrative unit (Microsoft's list).
const OVER_UNITS: &[Uuid] = &[
    // Authentication Administrator, Cloud Device Administrator, Groups Administrator
    uuid!("c4e39bd9-1100-46d3-8c65-fb160da0071f"),
    uuid!("7698a772-787b-4ac8-901f-60d6b08affd2"),
    uuid!("fdd7a751-b60b-444a-984c-02652fe8fa1c"),
    // Helpdesk Administrator, License Administrator, Password Administrator
    uuid!("729827e3-9c14-49f7-bb1b-9608f156bbb8"),
    uuid!("4d6ac14f-3453-41d0-bef9-a3e0c569773a"),
    uuid!("966707d0-3269-4727-9be2-8c3a10f19b9d"),
    // Printer Administrator, Privileged Authentication Administrator, SharePoint Administrator
    uuid!("644ef478-e28f-4e28-b9dc-3fdde9aa0b1f"),
    uuid!("7be44c8a-adaf-4e2a-84d6-ab2649e08a13"),
    uuid!("f28a1f50-f6e7-4571-818b-6a12f2af6b6c"),
    // Teams Administrator, Teams Devices Administrator, User Administrator
    uuid!("69091246-20e8-4a56-aa4d-066075b2a7a8"),
    uuid!("3d762c5a-1b6c-493f-843e-55a3b42923d4"),
    uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1"),
];

/// Built-in roles that can be assigned over one application: Application Administrator and Cloud
/// Application Administrator.
const OVER_APPLICATIONS: &[Uuid] = &[
    uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"),
    uuid!("158c047a-c907-4556-b7ef-446551a6b5f7"),
];

/// A role definition.
#[derive(Debug, Clone)]
pub(crate) struct RoleDefinition {
    /// Of a built-in role also its template id.
    pub id: Uuid,
    /// Order of creation; lists and paging follow it.
    pub seq: u64,
    pub display_name: String,
    pub description: Option<String>,
    pub is_built_in: bool,
    pub is_privileged: bool,
    /// Allowed actions of a custom role; those of built-in roles are not copied.
    pub actions: Vec<String>,
    pub created: DateTime<Utc>,
    /// Made while the simulator runs: replication delays apply.
    pub fresh: bool,
}

impl RoleDefinition {
    /// Whether it can be assigned over an administrative unit.
    pub fn takes_administrative_units(&self) -> bool {
        !self.is_built_in || OVER_UNITS.contains(&self.id)
    }

    /// Whether it can be assigned over one object of a class.
    pub fn takes_objects(&self, class: Class) -> bool {
        !self.is_built_in
            || (class == Class::ServicePrincipal && OVER_APPLICATIONS.contains(&self.id))
    }

    /// As Graph shows it; beta also says whether it is privileged.
    pub fn body(&self, version: &str) -> Value {
        let permissions = if self.is_built_in {
            json!([])
        } else {
            json!([{"allowedResourceActions": self.actions, "condition": null}])
        };
        let mut body = json!({
            "id": self.id,
            "description": self.description,
            "displayName": self.display_name,
            "isBuiltIn": self.is_built_in,
            "isEnabled": true,
            "resourceScopes": ["/"],
            "templateId": self.id,
            "version": self.is_built_in.then_some("1"),
            "rolePermissions": permissions,
        });
        if version == "beta"
            && let Value::Object(map) = &mut body
        {
            map.insert("isPrivileged".to_owned(), self.is_privileged.into());
        }
        body
    }
}

/// All role definitions of the tenant.
#[derive(Debug)]
pub(crate) struct Roles {
    definitions: BTreeMap<u64, RoleDefinition>,
    next: u64,
}

impl Default for Roles {
    /// The built-in ones.
    fn default() -> Self {
        let mut roles = Self {
            definitions: BTreeMap::new(),
            next: 0,
        };
        for role in BUILTIN_ROLES {
            roles.insert(RoleDefinition {
                id: role.id,
                seq: 0,
                display_name: role.display_name.to_owned(),
                description: None,
                is_built_in: true,
                is_privileged: role.is_privileged,
                actions: Vec::new(),
                created: DateTime::UNIX_EPOCH,
                fresh: false,
            });
        }
        roles
    }
}

impl Roles {
    pub fn get(&self, id: Uuid) -> Option<&RoleDefinition> {
        self.definitions.values().find(|role| role.id == id)
    }

    /// All of them, in order of creation.
    pub fn list(&self) -> impl Iterator<Item = &RoleDefinition> {
        self.definitions.values()
    }

    /// Those with a display name, in any case.
    pub fn by_name(&self, name: &str) -> Vec<&RoleDefinition> {
        let name = name.to_lowercase();
        self.list()
            .filter(|role| role.display_name.to_lowercase() == name)
            .collect()
    }

    /// Adds a custom role.
    pub fn add(&mut self, seed: &RoleDefinitionSeed, now: DateTime<Utc>, fresh: bool) -> Uuid {
        self.insert(RoleDefinition {
            id: seed.id.unwrap_or_else(Uuid::new_v4),
            seq: 0,
            display_name: seed.display_name.clone(),
            description: seed.description.clone(),
            is_built_in: false,
            is_privileged: false,
            actions: seed.actions.clone(),
            created: now,
            fresh,
        })
    }

    /// Gives a role another name, as Microsoft does with built-in ones now and then.
    pub fn rename(&mut self, id: Uuid, display_name: String) {
        if let Some(role) = self.definitions.values_mut().find(|role| role.id == id) {
            role.display_name = display_name;
        }
    }

    /// Deletes a custom role.
    pub fn delete(&mut self, id: Uuid) {
        self.definitions
            .retain(|_, role| role.is_built_in || role.id != id);
    }

    fn insert(&mut self, mut role: RoleDefinition) -> Uuid {
        self.next += 1;
        role.seq = self.next;
        let id = role.id;
        self.definitions.insert(self.next, role);
        id
    }
}
