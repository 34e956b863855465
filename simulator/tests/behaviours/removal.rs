//! adminRemove, cancel, the five-minute rule, the last owner, expiry, ghosts.

use std::time::Duration;

use pim_simulator::{Access, Behaviour, Window};
use serde_json::json;

use crate::bed::*;

#[tokio::test]
async fn a_removal_is_revoked_without_schedule_or_completion() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let reply = bed
        .admin(ELIGIBLE, "adminRemove", json!({"justification": null}))
        .await;
    reply.is("Revoked");
    for name in [
        "scheduleInfo",
        "completedDateTime",
        "targetScheduleId",
        "justification",
    ] {
        assert!(reply.body[name].is_null(), "{name}");
    }
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
    let requests = bed.pim_rows(ELIGIBLE, "ScheduleRequests").await;
    let statuses: Vec<_> = requests
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["Provisioned", "Revoked"], "requests are history");
}

#[tokio::test]
async fn a_removal_of_nothing_answers_role_assignment_does_not_exist() {
    let bed = Bed::new().await;
    for kind in [ELIGIBLE, ACTIVE] {
        bed.admin(kind, "adminRemove", none())
            .await
            .refused(400, "RoleAssignmentDoesNotExist");
    }
}

#[tokio::test]
async fn a_young_active_assignment_blocks_changes_of_either_kind() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.advance(298);
    for kind in [ELIGIBLE, ACTIVE] {
        for action in ["adminUpdate", "adminRemove"] {
            let reply = bed.admin(kind, action, none()).await;
            reply.refused(400, "ActiveDurationTooShort");
            let text = "The Active duration is too short. Miniumum Required is 5 minutes.";
            assert_eq!(reply.message(), text);
        }
    }
    bed.admin(ELIGIBLE, "adminAssign", json!({"accessId": "owner"}))
        .await
        .is("Provisioned");
    bed.advance(3);
    bed.admin(ACTIVE, "adminUpdate", none())
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .refused(400, "ActiveDurationTooShort");
    bed.advance(301);
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
    bed.admin(ACTIVE, "adminRemove", none()).await.is("Revoked");
}

#[tokio::test]
async fn a_purely_eligible_principal_can_be_changed_at_once() {
    let bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminUpdate", none())
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
}

#[tokio::test]
async fn the_five_minute_rule_is_keyed_by_principal_and_relationship() {
    let bed = Bed::new().await;
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminAssign", json!({"accessId": "owner"}))
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminAssign", json!({"principalId": BOB}))
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminRemove", json!({"accessId": "owner"}))
        .await
        .is("Revoked");
    bed.admin(ELIGIBLE, "adminRemove", json!({"principalId": BOB}))
        .await
        .is("Revoked");
}

#[tokio::test]
async fn a_granted_request_can_be_cancelled_and_leaves_no_schedule() {
    let bed = Bed::new().await;
    let info = json!({"startDateTime": bed.at(3600), "expiration": {"type": "afterDuration", "duration": "P1D"}});
    let reply = bed
        .admin(ELIGIBLE, "adminAssign", json!({"scheduleInfo": info}))
        .await;
    let path = format!("{PIM}/eligibilityScheduleRequests/{}", reply.text("id"));
    let cancel = format!("{path}/cancel");
    assert_eq!(
        bed.send(reqwest::Method::POST, &cancel, None).await.status,
        204
    );
    assert_eq!(bed.get(&path).await.text("status"), "Canceled");
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
    bed.post(&cancel, json!({}))
        .await
        .refused(400, "RequestCannotBeCancelled");
}

#[tokio::test]
async fn a_provisioned_request_cannot_be_cancelled_nor_a_schedule_id() {
    let bed = Bed::new().await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let base = format!("{PIM}/eligibilityScheduleRequests");
    bed.post(&format!("{base}/{}/cancel", reply.text("id")), json!({}))
        .await
        .refused(400, "RequestCannotBeCancelled");
    bed.post(
        &format!("{base}/{}/cancel", reply.text("targetScheduleId")),
        json!({}),
    )
    .await
    .refused(404, "RoleAssignmentRequestNotFound");
}

#[tokio::test]
async fn removing_a_scheduled_grant_takes_it_back() {
    let bed = Bed::new().await;
    let info = json!({"startDateTime": bed.at(600), "expiration": {"type": "afterDuration", "duration": "P1D"}});
    let reply = bed
        .admin(ACTIVE, "adminAssign", json!({"scheduleInfo": info}))
        .await;
    bed.admin(ACTIVE, "adminRemove", none()).await.is("Revoked");
    bed.advance(700);
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
    let path = format!("{PIM}/assignmentScheduleRequests/{}", reply.text("id"));
    assert_eq!(bed.get(&path).await.text("status"), "Canceled");
}

