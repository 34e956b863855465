//! Delays between a write and what can be seen of it.

use std::time::Duration;

use pim_simulator::{Behaviour, GroupSeed};
use serde_json::json;

use crate::bed::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn lists_lag_behind_the_answer() {
    let bed = Bed::with(Behaviour {
        schedule_list_lag: seconds(12),
        instance_list_lag: seconds(30),
        removal_lag: seconds(20),
        ..Behaviour::default()
    })
    .await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .refused(400, "RoleAssignmentExists");
    let counts = async || {
        let schedules = bed.pim_rows(ELIGIBLE, "Schedules").await.len();
        (
            schedules,
            bed.pim_rows(ELIGIBLE, "ScheduleInstances").await.len(),
        )
    };
    assert_eq!(counts().await, (0, 0));
    bed.advance(12);
    assert_eq!(counts().await, (1, 0));
    bed.advance(18);
    assert_eq!(counts().await, (1, 1));
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .is("Revoked");
    assert_eq!(counts().await, (1, 1), "a removed row is still listed");
    bed.admin(ELIGIBLE, "adminRemove", none())
        .await
        .refused(400, "RoleAssignmentDoesNotExist");
    bed.advance(20);
    assert_eq!(counts().await, (0, 0));
}

#[tokio::test]
async fn a_new_group_answers_404_then_201_failed_then_works() {
    let bed = Bed::with(Behaviour {
        new_group_not_found_posts: 2,
        new_group_failed_posts: 1,
        ..Behaviour::default()
    })
    .await;
    let seed = GroupSeed {
        display_name: "new".to_owned(),
        ..GroupSeed::default()
    };
    let group = bed.simulator.admin().add_group(seed).unwrap();
    let with = json!({"groupId": group});
    for _ in 0..2 {
        bed.admin(ELIGIBLE, "adminAssign", with.clone())
            .await
            .refused(404, "ResourceNotFound");
    }
    bed.admin(ELIGIBLE, "adminAssign", with.clone())
        .await
        .is("Failed");
    assert!(bed.rows_of(&group, ELIGIBLE, "Schedules").await.is_empty());
    bed.admin(ELIGIBLE, "adminAssign", with)
        .await
        .is("Provisioned");
    assert_eq!(bed.rows_of(&group, ELIGIBLE, "Schedules").await.len(), 1);
}

#[tokio::test]
async fn a_minutes_old_principal_is_subject_not_found() {
    let bed = Bed::with(Behaviour {
        new_principal_lag: seconds(60),
        ..Behaviour::default()
    })
    .await;
    let user = bed
        .simulator
        .admin()
        .add_user("newcomer@contoso.com")
        .unwrap();
    let with = json!({"principalId": user});
    bed.admin(ELIGIBLE, "adminAssign", with.clone())
        .await
        .refused(400, "SubjectNotFound");
    bed.advance(60);
    bed.admin(ELIGIBLE, "adminAssign", with)
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn a_new_group_is_found_by_id_before_it_is_found_by_name() {
    let bed = Bed::with(Behaviour {
        directory_search_lag: seconds(14),
        ..Behaviour::default()
    })
    .await;
    let seed = GroupSeed {
        display_name: "fresh".to_owned(),
        ..GroupSeed::default()
    };
    let id = bed.simulator.admin().add_group(seed).unwrap();
    assert_eq!(bed.get(&format!("/v1.0/groups/{id}")).await.status, 200);
    let by_name = "/v1.0/groups?$filter=displayName eq 'fresh'";
    assert!(bed.get(by_name).await.items().is_empty());
    bed.advance(14);
    assert_eq!(bed.get(by_name).await.items().len(), 1);
}

#[tokio::test]
async fn the_first_request_onboards_a_group() {
    let bed = Bed::new().await;
    let onboarded = async || {
        let state = bed.get("/_simulator/estate").await;
        let groups = state.body["groups"].as_array().unwrap();
        groups.iter().find(|group| group["id"] == OPS).unwrap()["onboarded"] == true
    };
    assert!(!onboarded().await);
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    assert!(onboarded().await);
}
