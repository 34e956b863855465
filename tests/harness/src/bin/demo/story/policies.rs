//! What policies say to grants, and who says what policies say.

use std::time::Duration;

use pim_operator::api::group_grant::GroupAssignment;
use pim_simulator::{Access, ActivationRulesPatch, Kind, PolicyPatch};

use super::{
    MESSAGE,
    behind::RESYNC,
    entra::{self, GROUP, ids},
};
use crate::{failure::Failure, stage::Stage};

/// Permanent ownership, which the group's policy does not allow.
pub async fn rejects(stage: &mut Stage) -> Result<(), Failure> {
    let apply = ["apply", "-f", "config/story/permanent.yaml"];
    stage.kubectl(&apply).await?;
    let status = stage
        .reason::<GroupAssignment>("pipeline", "PolicyRejected")
        .await?;
    stage.kubectl(&["get", "ga"]).await?;
    let message = stage
        .kubectl(&["get", "ga", "pipeline", "-o", MESSAGE])
        .await?;
    // Nothing but reads.
    stage.graph(&[])?;
    stage.says(
        "the message names the rule, its limit and the two ways out",
        "(Expiration_Admin_Assignment: P180D); either let the grant end",
        &message,
    )?;
    let stalled = status
        .conditions
        .iter()
        .any(|condition| condition.type_ == "Stalled");
    stage.holds("Stalled: a person must act", stalled)
}

/// The rule is declared like everything else; the grant that waits for it does not wait for a retry.
pub async fn declared(stage: &mut Stage) -> Result<(), Failure> {
    let apply = ["apply", "-f", "config/story/policy.yaml"];
    stage.kubectl(&apply).await?;
    stage
        .reason::<GroupAssignment>("pipeline", "Provisioned")
        .await?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "pp/payments-ops-owner",
        "--timeout=30s",
    ];
    stage.hurried(stage.kubectl(&ready)).await?;
    stage.kubectl(&["get", "pp", "-o", "wide"]).await?;
    stage.kubectl(&["get", "ga"]).await?;
    stage.graph(&[
        ("PATCH roleManagementPolicies", 1),
        ("POST assignmentScheduleRequests adminAssign", 1),
    ])?;
    let rows = entra::held(stage, Kind::Assignment, ids::PIPELINE);
    let permanent = rows.iter().any(|row| row.in_force && row.end.is_none());
    stage.holds("the pipeline owns the group, permanently", permanent)
}

/// What a policy states is kept, and nothing else of it is touched.
pub async fn sabotaged(stage: &mut Stage) -> Result<(), Failure> {
    let loosened = PolicyPatch {
        activation: ActivationRulesPatch {
            maximum_duration: Some(Duration::from_hours(24)),
            ..ActivationRulesPatch::default()
        },
        ..PolicyPatch::default()
    };
    stage
        .simulator
        .admin()
        .set_policy(GROUP, Access::Owner, loosened)?;
    stage
        .screen
        .deed("in the portal, an administrator lets owners activate for 24 hours in place of 4");
    stage.let_pass(
        RESYNC,
        "a quarter of an hour passes, and a drift check is due",
    );
    let restored = || async {
        let policy = stage.simulator.group_policy(GROUP, Access::Owner)?;
        let rule = policy.rule("Expiration_EndUser_Assignment");
        Ok((rule["maximumDuration"] == "PT4H").then_some(()))
    };
    let what = "the longest activation in Entra";
    stage.until(what, "four hours", restored).await?;
    let events = [
        "get",
        "events",
        "--field-selector=involvedObject.kind=PimPolicy,type=Warning",
        "-o",
        "custom-columns=REASON:.reason,MESSAGE:.message",
    ];
    let told = || async {
        let said = stage.quietly(&events).await?;
        Ok(said.contains("Expiration_EndUser_Assignment").then_some(()))
    };
    stage
        .until("an event", "one that names the rule", told)
        .await?;
    stage.kubectl(&events).await?;
    stage
        .graph(&[("PATCH roleManagementPolicies", 1)])
        .map(drop)
}