#[tokio::test]
async fn a_plain_membership_is_listed_with_created_using_null_and_can_be_removed() {
    let bed = Bed::new().await;
    bed.simulator
        .admin()
        .add_member(OPS, ALICE, Access::Member)
        .unwrap();
    let rows = bed.pim_rows(ACTIVE, "Schedules").await;
    assert!(rows[0]["createdUsing"].is_null() && rows[0]["createdDateTime"].is_null());
    assert_eq!(rows[0]["assignmentType"], "assigned");
    assert_eq!(
        rows[0]["scheduleInfo"]["expiration"]["type"],
        "noExpiration"
    );
    let instances = bed.pim_rows(ACTIVE, "ScheduleInstances").await;
    assert!(instances[0]["startDateTime"].is_null() && instances[0]["endDateTime"].is_null());
    assert_eq!(instances[0]["id"], instances[0]["assignmentScheduleId"]);
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .refused(400, "RoleAssignmentExists");
    bed.admin(ACTIVE, "adminRemove", none()).await.is("Revoked");
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
}

#[tokio::test]
async fn rows_vanish_at_their_end_and_the_eligible_one_survives_the_active() {
    let mut bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    bed.admin(
        ACTIVE,
        "adminAssign",
        json!({"scheduleInfo": lasting("PT2H")}),
    )
    .await;
    let members = format!("/v1.0/groups/{OPS}/members");
    assert_eq!(bed.get(&members).await.items().len(), 1);
    bed.advance(7200);
    bed.sign_in().await;
    for set in ["Schedules", "ScheduleInstances"] {
        assert!(bed.pim_rows(ACTIVE, set).await.is_empty());
        assert_eq!(bed.pim_rows(ELIGIBLE, set).await.len(), 1);
    }
    assert!(bed.get(&members).await.items().is_empty());
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn the_last_active_owner_is_not_removed() {
    let mut bed = Bed::new().await;
    let admin = bed.simulator.admin();
    admin
        .assign(
            ACTIVE,
            OPS,
            ALICE,
            Access::Owner,
            Window::lasting(Duration::from_hours(2)),
        )
        .unwrap();
    admin.remove_member(OPS, LEAD, Access::Owner).unwrap();
    admin.add_member(OPS, DEPLOYER, Access::Owner).unwrap();
    bed.advance(600);
    bed.admin(ACTIVE, "adminRemove", json!({"accessId": "owner"}))
        .await
        .refused(400, "CannotDeleteLastAdminAssignment");
    bed.advance(2 * 3600);
    bed.sign_in().await;
    let rows = bed.rows(ACTIVE, "ScheduleInstances").await;
    let row = rows.iter().find(|row| row["principalId"] == ALICE).unwrap();
    assert!(
        row["endDateTime"].as_str().unwrap() < bed.at(0).as_str(),
        "an end in the past"
    );
    admin.add_member(OPS, BOB, Access::Owner).unwrap();
    bed.admin(ACTIVE, "adminRemove", json!({"accessId": "owner"}))
        .await
        .is("Revoked");
}

#[tokio::test]
async fn rows_of_deleted_principals_and_groups_linger_as_ghosts() {
    let mut bed = Bed::new().await;
    bed.admin(ELIGIBLE, "adminAssign", none()).await;
    bed.simulator.admin().remove_user(ALICE).unwrap();
    assert_eq!(bed.pim_rows(ELIGIBLE, "Schedules").await.len(), 1);
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .refused(404, "SubjectNotFound");
    bed.simulator.admin().remove_group(OPS).unwrap();
    bed.admin(ELIGIBLE, "adminAssign", json!({"principalId": BOB}))
        .await
        .refused(404, "ResourceNotFound");
    assert_eq!(bed.pim_rows(ELIGIBLE, "Schedules").await.len(), 1);
    bed.advance(25 * 3600);
    bed.sign_in().await;
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
}

#[tokio::test]
async fn a_successful_active_removal_can_be_misreported() {
    let bed = Bed::with(Behaviour {
        misreported_removals: 1,
        ..Behaviour::default()
    })
    .await;
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.advance(301);
    bed.admin(ACTIVE, "adminRemove", none())
        .await
        .refused(400, "RoleAssignmentDoesNotExist");
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
    let last = bed.simulator.requests().pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.status.as_str()),
        ("adminRemove", "Revoked")
    );
}

#[tokio::test]
async fn requests_are_purged_after_45_days_and_the_schedule_lives_on() {
    let mut bed = Bed::new().await;
    let info = json!({"scheduleInfo": lasting("P90D")});
    let reply = bed.admin(ELIGIBLE, "adminAssign", info).await;
    let path = format!("{PIM}/eligibilityScheduleRequests/{}", reply.text("id"));
    bed.advance(46 * 86_400);
    bed.sign_in().await;
    bed.get(&path)
        .await
        .refused(404, "RoleAssignmentRequestNotFound");
    assert!(bed.pim_rows(ELIGIBLE, "ScheduleRequests").await.is_empty());
    assert_eq!(bed.pim_rows(ELIGIBLE, "Schedules").await.len(), 1);
}

#[tokio::test]
async fn a_removed_schedule_answers_404_unknown_error_by_id() {
    let bed = Bed::new().await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let path = format!(
        "{PIM}/eligibilitySchedules/{}",
        reply.text("targetScheduleId")
    );
    assert_eq!(bed.get(&path).await.text("status"), "Provisioned");
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
    bed.get(&path).await.refused(404, "UnknownError");
}
