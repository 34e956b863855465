//! Others who write, replicas that lag, answers that get lost, and groups that are new to PIM.

use std::time::Duration;

use pim_simulator::{Access, Fault, FaultKind};
use serde_json::json;

use crate::support::{
    apply, bed, bound, condition, patches, rule, sabotage, says, start, status, until, until_notes,
    until_reason,
};

fn patch_fault(kind: FaultKind) -> Fault {
    Fault::new(kind)
        .method("PATCH")
        .path("roleManagementPolicies")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_by_somebody_else_at_the_same_time_is_told_and_then_mended() {
    let bed = bed("lost_race", |_| {}).await;
    let operator = start(&bed).await;
    let slow = FaultKind::SlowAfterCommit {
        milliseconds: 1_000,
    };
    bed.simulator.faults().add(patch_fault(slow));
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    let longest = || rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"].clone();
    bed.eventually("the change is made", || async { longest() == "PT2H" })
        .await;
    sabotage(
        &bed,
        &[json!({"id": "Expiration_EndUser_Assignment", "maximumDuration": "PT6H"})],
    );
    let object = until_reason(&bed, "policy", "LostRace").await;
    let said = says(&object, "Ready");
    assert!(said.contains("is PT6H and is to be PT2H"), "{said}");
    bed.advance(chrono::TimeDelta::seconds(15));
    until_reason(&bed, "policy", "Applied").await;
    assert_eq!(longest(), "PT2H");
    until_notes(&bed, "policy", "LostRace", 1).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_lag_cost_no_second_change() {
    let bed = bed("lag", |behaviour| {
        behaviour.policy_read_lag = Duration::from_secs(20);
    })
    .await;
    let operator = start(&bed).await;
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    until_reason(&bed, "policy", "Applied").await;
    for _ in 0..4 {
        crate::support::look_again(&bed, "policy").await;
    }
    bed.advance(chrono::TimeDelta::seconds(90));
    crate::support::look_again(&bed, "policy").await;
    until_reason(&bed, "policy", "Applied").await;
    assert_eq!(patches(&bed).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_is_looked_for_and_not_repeated() {
    let bed = bed("lost_answer", |_| {}).await;
    let operator = start(&bed).await;
    let cut = patch_fault(FaultKind::CutAfterCommit);
    bed.simulator.faults().add(cut);
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    bed.eventually("the change is made", || async { !patches(&bed).is_empty() })
        .await;
    bed.advance(chrono::TimeDelta::seconds(30));
    until_reason(&bed, "policy", "Applied").await;
    assert_eq!(patches(&bed).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_graph_refuses_is_reported_with_its_code_and_tried_again() {
    let bed = bed("refused", |_| {}).await;
    let operator = start(&bed).await;
    let refusal = FaultKind::Status {
        status: 400,
        body: Some(
            json!({"error": {"code": "InvalidPolicy", "message": "The policy is invalid."}}),
        ),
        retry_after_seconds: None,
    };
    bed.simulator.faults().add(patch_fault(refusal));
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    let object = until_reason(&bed, "policy", "RequestFailed").await;
    assert!(says(&object, "Ready").contains("InvalidPolicy"));
    let last = status(&object).last_update.clone().unwrap();
    assert_eq!(last.error.as_deref(), Some("InvalidPolicy"));
    assert_eq!(last.rules, ["Expiration_EndUser_Assignment"]);
    bed.advance(chrono::TimeDelta::minutes(2));
    let object = until_reason(&bed, "policy", "Applied").await;
    assert_eq!(status(&object).last_update.as_ref().unwrap().error, None);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_is_waited_for_and_its_policy_found_under_its_new_id() {
    let bed = bed("new_group", |behaviour| {
        behaviour.new_group_policy_not_found_reads = 2;
    })
    .await;
    let operator = start(&bed).await;
    let seed = serde_json::from_value(json!({"displayName": "brand-new"})).unwrap();
    let id = bed.simulator.admin().add_group(seed).unwrap();
    bound(&bed, json!({"groups": [{"id": id}]})).await;
    let spec = json!({
        "target": {"group": {"displayName": "brand-new", "accessId": "owner"}},
        "activation": {"require": ["MultiFactorAuthentication"], "authenticationContext": {"claimValue": "c1"}},
    });
    apply(&bed, "policy", spec).await;
    let object = until_reason(&bed, "policy", "AwaitingReplication").await;
    assert!(says(&object, "Ready").contains("brand-new"));
    let view = || {
        bed.simulator
            .group_policy("brand-new", Access::Owner)
            .unwrap()
    };
    let before = view().id;
    for _ in 0..4 {
        bed.advance(chrono::TimeDelta::seconds(40));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let object = until(&bed, "policy", "Applied", |object| {
        condition(object, "Ready").is_some_and(|ready| ready.reason == "Applied")
    })
    .await;
    // Multi-factor authentication and a context are two changes; the first one gave the policy another id.
    assert_eq!(
        patches(&bed),
        [
            ["Enablement_EndUser_Assignment"],
            ["AuthenticationContext_EndUser_Assignment"]
        ]
    );
    assert_ne!(view().id, before);
    assert_eq!(status(&object).policy_id.as_ref(), Some(&view().id));
    assert_eq!(
        view().rule("AuthenticationContext_EndUser_Assignment")["isEnabled"],
        true
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tightens_is_sent_before_what_loosens_when_both_are_applied_together() {
    let bed = bed("order", |_| {}).await;
    let operator = start(&bed).await;
    // Both tightenings take their time.
    let slow = FaultKind::Slow {
        milliseconds: 3_000,
    };
    bed.simulator.faults().add(patch_fault(slow).times(2));
    let stating = |group: &str, length: &str| {
        json!({
            "target": {"group": {"displayName": group, "accessId": "owner"}},
            "activation": {"maximumDuration": length},
        })
    };
    apply(&bed, "looser", stating("payments-ops", "PT12H")).await;
    apply(&bed, "tighter", stating("payments-approvers", "PT1H")).await;
    apply(&bed, "tighter-too", stating("helpdesk-emea", "PT2H")).await;
    for name in ["looser", "tighter", "tighter-too"] {
        until_reason(&bed, name, "Applied").await;
    }
    let traffic = bed.simulator.traffic().entries();
    let lengths: Vec<_> = traffic
        .iter()
        .filter(|exchange| exchange.method == "PATCH")
        .map(|exchange| exchange.request.as_ref().unwrap()["rules"][0]["maximumDuration"].clone())
        .collect();
    assert_eq!(lengths.len(), 3);
    assert_eq!(lengths[2], json!("PT12H"), "{lengths:?}");
    operator.stop().await;
}
