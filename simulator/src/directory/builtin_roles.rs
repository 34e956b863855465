//! Entra's built-in directory roles: names and template ids, the same in every tenant.
//!
//! For a built-in role the template id is also the id of its definition and what policies and
//! schedules call `roleDefinitionId`. The table is Microsoft's list of built-in roles without the
//! few that nobody is meant to assign.

use uuid::{Uuid, uuid};

/// A built-in role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BuiltinRole {
    /// Template id, and id of the definition.
    pub id: Uuid,
    pub display_name: &'static str,
    /// Marked as privileged by Microsoft.
    pub is_privileged: bool,
}

const fn plain(id: Uuid, display_name: &'static str) -> BuiltinRole {
    BuiltinRole {
        id,
        display_name,
        is_privileged: false,
    }
}

const fn privileged(id: Uuid, display_name: &'static str) -> BuiltinRole {
    BuiltinRole {
        id,
        display_name,
        is_privileged: true,
    }
}

/// The roles, by name.
pub(crate) const BUILTIN_ROLES: &[BuiltinRole] = &[
    privileged(
        uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"),
        "Application Administrator",
    ),
    privileged(
        uuid!("cf1c38e5-3621-4004-a7cb-879624dced7c"),
        "Application Developer",
    ),
    plain(
        uuid!("9c6df0f2-1e7c-4dc3-b195-66dfbd24aa8f"),
        "Attack Payload Author",
    ),
    plain(
        uuid!("c430b396-e693-46cc-96f3-db01bf8bb62a"),
        "Attack Simulation Administrator",
    ),
    plain(
        uuid!("58a13ea3-c632-46ae-9ee0-9c0d43cd7f3d"),
        "Attribute Assignment Administrator",
    ),
    plain(
        uuid!("ffd52fa5-98dc-465c-991d-fc073eb59f8f"),
        "Attribute Assignment Reader",
    ),
    plain(
        uuid!("8424c6f0-a189-499e-bbd0-26c1753c96d4"),
        "Attribute Definition Administrator",
    ),
    plain(
        uuid!("1d336d2c-4ae8-42ef-9711-b3604ce3fc2c"),
        "Attribute Definition Reader",
    ),
    privileged(
        uuid!("c4e39bd9-1100-46d3-8c65-fb160da0071f"),
        "Authentication Administrator",
    ),
    privileged(
        uuid!("25a516ed-2fa0-40ea-a2d0-12923a21473a"),
        "Authentication Extensibility Administrator",
    ),
    plain(
        uuid!("0526716b-113d-4c15-b2c8-68e3c22b9f80"),
        "Authentication Policy Administrator",
    ),
    plain(
        uuid!("e3973bdf-4987-49ae-837a-ba8e231c7286"),
        "Azure DevOps Administrator",
    ),
    plain(
        uuid!("7495fdc4-34c4-4d15-a289-98788ce399fd"),
        "Azure Information Protection Administrator",
    ),
    privileged(
        uuid!("aaf43236-0c0d-4d5f-883a-6955382ac081"),
        "B2C IEF Keyset Administrator",
    ),
    plain(
        uuid!("3edaf663-341e-4475-9f94-5c398ef6c070"),
        "B2C IEF Policy Administrator",
    ),
    plain(
        uuid!("b0f54661-2d74-4c50-afa3-1ec803f12efe"),
        "Billing Administrator",
    ),
    plain(
        uuid!("892c5842-a9a6-463a-8041-72aa08ca3cf6"),
        "Cloud App Security Administrator",
    ),
    privileged(
        uuid!("158c047a-c907-4556-b7ef-446551a6b5f7"),
        "Cloud Application Administrator",
    ),
    privileged(
        uuid!("7698a772-787b-4ac8-901f-60d6b08affd2"),
        "Cloud Device Administrator",
    ),
    plain(
        uuid!("17315797-102d-40b4-93e0-432062caca18"),
        "Compliance Administrator",
    ),
    plain(
        uuid!("e6d1a23a-da11-4be4-9570-befc86d067a7"),
        "Compliance Data Administrator",
    ),
    privileged(
        uuid!("b1be1c3e-b65d-4f19-8427-f6fa0d97feb9"),
        "Conditional Access Administrator",
    ),
    plain(
        uuid!("5c4f9dcd-47dc-4cf7-8c9a-9e4207cbfc91"),
        "Customer LockBox Access Approver",
    ),
    plain(
        uuid!("38a96431-2bdf-4b4c-8b6e-5d3d8abac1a4"),
        "Desktop Analytics Administrator",
    ),
    plain(
        uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"),
        "Directory Readers",
    ),
    privileged(
        uuid!("9360feb5-f418-4baa-8175-e2a00bac4301"),
        "Directory Writers",
    ),
    privileged(
        uuid!("8329153b-31d0-4727-b945-745eb3bc5f31"),
        "Domain Name Administrator",
    ),
    plain(
        uuid!("44367163-eba1-44c3-98af-f5787879f96a"),
        "Dynamics 365 Administrator",
    ),
    plain(
        uuid!("3f1acade-1e04-4fbc-9b69-f0302cd84aef"),
        "Edge Administrator",
    ),
    plain(
        uuid!("29232cdf-9323-42fd-ade2-1d097af3e4de"),
        "Exchange Administrator",
    ),
    plain(
        uuid!("31392ffb-586c-42d1-9346-e59415a2cc4e"),
        "Exchange Recipient Administrator",
    ),
    plain(
        uuid!("6e591065-9bad-43ed-90f3-e9424366d2f0"),
        "External ID User Flow Administrator",
    ),
    plain(
        uuid!("0f971eea-41eb-4569-a71e-57bb8a3eff1e"),
        "External ID User Flow Attribute Administrator",
    ),
    privileged(
        uuid!("be2f45a1-457d-42af-a067-6ec1fa63bc45"),
        "External Identity Provider Administrator",
    ),
    plain(
        uuid!("a9ea8996-122f-4c74-9520-8edcd192826c"),
        "Fabric Administrator",
    ),
    privileged(
        uuid!("62e90394-69f5-4237-9190-012177145e10"),
        "Global Administrator",
    ),
    privileged(
        uuid!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
        "Global Reader",
    ),
    plain(
        uuid!("ac434307-12b9-4fa1-a708-88bf58caabc1"),
        "Global Secure Access Administrator",
    ),
    plain(
        uuid!("fdd7a751-b60b-444a-984c-02652fe8fa1c"),
        "Groups Administrator",
    ),
    plain(
        uuid!("95e79109-95c0-4d8e-aee3-d01accf2d47b"),
        "Guest Inviter",
    ),
    privileged(
        uuid!("729827e3-9c14-49f7-bb1b-9608f156bbb8"),
        "Helpdesk Administrator",
    ),
    privileged(
        uuid!("8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2"),
        "Hybrid Identity Administrator",
    ),
    plain(
        uuid!("45d8d3c5-c802-45c6-b32a-1d70b5e1e86e"),
        "Identity Governance Administrator",
    ),
    plain(
        uuid!("eb1f4a8d-243a-41f0-9fbd-c7cdf6c5ef7c"),
        "Insights Administrator",
    ),
    plain(
        uuid!("31e939ad-9672-4796-9c2e-873181342d2d"),
        "Insights Business Leader",
    ),
    privileged(
        uuid!("3a2c62db-5318-420d-8d74-23affee5d9d5"),
        "Intune Administrator",
    ),
    plain(
        uuid!("74ef975b-6605-40af-a5d2-b9539d836353"),
        "Kaizala Administrator",
    ),
    plain(
        uuid!("b5a8dcf3-09d5-43a9-a639-8e29ef291470"),
        "Knowledge Administrator",
    ),
    plain(
        uuid!("744ec460-397e-42ad-a462-8b3f9747a02c"),
        "Knowledge Manager",
    ),
    plain(
        uuid!("4d6ac14f-3453-41d0-bef9-a3e0c569773a"),
        "License Administrator",
    ),
    privileged(
        uuid!("59d46f88-662b-457b-bceb-5c3809e5908f"),
        "Lifecycle Workflows Administrator",
    ),
    plain(
        uuid!("ac16e43d-7b2d-40e0-ac05-243ff356ab5b"),
        "Message Center Privacy Reader",
    ),
    plain(
        uuid!("790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"),
        "Message Center Reader",
    ),
    plain(
        uuid!("9f06204d-73c1-4d4c-880a-6edb90606fd8"),
        "Microsoft Entra Joined Device Local Administrator",
    ),
    plain(
        uuid!("d37c8bed-0711-4417-ba38-b4abe66ce4c2"),
        "Network Administrator",
    ),
    plain(
        uuid!("2b745bdf-0803-4d80-aa65-822c4493daac"),
        "Office Apps Administrator",
    ),
    plain(
        uuid!("92ed04bf-c94a-4b82-9729-b799a7a4c178"),
        "Organizational Branding Administrator",
    ),
    privileged(
        uuid!("966707d0-3269-4727-9be2-8c3a10f19b9d"),
        "Password Administrator",
    ),
    plain(
        uuid!("af78dc32-cf4d-46f9-ba4e-4428526346b5"),
        "Permissions Management Administrator",
    ),
    plain(
        uuid!("11648597-926c-4cf3-9c36-bcebb0ba8dcc"),
        "Power Platform Administrator",
    ),
    plain(
        uuid!("644ef478-e28f-4e28-b9dc-3fdde9aa0b1f"),
        "Printer Administrator",
    ),
    plain(
        uuid!("e8cef6f1-e4bd-4ea8-bc07-4b8d950f4477"),
        "Printer Technician",
    ),
    privileged(
        uuid!("7be44c8a-adaf-4e2a-84d6-ab2649e08a13"),
        "Privileged Authentication Administrator",
    ),
    privileged(
        uuid!("e8611ab8-c189-46e8-94e1-60213ab1f814"),
        "Privileged Role Administrator",
    ),
    plain(
        uuid!("4a5d8f65-41da-4de4-8968-e035b65339cf"),
        "Reports Reader",
    ),
    plain(
        uuid!("0964bb5e-9bdb-4d7b-ac29-58e794862a40"),
        "Search Administrator",
    ),
    plain(
        uuid!("8835291a-918c-4fd7-a9ce-faa49f0cf7d9"),
        "Search Editor",
    ),
    privileged(
        uuid!("194ae4cb-b126-40b2-bd5b-6091b380977d"),
        "Security Administrator",
    ),
    privileged(
        uuid!("5f2222b1-57c3-48ba-8ad5-d4759f1fde6f"),
        "Security Operator",
    ),
    privileged(
        uuid!("5d6b6bb7-de71-4623-b4af-96380a352509"),
        "Security Reader",
    ),
    plain(
        uuid!("f023fd81-a637-4b56-95fd-791ac0226033"),
        "Service Support Administrator",
    ),
    plain(
        uuid!("f28a1f50-f6e7-4571-818b-6a12f2af6b6c"),
        "SharePoint Administrator",
    ),
    plain(
        uuid!("75941009-915a-4869-abe7-691bff18279e"),
        "Skype for Business Administrator",
    ),
    plain(
        uuid!("69091246-20e8-4a56-aa4d-066075b2a7a8"),
        "Teams Administrator",
    ),
    plain(
        uuid!("baf37b3a-610e-45da-9e62-d9d1e5e8914b"),
        "Teams Communications Administrator",
    ),
    plain(
        uuid!("f70938a0-fc10-4177-9e90-2178f8765737"),
        "Teams Communications Support Engineer",
    ),
    plain(
        uuid!("fcf91098-03e3-41a9-b5ba-6f0ec8188a12"),
        "Teams Communications Support Specialist",
    ),
    plain(
        uuid!("3d762c5a-1b6c-493f-843e-55a3b42923d4"),
        "Teams Devices Administrator",
    ),
    plain(
        uuid!("112ca1a2-15ad-4102-995e-45b0bc479a6a"),
        "Tenant Creator",
    ),
    plain(
        uuid!("75934031-6c7e-415a-99d7-48dbd49e875e"),
        "Usage Summary Reports Reader",
    ),
    privileged(
        uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1"),
        "User Administrator",
    ),
    plain(
        uuid!("e300d9e7-4a2b-4295-9eff-f1c78b36cc98"),
        "Virtual Visits Administrator",
    ),
    plain(
        uuid!("11451d60-acb2-45eb-a7d6-43d0f0125c13"),
        "Windows 365 Administrator",
    ),
    plain(
        uuid!("32696413-001a-46ae-978c-ce0f6b3620d2"),
        "Windows Update Deployment Administrator",
    ),
    plain(
        uuid!("810a2642-a034-447f-a5e8-41beaa378541"),
        "Yammer Administrator",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_and_names_are_unique() {
        let ids: HashSet<Uuid> = BUILTIN_ROLES.iter().map(|role| role.id).collect();
        let names: HashSet<&str> = BUILTIN_ROLES.iter().map(|role| role.display_name).collect();
        assert_eq!(ids.len(), BUILTIN_ROLES.len());
        assert_eq!(names.len(), BUILTIN_ROLES.len());
    }
}
