//! Names that lead elsewhere: renamed groups, namesakes, look-alikes, and text that tries to be more than text.

use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::{GroupSeed, Operation, UserSeed};
use serde_json::json;

use crate::{
    ON_CALL, OPS, denied, fenced, fenced_by,
    support::{eligible, rows, sent},
    until_denied,
};

fn renamed(group: &str, name: &str) -> Operation {
    Operation::AlterGroup {
        group: group.to_owned(),
        display_name: Some(name.to_owned()),
        membership_rule: None,
        on_premises: None,
    }
}

fn new_group(name: &str) -> GroupSeed {
    GroupSeed {
        display_name: name.to_owned(),
        ..GroupSeed::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_passed_to_another_group_before_it_was_resolved() {
    let (bed, operator) = fenced("name_swap_before").await;
    bed.simulator
        .admin()
        .apply(renamed(OPS, "payments-ops-old"))
        .unwrap();
    bed.simulator
        .admin()
        .add_group(new_group("payments-ops"))
        .unwrap();
    eligible("alice").apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_passed_to_another_group_after_it_was_resolved() {
    let (bed, operator) = fenced("name_swap_after").await;
    eligible("alice").lasting("P30D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .apply(renamed(OPS, "payments-ops-old"))
        .unwrap();
    bed.simulator
        .admin()
        .apply(renamed(ON_CALL, "payments-ops"))
        .unwrap();
    eligible("alice").lasting("P60D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let held = rows(&bed, pim_simulator::Kind::Eligibility, "alice");
    assert!(held.iter().all(|row| row.group_id == OPS), "{held:?}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_name_only_looks_the_same() {
    let (bed, operator) = fenced("look_alike_group").await;
    // The first `a` is Cyrillic.
    let look_alike = "p\u{0430}yments-ops";
    bed.simulator
        .admin()
        .add_group(new_group(look_alike))
        .unwrap();
    eligible("alice").group(look_alike).apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_characters_that_nobody_sees() {
    let (bed, operator) = fenced("invisible").await;
    let invisible = "payments-ops\u{200b}";
    bed.simulator
        .admin()
        .add_group(new_group(invisible))
        .unwrap();
    eligible("alice").group(invisible).apply(&bed).await;
    denied::<GroupEligibility>(&bed, "alice", "its `groups` lack").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_name_only_looks_the_same() {
    let (bed, operator) = fenced_by("look_alike_user", |spec| {
        spec["principals"]["memberOfGroupIds"] = json!([ON_CALL]);
    })
    .await;
    // Frank is on call; this one is somebody else.
    let look_alike = "fr\u{0430}nk@contoso.com";
    bed.simulator.admin().add_user(look_alike).unwrap();
    eligible("frank").user(look_alike).apply(&bed).await;
    denied::<GroupEligibility>(&bed, "frank", "memberOfGroupIds").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_made_anew_under_the_same_name() {
    let (bed, operator) = fenced_by("recreated", |spec| {
        spec["principals"]["memberOfGroupIds"] = json!([ON_CALL]);
    })
    .await;
    bed.simulator
        .admin()
        .remove_user("frank@contoso.com")
        .unwrap();
    bed.simulator.admin().add_user("frank@contoso.com").unwrap();
    eligible("frank")
        .user("frank@contoso.com")
        .apply(&bed)
        .await;
    denied::<GroupEligibility>(&bed, "frank", "memberOfGroupIds").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_principal_made_anew_under_the_same_name_receives_nothing() {
    let (bed, operator) = fenced("recreated_pinned").await;
    eligible("alice").lasting("P30D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .remove_user("alice@contoso.com")
        .unwrap();
    let namesake = bed.simulator.admin().add_user("alice@contoso.com").unwrap();
    eligible("alice").lasting("P60D").apply(&bed).await;
    bed.until::<GroupEligibility>("alice", "a look at the new spec", |status| {
        status.observed_generation == Some(2)
    })
    .await;
    assert!(rows(&bed, pim_simulator::Kind::Eligibility, &namesake).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_of_one_name() {
    let (bed, operator) = fenced_by("namesakes", |spec| {
        spec["groups"] = json!([{"id": ON_CALL}]);
    })
    .await;
    eligible("alice").group("on-call").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Ambiguous")
        .await;
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_hidden_in_a_group_name() {
    let (bed, operator) = fenced("odata").await;
    eligible("alice")
        .group("x' or displayName eq 'payments-approvers")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("alice", "TargetNotFound")
        .await;
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_hidden_in_a_user_name() {
    let (bed, operator) = fenced("path").await;
    for (number, name) in [
        "../groups/payments-approvers@x",
        "alice@contoso.com/../../groups",
        "..%2f..@x",
    ]
    .iter()
    .enumerate()
    {
        let object = format!("path-{number}");
        eligible(&object).user(name).apply(&bed).await;
        bed.until_reason::<GroupEligibility>(&object, "PrincipalNotFound")
            .await;
    }
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_capitals_as_a_second_spelling() {
    let (bed, operator) = fenced("capitals").await;
    let capitals = eligible("alice").with("group", json!({"id": OPS.to_uppercase()}));
    let refused = bed.apply(&capitals.to_string()).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("must be written in lower case"),
        "{refused}"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_past_their_bounds() {
    let (bed, operator) = fenced("oversize").await;
    let long = |length: usize| "x".repeat(length);
    for manifest in [
        eligible("alice").with("justification", long(301)),
        eligible("alice").group(&long(257)),
        eligible("alice").user(&format!("{}@contoso.com", long(320))),
        eligible("alice").with("ticketInfo", json!({"ticketNumber": long(129)})),
    ] {
        let refused = bed
            .apply(&manifest.to_string())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("Too long") || refused.contains("may not be more than"),
            "{refused}"
        );
    }
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_that_shares_a_display_name() {
    let (bed, operator) = fenced_by("display_name", |spec| {
        spec["principals"]["memberOfGroupIds"] = json!([ON_CALL]);
    })
    .await;
    let namesake = UserSeed {
        display_name: Some("Frank".to_owned()),
        user_principal_name: "frank.two@contoso.com".to_owned(),
        ..UserSeed::default()
    };
    bed.simulator
        .admin()
        .apply(Operation::AddUser(namesake))
        .unwrap();
    eligible("frank")
        .user("frank.two@contoso.com")
        .apply(&bed)
        .await;
    let said = until_denied::<GroupEligibility>(&bed, "frank").await;
    assert!(said.contains("is no member"), "{said}");
    assert!(sent(&bed).is_empty());
    operator.stop().await;
}
