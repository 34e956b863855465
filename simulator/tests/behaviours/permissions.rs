//! What each permission opens.

use serde_json::{Value, json};

use crate::bed::*;

async fn with_roles(roles: &[&str]) -> Bed {
    let mut bed = Bed::new().await;
    bed.simulator
        .admin()
        .set_app_roles(OPERATOR, roles)
        .unwrap();
    bed.sign_in().await;
    bed
}

#[tokio::test]
async fn a_missing_pim_permission_is_json_inside_json() {
    let bed = with_roles(&["PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"]).await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    reply.refused(403, "UnknownError");
    let inner: Value = serde_json::from_str(reply.message()).unwrap();
    assert_eq!(inner["errorCode"], "PermissionScopeNotGranted");
    let text = "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup,PrivilegedAccess.ReadWrite.AzureADGroup";
    assert!(inner["message"].as_str().unwrap().contains(text));
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn read_permission_reads_requests_too_and_writes_nothing() {
    let bed = with_roles(&["PrivilegedEligibilitySchedule.Read.AzureADGroup"]).await;
    for set in ["Schedules", "ScheduleInstances", "ScheduleRequests"] {
        bed.rows(ELIGIBLE, set).await;
    }
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(403, "UnknownError");
    let list = format!("{PIM}/assignmentSchedules?$filter=groupId eq '{OPS}'");
    bed.get(&list).await.refused(403, "UnknownError");
}

#[tokio::test]
async fn remove_permission_covers_removals_only_and_no_reads() {
    let bed = with_roles(&["PrivilegedEligibilitySchedule.Remove.AzureADGroup"]).await;
    let (group, window) = (
        pim_simulator::Access::Member,
        pim_simulator::Window::days(3),
    );
    bed.simulator
        .admin()
        .assign(ELIGIBLE, OPS, ALICE, group, window)
        .unwrap();
    let list = format!("{PIM}/eligibilitySchedules?$filter=groupId eq '{OPS}'");
    bed.get(&list).await.refused(403, "UnknownError");
    bed.admin(ELIGIBLE, "adminUpdate", none())
        .await
        .refused(403, "UnknownError");
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
}

#[tokio::test]
async fn the_older_permission_is_still_taken() {
    let bed = with_roles(&["PrivilegedAccess.ReadWrite.AzureADGroup"]).await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn role_permissions_do_not_cover_groups() {
    let bed = with_roles(&["RoleManagement.ReadWrite.Directory"]).await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(403, "UnknownError");
}

#[tokio::test]
async fn the_directory_denies_in_its_own_words() {
    let bed = with_roles(&[]).await;
    for path in [
        "users".to_owned(),
        "groups".to_owned(),
        "servicePrincipals".to_owned(),
        format!("groups/{OPS}/members"),
        format!("groups/{OPS}/owners"),
        format!("directoryObjects/{OPS}"),
    ] {
        let reply = bed.get(&format!("/v1.0/{path}")).await;
        reply.refused(403, "Authorization_RequestDenied");
    }
    let reply = bed
        .post("/v1.0/directoryObjects/getByIds", json!({"ids": [ALICE]}))
        .await;
    assert_eq!(
        reply.message(),
        "Insufficient privileges to complete the operation."
    );
}

#[tokio::test]
async fn objects_of_a_class_one_may_not_read_come_with_id_and_type_only() {
    let bed = with_roles(&["GroupMember.Read.All"]).await;
    let owners = bed.get(&format!("/v1.0/groups/{OPS}/owners")).await;
    let owner = owners.items()[0].as_object().unwrap();
    assert_eq!(owner.len(), 2, "{owner:?}");
    assert_eq!(owner["id"], LEAD);
}

#[tokio::test]
async fn new_permissions_do_not_reach_issued_tokens() {
    let mut bed = with_roles(&[]).await;
    let role = "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup";
    bed.simulator
        .admin()
        .set_app_roles(OPERATOR, &[role])
        .unwrap();
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(403, "UnknownError");
    bed.sign_in().await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
}
