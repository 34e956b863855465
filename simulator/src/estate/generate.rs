//! Estates of any size with predictable ids and names, for benches and soak tests.

use uuid::Uuid;

use super::{ApplicationSeed, Estate, GenerateSeed, GroupSeed, SecretSeed, UserSeed};

/// The application permissions that the operator needs.
const OPERATOR_ROLES: &[&str] = &[
    "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
    "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
    "RoleManagementPolicy.ReadWrite.AzureADGroup",
    "RoleManagementPolicy.ReadWrite.Directory",
    "AuthenticationContext.Read.All",
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
        estate.add_generated(GenerateSeed { groups, people });
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
    }
}
