//! A rebuilt cluster: the same manifests, and nothing left of what was recorded.

use chrono::TimeDelta;
use kube::api::{DeleteParams, Patch, PatchParams};
use pim_harness::Bed;
use pim_operator::{api::group_grant::GroupEligibility, controller::grant::Grant};
use pim_simulator::{Access, Fault, FaultKind, Kind};
use serde_json::json;

use crate::support::{
    Manifest, bed, eligible, holds, message, near, row, rows, sent, set_policy, start, until_sent,
};

/// Loses the object with its uid, finalizer and status, as a cluster does that is gone, and applies its manifest anew.
async fn rebuild<K: Grant>(bed: &Bed, name: &str, manifest: &Manifest) {
    let api = bed.api::<K>();
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(name, &PatchParams::default(), &release)
        .await
        .unwrap();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    bed.until_gone::<K>(name).await;
    manifest.apply(bed).await;
}

/// How often the request history was read, pages not counted.
fn history_reads(bed: &Bed) -> usize {
    let traffic = bed.simulator.traffic().entries();
    let is_list = |path: &str| {
        path.contains("ScheduleRequests?")
            && !path.contains("principalId")
            && !path.contains("skiptoken")
    };
    traffic
        .iter()
        .filter(|exchange| exchange.method == "GET" && is_list(&exchange.path))
        .count()
}

fn history_fault(kind: FaultKind) -> Fault {
    Fault::new(kind)
        .method("GET")
        .path("eligibilityScheduleRequests")
}

