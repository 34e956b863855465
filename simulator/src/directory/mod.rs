//! The directory: users, groups, service principals, administrative units and roles, with indexes for the look-ups Graph offers.
//!
//! Memberships are not kept here: an active PIM row *is* an ordinary membership in Entra, so they are
//! read from the PIM engine's rows (see [`membership`]).

pub(crate) mod builtin_roles;
pub(crate) mod membership;
pub(crate) mod role_routes;
pub(crate) mod roles;
pub(crate) mod routes;
mod wire;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::estate::{AdministrativeUnitSeed, GroupSeed, ServicePrincipalSeed, UserSeed};

// Graph's own names.
#[allow(clippy::struct_field_names)]
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub display_name: String,
    pub user_principal_name: String,
    pub account_enabled: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub display_name: String,
    pub description: Option<String>,
    pub is_assignable_to_role: bool,
    pub membership_rule: Option<String>,
    pub on_premises: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ServicePrincipal {
    pub display_name: String,
    pub app_id: Uuid,
}

#[derive(Debug, Clone)]
pub(crate) struct AdministrativeUnit {
    pub display_name: String,
    pub description: Option<String>,
    pub members: Vec<Uuid>,
}

#[derive(Debug, Clone)]
pub(crate) enum Object {
    User(User),
    Group(Group),
    ServicePrincipal(ServicePrincipal),
    AdministrativeUnit(AdministrativeUnit),
}

/// The kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    User,
    Group,
    ServicePrincipal,
    AdministrativeUnit,
}

impl Class {
    pub const ALL: [Self; 4] = [
        Self::User,
        Self::Group,
        Self::ServicePrincipal,
        Self::AdministrativeUnit,
    ];

    /// The class of a type such as `user` or `microsoft.graph.user`.
    pub fn of_type(name: &str) -> Option<Self> {
        let name = name.trim_start_matches("microsoft.graph.");
        Self::ALL.into_iter().find(|class| {
            let own = class.odata_type().trim_start_matches("#microsoft.graph.");
            own.eq_ignore_ascii_case(name)
        })
    }

    pub fn odata_type(self) -> &'static str {
        match self {
            Self::User => "#microsoft.graph.user",
            Self::Group => "#microsoft.graph.group",
            Self::ServicePrincipal => "#microsoft.graph.servicePrincipal",
            Self::AdministrativeUnit => "#microsoft.graph.administrativeUnit",
        }
    }

    pub fn set(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::ServicePrincipal => "servicePrincipals",
            Self::AdministrativeUnit => "directory/administrativeUnits",
        }
    }
}

impl Object {
    pub fn class(&self) -> Class {
        match self {
            Self::User(_) => Class::User,
            Self::Group(_) => Class::Group,
            Self::ServicePrincipal(_) => Class::ServicePrincipal,
            Self::AdministrativeUnit(_) => Class::AdministrativeUnit,
        }
    }

    pub fn display_name(&self) -> &str {
        match self {
            Self::User(user) => &user.display_name,
            Self::Group(group) => &group.display_name,
            Self::ServicePrincipal(sp) => &sp.display_name,
            Self::AdministrativeUnit(unit) => &unit.display_name,
        }
    }
}

/// An object with its dates.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub id: Uuid,
    /// Order of creation; lists and paging follow it.
    pub seq: u64,
    pub created: DateTime<Utc>,
    /// Made while the simulator runs, not part of the estate: replication delays apply.
    pub fresh: bool,
    pub deleted: Option<DateTime<Utc>>,
    pub object: Object,
}

