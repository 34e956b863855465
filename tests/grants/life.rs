//! The life of a grant.

use chrono::TimeDelta;
use pim_harness::{Bed, bed::ready};
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::{Access, Kind};

const ALICE: &str = "
apiVersion: entrapim.dev/v1alpha1
kind: GroupEligibility
metadata: {name: alice}
spec:
  tenantRef: {name: '{tenant}'}
  group: {displayName: payments-ops}
  accessId: member
  principal: {userPrincipalName: alice@contoso.com}
  scheduleInfo: {expiration: {type: afterDuration, duration: P90D}}
  justification: on call
";

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_a_schedule_and_its_deletion_revokes_it() {
    let bed = Bed::new("manifest_becomes_schedule").await.unwrap();
    let operator = bed.start_operator();
    bed.until_tenant("Connected").await;
    bed.apply(ALICE).await.unwrap();
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    let status = alice.status.unwrap();
    assert_eq!(ready(&status).unwrap().0, "True", "{status:?}");
    let rows = bed.simulator.schedules(Kind::Eligibility);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0].access_id, Access::Member);

    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    assert_eq!(bed.simulator.schedules(Kind::Eligibility), vec![]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_grant_comes_back_with_its_old_end_and_lapses_at_it() {
    let bed = Bed::new("removed_grant_comes_back").await.unwrap();
    let operator = bed.start_operator();
    bed.apply(&ALICE.replace("GroupEligibility", "GroupAssignment"))
        .await
        .unwrap();
    let before: GroupAssignment = bed.until_reason("alice", "Provisioned").await;
    let end = before.status.unwrap().schedule.unwrap().end_date_time;
    bed.advance(TimeDelta::days(3));
    bed.simulator
        .admin()
        .remove(
            Kind::Assignment,
            "payments-ops",
            "alice@contoso.com",
            Access::Member,
        )
        .unwrap();
    bed.advance(TimeDelta::minutes(16));
    bed.until_reason::<GroupAssignment>("alice", "Drifted")
        .await;
    bed.advance(TimeDelta::seconds(20));
    let after: GroupAssignment = bed.until_reason("alice", "Provisioned").await;
    assert_eq!(after.status.unwrap().schedule.unwrap().end_date_time, end);
    bed.advance(TimeDelta::days(90));
    bed.until_reason::<GroupAssignment>("alice", "Expired")
        .await;
    assert!(
        bed.simulator
            .schedules(Kind::Assignment)
            .iter()
            .all(|row| row.created_using.is_none())
    );
    operator.stop().await;
}
