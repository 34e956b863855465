//! What a schedule grants: a relationship to a group, or a directory role at a scope.
//!
//! The engine treats both alike. What differs between the two services of Graph is gathered here and in
//! [`sets`](super::sets): ids, spellings, and a few answers (measured on live tenants).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use uuid::{Uuid, uuid};

use crate::policies::PolicyScope;
use crate::types::{Access, Kind};

/// The role whose last holder is not removed.
pub(crate) const GLOBAL_ADMINISTRATOR: Uuid = uuid!("62e90394-69f5-4237-9190-012177145e10");

/// The role that manages role assignments.
pub(crate) const PRIVILEGED_ROLE_ADMINISTRATOR: Uuid =
    uuid!("e8611ab8-c189-46e8-94e1-60213ab1f814");

/// One of the two services that keep schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Groups,
    Roles,
}

/// What rows are kept and listed by: a group, or a role definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Resource {
    Group(Uuid),
    Role(Uuid),
}

impl Resource {
    pub fn service(self) -> Service {
        match self {
            Self::Group(_) => Service::Groups,
            Self::Role(_) => Service::Roles,
        }
    }

    pub fn group(self) -> Option<Uuid> {
        match self {
            Self::Group(id) => Some(id),
            Self::Role(_) => None,
        }
    }
}

/// Where a role holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RoleScope {
    Tenant,
    AdministrativeUnit(Uuid),
    /// One object, such as an application.
    Object(Uuid),
    /// `appScopeId` `/`: tenant-wide, as the role's own application understands it.
    App,
}

impl RoleScope {
    /// Reads a `directoryScopeId`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        if rest.is_empty() {
            return Some(Self::Tenant);
        }
        match rest.split_once('/') {
            None => Uuid::try_parse(rest).ok().map(Self::Object),
            Some(("administrativeUnits", id)) => {
                Uuid::try_parse(id).ok().map(Self::AdministrativeUnit)
            }
            Some(_) => None,
        }
    }

    /// `directoryScopeId`; an app scope has none.
    pub fn directory(self) -> Option<String> {
        match self {
            Self::Tenant => Some("/".to_owned()),
            Self::AdministrativeUnit(id) => Some(format!("/administrativeUnits/{id}")),
            Self::Object(id) => Some(format!("/{id}")),
            Self::App => None,
        }
    }

    /// `appScopeId`.
    pub fn app(self) -> Option<&'static str> {
        (self == Self::App).then_some("/")
    }

    /// The directory object behind it.
    pub fn object(self) -> Option<Uuid> {
        match self {
            Self::AdministrativeUnit(id) | Self::Object(id) => Some(id),
            Self::Tenant | Self::App => None,
        }
    }
}

/// What a row or request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Group { group: Uuid, access: Access },
    Role { role: Uuid, scope: RoleScope },
}

impl Target {
    pub fn resource(self) -> Resource {
        match self {
            Self::Group { group, .. } => Resource::Group(group),
            Self::Role { role, .. } => Resource::Role(role),
        }
    }

    pub fn service(self) -> Service {
        self.resource().service()
    }

    /// The policy that requests are held to; of a role it is the same at every scope.
    pub fn policy(self) -> PolicyScope {
        match self {
            Self::Group { group, access } => PolicyScope::Group { group, access },
            Self::Role { role, .. } => PolicyScope::Role { role },
        }
    }

    /// Whether a young active row of one blocks changes of the other: for roles the rule was measured
    /// per principal and role, so the scope does not count.
    pub fn shares_age_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Role { role: one, .. }, Self::Role { role: two, .. }) => one == two,
            _ => self == other,
        }
    }

    /// Whether the last active holder stays: owners of a group, Global Administrators.
    pub fn keeps_last(self) -> bool {
        match self {
            Self::Group { access, .. } => access == Access::Owner,
            Self::Role { role, scope } => {
                role == GLOBAL_ADMINISTRATOR && scope == RoleScope::Tenant
            }
        }
    }

    /// The id of a schedule that carries the id of a request. Three parts for a group; for a role the
    /// id of the request itself.
    pub fn schedule_id(self, part: Uuid) -> String {
        match self {
            Self::Group { group, access } => format!("{group}_{}_{part}", access.as_str()),
            Self::Role { .. } => part.to_string(),
        }
    }

    /// The id of an instance, stable for a principal. For a group the third part is the principal. For
    /// a role: URL-safe base64 of the ids, `-1` for an active and `-1-e` for an eligible one; the active
    /// one is also the id of the row in `roleAssignments` (all measured on live tenants).
    pub fn instance_id(self, principal: Uuid, kind: Kind) -> String {
        match self {
            Self::Group { .. } => self.schedule_id(principal),
            Self::Role { role, scope } => {
                let mut bytes = Vec::with_capacity(48);
                bytes.extend(role.to_bytes_le());
                bytes.extend(principal.to_bytes_le());
                bytes.extend(scope.object().into_iter().flat_map(|id| id.to_bytes_le()));
                let suffix = match (scope, kind) {
                    (RoleScope::App, Kind::Assignment) => "-2",
                    (RoleScope::App, Kind::Eligibility) => "-2-e",
                    (_, Kind::Assignment) => "-1",
                    (_, Kind::Eligibility) => "-1-e",
                };
                BASE64.encode(bytes) + suffix
            }
        }
    }
}
