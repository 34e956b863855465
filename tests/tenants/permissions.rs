//! With exactly the documented permissions everything works; with any one less, the tenant and the object say which.

use pim_harness::{Bed, bed::ready};
use pim_operator::{
    api::group_grant::{GroupAssignment, GroupEligibility},
    pim::permissions::{PERMISSIONS, Use},
};
use serde_json::json;

use crate::support::{bed, grant, nudge, permit, said, until_status};

const DOCUMENT: &str = include_str!("../../docs/permissions.md");

/// The documented permissions: for managed grants of groups, for those of roles, for policies, for watched objects, and the
/// useful ones.
fn documented() -> [Vec<&'static str>; 5] {
    let tables = DOCUMENT.split("|---|---|---|").skip(1).map(|table| {
        table
            .lines()
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .filter_map(|line| line.split('`').nth(1))
            .collect()
    });
    let tables: Vec<Vec<&str>> = tables.collect();
    tables.try_into().unwrap()
}

#[test]
fn the_document_shows_the_table() {
    let least = |holds: &dyn Fn(&Use, bool) -> bool| -> Vec<&str> {
        PERMISSIONS
            .iter()
            .filter(|line| holds(&line.for_use, line.required))
            .map(pim_operator::pim::permissions::Permission::least)
            .collect()
    };
    let watched = |what: &Use| {
        matches!(
            what,
            Use::ReadEligibilities
                | Use::ReadAssignments
                | Use::ReadRoleEligibilities
                | Use::ReadRoleAssignments
                | Use::ReadGroupPolicies
                | Use::ReadRolePolicies
        )
    };
    let of_policies = |what: &Use| matches!(what, Use::WriteGroupPolicies | Use::WriteRolePolicies);
    let of_roles = |what: &Use| {
        matches!(
            what,
            Use::WriteRoleEligibilities
                | Use::WriteRoleAssignments
                | Use::Roles
                | Use::AdministrativeUnits
        )
    };
    let [groups, roles, policies, watching, useful] = documented();
    let of_groups = |what: &Use| !watched(what) && !of_roles(what) && !of_policies(what);
    assert_eq!(groups, least(&|what, required| required && of_groups(what)));
    assert_eq!(policies, least(&|what, _| of_policies(what)));
    assert_eq!(roles, least(&|what, _| of_roles(what)));
    assert_eq!(watching, least(&|what, _| watched(what)));
    assert_eq!(useful, least(&|_, required| !required));
}

/// Kind, name and principal of one object for each way of naming things.
type Object = (&'static str, &'static str, &'static str);

const OBJECTS: [Object; 5] = [
    (
        "GroupEligibility",
        "by-name",
        r#"{"userPrincipalName": "alice@contoso.com"}"#,
    ),
    (
        "GroupEligibility",
        "by-application",
        r#"{"servicePrincipalAppId": "5e4f1ce0-0000-4000-8000-00000000a001"}"#,
    ),
    (
        "GroupEligibility",
        "by-id",
        r#"{"id": "b0b00000-0000-4000-8000-000000000002"}"#,
    ),
    (
        "GroupEligibility",
        "by-group",
        r#"{"groupDisplayName": "payments-approvers"}"#,
    ),
    (
        "GroupAssignment",
        "active",
        r#"{"id": "ca401000-0000-4000-8000-000000000003"}"#,
    ),
];

async fn declare(bed: &Bed) {
    for (kind, name, principal) in OBJECTS {
        let principal: serde_json::Value = serde_json::from_str(principal).unwrap();
        let mut further = json!({"principal": principal});
        if name == "by-id" {
            further["group"] = json!({"id": "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"});
        }
        let manifest = grant(kind, name, &bed.tenant, &further);
        bed.apply(&manifest).await.unwrap();
    }
}

/// Whether an object of the list fails without a permission.
fn needs((kind, name, _): &Object, permission: &str) -> bool {
    match permission {
        "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup" => *kind == "GroupEligibility",
        "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup" => *kind == "GroupAssignment",
        "User.ReadBasic.All" => matches!(*name, "by-name" | "by-id" | "active"),
        // All are in groups, and who the operator is has to be known before anything is written.
        _ => true,
    }
}

/// Waits until an object has a reason, and returns the message.
async fn until(bed: &Bed, object: &Object, reason: &str) -> String {
    let message = |status| ready(status).unwrap().2.to_owned();
    if object.0 == "GroupEligibility" {
        let found: GroupEligibility = bed.until_reason(object.1, reason).await;
        message(found.status.as_ref().unwrap())
    } else {
        let found: GroupAssignment = bed.until_reason(object.1, reason).await;
        message(found.status.as_ref().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_enough_and_none_is_needless() {
    let bed = bed("documented").await;
    let [mut roles, ..] = documented();
    permit(&bed, &roles);
    declare(&bed).await;
    let operator = bed.start_operator();
    for object in &OBJECTS {
        until(&bed, object, "Provisioned").await;
    }
    bed.until_tenant("Connected").await;
    roles.sort_unstable();
    let status = until_status(&bed, "the permissions", |status| {
        status.permissions.is_some()
    })
    .await;
    let permissions = status.permissions.unwrap();
    assert_eq!(permissions.granted, roles);
    assert_eq!(permissions.missing, Vec::<String>::new());
    assert_eq!(permissions.needless, Vec::<String>::new());
    operator.stop().await;
}

async fn without(permission: &'static str) {
    let bed = bed(&format!("without_{permission}")).await;
    let [roles, ..] = documented();
    let fewer: Vec<&str> = roles
        .iter()
        .copied()
        .filter(|role| *role != permission)
        .collect();
    permit(&bed, &fewer);
    declare(&bed).await;
    let operator = bed.start_operator();
    let tenant = bed.until_tenant("PermissionDenied").await;
    let expected = format!("add {permission} to the application and give admin consent");
    assert!(said(&tenant).ends_with(&expected), "{}", said(&tenant));
    assert_eq!(
        tenant.status.unwrap().permissions.unwrap().missing,
        [permission]
    );
    for object in &OBJECTS {
        if needs(object, permission) {
            let message = until(&bed, object, "PermissionDenied").await;
            assert!(message.contains(permission), "{}: {message}", object.1);
        } else {
            until(&bed, object, "Provisioned").await;
        }
    }
    // Consent is given: everything mends without a restart.
    permit(&bed, &roles);
    nudge(&bed, "now").await;
    bed.until_tenant("Connected").await;
    for object in &OBJECTS {
        until(&bed, object, "Provisioned").await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_eligibilities_permission_it_is_named() {
    without("PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_assignments_permission_it_is_named() {
    without("PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_groups_permission_it_is_named() {
    without("GroupMember.Read.All").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_users_permission_it_is_named() {
    without("User.ReadBasic.All").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_applications_permission_it_is_named() {
    without("Application.Read.All").await;
}

#[test]
fn no_documented_permission_is_left_out_of_these_tests() {
    let tested = [
        "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
        "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
        "GroupMember.Read.All",
        "User.ReadBasic.All",
        "Application.Read.All",
    ];
    assert_eq!(documented()[0], tested);
}
