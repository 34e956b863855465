//! `protectedPrincipals`: never revoked, never shortened.

use chrono::TimeDelta;
use pim_harness::Operator;
use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::Kind;
use serde_json::json;

use crate::{
    estate::{notes, respec},
    support::{bed, eligible, message, row, sent},
};

const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";

/// Alice's grant is there, and then she is protected.
async fn protected(name: &str, lifted: &[&str]) -> (pim_harness::Bed, Operator) {
    let bed = bed(name, |_| {}).await;
    let mut controller = bed.controller(bed.client.clone());
    controller.lifted = lifted.iter().map(|lift| lift.parse().unwrap()).collect();
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    respec(&bed, json!({"protectedPrincipals": [{"id": ALICE}]})).await;
    (bed, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deletion_of_a_protected_principals_object_leaves_the_access_and_says_so() {
    let (bed, operator) = protected("protected_deleted", &[]).await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    row(&bed, Kind::Eligibility, "alice");
    assert_eq!(sent(&bed), ["adminAssign"]);
    bed.eventually("the event", || async {
        notes(&bed, "alice").await.iter().any(|(reason, note)| {
            reason == "ProtectedPrincipal"
                && note.contains("eligible as member of payments-ops until")
        })
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_principals_access_is_not_shortened_even_where_the_deny_list_is_lifted_for_it()
{
    let lifted = format!("principal:{ALICE}");
    let (bed, operator) = protected("protected_edited", &[&lifted]).await;
    let end = row(&bed, Kind::Eligibility, "alice").end;
    let past = bed.now() - TimeDelta::days(1);
    for shorter in [
        eligible("alice").lasting("P10D"),
        eligible("alice").until(past),
        eligible("alice").starting(bed.now() + TimeDelta::days(5), "P200D"),
    ] {
        shorter.apply(&bed).await;
        let alice: GroupEligibility = bed.until_reason("alice", "ProtectedPrincipal").await;
        assert!(
            message(&alice).contains("neither revoked nor shortened"),
            "{}",
            message(&alice)
        );
        assert_eq!(row(&bed, Kind::Eligibility, "alice").end, end);
    }
    assert_eq!(sent(&bed), ["adminAssign"]);
    eligible("alice").lasting("P120D").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate"]);
    operator.stop().await;
}
