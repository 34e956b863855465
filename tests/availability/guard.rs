//! Two leaders would count revocations apart from each other. Whoever writes the guard's record on top of another's is refused, and
//! sends nothing before it has read the record anew.

use chrono::TimeDelta;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use pim_harness::{Bed, load::Load};
use pim_operator::api::{
    group_grant::{GroupAssignment, GroupEligibility},
    removal_guard::RemovalGuardStatus,
    tenant::EntraTenant,
};
use serde_json::json;

use crate::support::{eligible, sent, start};

async fn guard(bed: &Bed) -> RemovalGuardStatus {
    let api = Api::<EntraTenant>::all(bed.client.clone());
    let tenant = api.get(&bed.tenant).await.unwrap();
    tenant.status.unwrap().removal_guard.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_removal_guard_that_another_leader_wrote_is_never_written_over() {
    let load = Load {
        groups: 1,
        of_each_kind: 4,
    };
    let bed = Bed::with(load.options("guard_two_leaders")).await.unwrap();
    let operator = start(&bed).await;
    load.declare(&bed).await.unwrap();
    load.until_ready(&bed, std::time::Duration::from_mins(1))
        .await
        .unwrap();
    bed.advance(TimeDelta::minutes(6));
    let names = || (1..=4).map(|member| pim_harness::load::name(1, member));
    let first = names().next().unwrap();
    bed.delete::<GroupEligibility>(&first).await.unwrap();
    bed.until_gone::<GroupEligibility>(&first).await;
    bed.eventually("the first is counted", || async {
        let guard = guard(&bed).await;
        guard.under_way.is_empty() && guard.recent.iter().map(|one| one.count).sum::<u32>() == 1
    })
    .await;
    // Another leader revokes four at the same time: with the first, that is all that the guard allows.
    let until = bed.now() + TimeDelta::minutes(1);
    let mut recent = serde_json::to_value(guard(&bed).await.recent).unwrap();
    let theirs = json!({"until": until.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "count": 4});
    recent.as_array_mut().unwrap().push(theirs);
    let patch = json!({"status": {"removalGuard": {"recent": recent}}});
    Api::<EntraTenant>::all(bed.client.clone())
        .patch_status(&bed.tenant, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    for name in names() {
        bed.delete::<GroupAssignment>(&name).await.unwrap();
    }
    bed.eventually("the guard counts theirs too", || async {
        guard(&bed).await.tripped.is_some()
    })
    .await;
    let record = guard(&bed).await;
    assert_eq!(
        record.tripped.unwrap().revoked,
        5,
        "one of ours and four of theirs"
    );
    let posts = bed.simulator.requests().into_iter();
    let removed = posts.filter(|request| request.action == "adminRemove");
    assert_eq!(removed.count(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_is_written_to_a_tenant_does_not_hold_a_revocation_up() {
    let bed = crate::support::bed("guard_busy_tenant", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    // The record is known under a revision that is over now.
    let label = json!({"metadata": {"labels": {"team": "platform"}}});
    Api::<EntraTenant>::all(bed.client.clone())
        .patch(&bed.tenant, &PatchParams::default(), &Patch::Merge(label))
        .await
        .unwrap();
    bed.delete::<GroupEligibility>("bob").await.unwrap();
    bed.until_gone::<GroupEligibility>("bob").await;
    let actions = sent(&bed);
    let removals = actions.iter().filter(|action| *action == "adminRemove");
    assert_eq!(removals.count(), 2);
    operator.stop().await;
}
