//! Changing policies: what a PATCH does, what it refuses, and how the first one onboards a group.

use reqwest::Method;
use serde_json::json;

use crate::bed::*;
use crate::policy_bed::*;

#[tokio::test]
async fn the_first_change_onboards_a_group_and_rotates_both_ids_for_good() {
    let bed = Bed::new().await;
    let before = bed.get(&format!("{ASSIGNMENTS}?{}", of_group(OPS))).await;
    let old = member_policy(&bed).await;
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT4H"}),
    );
    let reply = patch(&bed, &old, &[change]).await;
    assert_eq!(reply.status, 200);
    let after = bed.get(&format!("{ASSIGNMENTS}?{}", of_group(OPS))).await;
    for (was, is) in before.items().iter().zip(after.items()) {
        assert_ne!(was["policyId"], is["policyId"]);
        assert_ne!(was["id"], is["id"]);
        let by_old_id = format!("{POLICIES}/{}", was["policyId"].as_str().unwrap());
        assert_eq!(bed.get(&by_old_id).await.body["id"], is["policyId"]);
    }
    let new = member_policy(&bed).await;
    assert_eq!(reply.text("id"), new);
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT2H"}),
    );
    assert_eq!(patch_rule(&bed, &old, change).await.status, 204);
    assert_eq!(member_policy(&bed).await, new);
    let rules = rules(&bed, &new).await;
    assert_eq!(
        find(&rules, "Expiration_EndUser_Assignment")["maximumDuration"],
        "PT2H"
    );
}

#[tokio::test]
async fn the_first_request_onboards_a_group_too_and_role_ids_never_change() {
    let bed = Bed::new().await;
    let old = member_policy(&bed).await;
    bed.admin(ELIGIBLE, "adminAssign", none())
        .await
        .is("Provisioned");
    assert_ne!(member_policy(&bed).await, old);
    let role = policy_id(&bed, &of_role(READER)).await;
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    assert_eq!(patch(&bed, &role, &[change]).await.status, 200);
    assert_eq!(policy_id(&bed, &of_role(READER)).await, role);
}

#[tokio::test]
async fn a_patch_changes_what_it_states_and_says_who_and_when() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let before = rules(&bed, &policy).await;
    bed.advance(60);
    let target = json!({
        "caller": "EndUser", "operations": ["all"], "level": "Assignment",
        "inheritableSettings": ["Whatever"], "enforcedSettings": [],
    });
    let changes = [
        rule(
            "Expiration_EndUser_Assignment",
            json!({"maximumDuration": "PT1H45M", "target": target}),
        ),
        rule(
            "Enablement_Admin_Assignment",
            json!({"enabledRules": ["Ticketing"]}),
        ),
    ];
    let reply = patch(&bed, &policy, &changes).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["lastModifiedBy"]["displayName"], "pim-operator");
    assert!(
        reply
            .text("lastModifiedDateTime")
            .starts_with(bed.at(0).trim_end_matches('Z'))
    );
    assert!(reply.body["rules"].is_null());
    let after = rules(&bed, &policy).await;
    for (was, is) in before.iter().zip(&after) {
        match is["id"].as_str().unwrap() {
            "Expiration_EndUser_Assignment" => {
                assert_eq!(is["maximumDuration"], "PT1H45M");
                assert_eq!(is["isExpirationRequired"], true);
                assert_eq!(is["target"], was["target"]);
            }
            "Enablement_Admin_Assignment" => assert_eq!(is["enabledRules"], json!(["Ticketing"])),
            _ => assert_eq!(was, is),
        }
    }
    // The other relationship is another policy.
    let owner = policy_id(
        &bed,
        &format!("{} and roleDefinitionId eq 'owner'", of_group(OPS)),
    )
    .await;
    assert_eq!(rules(&bed, &owner).await, before);
}

#[tokio::test]
async fn a_policy_with_one_bad_rule_is_refused_whole() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    let before = rules(&bed, &policy).await;
    let good = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    let bad = rule(
        "Expiration_Admin_Eligibility",
        json!({"isExpirationRequired": true}),
    );
    patch(&bed, &policy, &[good, bad])
        .await
        .refused(400, "InvalidPolicy");
    assert_eq!(rules(&bed, &policy).await, before);
    assert_eq!(member_policy(&bed).await, policy, "nothing was onboarded");
}

#[tokio::test]
async fn an_end_that_is_required_needs_a_longest_duration() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    for longest in [
        json!({}),
        json!({"maximumDuration": null}),
        json!({"maximumDuration": ""}),
    ] {
        let mut change = rule("Expiration_Admin_Assignment", longest);
        change["isExpirationRequired"] = true.into();
        let reply = patch_rule(&bed, &policy, change).await;
        assert_eq!(
            reply.refused(400, "InvalidPolicy").message(),
            "The policy is invalid."
        );
    }
    let zero = json!({"isExpirationRequired": true, "maximumDuration": "PT0S"});
    let reply = patch_rule(&bed, &policy, rule("Expiration_Admin_Assignment", zero)).await;
    assert_eq!(reply.status, 204, "a poisoned rule is taken");
    bed.admin(ACTIVE, "adminAssign", none())
        .await
        .refused(400, "RoleAssignmentRequestPolicyValidationFailed");
    let kept = json!({"isExpirationRequired": false, "maximumDuration": "P30D"});
    patch_rule(&bed, &policy, rule("Expiration_Admin_Assignment", kept)).await;
    let permanent = json!({"scheduleInfo": permanent()});
    bed.admin(ACTIVE, "adminAssign", permanent)
        .await
        .is("Provisioned");
}

