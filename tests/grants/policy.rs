//! Grants that the target's PIM policy forbids: the condition names the rule, and an edit helps at once.

use pim_operator::api::group_grant::GroupEligibility;
use serde_json::json;

use crate::support::{
    Manifest, bed, eligible, holds, message, nudge, sent, set_policy, until_stalled,
};

/// Applies a manifest that the policy forbids, checks what is said, and applies one that it permits.
async fn refused_then_mended(
    name: &str,
    policy: serde_json::Value,
    forbidden: Manifest,
    says: &[&str],
    permitted: Manifest,
) {
    let bed = bed(name, |_| {}).await;
    set_policy(&bed, &policy);
    let operator = bed.start_operator();
    forbidden.apply(&bed).await;
    let object: GroupEligibility = until_stalled(&bed, "alice", "PolicyRejected").await;
    for part in says {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    assert!(!holds(&object, "Reconciling"));
    assert_eq!(sent(&bed), ["adminAssign"]);
    permitted.apply(&bed).await;
    let object: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    assert!(!holds(&object, "Stalled"));
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_grant_that_the_policy_forbids_is_granted_once_it_ends() {
    refused_then_mended(
        "policy_permanent",
        json!({}),
        eligible("alice").permanent(),
        &["ExpirationRule", "payments-ops", "permanent"],
        eligible("alice"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_too_long_for_the_policy_is_granted_once_it_is_shortened() {
    refused_then_mended(
        "policy_too_long",
        json!({"eligibility": {"maximumDuration": "P30D"}}),
        eligible("alice"),
        &[
            "ExpirationRule",
            "exceeds the maximum",
            "shorten the window",
        ],
        eligible("alice").lasting("P30D"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_the_ticket_that_the_policy_demands_is_granted_once_it_has_one() {
    refused_then_mended(
        "policy_ticket",
        json!({"eligibility": {"require": ["Ticketing", "Justification"]}}),
        eligible("alice"),
        &["TicketingRule", "Ticket information is required"],
        eligible("alice").with("ticketInfo", json!({"ticketNumber": "CHG-42"})),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_a_justification_carries_the_reference_to_its_manifest() {
    let bed = bed("policy_justification", |_| {}).await;
    set_policy(
        &bed,
        &json!({"eligibility": {"require": ["Justification"]}}),
    );
    let operator = bed.start_operator();
    eligible("alice").without("justification").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let justification = bed.simulator.requests()[0].justification.clone().unwrap();
    let object = format!("GroupEligibility {}/alice", bed.namespace);
    assert!(justification.contains(&object), "{justification}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_demands_mfa_of_administrators_is_said_to_be_out_of_reach() {
    let bed = bed("policy_mfa", |_| {}).await;
    set_policy(
        &bed,
        &json!({"eligibility": {"require": ["MultiFactorAuthentication"]}}),
    );
    let operator = bed.start_operator();
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = until_stalled(&bed, "alice", "PolicyRejected").await;
    for part in [
        "MfaRule",
        "payments-ops",
        "an application cannot pass multi-factor authentication",
    ] {
        assert!(message(&alice).contains(part), "{}", message(&alice));
    }
    // Nothing in the manifest can help: when the policy has been changed, a nudge does.
    set_policy(&bed, &json!({"eligibility": {"require": []}}));
    nudge::<GroupEligibility>(&bed, "alice").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    operator.stop().await;
}
