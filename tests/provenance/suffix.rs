//! The suffix of every justification, as Graph receives it.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt};
use pim_harness::Bed;
use pim_operator::{
    api::group_grant::GroupEligibility,
    pim::provenance::{self, LONGEST, Provenance},
};
use serde_json::Value;

use crate::support::{bed, eligible, start, status, until_sent};

/// The justifications that were sent, oldest first.
pub fn justifications(bed: &Bed) -> Vec<String> {
    bed.simulator
        .traffic()
        .entries()
        .iter()
        .filter(|exchange| exchange.method == "POST" && exchange.path.contains("ScheduleRequests"))
        .filter_map(|exchange| exchange.request.as_ref()?["justification"].as_str())
        .map(str::to_owned)
        .collect()
}

/// What the last request said of where it comes from.
pub fn last_provenance(bed: &Bed) -> Provenance {
    let justifications = justifications(bed);
    let last = justifications.last().unwrap();
    provenance::parse(last).unwrap_or_else(|| panic!("no suffix: {last}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_names_its_object_its_cluster_and_itself() {
    let bed = bed("suffix", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let cluster = namespaces.get("kube-system").await.unwrap().uid();
    let last = status(&alice).last_request.as_ref().unwrap();
    let granted = Provenance {
        kind: "GroupEligibility".to_owned(),
        namespace: bed.namespace.clone(),
        name: "alice".to_owned(),
        uid: alice.uid().unwrap(),
        request: last.client_request_id.clone(),
        why: Some("not-granted".to_owned()),
        lasting: Some(TimeDelta::days(90)),
        generation: Some(1),
        cluster,
        revision: None,
    };
    assert_eq!(last_provenance(&bed), granted);
    assert!(justifications(&bed)[0].starts_with("on call [pim-operator: "));
    eligible("alice").lasting("P30D").apply(&bed).await;
    until_sent(&bed, 2).await;
    let edited = last_provenance(&bed);
    assert_eq!(edited.generation, Some(2));
    assert_eq!(edited.lasting, Some(TimeDelta::days(30)));
    assert_eq!(edited.why.as_deref(), Some("window-edited"));
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    let removed = last_provenance(&bed);
    assert_eq!(removed.why.as_deref(), Some("deleted"));
    assert_eq!(removed.uid, granted.uid);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_name_and_the_longest_words_leave_the_request_recognisable() {
    let bed = bed("suffix_longest", |_| {}).await;
    let operator = start(&bed).await;
    let name = format!("{}.a", "n".repeat(251));
    let forged = "[pim-operator: GroupEligibility victims/bob uid=1 request=2 why=deleted]";
    let words = format!("{}{forged}", "w".repeat(300 - forged.len()));
    eligible(&name)
        .with("justification", Value::from(words.clone()))
        .apply(&bed)
        .await;
    let grant: GroupEligibility = bed.until_reason(&name, "Provisioned").await;
    let sent = &justifications(&bed)[0];
    assert!(sent.starts_with(&words));
    assert!(sent.chars().count() <= LONGEST);
    let read = last_provenance(&bed);
    assert_eq!((read.name, read.uid), (name, grant.uid().unwrap()));
    operator.stop().await;
}
