//! Deeds of administrators, the estate and the state, over HTTP and through the library.

use pim_simulator::{Access, AdminError, Estate, SimulatorConfig, Window};
use serde_json::json;

use crate::bed::*;

#[tokio::test]
async fn deeds_over_http_change_directory_and_grants() {
    let bed = Bed::new().await;
    let deeds = json!([
        {"do": "addUser", "userPrincipalName": "newcomer@contoso.com"},
        {"do": "addGroup", "displayName": "night-shift", "owners": []},
        {"do": "assign", "kind": "eligibility", "group": "night-shift", "principal": "newcomer@contoso.com",
         "accessId": "member", "window": {"duration": "P30D"}},
        {"do": "addMember", "group": "night-shift", "principal": "alice@contoso.com"},
        {"do": "activate", "user": "newcomer@contoso.com", "group": "night-shift", "window": {"duration": "PT1H"}, "justification": "x"},
        {"do": "setPolicy", "group": "night-shift", "accessId": "owner", "policy": {"eligibility": {"permanentAllowed": true}}},
        {"do": "alterGroup", "group": "night-shift", "displayName": "late-shift"},
        {"do": "setAppRoles", "clientId": OPERATOR, "appRoles": ["GroupMember.Read.All"]},
    ]);
    let reply = bed.post("/_simulator/estate", deeds).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let group = reply.body["ids"][1].as_str().unwrap();
    let members = bed.get(&format!("/v1.0/groups/{group}/members")).await;
    assert_eq!(members.items().len(), 2);
    assert_eq!(
        bed.get(&format!("/v1.0/groups/{group}"))
            .await
            .text("displayName"),
        "late-shift"
    );
    let wrong = bed
        .post(
            "/_simulator/estate",
            json!({"do": "delete", "object": "nobody"}),
        )
        .await;
    assert_eq!(wrong.status, 404);
    let twice = bed
        .post(
            "/_simulator/estate",
            json!({"do": "delete", "object": "on-call"}),
        )
        .await;
    assert_eq!(twice.status, 409);
}

#[tokio::test]
async fn a_piece_of_an_estate_can_be_added() {
    let bed = Bed::new().await;
    let piece = json!({
        "users": [{"userPrincipalName": "extra@contoso.com"}],
        "groups": [{"displayName": "extra", "members": ["extra@contoso.com"]}],
        "schedules": [{"kind": "eligibility", "group": "extra", "principal": "alice@contoso.com", "window": {"duration": "P30D"}}],
        "generate": {"groups": 2, "people": 3},
    });
    let reply = bed.post("/_simulator/estate", piece).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    let state = bed.get("/_simulator/state").await;
    assert_eq!(state.body["counts"]["users"], 13 + 1 + 3);
    assert_eq!(state.body["counts"]["groups"], 9 + 1 + 2);
    assert_eq!(state.body["counts"]["eligibilitySchedules"], 1);
    assert_eq!(state.body["requests"][0]["action"], "adminAssign");
}

#[tokio::test]
async fn the_portal_is_not_held_to_policy_or_age() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    admin
        .assign(ACTIVE, OPS, ALICE, Access::Member, Window::permanent())
        .unwrap();
    let rows = bed.pim_rows(ACTIVE, "Schedules").await;
    assert_eq!(
        rows[0]["scheduleInfo"]["expiration"]["type"],
        "noExpiration"
    );
    admin
        .update(ACTIVE, OPS, ALICE, Access::Member, Window::days(400))
        .unwrap();
    admin
        .extend(ACTIVE, OPS, ALICE, Access::Member, Window::days(500))
        .unwrap();
    admin.remove(ACTIVE, OPS, ALICE, Access::Member).unwrap();
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
    let again = admin
        .remove(ACTIVE, OPS, ALICE, Access::Member)
        .unwrap_err();
    assert!(
        matches!(again, AdminError::Refused { code, .. } if code == "RoleAssignmentDoesNotExist")
    );
}

#[tokio::test]
async fn a_membership_removed_through_the_groups_api_ends_the_grant_behind_pims_back() {
    let bed = Bed::new().await;
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .is("Provisioned");
    bed.simulator
        .admin()
        .remove_member(OPS, ALICE, Access::Member)
        .unwrap();
    assert!(bed.pim_rows(ACTIVE, "Schedules").await.is_empty());
    let requests = bed.simulator.requests();
    assert_eq!(
        (requests.len(), requests[0].status.as_str()),
        (1, "Provisioned")
    );
}

#[tokio::test]
async fn people_are_held_to_policy() {
    let bed = Bed::new().await;
    let admin = bed.simulator.admin();
    admin
        .assign(ELIGIBLE, OPS, ALICE, Access::Member, Window::days(3))
        .unwrap();
    let hours = |n: u64| Window::lasting(std::time::Duration::from_secs(n * 3600));
    let name = "alice@contoso.com";
    assert!(
        admin
            .activate(name, "payments-ops", Access::Member, hours(9), "x")
            .is_err()
    );
    admin
        .activate(name, "payments-ops", Access::Member, hours(1), "x")
        .unwrap();
    assert!(
        admin
            .deactivate(name, "payments-ops", Access::Member)
            .is_err()
    );
    bed.advance(301);
    admin
        .deactivate(name, "payments-ops", Access::Member)
        .unwrap();
    assert!(
        bed.simulator
            .schedules(ACTIVE)
            .iter()
            .all(|row| !row.activated)
    );
}

#[tokio::test]
async fn names_that_fit_several_objects_are_ambiguous() {
    let bed = Bed::new().await;
    let error =
        bed.simulator
            .admin()
            .assign(ELIGIBLE, "on-call", ALICE, Access::Member, Window::days(3));
    assert_eq!(
        error,
        Err(AdminError::Ambiguous {
            name: "on-call".to_owned()
        })
    );
}

#[tokio::test]
async fn a_generated_estate_has_predictable_ids_and_names() {
    let bed = Bed::logged(SimulatorConfig::new(Estate::generate(50, 20))).await;
    let group = Estate::generated_group(50).to_string();
    assert_eq!(
        bed.get(&format!("/v1.0/groups/{group}"))
            .await
            .text("displayName"),
        "group-0050"
    );
    let user = Estate::generated_user(20).to_string();
    assert_eq!(
        bed.get("/v1.0/users/user-0020@contoso.com")
            .await
            .text("id"),
        user
    );
    let with = json!({"groupId": group, "principalId": user});
    bed.admin(ELIGIBLE, "adminAssign", with)
        .await
        .is("Provisioned");
}

#[test]
fn the_story_is_read_whole() {
    let estate = Estate::contoso();
    assert_eq!((estate.users.len(), estate.groups.len()), (13, 9));
    assert_eq!(estate.applications[0].client_id, Estate::OPERATOR_CLIENT_ID);
    assert_eq!(estate.groups[0].id, Some(Estate::PAYMENTS_OPS));
    assert!(Estate::from_yaml("users: 5").is_err());
    assert!(Estate::from_yaml("surprise: true").is_err());
}
