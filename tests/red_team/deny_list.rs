//! What no boundary can give: whatever leads to the operator, and principals that the tenant protects.

use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Access;
use serde_json::json;

use crate::{
    ALICE, APPROVERS, OPERATOR, OPS, denied, fence, fenced_by,
    support::{active, eligible, start},
    unfenced,
};

#[tokio::test(flavor = "multi_thread")]
async fn access_for_the_operator_itself() {
    let (bed, operator) = fenced_by("itself", |spec| {
        spec["principals"]["kinds"] = json!(["User", "ServicePrincipal"]);
    })
    .await;
    active("operator")
        .lasting("PT4H")
        .with("principal", json!({"id": OPERATOR}))
        .apply(&bed)
        .await;
    let flag = format!("--lift-denial=principal:{OPERATOR}");
    denied::<GroupAssignment>(&bed, "operator", &flag).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_operator_is_in() {
    let bed = unfenced("operators_group").await;
    bed.simulator
        .admin()
        .add_member(OPS, OPERATOR, Access::Member)
        .unwrap();
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", &format!("--lift-denial=group:{OPS}")).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_nested_into_one_that_the_operator_is_in() {
    let bed = unfenced("nested").await;
    bed.simulator
        .admin()
        .add_member(APPROVERS, OPERATOR, Access::Member)
        .unwrap();
    bed.simulator
        .admin()
        .add_member(APPROVERS, OPS, Access::Member)
        .unwrap();
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "the operator is in the group").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_for_a_group_that_the_operator_is_in() {
    let bed = unfenced("operators_group_receives").await;
    bed.simulator
        .admin()
        .add_member(APPROVERS, OPERATOR, Access::Member)
        .unwrap();
    let mut spec = fence(&bed);
    spec["principals"]["kinds"] = json!(["User", "Group"]);
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    let operator = start(&bed).await;
    eligible("group")
        .with("principal", json!({"id": APPROVERS}))
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(
        &bed,
        "group",
        "the operator itself, or a group that it is in",
    )
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_the_tenant_protects() {
    let bed = unfenced("protected").await;
    bed.create_tenant(json!({"protectedPrincipals": [{"id": ALICE}]}))
        .await
        .unwrap();
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "`protectedPrincipals`").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_for_an_entry_of_the_deny_list_and_the_flag_that_lifts_it() {
    let bed = unfenced("lifted").await;
    bed.simulator
        .admin()
        .add_member(OPS, OPERATOR, Access::Member)
        .unwrap();
    bed.write_boundary(&bed.namespace, &fence(&bed))
        .await
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "the deny list forbids").await;
    operator.stop().await;
    let mut controller = bed.controller(bed.client.clone());
    controller.lifted = vec![format!("group:{OPS}").parse().unwrap()];
    let operator = pim_harness::Operator::start(controller);
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.eventually("the tenant says what is lifted", || async {
        let tenant = bed.until_tenant("Connected").await;
        tenant.status.unwrap().lifted_denials == [format!("group:{OPS}")]
    })
    .await;
    operator.stop().await;
}
