//! The fence for roles: attempts to get more than a boundary gives, and the brakes. What counts is what Graph was asked.

use chrono::TimeDelta;
use pim_harness::Bed;
use pim_operator::{
    api::{
        role_grant::{RoleAssignment, RoleEligibility},
        status::GrantStatus,
        tenant::EntraTenant,
    },
    controller::grant::Grant,
    pim::boundary::deny_list::TIER_ZERO,
};
use pim_simulator::Kind;
use serde_json::{Value, json};

use crate::{
    ALICE, APAC_SCOPE, DIRECTORY_READERS, HELPDESK, OfRole, SALES_SCOPE, active_role, bed,
    boundary, eligible_role, rows,
    support::{message, sent, start, status, until_stalled},
};

/// A bed whose boundary is changed.
async fn fenced_by(name: &str, change: impl FnOnce(&mut Value)) -> Bed {
    let bed = bed(name, |_| {}).await;
    let mut spec = boundary(&bed);
    change(&mut spec);
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    bed
}

/// Only the helpdesk, only in Sales EMEA, only for users, and every grant ends.
fn sales_only(spec: &mut Value) {
    spec["roles"] = json!([{"id": HELPDESK, "directoryScopeIds": [SALES_SCOPE]}]);
    spec["principals"] = json!({"kinds": ["User"]});
    spec["limits"] = json!({"maxEligibilityDuration": "P180D", "maxAssignmentDuration": "PT8H"});
}

