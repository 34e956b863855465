//! Graph and the network at their worst: nothing is granted twice, nothing is lost, nothing is given up.

use std::time::Duration;

use chrono::TimeDelta;
use pim_harness::Operator;
use pim_operator::{api::group_grant::GroupEligibility, graph::Timeouts};
use pim_simulator::{FaultKind, Kind};

use crate::support::{
    bed, eligible, holds, list_fault, message, near, refusal, row, rows, sent, start, until_sent,
    write_fault,
};

/// Grants with a fault in the way of the request; `sent` says how often it may go out.
async fn granted_despite(name: &str, fault: FaultKind, reason: Option<&str>, expected: usize) {
    let bed = bed(name, |_| {}).await;
    bed.simulator.faults().add(write_fault(fault));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    if let Some(reason) = reason {
        let alice: GroupEligibility = bed.until_reason("alice", reason).await;
        assert!(!holds(&alice, "Stalled"), "{}", message(&alice));
    }
    bed.advance(TimeDelta::seconds(25));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), vec!["adminAssign"; expected]);
    assert_eq!(bed.simulator.requests().len(), 1);
    row(&bed, Kind::Eligibility, "alice");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_before_the_change_is_made_is_looked_into_and_the_change_sent_once_more()
 {
    granted_despite(
        "cut_before",
        FaultKind::CutBeforeCommit,
        Some("GraphUnavailable"),
        2,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_after_the_change_was_made_does_not_make_it_twice() {
    granted_despite("cut_after", FaultKind::CutAfterCommit, None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_does_not_make_the_change_twice() {
    granted_despite("truncated", FaultKind::TruncatedBody, None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_answer_of_graphs_does_not_make_the_change_twice() {
    let page = FaultKind::OddBody {
        status: 201,
        text: "<html>welcome</html>".to_owned(),
    };
    granted_despite("odd_body", page, None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_before_the_change_is_made_is_looked_into_and_the_change_sent_once_more() {
    for (name, status) in [("error_500", 500), ("error_503", 503)] {
        let fault = refusal(status, "UnknownError", "");
        granted_despite(name, fault, Some("GraphUnavailable"), 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_error_after_the_change_was_made_does_not_make_it_twice() {
    let fault = FaultKind::OddBody {
        status: 502,
        text: "Bad Gateway".to_owned(),
    };
    granted_despite("error_502", fault, None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_an_answer_in_time_is_looked_into_first() {
    let bed = bed("timeout", |_| {}).await;
    let slow = FaultKind::Slow {
        milliseconds: 4_000,
    };
    bed.simulator.faults().add(write_fault(slow));
    let mut controller = bed.controller(bed.client.clone());
    controller.timeouts = Timeouts {
        total: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "GraphUnavailable").await;
    assert!(
        message(&alice).contains("time limit"),
        "{}",
        message(&alice)
    );
    bed.advance(TimeDelta::seconds(25));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(bed.simulator.requests().len(), 1);
    row(&bed, Kind::Eligibility, "alice");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_while_the_lists_lag_is_found_among_the_requests() {
    let bed = bed("lost_answer_and_lag", |behaviour| {
        behaviour.schedule_list_lag = Duration::from_mins(2);
    })
    .await;
    bed.simulator
        .faults()
        .add(write_fault(FaultKind::CutAfterCommit));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "GraphUnavailable")
        .await;
    bed.advance(TimeDelta::seconds(6));
    bed.until_reason::<GroupEligibility>("alice", "AwaitingReplication")
        .await;
    bed.advance(TimeDelta::minutes(2));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_and_a_removal_whose_answers_are_lost_are_made_once() {
    let bed = bed("lost_update_and_removal", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let lost = || write_fault(FaultKind::CutAfterCommit);
    bed.simulator.faults().add(lost());
    eligible("alice").lasting("P30D").apply(&bed).await;
    until_sent(&bed, 2).await;
    bed.advance(TimeDelta::seconds(6));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert!(near(
        row(&bed, Kind::Eligibility, "alice").end,
        bed.now() + TimeDelta::days(30)
    ));
    bed.simulator.faults().add(lost());
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    until_sent(&bed, 3).await;
    bed.advance(TimeDelta::seconds(6));
    let alice: GroupEligibility = bed.until_reason("alice", "AwaitingReplication").await;
    assert!(
        message(&alice).contains("adminRemove is not certain"),
        "{}",
        message(&alice)
    );
    bed.advance(TimeDelta::minutes(5));
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(sent(&bed), ["adminAssign", "adminUpdate", "adminRemove"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_no_longer_accepted_is_renewed_without_a_word() {
    let bed = bed("expired_token", |_| {}).await;
    let fault = refusal(
        401,
        "InvalidAuthenticationToken",
        "Access token has expired.",
    );
    bed.simulator.faults().add(write_fault(fault));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed).len(), 2);
    assert_eq!(bed.simulator.requests().len(), 1);
    let warnings: Vec<_> = crate::support::events(&bed, "alice").await;
    assert!(
        warnings
            .iter()
            .all(|(_, reason)| ["PendingProvisioning", "Provisioned"].contains(&reason.as_str())),
        "{warnings:?}"
    );
    let before = bed.simulator.traffic().counts().token_requests;
    bed.advance(TimeDelta::hours(3));
    eligible("alice").lasting("P30D").apply(&bed).await;
    until_sent(&bed, 3).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(bed.simulator.traffic().counts().token_requests, before + 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named_and_not_asked_for_in_a_loop() {
    let bed = bed("missing_permission", |_| {}).await;
    let others = [
        "GroupMember.Read.All",
        "User.ReadBasic.All",
        "Directory.Read.All",
    ];
    bed.simulator
        .admin()
        .set_app_roles(pim_harness::bed::CLIENT_ID, &others)
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "PermissionDenied").await;
    assert!(
        message(&alice).contains("PrivilegedEligibilitySchedule.Read"),
        "{}",
        message(&alice)
    );
    assert!(holds(&alice, "Stalled"));
    let mark = bed.simulator.traffic().mark();
    bed.advance(TimeDelta::minutes(9));
    // Somebody else's grant shows that the operator has gone on.
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("bob", "PermissionDenied")
        .await;
    let calls = bed.simulator.traffic().counts_since(&mark);
    assert!(calls.graph_gets <= 4, "{calls:?}");
    assert_eq!(sent(&bed).len(), 0);
    let all = [
        "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
        "GroupMember.Read.All",
        "User.ReadBasic.All",
        "Directory.Read.All",
    ];
    bed.simulator
        .admin()
        .set_app_roles(pim_harness::bed::CLIENT_ID, &all)
        .unwrap();
    // The permission arrives with the next token.
    bed.advance(TimeDelta::hours(1));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_to_read_only_is_reported_by_the_first_write() {
    let bed = bed("read_only", |_| {}).await;
    let roles = [
        "PrivilegedEligibilitySchedule.Read.AzureADGroup",
        "Directory.Read.All",
    ];
    bed.simulator
        .admin()
        .set_app_roles(pim_harness::bed::CLIENT_ID, &roles)
        .unwrap();
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility =
        crate::support::until_stalled(&bed, "alice", "PermissionDenied").await;
    assert!(
        message(&alice).contains("PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup"),
        "{}",
        message(&alice)
    );
    assert_eq!(sent(&bed).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_404_of_something_in_between_is_no_proof_of_anything() {
    let bed = bed("bare_404", |_| {}).await;
    let nothing = FaultKind::Status {
        status: 404,
        body: None,
        retry_after_seconds: None,
    };
    bed.simulator.faults().add(write_fault(nothing.clone()));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "RequestFailed").await;
    assert!(message(&alice).contains("404"), "{}", message(&alice));
    assert!(!holds(&alice, "Stalled"));
    bed.advance(TimeDelta::seconds(31));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    // The list of a group that is there is not empty because a gateway says 404, and deletion does not rely on it.
    bed.simulator.faults().add(list_fault(nothing).always());
    bed.advance(TimeDelta::minutes(2));
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_reason::<GroupEligibility>("alice", "TargetNotFound")
        .await;
    row(&bed, Kind::Eligibility, "alice");
    bed.simulator.faults().clear();
    bed.advance(TimeDelta::minutes(11));
    bed.until_gone::<GroupEligibility>("alice").await;
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_pause_that_graph_asks_for_is_kept_without_a_word() {
    let bed = bed("throttled", |_| {}).await;
    let throttle = FaultKind::Throttle {
        retry_after_seconds: 1,
        as_date: false,
    };
    bed.simulator.faults().add(write_fault(throttle.clone()));
    bed.simulator.faults().add(list_fault(throttle));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed).len(), 2);
    assert_eq!(bed.simulator.requests().len(), 1);
    let reported = crate::support::events(&bed, "alice").await;
    assert!(
        reported.iter().all(|(_, reason)| reason != "Throttled"),
        "{reported:?}"
    );
    let times: Vec<chrono::DateTime<chrono::Utc>> = bed
        .simulator
        .traffic()
        .entries()
        .iter()
        .filter(|exchange| exchange.method == "POST" && exchange.path.contains("ScheduleRequests"))
        .map(|exchange| exchange.time.parse().unwrap())
        .collect();
    assert!(
        times[1] - times[0] >= TimeDelta::milliseconds(950),
        "{times:?}"
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_pause_that_graph_asks_for_is_reported_and_kept() {
    let bed = bed("long_throttle", |_| {}).await;
    let throttle = FaultKind::Throttle {
        retry_after_seconds: 5,
        as_date: false,
    };
    bed.simulator.faults().add(write_fault(throttle));
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Throttled").await;
    assert!(
        message(&alice).contains("(TooManyRequests)"),
        "{}",
        message(&alice)
    );
    assert!(!holds(&alice, "Stalled"));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert_eq!(sent(&bed).len(), 2);
    assert_eq!(bed.simulator.requests().len(), 1);
    operator.stop().await;
}