#[tokio::test]
async fn mfa_is_refused_while_a_context_is_on_but_not_the_other_way_round() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let mfa = |on: bool| {
        let names = if on {
            json!(["MultiFactorAuthentication"])
        } else {
            json!([])
        };
        rule(
            "Enablement_EndUser_Assignment",
            json!({"enabledRules": names}),
        )
    };
    let context = |on: bool| {
        rule(
            "AuthenticationContext_EndUser_Assignment",
            json!({"isEnabled": on, "claimValue": "c7"}),
        )
    };
    assert_eq!(patch_rule(&bed, &policy, mfa(true)).await.status, 204);
    assert_eq!(patch_rule(&bed, &policy, context(true)).await.status, 204);
    let reply = patch_rule(&bed, &policy, mfa(true)).await;
    reply.refused(400, "MfaAndAcrsConflict");
    let text = "The Mfa and Acrs policy settings cannot be enabled simultaneously.";
    assert_eq!(reply.message(), text);
    // In one body the order counts, and both at once never works.
    patch(&bed, &policy, &[mfa(true), context(false)])
        .await
        .refused(400, "MfaAndAcrsConflict");
    assert_eq!(
        patch(&bed, &policy, &[context(false), mfa(true)])
            .await
            .status,
        200
    );
    patch(&bed, &policy, &[mfa(true), context(true)])
        .await
        .refused(400, "MfaAndAcrsConflict");
    assert_eq!(
        patch(&bed, &policy, &[mfa(false), context(true)])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn bodies_that_do_not_fit_the_metadata_are_400() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    let path = format!("{POLICIES}/{policy}");
    let expiration = "Expiration_EndUser_Assignment";
    let long = json!({"maximumDuration": "PT1H"});
    let mut untyped = rule(expiration, long.clone());
    untyped.as_object_mut().unwrap().remove("@odata.type");
    let mut other = rule(expiration, long.clone());
    other["@odata.type"] = format!("{PREFIX}EnablementRule").into();
    let mut operations = rule(expiration, long);
    operations["target"] = json!({"operations": ["everything"]});
    let wrong = [
        json!({"rules": null}),
        json!({"rules": {}}),
        json!({"rules": [null]}),
        json!({"roles": []}),
        json!({"rules": [untyped]}),
        json!({"rules": [other]}),
        json!({"rules": [operations]}),
        json!({"rules": [rule(expiration, json!({"maximumDuration": "P1Y"}))]}),
        json!({"rules": [rule(expiration, json!({"maximumLength": "PT1H"}))]}),
        json!({"rules": [rule(expiration, json!({"isExpirationRequired": "yes"}))]}),
        json!({"rules": [rule("Enablement_EndUser_Assignment", json!({"enabledRules": [null]}))]}),
        json!({"rules": [approval(true, json!([null]))]}),
        json!({"rules": [approval(true, json!([{"userId": BOB}]))]}),
    ];
    for body in wrong {
        let reply = bed.send(Method::PATCH, &path, Some(body.clone())).await;
        assert_eq!((reply.status, reply.code()), (400, "BadRequest"), "{body}");
    }
    for change in [
        rule("Expiration_Nobody_Assignment", json!({})),
        rule(
            "Enablement_EndUser_Assignment",
            json!({"enabledRules": ["Prayer"]}),
        ),
        rule(
            "Notification_Admin_EndUser_Assignment",
            json!({"notificationLevel": "Some"}),
        ),
        rule(
            "Notification_Admin_EndUser_Assignment",
            json!({"notificationType": "Fax"}),
        ),
        rule(
            "Notification_Admin_EndUser_Assignment",
            json!({"recipientType": "Requestor"}),
        ),
    ] {
        patch(&bed, &policy, &[change])
            .await
            .refused(400, "InvalidPolicy");
    }
    let unknown = rule("Expiration_Nobody_Assignment", json!({}));
    patch_rule(&bed, &policy, unknown)
        .await
        .refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn what_is_read_is_what_is_enforced() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let changes = [
        rule(
            "Expiration_Admin_Eligibility",
            json!({"isExpirationRequired": true, "maximumDuration": "P10D"}),
        ),
        rule(
            "Enablement_Admin_Eligibility",
            json!({"enabledRules": ["Ticketing"]}),
        ),
    ];
    assert_eq!(patch(&bed, &policy, &changes).await.status, 200);
    let reply = bed.admin(ELIGIBLE, "adminAssign", none()).await;
    assert!(reply.message().contains("ExpirationRule"));
    assert!(reply.message().contains("TicketingRule"));
    let fits = json!({"scheduleInfo": lasting("P10D"), "ticketInfo": {"ticketNumber": "1"}});
    bed.admin(ELIGIBLE, "adminAssign", fits)
        .await
        .is("Provisioned");
}