impl Entry {
    pub fn group(&self) -> Option<&Group> {
        match &self.object {
            Object::Group(group) => Some(group),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Directory {
    objects: HashMap<Uuid, Entry>,
    order: HashMap<Class, BTreeMap<u64, Uuid>>,
    /// Lower-case display name or user principal name → ids.
    names: HashMap<(Class, String), Vec<Uuid>>,
    upns: HashMap<String, Uuid>,
    app_ids: HashMap<Uuid, Uuid>,
    next: u64,
}

impl Directory {
    /// The object, unless deleted.
    pub fn get(&self, id: Uuid) -> Option<&Entry> {
        self.objects
            .get(&id)
            .filter(|entry| entry.deleted.is_none())
    }

    /// The object, deleted or not.
    pub fn known(&self, id: Uuid) -> Option<&Entry> {
        self.objects.get(&id)
    }

    pub fn by_upn(&self, upn: &str) -> Option<&Entry> {
        self.get(*self.upns.get(&upn.to_lowercase())?)
    }

    pub fn by_app_id(&self, app_id: Uuid) -> Option<&Entry> {
        self.get(*self.app_ids.get(&app_id)?)
    }

    /// Objects of a class with this display name, in any case.
    pub fn by_name(&self, class: Class, name: &str) -> Vec<&Entry> {
        let ids = self.names.get(&(class, name.to_lowercase()));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.get(*id))
            .collect()
    }

    /// Objects of a class, in order of creation, after a sequence number.
    pub fn list(&self, class: Class, after: u64) -> impl Iterator<Item = &Entry> {
        self.order
            .get(&class)
            .into_iter()
            .flat_map(move |order| order.range(after + 1..))
            .filter_map(|(_, id)| self.get(*id))
    }

    pub fn count(&self, class: Class) -> usize {
        self.order.get(&class).map_or(0, BTreeMap::len)
    }

    pub fn add(
        &mut self,
        id: Option<Uuid>,
        object: Object,
        now: DateTime<Utc>,
        fresh: bool,
    ) -> Uuid {
        let id = id.unwrap_or_else(Uuid::new_v4);
        self.next += 1;
        let class = object.class();
        self.order.entry(class).or_default().insert(self.next, id);
        let entry = Entry {
            id,
            seq: self.next,
            created: now,
            fresh,
            deleted: None,
            object,
        };
        self.index(&entry);
        self.objects.insert(id, entry);
        id
    }

    pub fn delete(&mut self, id: Uuid, now: DateTime<Utc>) -> bool {
        let Some(entry) = self
            .objects
            .get_mut(&id)
            .filter(|entry| entry.deleted.is_none())
        else {
            return false;
        };
        entry.deleted = Some(now);
        let entry = entry.clone();
        if let Some(order) = self.order.get_mut(&entry.object.class()) {
            order.remove(&entry.seq);
        }
        self.unindex(&entry);
        true
    }

    /// Changes an object and keeps the indexes right.
    pub fn alter(&mut self, id: Uuid, change: impl FnOnce(&mut Object)) -> bool {
        let Some(before) = self.get(id).cloned() else {
            return false;
        };
        self.unindex(&before);
        if let Some(entry) = self.objects.get_mut(&id) {
            change(&mut entry.object);
            let entry = entry.clone();
            self.index(&entry);
        }
        true
    }

    fn index(&mut self, entry: &Entry) {
        let name = (
            entry.object.class(),
            entry.object.display_name().to_lowercase(),
        );
        self.names.entry(name).or_default().push(entry.id);
        match &entry.object {
            Object::User(user) => {
                self.upns
                    .insert(user.user_principal_name.to_lowercase(), entry.id);
            }
            Object::ServicePrincipal(sp) => {
                self.app_ids.insert(sp.app_id, entry.id);
            }
            Object::Group(_) | Object::AdministrativeUnit(_) => {}
        }
    }

    fn unindex(&mut self, entry: &Entry) {
        let name = (
            entry.object.class(),
            entry.object.display_name().to_lowercase(),
        );
        if let Some(ids) = self.names.get_mut(&name) {
            ids.retain(|id| *id != entry.id);
        }
        match &entry.object {
            Object::User(user) => {
                self.upns.remove(&user.user_principal_name.to_lowercase());
            }
            Object::ServicePrincipal(sp) => {
                self.app_ids.remove(&sp.app_id);
            }
            Object::Group(_) | Object::AdministrativeUnit(_) => {}
        }
    }
}

impl From<&UserSeed> for Object {
    fn from(seed: &UserSeed) -> Self {
        let name = seed
            .user_principal_name
            .split('@')
            .next()
            .unwrap_or_default();
        Self::User(User {
            display_name: seed.display_name.clone().unwrap_or_else(|| name.to_owned()),
            user_principal_name: seed.user_principal_name.clone(),
            account_enabled: seed.account_enabled.unwrap_or(true),
        })
    }
}

impl From<&GroupSeed> for Object {
    fn from(seed: &GroupSeed) -> Self {
        Self::Group(Group {
            display_name: seed.display_name.clone(),
            description: seed.description.clone(),
            is_assignable_to_role: seed.is_assignable_to_role,
            membership_rule: seed.membership_rule.clone(),
            on_premises: seed.on_premises,
        })
    }
}

impl From<&ServicePrincipalSeed> for Object {
    fn from(seed: &ServicePrincipalSeed) -> Self {
        Self::ServicePrincipal(ServicePrincipal {
            display_name: seed.display_name.clone(),
            app_id: seed.app_id.unwrap_or_else(Uuid::new_v4),
        })
    }
}

impl From<&AdministrativeUnitSeed> for Object {
    /// Without its members, who may not exist yet.
    fn from(seed: &AdministrativeUnitSeed) -> Self {
        Self::AdministrativeUnit(AdministrativeUnit {
            display_name: seed.display_name.clone(),
            description: seed.description.clone(),
            members: Vec::new(),
        })
    }
}
