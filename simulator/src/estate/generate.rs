//! Estates of any size with predictable ids and names, for benches and soak tests.

use uuid::Uuid;

use super::{
    AdministrativeUnitSeed, ApplicationSeed, Estate, GenerateSeed, GroupSeed, RoleDefinitionSeed,
    SecretSeed, UserSeed,
};
use crate::directory::builtin_roles::BUILTIN_ROLES;

/// The application permissions that the operator needs.
const OPERATOR_ROLES: &[&str] = &[
    "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
    "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
    "RoleManagementPolicy.ReadWrite.AzureADGroup",
    "RoleManagementPolicy.ReadWrite.Directory",
    "AuthenticationContext.Read.All",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "RoleManagement.Read.Directory",
    "AdministrativeUnit.Read.All",
    "GroupMember.Read.All",
    "User.ReadBasic.All",
    "Application.Read.All",
    "Directory.Read.All",
];

impl Estate {
    /// An estate of `groups` groups (`group-0001` …) and `people` users
    /// (`user-0001@contoso.com` …) with the operator's application, and nobody in any group.
    #[must_use]
    pub fn generate(groups: u32, people: u32) -> Self {
        let mut estate = Self {
            applications: vec![Self::operator_application()],
            ..Self::default()
        };
        estate.add_generated(GenerateSeed {
            groups,
            people,
            ..GenerateSeed::default()
        });
        estate
    }

    /// The id of generated group number `n` (from 1).
    #[must_use]
    pub fn generated_group(n: u32) -> Uuid {
        Uuid::from_u128(0x6700_0000_0000_4000_8000_0000_0000_0000 | u128::from(n))
    }

    /// The id of generated user number `n` (from 1).
    #[must_use]
    pub fn generated_user(n: u32) -> Uuid {
        Uuid::from_u128(0x7500_0000_0000_4000_8000_0000_0000_0000 | u128::from(n))
    }

    /// The id of generated role-assignable group number `n` (from 1), `admins-0001` and so on.
    #[must_use]
    pub fn generated_role_assignable_group(n: u32) -> Uuid {
        Uuid::from_u128(0x6a00_0000_0000_4000_8000_0000_0000_0000 | u128::from(n))
    }

    /// The id of generated administrative unit number `n` (from 1), `unit-0001` and so on.
    #[must_use]
    pub fn generated_administrative_unit(n: u32) -> Uuid {
        Uuid::from_u128(0x6100_0000_0000_4000_8000_0000_0000_0000 | u128::from(n))
    }

    /// The id of generated custom role number `n` (from 1), `Custom Role 0001` and so on.
    #[must_use]
    pub fn generated_role(n: u32) -> Uuid {
        Uuid::from_u128(0x7200_0000_0000_4000_8000_0000_0000_0000 | u128::from(n))
    }

    /// Template ids and names of the built-in roles, which every estate has.
    pub fn built_in_roles() -> impl Iterator<Item = (Uuid, &'static str)> {
        BUILTIN_ROLES
            .iter()
            .map(|role| (role.id, role.display_name))
    }

    /// The operator's application as generated estates have it.
    #[must_use]
    pub fn operator_application() -> ApplicationSeed {
        ApplicationSeed {
            client_id: Self::OPERATOR_CLIENT_ID,
            service_principal_id: Some(Uuid::from_u128(0x1111_1111_0000_4000_8000_0000_0000_0002)),
            display_name: "pim-operator".to_owned(),
            secrets: vec![SecretSeed {
                value: Self::OPERATOR_SECRET.to_owned(),
                expires: None,
            }],
            app_roles: OPERATOR_ROLES.iter().map(|&role| role.to_owned()).collect(),
            ..ApplicationSeed::default()
        }
    }

    /// Adds what `generate:` in a YAML estate asks for.
    pub(crate) fn add_generated(&mut self, size: GenerateSeed) {
        self.groups.extend((1..=size.groups).map(|n| GroupSeed {
            id: Some(Self::generated_group(n)),
            display_name: format!("group-{n:04}"),
            ..GroupSeed::default()
        }));
        self.users.extend((1..=size.people).map(|n| UserSeed {
            id: Some(Self::generated_user(n)),
            display_name: Some(format!("User {n:04}")),
            user_principal_name: format!("user-{n:04}@contoso.com"),
            account_enabled: None,
        }));
        let assignable = (1..=size.role_assignable_groups).map(|n| GroupSeed {
            id: Some(Self::generated_role_assignable_group(n)),
            display_name: format!("admins-{n:04}"),
            is_assignable_to_role: true,
            ..GroupSeed::default()
        });
        self.groups.extend(assignable);
        let units = (1..=size.administrative_units).map(|n| AdministrativeUnitSeed {
            id: Some(Self::generated_administrative_unit(n)),
            display_name: format!("unit-{n:04}"),
            ..AdministrativeUnitSeed::default()
        });
        self.administrative_units.extend(units);
        let roles = (1..=size.custom_roles).map(|n| RoleDefinitionSeed {
            id: Some(Self::generated_role(n)),
            display_name: format!("Custom Role {n:04}"),
            ..RoleDefinitionSeed::default()
        });
        self.role_definitions.extend(roles);
    }
}
