//! Grants that the target's PIM policy forbids: the condition names the rule, its limit and the two ways out before anything is
//! asked of Graph; an edit helps at once, and so does a change of the policy.

use chrono::TimeDelta;
use pim_harness::Bed;
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Fault;
use serde_json::{Value, json};

use crate::support::{
    Manifest, active, bed, eligible, holds, message, nudge, sent, set_policy, start, until_stalled,
};

const POLICIES: &str = "roleManagementPolicyAssignments";

/// How often policies were read.
fn policy_reads(bed: &Bed) -> usize {
    let entries = bed.simulator.traffic().entries();
    entries
        .iter()
        .filter(|exchange| exchange.path.contains(POLICIES))
        .count()
}

/// Applies a manifest that the policy forbids, checks what is said, and applies one that it permits.
async fn rejected_then_mended(
    bed: &Bed,
    policy: Value,
    forbidden: Manifest,
    says: &[&str],
    permitted: Manifest,
) {
    set_policy(bed, &policy);
    let operator = start(bed).await;
    forbidden.apply(bed).await;
    let object: GroupEligibility = until_stalled(bed, "alice", "PolicyRejected").await;
    for part in says {
        assert!(message(&object).contains(part), "{}", message(&object));
    }
    assert!(!holds(&object, "Reconciling"));
    let refused = sent(bed).len();
    permitted.apply(bed).await;
    let object: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    assert!(!holds(&object, "Stalled"));
    assert_eq!(sent(bed).len(), refused + 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_grant_that_the_policy_forbids_is_granted_once_it_ends() {
    let bed = bed("policy_permanent", |_| {}).await;
    rejected_then_mended(
        &bed,
        json!({}),
        eligible("alice").permanent(),
        &[
            "payments-ops",
            "a grant without an end (Expiration_Admin_Eligibility: P365D)",
            "either let the grant end",
            "or allow it in the policy (PimPolicy eligibility.permanentAllowed: true)",
        ],
        eligible("alice"),
    )
    .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_too_long_for_the_policy_is_granted_once_it_is_shortened() {
    let bed = bed("policy_too_long", |_| {}).await;
    rejected_then_mended(
        &bed,
        json!({"eligibility": {"maximumDuration": "P30D"}}),
        eligible("alice"),
        &[
            "a grant of P90D (Expiration_Admin_Eligibility: P30D)",
            "either shorten the grant to P30D",
            "or raise the limit in the policy (PimPolicy eligibility.maximumDuration: P90D)",
        ],
        eligible("alice").lasting("P30D"),
    )
    .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_the_ticket_that_the_policy_demands_is_granted_once_it_has_one() {
    let bed = bed("policy_ticket", |_| {}).await;
    rejected_then_mended(
        &bed,
        json!({"eligibility": {"require": ["Ticketing", "Justification"]}}),
        eligible("alice"),
        &[
            "demands a ticket (Enablement_Admin_Eligibility: Ticketing)",
            "either set `ticketInfo`",
            "or take Ticketing out of the policy",
        ],
        eligible("alice").with("ticketInfo", json!({"ticketNumber": "CHG-42"})),
    )
    .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_policies_may_not_be_read_graph_alone_decides_and_its_refusal_names_the_rule() {
    let bed = bed("policy_unseen", |_| {}).await;
    let roles = pim_operator::pim::permissions::PERMISSIONS
        .iter()
        .map(pim_operator::pim::permissions::Permission::least)
        .filter(|role| !role.contains("Policy"))
        .collect::<Vec<_>>();
    let admin = bed.simulator.admin();
    admin
        .set_app_roles(pim_harness::bed::CLIENT_ID, &roles)
        .unwrap();
    rejected_then_mended(
        &bed,
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
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_without_a_justification_carries_the_reference_to_its_manifest() {
    let bed = bed("policy_justification", |_| {}).await;
    set_policy(
        &bed,
        &json!({"eligibility": {"require": ["Justification"]}}),
    );
    let operator = start(&bed).await;
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
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = until_stalled(&bed, "alice", "PolicyRejected").await;
    for part in [
        "Enablement_Admin_Eligibility: MultiFactorAuthentication",
        "payments-ops",
        "which an application cannot pass",
    ] {
        assert!(message(&alice).contains(part), "{}", message(&alice));
    }
    assert!(sent(&bed).is_empty());
    // Nothing in the manifest can help: when the policy has been changed, a nudge does, and so does the next resync.
    set_policy(&bed, &json!({"eligibility": {"require": []}}));
    bed.advance(TimeDelta::minutes(2));
    nudge::<GroupEligibility>(&bed, "alice").await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_changed_in_the_portal_lets_the_waiting_grant_through_at_the_next_resync()
{
    let bed = bed("policy_loosened", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").permanent().apply(&bed).await;
    until_stalled::<GroupEligibility>(&bed, "alice", "PolicyRejected").await;
    set_policy(&bed, &json!({"eligibility": {"permanentAllowed": true}}));
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_of_a_group_are_read_once_for_all_its_grants() {
    let bed = bed("policy_shared", |_| {}).await;
    for name in ["alice", "bob", "carol", "dave"] {
        let user = format!("{name}@contoso.com");
        eligible(name).user(&user).apply(&bed).await;
    }
    active("erin").user("erin@contoso.com").apply(&bed).await;
    let operator = start(&bed).await;
    for name in ["alice", "bob", "carol", "dave"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    bed.until_reason::<GroupAssignment>("erin", "Provisioned")
        .await;
    assert_eq!(policy_reads(&bed), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_read_now_holds_the_grant_until_it_can() {
    let bed = bed("policy_unreadable", |_| {}).await;
    let operator = start(&bed).await;
    bed.simulator.faults().add(
        Fault::new(crate::support::refusal(503, "ServiceUnavailable", "busy"))
            .method("GET")
            .path(POLICIES)
            .always(),
    );
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "GraphUnavailable")
        .await;
    assert!(sent(&bed).is_empty());
    bed.simulator.faults().clear();
    bed.advance(TimeDelta::minutes(1));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}
