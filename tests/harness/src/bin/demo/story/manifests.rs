//! What people do with manifests.

use pim_operator::api::group_grant::{GroupAssignment, GroupEligibility};
use pim_simulator::Kind;

use super::{
    MESSAGE,
    entra::{self, ids},
};
use crate::{failure::Failure, stage::Stage};

/// The operator signs in, with the Secret in its own namespace.
pub async fn tenant(stage: &mut Stage) -> Result<(), Failure> {
    stage.apply_tenant("config/story/tenant.yaml").await?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "et/contoso",
        "--timeout=30s",
    ];
    stage.kubectl(&ready).await?;
    stage.kubectl(&["get", "et"]).await?;
    let calls = stage.graph(&[])?;
    stage.same("signing in is all that it took", &0, &calls.reads.len())
}

/// Two eligibilities, one of them a lease, and an assignment, in a namespace that may grant nothing yet.
pub async fn no_boundary(stage: &mut Stage) -> Result<(), Failure> {
    let apply = ["apply", "-f", "config/story/grants.yaml"];
    stage.kubectl(&apply).await?;
    let denied = "BoundaryDenied";
    stage.reason::<GroupEligibility>("alice", denied).await?;
    stage.reason::<GroupEligibility>("erin", denied).await?;
    stage.reason::<GroupAssignment>("bob", denied).await?;
    stage.kubectl(&["get", "ge"]).await?;
    let message = stage
        .kubectl(&["get", "ge", "alice", "-o", MESSAGE])
        .await?;
    stage.graph(&[])?;
    stage.says(
        "the message holds the shortest boundary that would allow it",
        "{namespaces: [payments], tenants: [contoso], kinds: [GroupEligibility]",
        &message,
    )
}

/// The fence of the namespace: from now on its objects may grant what it allows.
pub async fn three_grants(stage: &mut Stage) -> Result<(), Failure> {
    let applied = stage.now();
    let apply = ["apply", "-f", "config/story/boundary.yaml"];
    stage.kubectl(&apply).await?;
    let provisioned = "Provisioned";
    let alice = stage
        .reason::<GroupEligibility>("alice", provisioned)
        .await?;
    stage
        .reason::<GroupEligibility>("erin", provisioned)
        .await?;
    stage.reason::<GroupAssignment>("bob", provisioned).await?;
    stage.kubectl(&["get", "ge"]).await?;
    stage.kubectl(&["get", "ga"]).await?;
    stage.graph(&[
        ("POST eligibilityScheduleRequests adminAssign", 2),
        ("POST assignmentScheduleRequests adminAssign", 1),
    ])?;
    let end = entra::end(stage, Kind::Eligibility, ids::ALICE);
    stage.same(
        "Alice's end in Entra is the one in her object's status",
        &entra::declared_end(&alice),
        &end,
    )?;
    let length = entra::days(applied, end);
    stage.same("90 days from now", &Some(90), &length)?;
    let bob = entra::held(stage, Kind::Assignment, ids::BOB);
    stage.holds("Bob is a member now", bob.iter().any(|row| row.in_force))
}

/// What Graph would refuse, the API server refuses first.
pub async fn refused(stage: &mut Stage) -> Result<(), Failure> {
    let apply = ["apply", "-f", "config/story/refused.yaml"];
    let sentence = stage.kubectl_refused(&apply).await?;
    stage.graph(&[])?;
    let what = "the sentence says what to write";
    stage.says(what, "write days, such as P180D for six months", &sentence)
}

/// An edited `scheduleInfo` moves the window of the grant that is there.
pub async fn window_edited(stage: &mut Stage) -> Result<(), Failure> {
    let edited = stage.now();
    let patch = r#"{"spec":{"scheduleInfo":{"expiration":{"duration":"P120D"}}}}"#;
    let command = ["patch", "ge", "alice", "--type", "merge", "-p", patch];
    stage.kubectl(&command).await?;
    stage
        .reason::<GroupEligibility>("alice", "Provisioned")
        .await?;
    stage.kubectl(&["get", "ge"]).await?;
    stage.graph(&[("POST eligibilityScheduleRequests adminUpdate", 1)])?;
    let end = entra::end(stage, Kind::Eligibility, ids::ALICE);
    let length = entra::days(edited, end);
    stage.same(
        "one grant as before, and it ends 120 days from now",
        &Some(120),
        &length,
    )
}

/// `deletionPolicy` decides what becomes of the access.
pub async fn deleted(stage: &mut Stage) -> Result<(), Failure> {
    // The commands return when the objects are gone, and they go when the access is; time must run meanwhile.
    let revoked = ["delete", "ge", "erin", "dave"];
    stage.hurried(stage.kubectl(&revoked)).await?;
    let role = ["delete", "re", "carol-helpdesk"];
    stage.hurried(stage.kubectl(&role)).await?;
    let retained = ["delete", "ga", "pipeline"];
    stage.hurried(stage.kubectl(&retained)).await?;
    stage.kubectl(&["get", "ge,ga,re,pp", "-o", "name"]).await?;
    stage.graph(&[
        ("POST eligibilityScheduleRequests adminRemove", 2),
        ("POST roleEligibilityScheduleRequests adminRemove", 1),
    ])?;
    let left = |kind, id| entra::held(stage, kind, id).len();
    let eligible = (
        left(Kind::Eligibility, ids::ERIN),
        left(Kind::Eligibility, ids::DAVE),
    );
    stage.same(
        "Erin and Dave are not eligible any more",
        &(0, 0),
        &eligible,
    )?;
    let pipeline = left(Kind::Assignment, ids::PIPELINE);
    stage.same(
        "the pipeline still owns the group: deletionPolicy is Retain",
        &1,
        &pipeline,
    )
}
