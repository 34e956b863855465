//! adminAssign, adminUpdate, adminExtend, adminRenew: statuses, windows, ids.

use std::time::Duration;

use pim_simulator::Behaviour;
use serde_json::json;

use crate::bed::*;

#[tokio::test]
async fn a_start_now_is_provisioned_in_the_answer() {
    let bed = Bed::new().await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    reply.is("Provisioned");
    assert_eq!(
        reply.text("targetScheduleId"),
        format!("{OPS}_member_{}", reply.text("id")),
        "three parts, the last one the request"
    );
    assert!(reply.body["approvalId"].is_null());
    assert_eq!(bed.pim_rows(ELIGIBLE, "Schedules").await.len(), 1);
    assert_eq!(bed.pim_rows(ELIGIBLE, "ScheduleInstances").await.len(), 1);
}

#[tokio::test]
async fn pending_provisioning_becomes_provisioned() {
    let slow = Duration::from_secs(8);
    let bed = Bed::with(Behaviour {
        pending_provisioning_for: slow,
        ..Behaviour::default()
    })
    .await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    reply.is("PendingProvisioning");
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, "PendingRoleAssignmentRequest");
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
    bed.advance(9);
    let path = format!("{PIM}/eligibilityScheduleRequests/{}", reply.text("id"));
    assert_eq!(bed.get(&path).await.text("status"), "Provisioned");
    assert_eq!(bed.pim_rows(ELIGIBLE, "ScheduleInstances").await.len(), 1);
}

#[tokio::test]
async fn a_past_start_is_replaced_by_the_completion() {
    let bed = Bed::new().await;
    let info = json!({"startDateTime": bed.at(-86_400), "expiration": {"type": "AfterDuration", "duration": "P30D"}});
    let reply = bed
        .admin(ELIGIBLE, "AdminAssign", json!({"scheduleInfo": info}))
        .await;
    assert_eq!(
        reply.body["scheduleInfo"]["startDateTime"],
        reply.body["completedDateTime"]
    );
}

#[tokio::test]
async fn a_future_start_is_granted_and_its_instance_comes_40_to_47_seconds_late() {
    let bed = Bed::new().await;
    let start = bed.at(600);
    let info =
        json!({"startDateTime": start, "expiration": {"type": "afterDuration", "duration": "P1D"}});
    let reply = bed
        .admin(ELIGIBLE, "adminAssign", json!({"scheduleInfo": info}))
        .await;
    reply.is("Granted");
    assert_eq!(reply.body["scheduleInfo"]["startDateTime"], start.as_str());
    assert!(
        reply
            .text("completedDateTime")
            .starts_with(start.trim_end_matches('Z'))
    );
    assert_eq!(
        bed.pim_rows(ELIGIBLE, "Schedules").await.len(),
        1,
        "schedules look ahead"
    );
    assert!(bed.pim_rows(ELIGIBLE, "ScheduleInstances").await.is_empty());
    bed.advance(600 + 38);
    assert!(bed.pim_rows(ELIGIBLE, "ScheduleInstances").await.is_empty());
    bed.advance(10);
    let instances = bed.pim_rows(ELIGIBLE, "ScheduleInstances").await;
    assert!(
        instances[0]["startDateTime"].as_str().unwrap() > start.as_str(),
        "the real start"
    );
    let path = format!("{PIM}/eligibilityScheduleRequests/{}", reply.text("id"));
    assert_eq!(bed.get(&path).await.text("status"), "Provisioned");
}

#[tokio::test]
async fn the_request_keeps_after_duration_and_the_schedule_reads_after_date_time() {
    let bed = Bed::new().await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let sent = &reply.body["scheduleInfo"]["expiration"];
    assert_eq!(
        sent,
        &json!({"type": "afterDuration", "duration": "P30D", "endDateTime": null})
    );
    let row = &bed.pim_rows(ELIGIBLE, "Schedules").await[0];
    let stored = &row["scheduleInfo"]["expiration"];
    assert_eq!(stored["type"], "afterDateTime");
    assert!(stored["duration"].is_null() && stored["endDateTime"].is_string());
}