async fn granted(bed: &Bed, manifest: &Manifest) {
    let operator = start(bed).await;
    manifest.apply(bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_ran_out_is_not_opened_again() {
    let bed = bed("rebuilt_lapsed", |behaviour| {
        behaviour.pim_page_size = Some(1);
    })
    .await;
    let manifest = eligible("alice").lasting("P10D");
    // Others are in the history as well.
    let operator = start(&bed).await;
    for name in ["bob", "carol"] {
        let other = eligible(name).user(&format!("{name}@contoso.com"));
        other.apply(&bed).await;
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    operator.stop().await;
    granted(&bed, &manifest).await;
    let end = row(&bed, Kind::Eligibility, "alice").end.unwrap();
    bed.advance(TimeDelta::days(12));
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    let before = sent(&bed).len();
    let operator = start(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Expired").await;
    assert!(holds(&alice, "Ready") && holds(&alice, "InSync"));
    assert!(
        message(&alice).contains("edit `scheduleInfo`"),
        "{}",
        message(&alice)
    );
    let schedule = alice.status().unwrap().schedule.clone().unwrap();
    assert!(near(schedule.end_date_time, end));
    assert_eq!(sent(&bed).len(), before);
    assert!(rows(&bed, Kind::Eligibility, "alice").is_empty());
    operator.stop().await;
    // It stays so without asking again, until somebody edits it.
    let reads = history_reads(&bed);
    let operator = start(&bed).await;
    eligible("alice").lasting("P5D").apply(&bed).await;
    until_sent(&bed, before + 1).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let end = bed.now() + TimeDelta::days(5);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert_eq!(history_reads(&bed), reads);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_removed_meanwhile_is_restored_to_its_old_end() {
    let bed = bed("rebuilt_removed", |_| {}).await;
    let manifest = eligible("alice").lasting("P30D");
    granted(&bed, &manifest).await;
    let end = row(&bed, Kind::Eligibility, "alice").end.unwrap();
    bed.advance(TimeDelta::days(10));
    bed.simulator
        .admin()
        .remove(
            Kind::Eligibility,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
        )
        .unwrap();
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    let operator = start(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    operator.stop().await;
    // The restored grant is shorter than its declaration, and the next cluster knows it all the same.
    bed.advance(TimeDelta::days(5));
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    let operator = start(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert_eq!(sent(&bed), ["adminAssign", "adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_as_declared_is_taken_over_without_a_look_at_history() {
    let bed = bed("rebuilt_adopted", |_| {}).await;
    let manifest = eligible("alice").lasting("P30D");
    granted(&bed, &manifest).await;
    let (end, reads) = (
        row(&bed, Kind::Eligibility, "alice").end.unwrap(),
        history_reads(&bed),
    );
    bed.advance(TimeDelta::days(10));
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    let operator = start(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert_eq!((sent(&bed).len(), history_reads(&bed)), (1, reads));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_and_is_made_anew_is_granted_afresh() {
    let bed = bed("made_anew", |_| {}).await;
    let manifest = eligible("alice").lasting("P30D");
    let operator = start(&bed).await;
    manifest.apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.advance(TimeDelta::days(10));
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    manifest.apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let end = bed.now() + TimeDelta::days(30);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    assert_eq!(sent(&bed), ["adminAssign", "adminRemove", "adminAssign"]);
    operator.stop().await;
    // So it is for an operator that knows of the removal from Entra alone.
    let operator = start(&bed).await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    operator.stop().await;
    bed.advance(TimeDelta::days(2));
    granted(&bed, &manifest).await;
    let end = bed.now() + TimeDelta::days(30);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_is_lost_under_a_running_operator_is_no_way_to_a_longer_grant() {
    let bed = bed("rebuilt_running", |_| {}).await;
    let manifest = eligible("alice").lasting("PT6M");
    let operator = start(&bed).await;
    manifest.apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    // The history was read before the grant, so what is remembered of it does not hold the grant.
    bed.advance(TimeDelta::minutes(7));
    bed.until_reason::<GroupEligibility>("alice", "Expired")
        .await;
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    bed.until_reason::<GroupEligibility>("alice", "Expired")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_cannot_be_read_is_not_an_empty_one() {
    let bed = bed("rebuilt_unreadable", |_| {}).await;
    let manifest = eligible("alice").lasting("P10D");
    granted(&bed, &manifest).await;
    bed.advance(TimeDelta::days(12));
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    let unavailable = FaultKind::Status {
        status: 503,
        body: None,
        retry_after_seconds: None,
    };
    bed.simulator
        .faults()
        .add(history_fault(unavailable).always());
    let operator = start(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "GraphUnavailable").await;
    assert!(!holds(&alice, "Ready"));
    bed.simulator.faults().clear();
    bed.advance(TimeDelta::minutes(10));
    bed.until_reason::<GroupEligibility>("alice", "Expired")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_renews_and_other_windows_ask_nothing() {
    let bed = bed("rebuilt_lease", |_| {}).await;
    set_policy(&bed, &json!({"eligibility": {"permanentAllowed": true}}));
    let lease = eligible("alice").with(
        "scheduleInfo",
        json!({
            "expiration": {"type": "afterDuration", "duration": "P10D"}, "onExpiry": "Renew",
        }),
    );
    granted(&bed, &lease).await;
    bed.advance(TimeDelta::days(12));
    rebuild::<GroupEligibility>(&bed, "alice", &lease).await;
    let operator = start(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let end = bed.now() + TimeDelta::days(10);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
    let permanent = eligible("bob").user("bob@contoso.com").permanent();
    permanent.apply(&bed).await;
    let until = eligible("carol").user("carol@contoso.com").until(end);
    until.apply(&bed).await;
    for name in ["bob", "carol"] {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    assert_eq!(history_reads(&bed), 0);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_target_is_read_once_for_all_its_new_objects_and_never_again() {
    let bed = bed("history_shared", |_| {}).await;
    let operator = start(&bed).await;
    let names = ["alice", "bob", "carol", "dave"];
    for name in names {
        let manifest = eligible(name).user(&format!("{name}@contoso.com"));
        manifest.apply(&bed).await;
    }
    for name in names {
        bed.until_reason::<GroupEligibility>(name, "Provisioned")
            .await;
    }
    operator.stop().await;
    let operator = start(&bed).await;
    let mark = bed.simulator.traffic().mark();
    bed.eventually("a resync", || async {
        bed.advance(TimeDelta::minutes(16));
        bed.simulator.traffic().counts_since(&mark).graph_gets > 1
    })
    .await;
    assert_eq!(history_reads(&bed), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_entra_has_forgotten_after_forty_five_days_is_granted_afresh() {
    let bed = bed("rebuilt_forgotten", |_| {}).await;
    let manifest = eligible("alice").lasting("P10D");
    granted(&bed, &manifest).await;
    bed.advance(TimeDelta::days(46));
    rebuild::<GroupEligibility>(&bed, "alice", &manifest).await;
    granted(&bed, &manifest).await;
    let end = bed.now() + TimeDelta::days(10);
    assert!(near(row(&bed, Kind::Eligibility, "alice").end, end));
}
