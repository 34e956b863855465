//! What no boundary can allow: the roles that rule the tenant, whatever leads to the operator itself, and the principals
//! that a tenant protects. Only a flag of the controller lifts an entry, and the tenant's status says so.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{Facts, GrantTarget, Request};
use crate::api::guid::Guid;

/// A built-in role that leads to control of the whole tenant.
#[derive(Clone, Copy, Debug)]
pub struct TierZeroRole {
    /// The template id, the same in every tenant.
    pub template_id: &'static str,
    /// The role's name as Microsoft gives it today.
    pub name: &'static str,
    /// Why whoever holds it can come to rule the tenant.
    pub why: &'static str,
}

/// The reviewed table. The ids are those of Microsoft's list of built-in roles; each reason says by which right of the role
/// the whole tenant falls.
pub const TIER_ZERO: [TierZeroRole; 14] = [
    TierZeroRole {
        template_id: "62e90394-69f5-4237-9190-012177145e10",
        name: "Global Administrator",
        why: "it may do everything",
    },
    TierZeroRole {
        template_id: "e8611ab8-c189-46e8-94e1-60213ab1f814",
        name: "Privileged Role Administrator",
        why: "it gives itself any role",
    },
    TierZeroRole {
        template_id: "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
        name: "Privileged Authentication Administrator",
        why: "it resets the credentials of Global Administrators",
    },
    TierZeroRole {
        template_id: "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8",
        name: "Partner Tier2 Support",
        why: "it resets the passwords of Global Administrators",
    },
    TierZeroRole {
        template_id: "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
        name: "Application Administrator",
        why: "it adds a credential to any application and acts with its permissions",
    },
    TierZeroRole {
        template_id: "158c047a-c907-4556-b7ef-446551a6b5f7",
        name: "Cloud Application Administrator",
        why: "it adds a credential to any application and acts with its permissions",
    },
    TierZeroRole {
        template_id: "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
        name: "Hybrid Identity Administrator",
        why: "it sets up federation and synchronisation, and so signs in as anybody",
    },
    TierZeroRole {
        template_id: "d29b2b05-8046-44ba-8758-1e26182fcf32",
        name: "Directory Synchronization Accounts",
        why: "it overwrites synchronised users and their passwords",
    },
    TierZeroRole {
        template_id: "8329153b-31d0-4727-b945-745eb3bc5f31",
        name: "Domain Name Administrator",
        why: "it federates a domain, and so signs in as anybody in it",
    },
    TierZeroRole {
        template_id: "be2f45a1-457d-42af-a067-6ec1fa63bc45",
        name: "External Identity Provider Administrator",
        why: "it adds an identity provider that vouches for anybody",
    },
    TierZeroRole {
        template_id: "194ae4cb-b126-40b2-bd5b-6091b380977d",
        name: "Security Administrator",
        why: "it changes the policies that guard every sign-in",
    },
    TierZeroRole {
        template_id: "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9",
        name: "Conditional Access Administrator",
        why: "it changes the policies that guard every sign-in",
    },
    TierZeroRole {
        template_id: "3a2c62db-5318-420d-8d74-23affee5d9d5",
        name: "Intune Administrator",
        why: "it runs programs on the devices of administrators",
    },
    TierZeroRole {
        template_id: "45d8d3c5-c802-45c6-b32a-1d70b5e1e86e",
        name: "Identity Governance Administrator",
        why: "it gives out access packages that hold roles and groups",
    },
];

/// Who the operator is in a tenant, and which groups share its fate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorIdentity {
    /// The object id of its service principal.
    pub service_principal: Guid,
    /// The groups it is in, directly or through others.
    pub groups: BTreeSet<Guid>,
    /// The groups that are members of those: whoever joins one of them joins those too.
    pub nested: BTreeSet<Guid>,
}

/// An entry of the deny list that names a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyEntry {
    /// A role that rules the tenant.
    TierZero {
        /// Its name.
        name: &'static str,
        /// Why it does.
        why: &'static str,
        /// Its template id.
        id: Guid,
    },
    /// A group that may hold directory roles, and that no boundary lists.
    RoleAssignable(Guid),
    /// The operator's own service principal, or a group it is in, would receive something.
    OperatorReceives(Guid),
    /// A group that the operator is in, or that is in such a group.
    OperatorsGroup(Guid),
    /// A role over the operator's own service principal.
    OperatorAsScope(Guid),
    /// A principal that the tenant protects.
    Protected(Guid),
}

