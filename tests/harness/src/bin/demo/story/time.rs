//! What time does to grants.

use chrono::{DateTime, TimeDelta, Utc};
use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Kind;

use super::{
    MESSAGE,
    entra::{self, ids},
};
use crate::{failure::Failure, stage::Stage};

/// A window that has ended is over.
pub async fn lapses(stage: &mut Stage) -> Result<(), Failure> {
    let Some(end) = entra::end(stage, Kind::Assignment, ids::BOB) else {
        return Err(Failure::differs("Bob's grant", "one that ends", "none"));
    };
    stage.jump_to(end + TimeDelta::minutes(5), "the incident is over");
    stage.reason::<GroupAssignment>("bob", "Expired").await?;
    stage.kubectl(&["get", "ga"]).await?;
    stage.graph(&[])?;
    let left = entra::held(stage, Kind::Assignment, ids::BOB).len();
    stage.same(
        "Bob is no member any more, and nobody wrote anything",
        &0,
        &left,
    )
}

/// A start that lies ahead.
pub async fn scheduled(stage: &mut Stage) -> Result<(), Failure> {
    let apply = ["apply", "-f", "config/story/future.yaml"];
    stage.kubectl(&apply).await?;
    stage
        .reason::<GroupEligibility>("carol", "Scheduled")
        .await?;
    stage.kubectl(&["get", "ge", "carol"]).await?;
    stage
        .kubectl(&["get", "ge", "carol", "-o", MESSAGE])
        .await?;
    stage.graph(&[("POST eligibilityScheduleRequests adminAssign", 1)])?;
    let rows = entra::held(stage, Kind::Eligibility, ids::CAROL);
    let waits = rows.len() == 1 && rows.iter().all(|row| !row.in_force);
    stage.holds("Entra holds the grant, and it is not in force", waits)
}

/// Entra starts it, some forty seconds late as it does, and the operator looks before it says so.
pub async fn starts(stage: &mut Stage) -> Result<(), Failure> {
    let start: DateTime<Utc> = "2029-12-15T00:00:00Z".parse()?;
    stage.jump_to(start + TimeDelta::seconds(5), "the year-end closing begins");
    let carol = stage
        .reason::<GroupEligibility>("carol", "Provisioned")
        .await?;
    stage.kubectl(&["get", "ge"]).await?;
    let calls = stage.graph(&[])?;
    let looked = calls.reads.contains_key("eligibilityScheduleInstances");
    stage.holds("the operator looked whether the grant is in force", looked)?;
    let present = carol.instance.map(|instance| instance.present);
    stage.same("and it is", &Some(true), &present)
}

/// A lease is extended while its manifest exists. Nothing else that ends is.
pub async fn renews(stage: &mut Stage) -> Result<(), Failure> {
    let Some(end) = entra::end(stage, Kind::Eligibility, ids::ERIN) else {
        return Err(Failure::differs("Erin's lease", "one that ends", "none"));
    };
    let due = end - TimeDelta::days(14) + TimeDelta::minutes(5);
    stage.jump_to(due, "it is two weeks before the end of Erin's lease");
    let extended = |status: &pim_operator::api::status::GrantStatus| {
        entra::declared_end(status).is_some_and(|later| later > end)
            && pim_harness::bed::ready(status).is_some_and(|(_, reason, _)| reason == "Provisioned")
    };
    stage
        .status::<GroupEligibility>("erin", "a later end", extended)
        .await?;
    for lapsed in ["alice", "carol"] {
        stage.reason::<GroupEligibility>(lapsed, "Expired").await?;
    }
    stage.kubectl(&["get", "ge"]).await?;
    stage.graph(&[("POST eligibilityScheduleRequests adminExtend", 1)])?;
    let later = entra::end(stage, Kind::Eligibility, ids::ERIN);
    let gained = entra::days(end, later);
    // Another 180 days from now, of which fourteen were left.
    stage.same("Erin's lease lasts 166 days longer", &Some(166), &gained)?;
    let lapsed = [ids::ALICE, ids::CAROL].map(|id| entra::held(stage, Kind::Eligibility, id).len());
    stage.same(
        "Alice and Carol lapsed, and were not granted anew",
        &[0, 0],
        &lapsed,
    )
}
