//! Which application permissions the objects of a tenant need, and what the operator has of them.
//!
//! [`PERMISSIONS`] is the one table of them; `docs/permissions.md` shows it to people, and a test holds the two together.

use std::collections::BTreeSet;

/// What objects make the operator do in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// Reading eligible memberships and ownerships of groups.
    ReadEligibilities,
    /// Changing them.
    WriteEligibilities,
    /// Reading active memberships and ownerships of groups.
    ReadAssignments,
    /// Changing them.
    WriteAssignments,
    /// Reading eligible directory roles.
    ReadRoleEligibilities,
    /// Changing them.
    WriteRoleEligibilities,
    /// Reading active directory roles.
    ReadRoleAssignments,
    /// Changing them.
    WriteRoleAssignments,
    /// Finding directory roles by name or id.
    Roles,
    /// Finding administrative units by name or id.
    AdministrativeUnits,
    /// Finding groups by name or id.
    Groups,
    /// Finding users by their sign-in name or id.
    Users,
    /// Finding service principals, and reading which groups the operator's own is in: those are never granted.
    ServicePrincipals,
    /// Finding out about many objects that are given by id in one call.
    ObjectIds,
    /// Reading the PIM policies of groups.
    ReadGroupPolicies,
    /// Changing them.
    WriteGroupPolicies,
    /// Reading the PIM policies of directory roles.
    ReadRolePolicies,
    /// Changing them.
    WriteRolePolicies,
    /// Telling a grant for a group what its policy will say, before Graph is asked.
    ForeseeGroupPolicies,
    /// The same for a grant of a role.
    ForeseeRolePolicies,
    /// Finding out whether an authentication context exists.
    AuthenticationContexts,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Permission {
    /// What it is for.
    pub for_use: Use,
    /// The permissions that do, any one of them; the least powerful first.
    pub any_of: &'static [&'static str],
    /// Whether objects fail without it. The others only improve what is reported.
    pub required: bool,
}

impl Permission {
    /// The least powerful permission that does.
    #[must_use]
    pub fn least(&self) -> &'static str {
        self.any_of.first().copied().unwrap_or_default()
    }
}

const fn needs(for_use: Use, any_of: &'static [&'static str]) -> Permission {
    Permission {
        for_use,
        any_of,
        required: true,
    }
}

const fn helps(for_use: Use, any_of: &'static [&'static str]) -> Permission {
    Permission {
        for_use,
        any_of,
        required: false,
    }
}

const READ_GROUP_POLICIES: &[&str] = &[
    "RoleManagementPolicy.Read.AzureADGroup",
    "RoleManagementPolicy.ReadWrite.AzureADGroup",
];
const READ_ROLE_POLICIES: &[&str] = &[
    "RoleManagementPolicy.Read.Directory",
    "RoleManagementPolicy.ReadWrite.Directory",
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.ReadWrite.Directory",
];

/// The older permission that PIM for groups still takes.
const OLDER: &str = "PrivilegedAccess.ReadWrite.AzureADGroup";

