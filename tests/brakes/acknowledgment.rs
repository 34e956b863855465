//! What counts, and what an acknowledgment is good for.

use chrono::TimeDelta;
use pim_harness::{Operator, load::Load};
use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::Kind;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    estate::{
        acknowledge, bed, delete_everything, events_of_tenant, granted, guard, held, objects,
        respec, revocations, until_all_gone, until_waiting,
    },
    support::{self, eligible, message, refusal, row, rows, sent, start, text, write_fault},
};

const TWENTY: Load = Load {
    groups: 2,
    of_each_kind: 5,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgment_works_once_and_for_its_count_and_a_bad_one_is_refused_aloud() {
    let bed = bed("acknowledged", TWENTY, json!({})).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = format!("http://{}/metrics", listener.local_addr().unwrap());
    let gauge = || async {
        let text = reqwest::get(&metrics).await.unwrap().text().await.unwrap();
        let name = format!(
            "entrapim_removal_guard_tripped{{tenant=\"{}\"}} ",
            bed.tenant
        );
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.map(str::to_owned)
    };
    let operator = granted(&bed, TWENTY).await;
    operator.stop().await;
    let mut controller = bed.controller(bed.client.clone());
    controller.listener = Some(listener);
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    bed.eventually("the gauge", || async {
        gauge().await.as_deref() == Some("0")
    })
    .await;
    delete_everything(&bed).await;
    let first = until_waiting(&bed, 15).await.tripped.unwrap();
    assert_eq!(held(&bed), 15);
    assert_eq!(gauge().await.as_deref(), Some("1"));
    let tripped = |notes: &[(String, String)]| {
        let of_trip = |(reason, _): &&(String, String)| reason == "RemovalGuardTripped";
        notes.iter().filter(of_trip).count()
    };
    bed.eventually("the event", || async {
        tripped(&events_of_tenant(&bed).await) > 0
    })
    .await;

    for (bad, why) in [
        ("yes", "must be the name of the trip"),
        ("00000000:15", "another trip than the present one"),
    ] {
        acknowledge(&bed, bad).await;
        bed.eventually(why, || async {
            let said = guard(&bed).await.message.unwrap_or_default();
            let told = events_of_tenant(&bed).await;
            said.contains(why)
                && told
                    .iter()
                    .any(|(reason, note)| reason == "AcknowledgmentRefused" && note.contains(why))
        })
        .await;
    }
    assert_eq!(held(&bed), 15);

    let value = format!("{}:3", first.id);
    acknowledge(&bed, &value).await;
    let second = until_waiting(&bed, 12).await.tripped.unwrap();
    bed.eventually("the three to be let go", || async {
        objects(&bed).await == (12, 12)
    })
    .await;
    assert_eq!((held(&bed), revocations(&bed)), (12, 8));
    assert_ne!(second.id, first.id);

    // The same again, and with another count.
    for (again, why) in [
        ("none", "must be"),
        (&value, ""),
        (&format!("{}:99", first.id), "works once"),
    ] {
        acknowledge(&bed, again).await;
        bed.eventually("it to be seen", || async {
            let said = guard(&bed).await.message.unwrap_or_default();
            said.contains(why) && said.contains("is refused") != why.is_empty()
        })
        .await;
    }
    assert_eq!((held(&bed), revocations(&bed)), (12, 8));
    acknowledge(&bed, &format!("{}:12", second.id)).await;
    until_all_gone(&bed).await;
    assert_eq!((held(&bed), revocations(&bed)), (0, 20));
    bed.until_tenant("Connected").await;
    assert_eq!(gauge().await.as_deref(), Some("0"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_graph_refuses_is_not_counted() {
    let bed = bed("refused_revocations", TWENTY, json!({})).await;
    let operator = granted(&bed, TWENTY).await;
    let refused = refusal(400, "SomethingElse", "not today");
    bed.simulator
        .faults()
        .add(write_fault(refused).body("adminRemove").times(5));
    delete_everything(&bed).await;
    let trip = until_waiting(&bed, 10).await.tripped.unwrap();
    assert_eq!((trip.revoked, trip.managed), (5, 20));
    assert_eq!((held(&bed), revocations(&bed)), (15, 10));
    // Those that were refused ask again, and have to wait like the others.
    bed.advance(TimeDelta::minutes(2));
    until_waiting(&bed, 15).await;
    assert_eq!((held(&bed), revocations(&bed)), (15, 10));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wider_guard_lets_a_tenant_go_without_a_word() {
    let spec = json!({"removalGuard": {"maxPercent": 100, "window": "1h"}});
    let bed = bed("wide_guard", TWENTY, spec).await;
    let operator = granted(&bed, TWENTY).await;
    delete_everything(&bed).await;
    until_all_gone(&bed).await;
    assert_eq!(held(&bed), 0);
    assert_eq!(guard(&bed).await.tripped, None);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_into_the_past_is_a_revocation_and_room_for_another_window_is_none() {
    let bed = support::bed("edits_guarded", |_| {}).await;
    respec(
        &bed,
        json!({"removalGuard": {"maxRemovals": 0, "maxPercent": 0}}),
    )
    .await;
    let operator = start(&bed).await;
    let ahead = bed.now() + TimeDelta::days(10);
    eligible("bob")
        .user("bob@contoso.com")
        .starting(ahead, "P10D")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("bob", "Scheduled")
        .await;
    eligible("bob")
        .user("bob@contoso.com")
        .starting(ahead + TimeDelta::days(5), "P10D")
        .apply(&bed)
        .await;
    bed.until_reason::<GroupEligibility>("bob", "Scheduled")
        .await;
    assert_eq!(sent(&bed), ["adminAssign", "cancel", "adminAssign"]);

    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    let past = bed.now() - TimeDelta::days(1);
    eligible("alice").until(past).apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "RemovalGuardTripped").await;
    assert!(message(&alice).contains(&bed.tenant), "{}", message(&alice));
    row(&bed, Kind::Eligibility, "alice");
    let trip = until_waiting(&bed, 1).await.tripped.unwrap();
    acknowledge(&bed, &format!("{}:1", trip.id)).await;
    bed.until_reason::<GroupEligibility>("alice", "Expired")
        .await;
    assert!(
        rows(&bed, Kind::Eligibility, "alice").is_empty(),
        "{}",
        text(past)
    );
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_to_be_revoked_any_more_stops_waiting() {
    let bed = support::bed("stops_waiting", |_| {}).await;
    respec(
        &bed,
        json!({"removalGuard": {"maxRemovals": 0, "maxPercent": 0}}),
    )
    .await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    let trip = until_waiting(&bed, 1).await.tripped;
    eligible("alice")
        .with("deletionPolicy", "Retain")
        .apply(&bed)
        .await;
    bed.until_gone::<GroupEligibility>("alice").await;
    bed.eventually("nobody to wait", || async {
        guard(&bed).await.waiting.is_none()
    })
    .await;
    row(&bed, Kind::Eligibility, "alice");
    assert_eq!(guard(&bed).await.tripped, trip);
    operator.stop().await;
}