#[tokio::test]
async fn the_stored_length_is_slightly_short_of_the_duration() {
    let bed = Bed::new().await;
    bed.admin(
        ACTIVE,
        "adminAssign",
        json!({"scheduleInfo": lasting("PT2H")}),
    )
    .await;
    let row = &bed.pim_rows(ACTIVE, "ScheduleInstances").await[0];
    let time =
        |name: &str| chrono::DateTime::parse_from_rfc3339(row[name].as_str().unwrap()).unwrap();
    let missing = 7200 * 1000 - (time("endDateTime") - time("startDateTime")).num_milliseconds();
    assert!((500..=1200).contains(&missing), "{missing} ms");
}

#[tokio::test]
async fn an_end_given_as_a_date_is_kept_to_the_second() {
    let bed = Bed::new().await;
    let end = bed.at(86_400);
    let info = json!({"expiration": {"type": "AfterDateTime", "endDateTime": end}});
    bed.admin(ELIGIBLE, "adminAssign", json!({"scheduleInfo": info}))
        .await
        .is("Provisioned");
    let row = &bed.pim_rows(ELIGIBLE, "ScheduleInstances").await[0];
    assert_eq!(row["endDateTime"], end.as_str());
}

#[tokio::test]
async fn timestamps_have_seven_digits_on_post_answers_and_are_trimmed_on_reads() {
    let bed = Bed::new().await;
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let posted = reply.text("createdDateTime");
    assert_eq!(posted.len(), "2026-03-01T09:00:00.1234567Z".len());
    let path = format!("{PIM}/eligibilityScheduleRequests/{}", reply.text("id"));
    let read = bed.get(&path).await;
    let read = read.text("createdDateTime");
    assert!(read.len() < posted.len() && posted.starts_with(read.trim_end_matches('Z')));
}

#[tokio::test]
async fn enums_are_camel_case_in_answers_and_any_case_in_requests() {
    let bed = Bed::new().await;
    let info = json!({"expiration": {"type": "AFTERDURATION", "duration": "P1D"}});
    let reply = bed
        .admin(
            ACTIVE,
            "ADMINASSIGN",
            json!({"accessId": "Member", "scheduleInfo": info}),
        )
        .await;
    reply.is("Provisioned");
    assert_eq!(
        (reply.text("action"), reply.text("accessId")),
        ("adminAssign", "member")
    );
    let row = &bed.pim_rows(ACTIVE, "Schedules").await[0];
    assert_eq!(
        (&row["memberType"], &row["assignmentType"]),
        (&json!("direct"), &json!("assigned"))
    );
}

#[tokio::test]
async fn a_second_assign_answers_role_assignment_exists() {
    let bed = Bed::new().await;
    for kind in [ELIGIBLE, ACTIVE] {
        bed.admin(kind, "adminAssign", none())
            .await
            .is("Provisioned");
        bed.admin(kind, "adminAssign", none())
            .await
            .refused(400, "RoleAssignmentExists");
        let later = json!({"startDateTime": bed.at(3600), "expiration": {"type": "afterDuration", "duration": "P1D"}});
        bed.admin(kind, "adminAssign", json!({"scheduleInfo": later}))
            .await
            .refused(400, "RoleAssignmentExists");
    }
    assert_eq!(
        bed.simulator.requests().len(),
        2,
        "a refused POST leaves no request"
    );
}

#[tokio::test]
async fn overlapping_scheduled_windows_are_refused_by_the_minute() {
    let bed = Bed::new().await;
    let window = |from: i64, to: i64| {
        json!({"scheduleInfo": {"startDateTime": bed.at(from),
            "expiration": {"type": "afterDateTime", "endDateTime": bed.at(to)}}})
    };
    let hour = 3600;
    bed.admin(ELIGIBLE, "adminAssign", window(hour, 2 * hour))
        .await
        .is("Granted");
    for (from, to) in [(hour, 2 * hour), (2 * hour, 3 * hour), (1000, hour)] {
        bed.admin(ELIGIBLE, "adminAssign", window(from, to))
            .await
            .refused(400, "OverlapsPendingRoleAssignmentRequests");
    }
    bed.admin(ELIGIBLE, "adminAssign", window(2 * hour + 120, 3 * hour))
        .await
        .is("Granted");
}

