//! What happens behind the operator's back: in the portal, in Entra, and to the operator itself.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use pim_operator::api::group_grant::GroupEligibility;
use pim_simulator::{Access, Kind, Window};

use super::{
    MESSAGE,
    entra::{self, GROUP, ids},
};
use crate::{failure::Failure, stage::Stage};

/// Somewhat longer than the tenant's `resyncPeriod`: one drift check takes place.
pub const RESYNC: TimeDelta = TimeDelta::minutes(16);
/// What a drift check reads, however many grants there are: the two lists of the one group, the list of all eligible roles, and the
/// policies of the group.
const ONE_CHECK: [(&str, usize); 4] = [
    ("assignmentSchedules", 1),
    ("eligibilitySchedules", 1),
    ("roleEligibilitySchedules", 1),
    ("roleManagementPolicyAssignments", 1),
];

/// Waits for the drift check that is due.
async fn one_drift_check(stage: &Stage) -> Result<(), Failure> {
    let counts = || {
        let reads = stage.calls().reads;
        ONE_CHECK.map(|(list, _)| reads.get(list).copied().unwrap_or_default())
    };
    let before = counts();
    stage.let_pass(
        RESYNC,
        "a quarter of an hour passes, and a drift check is due",
    );
    let both = async || {
        let read_again = counts()
            .iter()
            .zip(before)
            .all(|(now, before)| *now > before);
        Ok(read_again.then_some(()))
    };
    stage
        .until("a drift check", "both lists are read", both)
        .await
}

/// Activations are people's own.
pub async fn activation(stage: &mut Stage) -> Result<(), Failure> {
    let mark = stage.quiet().await?;
    let two_hours = Window::lasting(Duration::from_hours(2));
    let admin = stage.simulator.admin();
    admin.activate(
        "alice@contoso.com",
        GROUP,
        Access::Member,
        two_hours,
        "a failed payout",
    )?;
    stage
        .screen
        .deed("Alice activates her eligibility for two hours, through PIM");
    one_drift_check(stage).await?;
    stage.quiet().await?;
    let calls = stage.graph(&[])?;
    let written = stage.kubernetes_writes(mark)?;
    let check = ONE_CHECK.map(|(list, count)| (list.to_owned(), count));
    stage.same(
        "a drift check of everything is four reads",
        &check.into(),
        &calls.reads,
    )?;
    stage.same("it changed nothing in Kubernetes", &0, &written)?;
    let rows = entra::held(stage, Kind::Assignment, ids::ALICE);
    let active = rows.iter().any(|row| row.activated && row.in_force);
    stage.holds("Alice is still an active member", active)
}

/// A removed grant is restored, never longer than it was.
pub async fn removal(stage: &mut Stage) -> Result<(), Failure> {
    let before = entra::end(stage, Kind::Eligibility, ids::ALICE);
    stage.let_pass(TimeDelta::days(3), "three days pass");
    let admin = stage.simulator.admin();
    admin.remove(
        Kind::Eligibility,
        GROUP,
        "alice@contoso.com",
        Access::Member,
    )?;
    stage
        .screen
        .deed("in the portal, an administrator removes Alice's eligibility");
    stage.let_pass(
        RESYNC,
        "a quarter of an hour passes, and a drift check is due",
    );
    stage.reason::<GroupEligibility>("alice", "Drifted").await?;
    stage.kubectl(&["get", "ge", "alice"]).await?;
    stage
        .reason::<GroupEligibility>("alice", "Provisioned")
        .await?;
    stage.kubectl(&["get", "ge", "alice"]).await?;
    stage.graph(&[("POST eligibilityScheduleRequests adminAssign", 1)])?;
    let after = entra::end(stage, Kind::Eligibility, ids::ALICE);
    stage.same(
        "Alice is eligible again, until the same moment as before",
        &before,
        &after,
    )
}

/// A manifest that only looks.
pub async fn observed(stage: &mut Stage) -> Result<(), Failure> {
    let by_hand = Window::until(dave_by_hand()?);
    let admin = stage.simulator.admin();
    admin.assign(
        Kind::Eligibility,
        GROUP,
        "dave@contoso.com",
        Access::Member,
        by_hand,
    )?;
    stage
        .screen
        .deed("in the portal, Dave is made eligible until the end of May");
    one_drift_check(stage).await?;
    let apply = ["apply", "-f", "config/story/observe.yaml"];
    stage.kubectl(&apply).await?;
    stage.reason::<GroupEligibility>("dave", "Drifted").await?;
    stage.kubectl(&["get", "ge", "dave"]).await?;
    let message = stage.kubectl(&["get", "ge", "dave", "-o", MESSAGE]).await?;
    stage.graph(&[])?;
    let what = "the object says that Entra holds another window, and why nothing is done about it";
    stage.says(what, "`managementPolicy` is Observe", &message)?;
    let end = entra::end(stage, Kind::Eligibility, ids::DAVE);
    stage.same("the grant is as it was made", &Some(dave_by_hand()?), &end)
}

fn dave_by_hand() -> Result<DateTime<Utc>, Failure> {
    Ok("2030-05-31T22:00:00Z".parse()?)
}

/// A grant that is there is changed, not made anew.
pub async fn managed(stage: &mut Stage) -> Result<(), Failure> {
    let patch = r#"{"spec":{"managementPolicy":"Manage"}}"#;
    let command = ["patch", "ge", "dave", "--type", "merge", "-p", patch];
    stage.kubectl(&command).await?;
    stage
        .reason::<GroupEligibility>("dave", "Provisioned")
        .await?;
    stage.kubectl(&["get", "ge", "dave"]).await?;
    stage.graph(&[("POST eligibilityScheduleRequests adminUpdate", 1)])?;
    let end = entra::end(stage, Kind::Eligibility, ids::DAVE);
    let declared: DateTime<Utc> = "2030-06-30T22:00:00Z".parse()?;
    stage.same(
        "Dave is eligible until the declared end",
        &Some(declared),
        &end,
    )
}

/// What the operator knows is in Kubernetes and in Entra.
pub async fn restart(stage: &mut Stage) -> Result<(), Failure> {
    stage.quiet().await?;
    stage.kill_operator()?;
    let mark = stage.quiet().await?;
    stage.restart_operator(9).await?;
    one_drift_check(stage).await?;
    stage.quiet().await?;
    stage.kubectl(&["get", "ge"]).await?;
    stage.graph(&[])?;
    let written = stage.kubernetes_writes(mark)?;
    stage.same(
        "no write to Entra and none to Kubernetes, events included",
        &0,
        &written,
    )
}

/// Microsoft's shapes are law.
pub fn shapes(stage: &mut Stage) -> Result<(), Failure> {
    let findings = stage.shapes();
    stage.holds("there was something to check", findings.checked > 0)?;
    let what = "0 misfits: no unknown name, no wrong type, no wrong enum member";
    stage.same(what, &BTreeMap::new(), &findings.misfits)?;
    stage.graph(&[]).map(drop)
}
