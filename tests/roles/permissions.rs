//! With exactly the documented permissions roles work; without one of them, the tenant and the object say which.

use pim_harness::Bed;
use pim_operator::{
    api::{
        role_grant::{RoleAssignment, RoleEligibility},
        tenant::{EntraTenant, EntraTenantStatus},
    },
    controller::grant::Grant,
};
use pim_simulator::Estate;
use serde_json::json;

use crate::{SECURITY_READER, active_role, bed, eligible_role, support::message};

/// What a `RoleEligibility` that names an administrative unit and a user needs.
const NEEDED: [&str; 5] = [
    "AdministrativeUnit.Read.All",
    "Application.Read.All",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagement.Read.Directory",
    "User.ReadBasic.All",
];

fn permit(bed: &Bed, permissions: &[&str]) {
    let application = Estate::OPERATOR_CLIENT_ID.to_string();
    let admin = bed.simulator.admin();
    admin.set_app_roles(&application, permissions).unwrap();
}

async fn tenant(bed: &Bed, reason: &str) -> EntraTenantStatus {
    bed.until_tenant(reason).await;
    let api = kube::Api::<EntraTenant>::all(bed.client.clone());
    api.get(&bed.tenant).await.unwrap().status.unwrap()
}

async fn declare(bed: &Bed) {
    eligible_role("alice")
        .with("administrativeUnit", json!({"displayName": "Sales EMEA"}))
        .apply(bed)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_enough_and_none_is_needless() {
    let bed = bed("permissions", |_| {}).await;
    permit(&bed, &NEEDED);
    declare(&bed).await;
    let operator = bed.start_operator();
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    let permissions = tenant(&bed, "Connected").await.permissions.unwrap();
    assert_eq!(permissions.granted, NEEDED);
    assert_eq!(permissions.missing, Vec::<String>::new());
    assert_eq!(permissions.needless, Vec::<String>::new());
    operator.stop().await;
}

async fn without(permission: &str) {
    let bed = bed(&format!("without_{permission}"), |_| {}).await;
    let fewer: Vec<&str> = NEEDED
        .into_iter()
        .filter(|one| *one != permission)
        .collect();
    permit(&bed, &fewer);
    declare(&bed).await;
    let operator = bed.start_operator();
    let missing = tenant(&bed, "PermissionDenied")
        .await
        .permissions
        .unwrap()
        .missing;
    // Reading roles stands for reading their schedules, too.
    assert!(missing.iter().any(|one| one == permission), "{missing:?}");
    let alice: RoleEligibility = bed.until_reason("alice", "PermissionDenied").await;
    assert!(message(&alice).contains(permission), "{}", message(&alice));
    permit(&bed, &NEEDED);
    annotate_tenant(&bed).await;
    bed.until_tenant("Connected").await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

async fn annotate_tenant(bed: &Bed) {
    let patch = json!({"metadata": {"annotations": {"entrapim.dev/requestedAt": "now"}}});
    kube::Api::<EntraTenant>::all(bed.client.clone())
        .patch(
            &bed.tenant,
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(patch),
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_for_eligible_roles_it_is_named() {
    without("RoleEligibilitySchedule.ReadWrite.Directory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_for_administrative_units_it_is_named() {
    without("AdministrativeUnit.Read.All").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_for_roles_it_is_named() {
    without("RoleManagement.Read.Directory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_assignment_of_a_role_by_id_needs_neither_the_names_nor_the_other_kind() {
    let bed = bed("by_id_only", |_| {}).await;
    permit(
        &bed,
        &[
            "Application.Read.All",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "User.ReadBasic.All",
        ],
    );
    let operator = bed.start_operator();
    active_role("alice")
        .with("role", json!({"id": SECURITY_READER}))
        .apply(&bed)
        .await;
    // A limited assignment endangers no eligibility, so that nothing else has to be read.
    let alice: RoleAssignment = bed.until_reason("alice", "Provisioned").await;
    let resolved = alice.status().unwrap().resolved.as_ref().unwrap();
    assert_eq!(resolved.target_name, SECURITY_READER);
    operator.stop().await;
}