#[tokio::test]
async fn an_update_or_extension_gives_the_schedule_a_new_id() {
    let bed = Bed::new().await;
    let first = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    let mut old = first.text("targetScheduleId").to_owned();
    for action in ["adminUpdate", "adminExtend"] {
        let next = bed
            .admin(
                ELIGIBLE,
                action,
                json!({"scheduleInfo": lasting("P60D"), "targetScheduleId": old}),
            )
            .await;
        next.is("Provisioned");
        let rows = bed.pim_rows(ELIGIBLE, "Schedules").await;
        assert_eq!(rows.len(), 1, "still exactly one row");
        assert_eq!(rows[0]["id"], next.text("targetScheduleId"));
        assert_ne!(
            next.text("targetScheduleId"),
            old,
            "what was sent is ignored"
        );
        let gone = bed.get(&format!("{PIM}/eligibilitySchedules/{old}")).await;
        gone.refused(404, "UnknownError");
        next.text("targetScheduleId").clone_into(&mut old);
    }
}

#[tokio::test]
async fn update_and_extend_of_nothing_answer_role_assignment_does_not_exist() {
    let bed = Bed::new().await;
    for action in ["adminUpdate", "adminExtend", "adminRenew"] {
        bed.admin(ELIGIBLE, action, none())
            .await
            .refused(400, "RoleAssignmentDoesNotExist");
    }
}

#[tokio::test]
async fn an_expired_grant_can_be_renewed_for_30_days() {
    let mut bed = Bed::new().await;
    bed.admin(
        ELIGIBLE,
        "adminAssign",
        json!({"scheduleInfo": lasting("P1D")}),
    )
    .await;
    bed.admin(ELIGIBLE, "adminRenew", none())
        .await
        .refused(400, "RoleAssignmentExists");
    bed.advance(2 * 86_400);
    bed.sign_in().await;
    bed.admin(
        ELIGIBLE,
        "adminRenew",
        json!({"scheduleInfo": lasting("P1D")}),
    )
    .await
    .is("Provisioned");
    bed.advance(40 * 86_400);
    bed.sign_in().await;
    bed.admin(ELIGIBLE, "adminRenew", none())
        .await
        .refused(400, "RoleAssignmentDoesNotExist");
}

#[tokio::test]
async fn owner_and_member_are_independent() {
    let bed = Bed::new().await;
    let owner = json!({"accessId": "owner"});
    for kind in [ELIGIBLE, ACTIVE] {
        bed.admin(kind, "adminAssign", none())
            .await
            .is("Provisioned");
        bed.admin(kind, "adminAssign", owner.clone())
            .await
            .is("Provisioned");
        assert_eq!(bed.pim_rows(kind, "Schedules").await.len(), 2);
    }
    bed.advance(301);
    bed.admin(ELIGIBLE, "adminRemove", owner)
        .await
        .is("Revoked");
    assert_eq!(
        bed.pim_rows(ELIGIBLE, "Schedules").await[0]["accessId"],
        "member"
    );
    assert_eq!(bed.pim_rows(ACTIVE, "Schedules").await.len(), 2);
}

#[tokio::test]
async fn permanent_active_removes_eligible_only_when_asked_to() {
    for removes in [false, true] {
        let behaviour = Behaviour {
            permanent_active_removes_eligible: removes,
            ..Behaviour::default()
        };
        let bed = Bed::with(behaviour).await;
        let patch = serde_json::from_value(json!({"assignment": {"permanentAllowed": true}}));
        let access = pim_simulator::Access::Member;
        bed.simulator
            .admin()
            .set_policy(OPS, access, patch.unwrap())
            .unwrap();
        bed.admin(ELIGIBLE, "adminAssign", none())
            .await
            .is("Provisioned");
        bed.admin(ACTIVE, "adminAssign", none())
            .await
            .is("Provisioned");
        bed.advance(301);
        bed.admin(ACTIVE, "adminUpdate", json!({"scheduleInfo": permanent()}))
            .await
            .is("Provisioned");
        assert_eq!(
            bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty(),
            removes
        );
    }
}