/// Every permission that the operator can make use of.
pub const PERMISSIONS: &[Permission] = &[
    needs(
        Use::ReadEligibilities,
        &[
            "PrivilegedEligibilitySchedule.Read.AzureADGroup",
            "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
            OLDER,
        ],
    ),
    needs(
        Use::WriteEligibilities,
        &[
            "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
            OLDER,
        ],
    ),
    needs(
        Use::ReadAssignments,
        &[
            "PrivilegedAssignmentSchedule.Read.AzureADGroup",
            "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
            OLDER,
        ],
    ),
    needs(
        Use::WriteAssignments,
        &["PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup", OLDER],
    ),
    needs(
        Use::ReadRoleEligibilities,
        &[
            "RoleEligibilitySchedule.Read.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ],
    ),
    needs(
        Use::WriteRoleEligibilities,
        &[
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "RoleManagement.ReadWrite.Directory",
        ],
    ),
    needs(
        Use::ReadRoleAssignments,
        &[
            "RoleAssignmentSchedule.Read.Directory",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ],
    ),
    needs(
        Use::WriteRoleAssignments,
        &[
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleManagement.ReadWrite.Directory",
        ],
    ),
    needs(
        Use::Roles,
        &[
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
    ),
    needs(
        Use::AdministrativeUnits,
        &[
            "AdministrativeUnit.Read.All",
            "AdministrativeUnit.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
    ),
    needs(
        Use::Groups,
        &[
            "GroupMember.Read.All",
            "Group.ReadBasic.All",
            "GroupMember.ReadWrite.All",
            "Group.Read.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
    ),
    needs(
        Use::Users,
        &[
            "User.ReadBasic.All",
            "User.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
    ),
    needs(
        Use::ServicePrincipals,
        &[
            "Application.Read.All",
            "Application.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
    ),
    needs(Use::ReadGroupPolicies, READ_GROUP_POLICIES),
    needs(
        Use::WriteGroupPolicies,
        &["RoleManagementPolicy.ReadWrite.AzureADGroup"],
    ),
    needs(Use::ReadRolePolicies, READ_ROLE_POLICIES),
    needs(
        Use::WriteRolePolicies,
        &[
            "RoleManagementPolicy.ReadWrite.Directory",
            "RoleManagement.ReadWrite.Directory",
        ],
    ),
    helps(
        Use::ObjectIds,
        &["Directory.Read.All", "Directory.ReadWrite.All"],
    ),
    helps(Use::ForeseeGroupPolicies, READ_GROUP_POLICIES),
    helps(Use::ForeseeRolePolicies, READ_ROLE_POLICIES),
    helps(
        Use::AuthenticationContexts,
        &[
            "AuthenticationContext.Read.All",
            "AuthenticationContext.ReadWrite.All",
            "Policy.Read.ConditionalAccess",
        ],
    ),
];

/// What the objects of a tenant make the operator do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(BTreeSet<Use>);

impl Usage {
    /// Notes a use.
    pub fn add(&mut self, what: Use) {
        self.0.insert(what);
    }

    /// Whether nothing is done at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that either does.
    pub fn join(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    fn holds(&self, what: Use) -> bool {
        // Whoever may write may read.
        let more: &[Use] = match what {
            Use::ReadEligibilities => &[Use::WriteEligibilities],
            Use::ReadAssignments => &[Use::WriteAssignments],
            Use::ReadRoleEligibilities => &[Use::WriteRoleEligibilities],
            Use::ReadRoleAssignments => &[Use::WriteRoleAssignments],
            Use::ReadGroupPolicies => &[Use::WriteGroupPolicies],
            Use::ReadRolePolicies => &[Use::WriteRolePolicies],
            Use::ForeseeGroupPolicies => &[Use::ReadGroupPolicies, Use::WriteGroupPolicies],
            Use::ForeseeRolePolicies => &[Use::ReadRolePolicies, Use::WriteRolePolicies],
            _ => &[],
        };
        let covered = more.iter().any(|more| self.0.contains(more));
        self.0.contains(&what) && !covered
    }
}

/// How the granted permissions compare with the needed ones. All lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Needed and not there.
    pub missing: Vec<String>,
    /// There and not needed.
    pub needless: Vec<String>,
}

/// Compares what is granted with what the objects need. Where nothing is declared yet, nothing is judged.
#[must_use]
pub fn judge(usage: &Usage, granted: &[String]) -> Judgement {
    if usage.is_empty() {
        return Judgement::default();
    }
    let (mut missing, mut useful) = (BTreeSet::new(), BTreeSet::new());
    for permission in PERMISSIONS.iter().filter(|line| usage.holds(line.for_use)) {
        let held = permission
            .any_of
            .iter()
            .find(|name| granted.iter().any(|held| held == *name));
        match held {
            Some(name) => {
                useful.insert(*name);
            }
            None if permission.required => {
                missing.insert(permission.least().to_owned());
            }
            None => {}
        }
    }
    let needless: BTreeSet<String> = granted
        .iter()
        .filter(|name| !useful.contains(name.as_str()))
        .cloned()
        .collect();
    Judgement {
        missing: missing.into_iter().collect(),
        needless: needless.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn usage(of: &[Use]) -> Usage {
        Usage(of.iter().copied().collect())
    }

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_stronger_permission_does_and_is_needless_beside_a_weaker_one() {
        let users = usage(&[Use::Users]);
        let strong = judge(&users, &names(&["Directory.Read.All"]));
        assert_eq!(strong, Judgement::default());
        let both = judge(&users, &names(&["Directory.Read.All", "User.Read.All"]));
        assert_eq!(both.needless, ["Directory.Read.All"]);
        let none = judge(&users, &[]);
        assert_eq!(none.missing, ["User.ReadBasic.All"]);
    }

    #[test]
    fn whoever_writes_needs_no_permission_to_read() {
        let both = usage(&[Use::ReadEligibilities, Use::WriteEligibilities]);
        let write = "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup";
        let read = "PrivilegedEligibilitySchedule.Read.AzureADGroup";
        assert_eq!(judge(&both, &names(&[read])).missing, [write]);
        assert_eq!(judge(&both, &names(&[read, write])).needless, [read]);
    }

    #[test]
    fn what_only_improves_reports_is_neither_missing_nor_needless() {
        let ids = usage(&[Use::ObjectIds]);
        assert_eq!(judge(&ids, &[]), Judgement::default());
        let held = judge(&ids, &names(&["Directory.Read.All"]));
        assert_eq!(held, Judgement::default());
    }

    fn any_usage() -> impl Strategy<Value = Usage> {
        let uses: Vec<Use> = PERMISSIONS.iter().map(|line| line.for_use).collect();
        vec(select(uses), 1..6).prop_map(|uses| usage(&uses))
    }

    fn any_grants() -> impl Strategy<Value = Vec<String>> {
        let known: Vec<&str> = PERMISSIONS
            .iter()
            .flat_map(|line| line.any_of)
            .copied()
            .collect();
        vec(select(known), 0..8).prop_map(|held| names(&held))
    }

    proptest! {
        #[test]
        fn taking_the_needless_away_and_adding_the_missing_leaves_nothing_to_say(
            usage in any_usage(), granted in any_grants(),
        ) {
            let judged = judge(&usage, &granted);
            let mut mended: Vec<String> = granted
                .iter()
                .filter(|name| !judged.needless.contains(name))
                .cloned()
                .collect();
            prop_assert_eq!(&judge(&usage, &mended).missing, &judged.missing);
            mended.extend(judged.missing);
            prop_assert_eq!(judge(&usage, &mended).missing, Vec::<String>::new());
        }

        #[test]
        fn a_further_permission_never_makes_one_missing(
            usage in any_usage(), granted in any_grants(), further in any_grants(),
        ) {
            let before = judge(&usage, &granted).missing;
            let more = [granted, further].concat();
            prop_assert!(judge(&usage, &more).missing.iter().all(|name| before.contains(name)));
        }
    }
}
