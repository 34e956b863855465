//! Policies and the grants that need them, applied at once: they settle without a request that Graph refuses.

use std::time::Duration;

use chrono::TimeDelta;
use pim_harness::{
    Bed, BedOptions,
    load::{Load, all_policies_ready, all_ready},
};
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{Access, Estate, Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{PAYMENTS_OPS, apply, start};

/// Ten groups, each with a policy of its members and one of its owners, and twenty grants.
const LOAD: Load = Load {
    groups: 10,
    of_each_kind: 10,
};

/// A policy that allows what the default forbids: access without an end, and active access for a year.
fn policy(bed: &Bed, group: u32, access: &str) -> Value {
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "PimPolicy",
        "metadata": {"name": format!("{access}s-of-{group}")},
        "spec": {
            "tenantRef": {"name": bed.tenant},
            "target": {"group": {"id": Estate::generated_group(group), "accessId": access}},
            "eligibility": {"permanentAllowed": true},
            "assignment": {"maximumDuration": "P365D"},
        },
    })
}

/// A grant that the default policy forbids.
fn grant(bed: &Bed, kind: &str, group: u32, number: u32, expiration: &Value) -> Value {
    let user = (group - 1) * LOAD.of_each_kind * 2 + number;
    json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": kind,
        "metadata": {"name": format!("of-{group}-{number}")},
        "spec": {
            "tenantRef": {"name": bed.tenant},
            "group": {"id": Estate::generated_group(group)},
            "accessId": if number.is_multiple_of(2) { "owner" } else { "member" },
            "principal": {"id": Estate::generated_user(user)},
            "scheduleInfo": {"expiration": expiration},
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_policies_and_two_hundred_grants_that_need_them_settle_without_a_refused_request() {
    let bed = Bed::with(LOAD.options("pim_policy_together"))
        .await
        .unwrap();
    let operator = start(&bed).await;
    // Grants come first in the file, so that they ask before their policies are there.
    let mut objects = Vec::new();
    for group in 1..=LOAD.groups {
        for number in 1..=LOAD.of_each_kind {
            let for_ever = json!({"type": "noExpiration"});
            objects.push(grant(&bed, "GroupEligibility", group, number, &for_ever));
            let year = json!({"type": "afterDuration", "duration": "P365D"});
            let other = number + LOAD.of_each_kind;
            objects.push(grant(&bed, "GroupAssignment", group, other, &year));
        }
    }
    for group in 1..=LOAD.groups {
        objects.extend(["member", "owner"].map(|access| policy(&bed, group, access)));
    }
    assert_eq!(objects.len(), 220);
    let documents: Vec<_> = objects.iter().map(Value::to_string).collect();
    bed.apply(&documents.join("\n---\n")).await.unwrap();
    let settled = async {
        all_policies_ready(&bed, 20).await.unwrap();
        all_ready::<GroupEligibility>(&bed, 100).await.unwrap();
        all_ready::<GroupAssignment>(&bed, 100).await.unwrap();
    };
    tokio::time::timeout(Duration::from_mins(2), settled)
        .await
        .expect("everything settles");
    let counts = bed.simulator.traffic().counts();
    let refused: u64 = counts
        .by_status
        .iter()
        .filter(|(status, _)| **status >= 400)
        .map(|(_, count)| count)
        .sum();
    assert_eq!(refused, 0, "{:?}", counts.by_status);
    assert_eq!(counts.graph_patches, 20);
    let requests = bed.simulator.requests();
    assert_eq!(requests.len(), 200);
    assert!(
        requests
            .iter()
            .all(|request| request.status == "Provisioned")
    );
    // Nothing was loosened beyond what is stated.
    let policy = bed
        .simulator
        .group_policy(&Estate::generated_group(1).to_string(), Access::Member)
        .unwrap();
    assert_eq!(
        policy.rule("Expiration_Admin_Assignment")["isExpirationRequired"],
        true
    );
    bed.advance(TimeDelta::minutes(16));
    let mark = bed.simulator.traffic().mark();
    bed.eventually("a drift check", || async {
        bed.simulator.traffic().counts_since(&mark).graph_gets >= 30
    })
    .await;
    let check = bed.simulator.traffic().counts_since(&mark);
    assert_eq!((check.graph_patches, check.graph_posts), (0, 0));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_is_about_to_forbid_does_not_slip_through_before() {
    let options = BedOptions::story("pim_policy_tightened").unwrap();
    let bed = Bed::with(options).await.unwrap();
    let operator = start(&bed).await;
    let slow = FaultKind::Slow {
        milliseconds: 3_000,
    };
    let faults = bed.simulator.faults();
    faults.add(Fault::new(slow).method("PATCH"));
    apply(
        &bed,
        "shorter",
        json!({"eligibility": {"maximumDuration": "P30D"}}),
    )
    .await;
    bed.eventually("the change under way", || async {
        faults.pending().is_empty()
    })
    .await;
    let grant = json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GroupEligibility",
        "metadata": {"name": "alice"},
        "spec": {
            "tenantRef": {"name": bed.tenant},
            "group": {"id": PAYMENTS_OPS},
            "accessId": "member",
            "principal": {"userPrincipalName": "alice@contoso.com"},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
        },
    });
    bed.apply(&grant.to_string()).await.unwrap();
    bed.until::<GroupEligibility>("alice", "stalled", |status| {
        let mut conditions = status.conditions.iter();
        conditions.any(|one| one.type_ == "Stalled" && one.reason == "PolicyRejected")
    })
    .await;
    assert!(bed.simulator.requests().is_empty());
    operator.stop().await;
}