#[tokio::test]
async fn validation_only_checks_and_changes_nothing() {
    let bed = Bed::new().await;
    let reply = bed
        .admin(ELIGIBLE, "adminAssign", json!({"isValidationOnly": true}))
        .await;
    assert_eq!(
        (reply.status, &reply.body["isValidationOnly"]),
        (201, &json!(true))
    );
    let wrong = json!({"isValidationOnly": true, "scheduleInfo": permanent()});
    bed.admin(ELIGIBLE, "adminAssign", wrong)
        .await
        .refused(400, "RoleAssignmentRequestPolicyValidationFailed");
    assert!(bed.simulator.requests().is_empty());
    assert!(bed.pim_rows(ELIGIBLE, "Schedules").await.is_empty());
}

#[tokio::test]
async fn month_and_year_durations_and_local_times_are_refused() {
    let bed = Bed::unlogged().await;
    for info in [
        lasting("P6M"),
        lasting("P1Y"),
        lasting("P2W"),
        json!({"startDateTime": "2026-12-01T00:00:00", "expiration": {"type": "afterDuration", "duration": "P1D"}}),
        json!({"expiration": {"type": "afterDateTime"}}),
        json!({"expiration": {"type": "afterDuration", "duration": "P1D", "endDateTime": bed.at(86_400)}}),
        json!({"recurrence": {}, "expiration": {"type": "afterDuration", "duration": "P1D"}}),
    ] {
        bed.admin(ELIGIBLE, "adminAssign", json!({"scheduleInfo": info}))
            .await
            .refused(400, "InvalidRoleAssignmentRequest");
    }
    for with in [
        json!({"scheduleInfo": null}),
        json!({"principalId": "alice@contoso.com"}),
        json!({"accessId": "guest"}),
    ] {
        bed.admin(ELIGIBLE, "adminAssign", with)
            .await
            .refused(400, "InvalidRoleAssignmentRequest");
    }
    bed.admin(ELIGIBLE, "adminAssign", json!({"endDate": 1}))
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn a_window_shorter_than_five_minutes_is_refused() {
    let bed = Bed::new().await;
    let short = json!({"scheduleInfo": lasting("PT4M")});
    bed.admin(ACTIVE, "adminAssign", short)
        .await
        .refused(400, "ActiveDurationTooShort");
    let least = json!({"scheduleInfo": lasting("PT5M")});
    bed.admin(ACTIVE, "adminAssign", least)
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn unknown_deleted_dynamic_and_on_premises_targets_are_refused() {
    let bed = Bed::new().await;
    let nobody = "00000000-0000-4000-8000-00000000dead";
    bed.admin(ELIGIBLE, "adminAssign", json!({"groupId": nobody}))
        .await
        .refused(404, "ResourceNotFound");
    bed.admin(ELIGIBLE, "adminAssign", json!({"groupId": BOB}))
        .await
        .refused(404, "ResourceNotFound");
    bed.admin(ELIGIBLE, "adminAssign", json!({"principalId": nobody}))
        .await
        .refused(400, "SubjectNotFound");
    for group in [DYNAMIC, ON_PREMISES] {
        bed.admin(ELIGIBLE, "adminAssign", json!({"groupId": group}))
            .await
            .refused(400, "InvalidRoleAssignmentRequest");
    }
}

#[tokio::test]
async fn a_group_is_no_active_member_of_a_role_assignable_group_but_may_be_eligible() {
    let bed = Bed::new().await;
    let with = json!({"groupId": ADMINS, "principalId": APPROVERS, "ticketInfo": {"ticketNumber": "CHG-1", "ticketSystem": "desk"}});
    bed.admin(ACTIVE, "adminAssign", with.clone())
        .await
        .refused(400, "InvalidRoleAssignmentRequest");
    bed.admin(ELIGIBLE, "adminAssign", with)
        .await
        .is("Provisioned");
}
