//! References that lead nowhere, not yet, to too much, or no longer to anything.

use std::time::Duration;

use chrono::TimeDelta;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{GroupSeed, Kind, Operation};
use serde_json::json;

use crate::support::{
    bed, eligible, events, holds, message, row, rows, sent, start, until_sent, until_stalled,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_principal_is_looked_for_and_is_a_fault_only_after_half_an_hour() {
    let bed = bed("missing_principal", |_| {}).await;
    let operator = start(&bed).await;
    eligible("zoe").user("zoe@contoso.com").apply(&bed).await;
    let zoe: GroupEligibility = bed.until_reason("zoe", "PrincipalNotFound").await;
    assert!(
        message(&zoe).contains("no user zoe@contoso.com"),
        "{}",
        message(&zoe)
    );
    assert!(!holds(&zoe, "Stalled"));
    assert!(holds(&zoe, "Reconciling"));
    bed.advance(TimeDelta::minutes(31));
    until_stalled::<GroupEligibility>(&bed, "zoe", "PrincipalNotFound").await;
    assert_eq!(sent(&bed).len(), 0);
    bed.simulator.admin().add_user("zoe@contoso.com").unwrap();
    bed.advance(TimeDelta::minutes(16));
    let zoe: GroupEligibility = bed.until_reason("zoe", "Provisioned").await;
    assert!(!holds(&zoe, "Stalled"));
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_by_an_ambiguous_group_name_is_told_to_write_the_id() {
    let bed = bed("ambiguous_principal", |_| {}).await;
    let operator = start(&bed).await;
    eligible("rota")
        .with("principal", json!({"groupDisplayName": "on-call"}))
        .apply(&bed)
        .await;
    let rota: GroupEligibility = until_stalled(&bed, "rota", "Ambiguous").await;
    assert!(
        message(&rota).contains("2 groups are named \"on-call\"; write `principal.id`"),
        "{}",
        message(&rota)
    );
    assert_eq!(sent(&bed).len(), 0);
    let rename = Operation::AlterGroup {
        group: "68e55cce-0000-4000-8000-000000000007".to_owned(),
        display_name: Some("logistics-on-call".to_owned()),
        membership_rule: None,
        on_premises: None,
    };
    bed.simulator.admin().apply(rename).unwrap();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<GroupEligibility>("rota", "Provisioned")
        .await;
    let row = row(
        &bed,
        Kind::Eligibility,
        "68e55cce-0000-4000-8000-000000000006",
    );
    assert!(row.in_force);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_by_an_ambiguous_name_is_told_to_write_the_id() {
    let bed = bed("ambiguous_target", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").group("on-call").apply(&bed).await;
    let alice: GroupEligibility = until_stalled(&bed, "alice", "Ambiguous").await;
    assert!(message(&alice).contains("write `group.id`"));
    assert_eq!(sent(&bed).len(), 0);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_group_is_looked_for_by_name_and_by_id() {
    let bed = bed("missing_group", |_| {}).await;
    let operator = start(&bed).await;
    let id = "0dd00000-0000-4000-8000-000000000001";
    eligible("by-name").group("ledger-ops").apply(&bed).await;
    eligible("by-id")
        .with("group", json!({"id": id}))
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    let by_name: GroupEligibility = bed.until_reason("by-name", "TargetNotFound").await;
    assert!(message(&by_name).contains("no group named \"ledger-ops\""));
    let by_id: GroupEligibility = bed.until_reason("by-id", "TargetNotFound").await;
    assert!(message(&by_id).contains(id));
    assert!(!holds(&by_id, "Stalled") && !holds(&by_name, "Stalled"));
    let group = GroupSeed {
        id: Some(id.parse().unwrap()),
        display_name: "ledger-ops".to_owned(),
        ..GroupSeed::default()
    };
    bed.simulator.admin().add_group(group).unwrap();
    bed.allow_group(id.parse().unwrap()).await.unwrap();
    bed.advance(TimeDelta::seconds(11));
    bed.until_reason::<GroupEligibility>("by-name", "Provisioned")
        .await;
    bed.until_reason::<GroupEligibility>("by-id", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_pim_does_not_support_are_refused_before_graph_is_asked() {
    let bed = bed("unsupported_groups", |_| {}).await;
    let operator = start(&bed).await;
    for (name, group, why) in [
        ("dynamic", "everyone-in-payments", "dynamic membership"),
        ("synchronised", "legacy-operators", "on-premises"),
    ] {
        eligible(name).group(group).apply(&bed).await;
        let object: GroupEligibility = until_stalled(&bed, name, "TargetNotFound").await;
        assert!(message(&object).contains(why), "{}", message(&object));
    }
    assert_eq!(sent(&bed).len(), 0);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_is_minutes_old_is_granted_once_pim_knows_it() {
    let bed = bed("young_principal", |behaviour| {
        behaviour.new_principal_lag = Duration::from_mins(5);
        behaviour.directory_search_lag = Duration::from_secs(14);
    })
    .await;
    bed.simulator.admin().add_user("zoe@contoso.com").unwrap();
    let operator = start(&bed).await;
    eligible("zoe").user("zoe@contoso.com").apply(&bed).await;
    let zoe = bed
        .until::<GroupEligibility>("zoe", "a refusal", |status| {
            status
                .last_request
                .as_ref()
                .is_some_and(|last| last.error.is_some())
        })
        .await;
    assert!(
        message(&zoe).contains("(SubjectNotFound)"),
        "{}",
        message(&zoe)
    );
    assert!(!holds(&zoe, "Stalled"));
    bed.advance(TimeDelta::minutes(5));
    bed.until_reason::<GroupEligibility>("zoe", "Provisioned")
        .await;
    assert_eq!(bed.simulator.schedules(Kind::Eligibility).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_that_pim_never_gets_to_know_stalls_after_half_an_hour() {
    let bed = bed("unknown_principal", |behaviour| {
        behaviour.new_principal_lag = Duration::from_hours(24);
    })
    .await;
    bed.simulator.admin().add_user("zoe@contoso.com").unwrap();
    let operator = start(&bed).await;
    eligible("zoe").user("zoe@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("zoe", "PrincipalNotFound")
        .await;
    bed.advance(TimeDelta::minutes(29));
    until_sent(&bed, 2).await;
    bed.until::<GroupEligibility>("zoe", "a second failure", |status| {
        status
            .last_request
            .as_ref()
            .is_some_and(|last| last.failures == Some(2))
    })
    .await;
    let zoe: GroupEligibility = bed.until_reason("zoe", "PrincipalNotFound").await;
    assert!(!holds(&zoe, "Stalled"));
    bed.advance(TimeDelta::minutes(2));
    until_stalled::<GroupEligibility>(&bed, "zoe", "PrincipalNotFound").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_minutes_old_is_unknown_then_fails_then_takes_the_grant() {
    let bed = bed("young_group", |behaviour| {
        behaviour.new_group_not_found_posts = 2;
        behaviour.new_group_failed_posts = 1;
    })
    .await;
    let id = "0dd00000-0000-4000-8000-000000000001".parse().unwrap();
    let group = GroupSeed {
        id: Some(id),
        display_name: "ledger-ops".to_owned(),
        ..GroupSeed::default()
    };
    bed.simulator.admin().add_group(group).unwrap();
    bed.allow_group(id).await.unwrap();
    let operator = start(&bed).await;
    eligible("alice").group("ledger-ops").apply(&bed).await;
    let failed = |count: u32| {
        let bed = &bed;
        async move {
            bed.until::<GroupEligibility>("alice", "a further failure", move |status| {
                status
                    .last_request
                    .as_ref()
                    .is_some_and(|last| last.failures == Some(count))
            })
            .await
        }
    };
    for count in 1..=2 {
        let alice = failed(count).await;
        assert!(
            message(&alice).contains("(ResourceNotFound)"),
            "{}",
            message(&alice)
        );
        assert!(!holds(&alice, "Stalled"));
        bed.advance(TimeDelta::seconds(8));
    }
    let alice = failed(3).await;
    assert!(message(&alice).contains("Entra took adminAssign and failed"));
    bed.advance(TimeDelta::seconds(16));
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    assert_eq!(sent(&bed).len(), 4);
    assert_eq!(bed.simulator.schedules(Kind::Eligibility).len(), 1);
    assert!(holds(&alice, "InSync"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_whose_principal_was_deleted_is_not_given_to_anybody_else() {
    let bed = bed("deleted_principal", |behaviour| {
        behaviour.ghosts_linger_for = Duration::ZERO;
    })
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .remove_user("alice@contoso.com")
        .unwrap();
    // A namesake is somebody else: the id is pinned.
    bed.simulator.admin().add_user("alice@contoso.com").unwrap();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<GroupEligibility>("alice", "Drifted")
        .await;
    bed.advance(TimeDelta::seconds(16));
    let alice: GroupEligibility = bed.until_reason("alice", "PrincipalNotFound").await;
    assert!(
        message(&alice).contains("a11ce000-0000-4000-8000-000000000001"),
        "{}",
        message(&alice)
    );
    assert_eq!(bed.simulator.schedules(Kind::Eligibility), vec![]);
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_although_entra_still_lists_the_grant_of_a_deleted_principal() {
    let bed = bed("ghost", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .remove_user("alice@contoso.com")
        .unwrap();
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    assert!(
        events(&bed, "alice")
            .await
            .contains(&("Normal".to_owned(), "Revoked".to_owned()))
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_a_deleted_principal_goes_where_only_each_kind_of_principal_may_be_read() {
    let bed = bed("ghost_least", |_| {}).await;
    bed.simulator
        .admin()
        .apply(pim_simulator::Operation::SetAppRoles {
            client_id: pim_harness::bed::CLIENT_ID.to_owned(),
            app_roles: pim_operator::pim::permissions::PERMISSIONS
                .iter()
                .filter(|line| line.required)
                .map(|line| line.least().to_owned())
                .collect(),
        })
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator
        .admin()
        .remove_user("alice@contoso.com")
        .unwrap();
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_is_reported_and_does_not_keep_the_object() {
    let bed = bed("deleted_group", |behaviour| {
        behaviour.ghosts_linger_for = Duration::ZERO;
    })
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.simulator.admin().remove_group("payments-ops").unwrap();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<GroupEligibility>("alice", "Drifted")
        .await;
    bed.advance(TimeDelta::seconds(16));
    let alice: GroupEligibility = bed.until_reason("alice", "TargetNotFound").await;
    assert!(message(&alice).contains("(ResourceNotFound)"));
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_although_entra_still_lists_the_grants_of_a_deleted_group() {
    let bed = bed("ghost_group", |_| {}).await;
    let operator = start(&bed).await;
    crate::support::active("alice").apply(&bed).await;
    bed.until_reason::<GroupAssignment>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::minutes(6));
    bed.simulator.admin().remove_group("payments-ops").unwrap();
    bed.delete::<GroupAssignment>("alice").await.unwrap();
    bed.until_gone::<GroupAssignment>("alice").await;
    assert!(rows(&bed, Kind::Assignment, "alice").is_empty());
    operator.stop().await;
}