async fn until_denied<K: Grant>(bed: &Bed, name: &str) -> String {
    let object: K = bed
        .until(name, "a denial", |status: &GrantStatus| {
            let denied = |type_: &str, holds: &str| {
                status
                    .conditions
                    .iter()
                    .any(|one| one.type_ == type_ && one.status == holds)
            };
            denied("Authorized", "False") && denied("Stalled", "True")
        })
        .await;
    let conditions = &status(&object).conditions;
    let denied = conditions.iter().find(|one| one.type_ == "Authorized");
    denied.unwrap().message.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boundary_for_one_unit_gives_nothing_elsewhere() {
    let bed = fenced_by("scope_escape", sales_only).await;
    let operator = start(&bed).await;
    // The default, which nobody wrote, is the whole tenant.
    eligible_role("silent").apply(&bed).await;
    eligible_role("tenant")
        .at("/")
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    eligible_role("other-unit")
        .at(APAC_SCOPE)
        .user("erin@contoso.com")
        .apply(&bed)
        .await;
    let apac = json!({"displayName": "Sales APAC"});
    eligible_role("unit-by-name")
        .with("administrativeUnit", apac)
        .user("dave@contoso.com")
        .apply(&bed)
        .await;
    eligible_role("object")
        .at("/a0000000-0000-4000-8000-000000000001")
        .user("frank@contoso.com")
        .apply(&bed)
        .await;
    for (name, scope) in [
        ("silent", "\"/\""),
        ("tenant", "\"/\""),
        ("other-unit", APAC_SCOPE),
        ("unit-by-name", APAC_SCOPE),
    ] {
        let said = until_denied::<RoleEligibility>(&bed, name).await;
        assert!(said.contains(scope), "{name}: {said}");
    }
    // A unit is no object of its own: it leads nowhere, or is denied.
    bed.until::<RoleEligibility>("object", "no grant", |status: &GrantStatus| {
        status
            .conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "False")
    })
    .await;
    assert_eq!(sent(&bed), Vec::<String>::new());

    eligible_role("allowed").at(SALES_SCOPE).apply(&bed).await;
    bed.until_reason::<RoleEligibility>("allowed", "Provisioned")
        .await;
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tenant_includes_no_unit_and_another_role_is_another_role() {
    let bed = fenced_by("wide", |spec| {
        spec["roles"] = json!([{"id": HELPDESK, "directoryScopeIds": ["/"]}]);
    })
    .await;
    let operator = start(&bed).await;
    eligible_role("unit").at(SALES_SCOPE).apply(&bed).await;
    until_denied::<RoleEligibility>(&bed, "unit").await;
    eligible_role("other")
        .with("role", json!({"id": DIRECTORY_READERS}))
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    until_denied::<RoleEligibility>(&bed, "other").await;
    assert_eq!(sent(&bed), Vec::<String>::new());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_takes_an_allowed_name_gets_nothing() {
    let bed = fenced_by("name_trick", |spec| {
        spec["roles"] = json!([{"id": HELPDESK, "directoryScopeIds": ["/"]}]);
    })
    .await;
    let admin = bed.simulator.admin();
    admin
        .rename_role(HELPDESK, "Support Administrator")
        .unwrap();
    admin
        .rename_role(DIRECTORY_READERS, "Helpdesk Administrator")
        .unwrap();
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    let said = until_denied::<RoleEligibility>(&bed, "alice").await;
    assert!(said.contains(DIRECTORY_READERS), "{said}");
    assert_eq!(sent(&bed), Vec::<String>::new());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_that_rule_the_tenant_are_denied_whatever_boundaries_say() {
    let bed = fenced_by("tier_zero", |spec| {
        let all: Vec<Value> = TIER_ZERO
            .iter()
            .map(|role| json!({"id": role.template_id, "directoryScopeIds": ["/", SALES_SCOPE]}))
            .collect();
        spec["roles"] = json!(all);
    })
    .await;
    let operator = start(&bed).await;
    for (number, role) in TIER_ZERO.iter().enumerate() {
        let scope = if number % 2 == 0 { "/" } else { SALES_SCOPE };
        eligible_role(&format!("role-{number}"))
            .with("role", json!({"id": role.template_id}))
            .at(scope)
            .apply(&bed)
            .await;
    }
    eligible_role("by-name")
        .role("global administrator")
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    let mut denied = 0;
    for number in 0..TIER_ZERO.len() {
        let name = format!("role-{number}");
        let object: RoleEligibility = bed
            .until(&name, "an answer", |status: &GrantStatus| {
                status.conditions.iter().any(|one| one.type_ == "Stalled")
                    || status
                        .conditions
                        .iter()
                        .any(|one| one.reason == "TargetNotFound")
            })
            .await;
        // The directory of the test need not have every role.
        if !message(&object).contains("there is no role") {
            assert!(
                message(&object).contains("deny list"),
                "{}",
                message(&object)
            );
            denied += 1;
        }
    }
    assert!(denied >= 8, "only {denied} roles were tried");
    until_stalled::<RoleEligibility>(&bed, "by-name", "DenyListed").await;
    assert_eq!(sent(&bed), Vec::<String>::new());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_length_permanence_and_principals_hold_for_roles() {
    let bed = fenced_by("limits", sales_only).await;
    let operator = start(&bed).await;
    let sales = |manifest: crate::support::Manifest| manifest.at(SALES_SCOPE);
    sales(eligible_role("long"))
        .lasting("P181D")
        .apply(&bed)
        .await;
    sales(active_role("long")).lasting("PT9H").apply(&bed).await;
    sales(eligible_role("permanent"))
        .permanent()
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    sales(eligible_role("group"))
        .with("principal", json!({"groupDisplayName": "helpdesk-emea"}))
        .apply(&bed)
        .await;
    for (name, clause) in [
        ("long", "maxEligibilityDuration"),
        ("permanent", "permanent"),
        ("group", "kinds"),
    ] {
        let said = until_denied::<RoleEligibility>(&bed, name).await;
        assert!(said.contains(clause), "{name}: {said}");
    }
    let said = until_denied::<RoleAssignment>(&bed, "long").await;
    assert!(said.contains("maxAssignmentDuration"), "{said}");
    assert_eq!(sent(&bed), Vec::<String>::new());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_groups_share_the_places_of_a_namespace() {
    let bed = fenced_by("quota", |spec| {
        spec["kinds"] = json!(["GroupEligibility", "RoleEligibility"]);
        spec["groups"] = json!([{"id": "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"}]);
        spec["limits"] = json!({"maxGrantsPerNamespace": 2});
    })
    .await;
    let operator = start(&bed).await;
    eligible_role("one").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("one", "Provisioned")
        .await;
    crate::support::eligible("two").apply(&bed).await;
    bed.until_reason::<pim_operator::api::group_grant::GroupEligibility>("two", "Provisioned")
        .await;
    eligible_role("three")
        .user("bob@contoso.com")
        .apply(&bed)
        .await;
    let said = until_denied::<RoleEligibility>(&bed, "three").await;
    assert!(said.contains("maxGrantsPerNamespace"), "{said}");
    assert_eq!(sent(&bed).len(), 2);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authority_that_is_lost_revokes_the_role_where_the_boundary_says_so() {
    let bed = fenced_by("authority_lost", |spec| {
        spec["onAuthorityLost"] = json!("Revoke");
    })
    .await;
    let operator = start(&bed).await;
    eligible_role("alice").apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    let mut spec = boundary(&bed);
    sales_only(&mut spec);
    spec["onAuthorityLost"] = json!("Revoke");
    bed.write_boundary(&bed.namespace, &spec).await.unwrap();
    until_stalled::<RoleEligibility>(&bed, "alice", "AuthorityLost").await;
    assert_eq!(rows(&bed, Kind::Eligibility, HELPDESK, ALICE), vec![]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_removal_guard_and_freeze_hold_for_roles() {
    let bed = bed("brakes", |_| {}).await;
    let operator = start(&bed).await;
    let people = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
    for person in people {
        eligible_role(person)
            .user(&format!("{person}@contoso.com"))
            .apply(&bed)
            .await;
    }
    for person in people {
        bed.until_reason::<RoleEligibility>(person, "Provisioned")
            .await;
    }
    bed.advance(TimeDelta::minutes(1));
    for person in people {
        bed.delete::<RoleEligibility>(person).await.unwrap();
    }
    bed.until_tenant("RemovalGuardTripped").await;
    bed.eventually("two that wait", || async {
        let left = bed
            .api::<RoleEligibility>()
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        left.items.len() == 2
    })
    .await;
    let removals = sent(&bed)
        .iter()
        .filter(|action| *action == "adminRemove")
        .count();
    assert_eq!(removals, 5);

    let freeze = kube::api::Patch::Merge(json!({"spec": {"freeze": true}}));
    kube::Api::<EntraTenant>::all(bed.client.clone())
        .patch(&bed.tenant, &kube::api::PatchParams::default(), &freeze)
        .await
        .unwrap();
    active_role("heidi")
        .user("heidi@contoso.com")
        .apply(&bed)
        .await;
    bed.until_reason::<RoleAssignment>("heidi", "Frozen").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_says_where_it_comes_from() {
    let bed = bed("provenance", |_| {}).await;
    let operator = start(&bed).await;
    active_role("alice").at(SALES_SCOPE).apply(&bed).await;
    let alice: RoleAssignment = bed.until_reason("alice", "Provisioned").await;
    let requests = bed.simulator.role_requests();
    let ours: Vec<_> = requests
        .iter()
        .filter_map(|request| request.justification.as_deref())
        .filter(|text| text.starts_with("on call [pim-operator: RoleAssignment "))
        .collect();
    assert_eq!(ours.len(), 1, "{requests:?}");
    let uid = alice.metadata.uid.clone().unwrap();
    assert!(
        ours[0].contains(&format!("/alice uid={uid}")),
        "{}",
        ours[0]
    );

    // A rebuilt cluster learns from it that the window was opened before.
    let end = status(&alice).schedule.as_ref().unwrap().end_date_time;
    let orphan = json!({"metadata": {"finalizers": null}});
    bed.advance(TimeDelta::days(2));
    operator.stop().await;
    let api = bed.api::<RoleAssignment>();
    bed.delete::<RoleAssignment>("alice").await.unwrap();
    api.patch(
        "alice",
        &kube::api::PatchParams::default(),
        &kube::api::Patch::Merge(orphan),
    )
    .await
    .unwrap();
    bed.simulator
        .admin()
        .remove_role(Kind::Assignment, HELPDESK, SALES_SCOPE, "alice@contoso.com")
        .unwrap();
    bed.advance(TimeDelta::minutes(10));
    let operator = start(&bed).await;
    active_role("alice").at(SALES_SCOPE).apply(&bed).await;
    let again: RoleAssignment = bed.until_reason("alice", "Provisioned").await;
    assert_eq!(status(&again).schedule.as_ref().unwrap().end_date_time, end);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_claims_a_wider_scope_takes_nothing_away_there() {
    let bed = fenced_by("forged_scope", sales_only).await;
    let admin = bed.simulator.admin();
    let whole_year = serde_json::from_value(json!({"duration": "P300D"})).unwrap();
    admin
        .assign_role(
            Kind::Eligibility,
            HELPDESK,
            "/",
            "alice@contoso.com",
            whole_year,
        )
        .unwrap();
    let operator = start(&bed).await;
    eligible_role("alice").at(SALES_SCOPE).apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;

    let api = bed.api::<RoleEligibility>();
    let forged =
        kube::api::Patch::Merge(json!({"status": {"resolved": {"directoryScopeId": "/"}}}));
    let params = kube::api::PatchParams::default();
    api.patch_status("alice", &params, &forged).await.unwrap();
    bed.delete::<RoleEligibility>("alice").await.unwrap();
    let operator = start(&bed).await;
    let alice: RoleEligibility = until_stalled(&bed, "alice", "BoundaryDenied").await;
    assert!(message(&alice).contains("seal"), "{}", message(&alice));
    let left = rows(&bed, Kind::Eligibility, HELPDESK, ALICE);
    assert!(
        left.iter()
            .any(|row| row.directory_scope_id.as_deref() == Some("/")),
        "{left:?}"
    );
    assert_eq!(sent(&bed), ["adminAssign"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_claims_a_wider_scope_grants_nothing_there() {
    let bed = fenced_by("forged_scope_grant", sales_only).await;
    let operator = start(&bed).await;
    eligible_role("alice").at(SALES_SCOPE).apply(&bed).await;
    bed.until_reason::<RoleEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;
    let api = bed.api::<RoleEligibility>();
    let forged = kube::api::Patch::Merge(json!({"status": {"resolved": {
        "directoryScopeId": "/", "roleId": DIRECTORY_READERS,
    }}}));
    let params = kube::api::PatchParams::default();
    api.patch_status("alice", &params, &forged).await.unwrap();
    let operator = start(&bed).await;
    eligible_role("alice")
        .at(SALES_SCOPE)
        .lasting("P30D")
        .apply(&bed)
        .await;
    bed.eventually("two requests or a denial", || async {
        let alice = bed.api::<RoleEligibility>().get("alice").await.unwrap();
        let denied = status(&alice)
            .conditions
            .iter()
            .any(|one| one.type_ == "Authorized" && one.status == "False");
        denied || sent(&bed).len() == 2
    })
    .await;
    let all = bed.simulator.role_schedules(Kind::Eligibility);
    assert!(
        all.iter()
            .filter(|row| row.principal_id == ALICE)
            .all(|row| row.directory_scope_id.as_deref() == Some(SALES_SCOPE)
                && row.role_definition_id == HELPDESK),
        "{all:?}"
    );
    operator.stop().await;
}
