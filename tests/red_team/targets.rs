//! Other namespaces, tenants, kinds, groups, relationships and principals than the boundary names.

use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use serde_json::json;

use crate::{
    ALICE, APPROVERS, OPS, denied, fenced, fenced_by,
    support::{active, eligible, sent, start},
    unfenced, until_denied,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_a_boundary_grants_nothing_and_is_shown_the_shortest_that_would() {
    let bed = unfenced("no_boundary").await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let said = until_denied::<GroupEligibility>(&bed, "alice").await;
    assert!(
        said.starts_with("no GrantBoundary selects the namespace"),
        "{said}"
    );
    assert!(sent(&bed).is_empty());
    // It works as it is shown.
    let (_, spec) = said.split_once("has the spec ").unwrap();
    let spec = serde_saphyr::from_str(spec).unwrap();
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boundary_of_another_namespace() {
    let (bed, operator) = fenced_by("another_namespace", |spec| {
        spec["namespaces"] = json!(["kube-system"]);
    })
    .await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "no GrantBoundary selects the namespace").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_teams_tenant() {
    let (bed, operator) = fenced_by("another_tenant", |spec| {
        spec["tenants"] = json!(["fabrikam"]);
    })
    .await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "its `tenants` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn active_access_where_only_eligibility_is_given() {
    let (bed, operator) = fenced_by("kind", |spec| {
        spec["kinds"] = json!(["GroupEligibility"]);
    })
    .await;
    active("alice").lasting("PT4H").apply(&bed).await;
    denied::<GroupAssignment>(&bed, "alice", "its `kinds` lack GroupAssignment").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_not_listed_by_id() {
    let (bed, operator) = fenced("group_by_id").await;
    eligible("alice")
        .with("group", json!({"id": APPROVERS}))
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_not_listed_by_name() {
    let (bed, operator) = fenced("group_by_name").await;
    eligible("alice")
        .group("payments-approvers")
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "alice", APPROVERS).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_assignable_group_by_name() {
    let (bed, operator) = fenced("role_assignable").await;
    eligible("alice").group("platform-admins").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", crate::PLATFORM_ADMINS).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ownership_by_way_of_the_access_id() {
    let (bed, operator) = fenced("owner").await;
    eligible("alice")
        .with("accessId", "owner")
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "alice", "its `accessIds` lack owner").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_as_the_principal_where_users_are_allowed() {
    let (bed, operator) = fenced("group_principal").await;
    eligible("group")
        .with(
            "principal",
            json!({"groupDisplayName": "payments-approvers"}),
        )
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "group", "its `principals.kinds` lack Group").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_principal_by_its_application() {
    let (bed, operator) = fenced("service_principal").await;
    active("deployer")
        .lasting("PT4H")
        .with(
            "principal",
            json!({"servicePrincipalAppId": "5e4f1ce0-0000-4000-8000-00000000a001"}),
        )
        .apply(&bed)
        .await;
    denied::<GroupAssignment>(&bed, "deployer", "lack ServicePrincipal").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_principal_passed_off_as_an_id() {
    let (bed, operator) = fenced("service_principal_id").await;
    eligible("deployer")
        .with(
            "principal",
            json!({"id": "5e4f1ce0-0000-4000-8000-000000000001"}),
        )
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "deployer", "lack ServicePrincipal").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_outside_the_group_that_the_boundary_demands() {
    let (bed, operator) = fenced_by("membership", |spec| {
        spec["principals"]["memberOfGroupIds"] = json!([APPROVERS]);
    })
    .await;
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "its `principals.memberOfGroupIds` demand").await;
    // Grace is a member.
    eligible("grace")
        .user("grace@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("grace", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_of_the_group_that_the_boundary_demands_members_of() {
    let (bed, operator) = fenced_by("ownership", |spec| {
        spec["principals"]["memberOfGroupIds"] = json!([APPROVERS]);
    })
    .await;
    eligible("lead").user("lead@contoso.com").apply(&bed).await;
    denied::<GroupEligibility>(
        &bed,
        "lead",
        "and 1ead0000-0000-4000-8000-00000000000a is no member",
    )
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_two_boundaries_mixed() {
    let (bed, operator) = fenced_by("mixed", |spec| {
        spec["requirements"] = json!({"ticket": "Required"});
    })
    .await;
    let mut second = crate::fence(&bed);
    second["limits"]["maxEligibilityDuration"] = json!("P30D");
    bed.write_boundary(&format!("{}-second", bed.namespace), &second)
        .await
        .unwrap();
    eligible("alice").lasting("P90D").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "no GrantBoundary allows this grant").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn observing_what_no_boundary_gives() {
    let (bed, operator) = fenced("observe").await;
    eligible("frank")
        .user("frank@contoso.com")
        .group("payments-approvers")
        .with("managementPolicy", "Observe")
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "frank", "its `groups` lack").await;
    let read = bed
        .simulator
        .traffic()
        .entries()
        .iter()
        .any(|one| one.path.contains("Schedules?"));
    assert!(
        !read,
        "the lists of a group that is not the namespace's were read"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_of_an_allowed_grant_changed_by_a_patch() {
    let (bed, operator) = fenced("identity").await;
    eligible("alice")
        .with("group", json!({"id": OPS}))
        .with("principal", json!({"id": ALICE}))
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    for (field, value) in [
        ("group", json!({"id": APPROVERS})),
        (
            "principal",
            json!({"id": "b0b00000-0000-4000-8000-000000000002"}),
        ),
        ("accessId", json!("owner")),
        ("tenantRef", json!({"name": "fabrikam"})),
    ] {
        let patch = json!({"spec": {field: value}});
        let refused = bed
            .api::<GroupEligibility>()
            .patch(
                "alice",
                &kube::api::PatchParams::default(),
                &kube::api::Patch::Merge(patch),
            )
            .await;
        assert!(
            refused.unwrap_err().to_string().contains("may not change"),
            "{field}"
        );
    }
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}