/// What a flag of the controller takes off the list: `role:ID`, `group:ID` or `principal:ID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lift {
    sort: Sort,
    id: Guid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Role,
    Group,
    Principal,
}

/// Why a lift was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an entry of the deny list: write role:ID, group:ID or principal:ID, such as role:{example}",
    example = TIER_ZERO[4].template_id
)]
pub struct InvalidLift(String);

impl FromStr for Lift {
    type Err = InvalidLift;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidLift(text.to_owned());
        let (sort, id) = text.split_once(':').ok_or_else(invalid)?;
        let sort = match sort {
            "role" => Sort::Role,
            "group" => Sort::Group,
            "principal" => Sort::Principal,
            _ => return Err(invalid()),
        };
        let id = uuid::Uuid::parse_str(id).map_err(|_| invalid())?;
        Ok(Self {
            sort,
            id: Guid::new(id.hyphenated().to_string()),
        })
    }
}

impl fmt::Display for Lift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sort = match self.sort {
            Sort::Role => "role",
            Sort::Group => "group",
            Sort::Principal => "principal",
        };
        write!(f, "{sort}:{}", self.id)
    }
}

impl DenyEntry {
    /// The lift that takes it off the list; none for what only a boundary can mend.
    #[must_use]
    pub fn lift(&self) -> Option<Lift> {
        let (sort, id) = match self {
            Self::TierZero { id, .. } => (Sort::Role, id),
            Self::OperatorsGroup(id) => (Sort::Group, id),
            Self::OperatorReceives(id) | Self::OperatorAsScope(id) | Self::Protected(id) => {
                (Sort::Principal, id)
            }
            Self::RoleAssignable(_) => return None,
        };
        Some(Lift {
            sort,
            id: id.clone(),
        })
    }
}

/// The entry that names a request, if one does that is not lifted.
pub(super) fn matching(
    request: &Request,
    facts: &Facts<'_>,
    listed: impl Fn() -> bool,
) -> Option<DenyEntry> {
    entries(request, facts, listed)
        .into_iter()
        .flatten()
        .find(|entry| {
            entry
                .lift()
                .is_none_or(|lift| !facts.lifted.contains(&lift))
        })
}

fn entries(
    request: &Request,
    facts: &Facts<'_>,
    listed: impl Fn() -> bool,
) -> [Option<DenyEntry>; 4] {
    let principal = &request.principal;
    let protected = facts
        .protected
        .contains(principal)
        .then(|| DenyEntry::Protected(principal.clone()));
    let receives = facts
        .operator
        .is_some_and(|operator| {
            operator.service_principal == *principal || operator.groups.contains(principal)
        })
        .then(|| DenyEntry::OperatorReceives(principal.clone()));
    let (operators_group, target) = match &request.target {
        GrantTarget::Group { id, .. } => (
            facts
                .operator
                .is_some_and(|operator| {
                    operator.groups.contains(id) || operator.nested.contains(id)
                })
                .then(|| DenyEntry::OperatorsGroup(id.clone())),
            (facts.role_assignable == Some(true) && !listed())
                .then(|| DenyEntry::RoleAssignable(id.clone())),
        ),
        GrantTarget::Role { id, scope } => {
            // The whole tenant is no object.
            let object = scope.strip_prefix('/').filter(|id| !id.is_empty());
            let over_operator = facts
                .operator
                .filter(|operator| object == Some(operator.service_principal.as_str()));
            let over_operator = over_operator
                .map(|operator| DenyEntry::OperatorAsScope(operator.service_principal.clone()));
            (over_operator, tier_zero(id))
        }
    };
    [protected, receives, operators_group, target]
}

fn tier_zero(id: &Guid) -> Option<DenyEntry> {
    let role = TIER_ZERO
        .iter()
        .find(|role| role.template_id == id.as_str())?;
    Some(DenyEntry::TierZero {
        name: role.name,
        why: role.why,
        id: id.clone(),
    })
}
