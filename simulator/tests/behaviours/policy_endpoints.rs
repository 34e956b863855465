//! The policy endpoints: lists and their demands, ids, reads, PATCHes and what they refuse.

use pim_simulator::{Behaviour, DelegatedToken, GroupSeed, PolicyPatch};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::*;

pub const POLICIES: &str = "/v1.0/policies/roleManagementPolicies";
pub const ASSIGNMENTS: &str = "/v1.0/policies/roleManagementPolicyAssignments";
pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
const PREFIX: &str = "#microsoft.graph.unifiedRoleManagementPolicy";

/// The filter for a group's policies.
pub fn of_group(group: &str) -> String {
    format!("$filter=scopeId eq '{group}' and scopeType eq 'Group'")
}

pub fn of_role(role: &str) -> String {
    format!(
        "$filter=scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{role}'"
    )
}

/// The id of the policy that a filter finds.
async fn policy_id(bed: &Bed, filter: &str) -> String {
    let reply = bed.get(&format!("{ASSIGNMENTS}?{filter}")).await;
    reply.items()[0]["policyId"].as_str().unwrap().to_owned()
}

async fn member_policy(bed: &Bed) -> String {
    policy_id(
        bed,
        &format!("{} and roleDefinitionId eq 'member'", of_group(OPS)),
    )
    .await
}

/// A rule body; the type comes from the first word of the id.
fn rule(id: &str, with: Value) -> Value {
    let type_ = id.split('_').next().unwrap();
    let mut rule = json!({"@odata.type": format!("{PREFIX}{type_}Rule"), "id": id});
    for (name, value) in with.as_object().unwrap() {
        rule[name] = value.clone();
    }
    rule
}

async fn patch(bed: &Bed, policy: &str, rules: &[Value]) -> Reply {
    let path = format!("{POLICIES}/{policy}");
    bed.send(Method::PATCH, &path, Some(json!({"rules": rules})))
        .await
}

async fn patch_rule(bed: &Bed, policy: &str, body: Value) -> Reply {
    let path = format!("{POLICIES}/{policy}/rules/{}", body["id"].as_str().unwrap());
    bed.send(Method::PATCH, &path, Some(body)).await
}

async fn rules(bed: &Bed, policy: &str) -> Vec<Value> {
    bed.get(&format!("{POLICIES}/{policy}/rules"))
        .await
        .items()
        .clone()
}

fn find<'a>(rules: &'a [Value], id: &str) -> &'a Value {
    rules.iter().find(|rule| rule["id"] == id).unwrap()
}

fn approval(required: bool, approvers: Value) -> Value {
    let setting = json!({
        "isApprovalRequired": required,
        "approvalStages": [{"primaryApprovers": approvers}],
    });
    rule("Approval_EndUser_Assignment", json!({"setting": setting}))
}

fn user(id: &str) -> Value {
    json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id})
}

#[tokio::test]
async fn a_group_has_two_policies_of_seventeen_rules_with_the_documented_defaults() {
    let bed = Bed::new().await;
    let path = format!(
        "{ASSIGNMENTS}?{}&$expand=policy($expand=rules)",
        of_group(OPS)
    );
    let reply = bed.get(&path).await;
    assert!(
        reply
            .text("@odata.context")
            .ends_with("Assignments(policy(rules()))")
    );
    let roles: Vec<_> = reply
        .items()
        .iter()
        .map(|a| &a["roleDefinitionId"])
        .collect();
    assert_eq!(roles, ["member", "owner"]);
    for assignment in reply.items() {
        let policy = &assignment["policy"];
        assert_eq!(assignment["policyId"], policy["id"]);
        assert_eq!(policy["lastModifiedDateTime"], Value::Null);
        assert_eq!(
            policy["lastModifiedBy"],
            json!({"displayName": null, "id": null})
        );
        let rules = policy["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 17);
        for (level, required, longest) in [
            ("Admin_Eligibility", true, "P365D"),
            ("Admin_Assignment", true, "P180D"),
            ("EndUser_Assignment", true, "PT8H"),
        ] {
            let expiration = find(rules, &format!("Expiration_{level}"));
            assert_eq!(expiration["isExpirationRequired"], required);
            assert_eq!(expiration["maximumDuration"], longest);
        }
        let approval = &find(rules, "Approval_EndUser_Assignment")["setting"];
        assert_eq!(approval["isApprovalRequired"], false);
        assert_eq!(
            approval["approvalStages"][0]["approvalStageTimeOutInDays"],
            1
        );
        let enabled = |id: &str| find(rules, id)["enabledRules"].clone();
        assert_eq!(enabled("Enablement_Admin_Eligibility"), json!([]));
        assert_eq!(
            enabled("Enablement_Admin_Assignment"),
            json!(["Justification"])
        );
        assert_eq!(
            enabled("Enablement_EndUser_Assignment"),
            json!(["Justification"])
        );
        let mail = find(rules, "Notification_Approver_EndUser_Assignment");
        assert_eq!(mail["notificationLevel"], "All");
        assert_eq!(mail["target"]["caller"], "EndUser");
    }
}

#[tokio::test]
async fn a_role_policy_allows_permanent_grants_and_asks_for_mfa_by_default() {
    let bed = Bed::new().await;
    let path = format!(
        "{ASSIGNMENTS}?{}&$expand=policy($expand=rules)",
        of_role(READER)
    );
    let reply = bed.get(&path).await;
    assert_eq!(reply.items().len(), 1);
    let rules = reply.items()[0]["policy"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 17);
    for id in [
        "Expiration_Admin_Eligibility",
        "Expiration_Admin_Assignment",
    ] {
        assert_eq!(find(rules, id)["isExpirationRequired"], false);
    }
    assert_eq!(
        find(rules, "Enablement_EndUser_Assignment")["enabledRules"],
        json!(["MultiFactorAuthentication", "Justification"])
    );
}

#[tokio::test]
async fn lists_demand_the_scope_and_its_type() {
    let bed = Bed::new().await;
    for set in [POLICIES, ASSIGNMENTS] {
        for filter in [
            String::new(),
            format!("?$filter=scopeId eq '{OPS}'"),
            "?$filter=scopeType eq 'Group'".to_owned(),
            format!("?$filter=scopeId eq '{OPS}' and scopeType eq 'Subscription'"),
        ] {
            let reply = bed.get(&format!("{set}{filter}")).await;
            reply.refused(400, "UnknownError");
            let inner: Value = serde_json::from_str(reply.message()).unwrap();
            assert_eq!(inner["errorCode"], "MissingProvider");
        }
    }
}

#[tokio::test]
async fn ids_name_scope_and_relationship() {
    let bed = Bed::new().await;
    let reply = bed.get(&format!("{ASSIGNMENTS}?{}", of_group(OPS))).await;
    let owner = &reply.items()[1];
    let policy = owner["policyId"].as_str().unwrap();
    assert!(policy.starts_with(&format!("Group_{OPS}_")), "{policy}");
    assert_eq!(owner["id"], format!("{policy}_owner"));
    let one = bed.get(&format!("{ASSIGNMENTS}/{policy}_owner")).await;
    assert_eq!(one.text("policyId"), policy);
    bed.get(&format!("{ASSIGNMENTS}/{policy}_member"))
        .await
        .refused(404, "ResourceNotFound");
    let by_policy = format!("{ASSIGNMENTS}?{} and policyId eq '{policy}'", of_group(OPS));
    assert_eq!(bed.get(&by_policy).await.items().len(), 1);

    let tenant = pim_simulator::Estate::TENANT;
    for type_ in ["DirectoryRole", "Directory"] {
        let filter = format!("$filter=scopeId eq '/' and scopeType eq '{type_}'");
        let all = bed.get(&format!("{ASSIGNMENTS}?{filter}")).await;
        assert!(all.items().len() > 40);
        let ours = all
            .items()
            .iter()
            .find(|a| a["roleDefinitionId"] == READER)
            .unwrap();
        let policy = ours["policyId"].as_str().unwrap();
        assert!(
            policy.starts_with(&format!("{type_}_{tenant}_")),
            "{policy}"
        );
        assert_eq!(ours["id"], format!("{policy}_{READER}"));
        let read = bed.get(&format!("{POLICIES}/{policy}")).await;
        assert_eq!(
            (read.text("displayName"), read.text("scopeId")),
            (type_, "/")
        );
    }
}

#[tokio::test]
async fn an_invented_policy_id_is_400() {
    let bed = Bed::new().await;
    let tenant = pim_simulator::Estate::TENANT;
    for id in [
        format!("Group_{OPS}_{READER}"),
        format!("DirectoryRole_{tenant}_{OPS}"),
        format!("DirectoryRole_{OPS}_{OPS}"),
        "nonsense".to_owned(),
    ] {
        bed.get(&format!("{POLICIES}/{id}"))
            .await
            .refused(400, "BadRequest");
    }
}

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
async fn an_approval_needs_an_approver() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    for change in [
        approval(true, json!([])),
        rule(
            "Approval_EndUser_Assignment",
            json!({"setting": {"isApprovalRequired": true}}),
        ),
        rule(
            "Approval_EndUser_Assignment",
            json!({"setting": {"isApprovalRequired": true, "approvalStages": [{}]}}),
        ),
    ] {
        patch_rule(&bed, &policy, change)
            .await
            .refused(400, "InvalidPolicy");
    }
    for id in [json!(""), Value::Null, json!("alice@contoso.com")] {
        let approver = json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id});
        patch_rule(&bed, &policy, approval(true, json!([approver])))
            .await
            .refused(400, "FormatException");
    }
    let role = policy_id(&bed, &of_role(READER)).await;
    patch_rule(&bed, &role, approval(true, json!([])))
        .await
        .refused(400, "InvalidPolicy");
    bed.simulator
        .set_behaviour(|behaviour| behaviour.role_approvers_optional = true);
    assert_eq!(
        patch_rule(&bed, &role, approval(true, json!([])))
            .await
            .status,
        204
    );
    patch_rule(&bed, &policy, approval(true, json!([])))
        .await
        .refused(400, "InvalidPolicy");
}

#[tokio::test]
async fn approvers_are_named_by_graph_and_stay_when_approval_is_off() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let group = json!({"@odata.type": "#microsoft.graph.groupMembers", "groupId": APPROVERS});
    let change = approval(true, json!([user(BOB), group]));
    assert_eq!(patch_rule(&bed, &policy, change).await.status, 204);
    let path = |version: &str| {
        format!(
            "/{version}/policies/roleManagementPolicies/{policy}/rules/Approval_EndUser_Assignment"
        )
    };
    let shown =
        |reply: &Reply| reply.body["setting"]["approvalStages"][0]["primaryApprovers"].clone();
    let v1 = shown(&bed.get(&path("v1.0")).await);
    let expected = json!([
        {"@odata.type": "#microsoft.graph.singleUser", "description": "Bob", "userId": BOB},
        {"@odata.type": "#microsoft.graph.groupMembers", "description": "payments-approvers", "groupId": APPROVERS},
    ]);
    assert_eq!(v1, expected);
    let beta = shown(&bed.get(&path("beta")).await);
    assert_eq!(beta[0]["id"], BOB);
    assert!(beta[0]["userId"].is_null());
    // What was read can be sent back.
    assert_eq!(
        patch_rule(&bed, &policy, approval(true, v1)).await.status,
        204
    );

    let off = rule(
        "Approval_EndUser_Assignment",
        json!({"setting": {"isApprovalRequired": false}}),
    );
    assert_eq!(patch_rule(&bed, &policy, off).await.status, 204);
    let kept = shown(&bed.get(&path("v1.0")).await);
    assert_eq!(
        (&kept[0]["userId"], &kept[0]["description"]),
        (&json!(BOB), &json!(""))
    );
    let on = rule(
        "Approval_EndUser_Assignment",
        json!({"setting": {"isApprovalRequired": true}}),
    );
    assert_eq!(patch_rule(&bed, &policy, on).await.status, 204);
    assert_eq!(shown(&bed.get(&path("v1.0")).await), expected);
}

#[tokio::test]
async fn approvers_may_be_nobody_and_come_in_the_shape_of_either_version() {
    let bed = Bed::unlogged().await;
    let policy = member_policy(&bed).await;
    let nobody = "00000000-0000-4000-8000-0000000000ff";
    let documented = json!({
        "@odata.type": "#microsoft.graph.singleUser",
        "isBackup": false, "id": nobody, "description": null,
    });
    let change = approval(true, json!([documented]));
    assert_eq!(patch_rule(&bed, &policy, change.clone()).await.status, 204);
    let rules = rules(&bed, &policy).await;
    let stage = &find(&rules, "Approval_EndUser_Assignment")["setting"]["approvalStages"][0];
    assert_eq!(stage["primaryApprovers"][0]["userId"], nobody);
    let beta = format!("/beta/policies/roleManagementPolicies/{policy}");
    let body = |change: Value| Some(json!({"rules": [change]}));
    assert_eq!(
        bed.send(Method::PATCH, &beta, body(change)).await.status,
        200
    );
    let v1 = approval(true, json!([user(BOB)]));
    bed.send(Method::PATCH, &beta, body(v1))
        .await
        .refused(400, "BadRequest");
}

#[tokio::test]
async fn escalation_approvers_are_taken_and_forgotten() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let mut change = approval(true, json!([user(BOB)]));
    change["setting"]["approvalStages"][0]["escalationApprovers"] = json!([user(ALICE)]);
    assert_eq!(patch_rule(&bed, &policy, change).await.status, 204);
    let rules = rules(&bed, &policy).await;
    let stage = &find(&rules, "Approval_EndUser_Assignment")["setting"]["approvalStages"][0];
    assert_eq!(stage["escalationApprovers"], json!([]));
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

#[tokio::test]
async fn rules_can_be_expanded_selected_and_read_one_by_one() {
    let bed = Bed::new().await;
    let list = format!("{POLICIES}?{}&$expand=rules($select=id)", of_group(OPS));
    let reply = bed.get(&list).await;
    assert_eq!(reply.items().len(), 2);
    let first = &reply.items()[0]["rules"][0];
    assert_eq!(first["id"], "Expiration_Admin_Eligibility");
    assert!(first["maximumDuration"].is_null());
    let policy = member_policy(&bed).await;
    let whole = bed.get(&format!("{POLICIES}/{policy}?$expand=*")).await;
    assert_eq!(whole.body["rules"], whole.body["effectiveRules"]);
    assert_eq!(whole.body["rules"].as_array().unwrap().len(), 17);
    let plain = bed.get(&format!("{POLICIES}/{policy}?$select=id")).await;
    assert_eq!(plain.text("id"), policy);
    assert!(plain.body["displayName"].is_null());
    let effective = bed
        .get(&format!("{POLICIES}/{policy}/effectiveRules"))
        .await;
    assert_eq!(effective.items(), whole.body["rules"].as_array().unwrap());
    let one = format!("{POLICIES}/{policy}/rules/Enablement_EndUser_Assignment");
    assert_eq!(
        bed.get(&one).await.text("id"),
        "Enablement_EndUser_Assignment"
    );
    bed.get(&format!("{POLICIES}/{policy}/rules/Nothing"))
        .await
        .refused(404, "ResourceNotFound");
    let nested = format!(
        "{ASSIGNMENTS}?{}&$select=id&$expand=policy($select=id;$expand=effectiveRules)",
        of_group(OPS)
    );
    let reply = bed.get(&nested).await;
    let item = &reply.items()[0];
    assert!(item["policyId"].is_null() && item["policy"]["displayName"].is_null());
    assert_eq!(
        item["policy"]["effectiveRules"].as_array().unwrap().len(),
        17
    );
    for wrong in [
        "$select=name",
        "$expand=rules",
        "$expand=policy($expand=members)",
    ] {
        bed.get(&format!("{ASSIGNMENTS}?{}&{wrong}", of_group(OPS)))
            .await
            .refused(400, "BadRequest");
    }
}

#[tokio::test]
async fn the_policies_of_all_roles_come_in_pages() {
    let bed = Bed::with(Behaviour {
        pim_page_size: Some(20),
        ..Behaviour::default()
    })
    .await;
    let mut path = format!(
        "{ASSIGNMENTS}?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'&$expand=policy($expand=rules)"
    );
    let mut roles = std::collections::HashSet::new();
    let mut pages = 0;
    loop {
        let reply = bed.get(&path).await;
        pages += 1;
        for item in reply.items() {
            assert_eq!(item["policy"]["rules"].as_array().unwrap().len(), 17);
            assert!(roles.insert(item["roleDefinitionId"].as_str().unwrap().to_owned()));
        }
        match reply.body["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut path),
            None => break,
        }
    }
    assert!(pages > 3 && roles.len() > 60 && roles.contains(GLOBAL_ADMINISTRATOR));
}

#[tokio::test]
async fn a_new_group_is_404_for_some_reads_then_its_rules_are() {
    let bed = Bed::with(Behaviour {
        new_group_policy_lag: std::time::Duration::from_secs(10),
        new_group_policy_not_found_reads: 2,
        new_group_rules_not_found_reads: 1,
        ..Behaviour::default()
    })
    .await;
    let seed = GroupSeed {
        display_name: "fresh".to_owned(),
        ..GroupSeed::default()
    };
    let group = bed.simulator.admin().add_group(seed).unwrap();
    let list = format!("{ASSIGNMENTS}?{}", of_group(&group));
    bed.get(&list).await.refused(404, "ResourceNotFound");
    bed.advance(11);
    for _ in 0..2 {
        bed.get(&list).await.refused(404, "ResourceNotFound");
    }
    let policy = bed.get(&list).await.items()[0]["policyId"]
        .as_str()
        .unwrap()
        .to_owned();
    bed.get(&format!("{POLICIES}/{policy}/rules"))
        .await
        .refused(404, "ResourceNotFound");
    assert_eq!(rules(&bed, &policy).await.len(), 17);
    let nobody = format!("{ASSIGNMENTS}?{}", of_group(GLOBAL_ADMINISTRATOR));
    bed.get(&nobody).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn policies_of_a_deleted_group_can_be_read_but_not_changed() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    bed.simulator.admin().delete(OPS).unwrap();
    assert_eq!(rules(&bed, &policy).await.len(), 17);
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    patch(&bed, &policy, &[change])
        .await
        .refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn replicas_disagree_for_some_seconds_after_a_change() {
    let bed = Bed::with(Behaviour {
        policy_read_lag: std::time::Duration::from_secs(10),
        ..Behaviour::default()
    })
    .await;
    let policy = policy_id(&bed, &of_role(READER)).await;
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    assert_eq!(patch_rule(&bed, &policy, change).await.status, 204);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let rules = rules(&bed, &policy).await;
        seen.push(find(&rules, "Expiration_EndUser_Assignment")["maximumDuration"].clone());
    }
    assert_eq!(seen, ["PT8H", "PT1H", "PT8H", "PT1H"]);
    bed.advance(10);
    for _ in 0..2 {
        let rules = rules(&bed, &policy).await;
        assert_eq!(
            find(&rules, "Expiration_EndUser_Assignment")["maximumDuration"],
            "PT1H"
        );
    }
}

#[tokio::test]
async fn policies_of_groups_and_roles_need_permissions_of_their_own() {
    let mut bed = Bed::unlogged().await;
    let (group, role) = (
        member_policy(&bed).await,
        policy_id(&bed, &of_role(READER)).await,
    );
    let change = || {
        rule(
            "Expiration_EndUser_Assignment",
            json!({"maximumDuration": "PT1H"}),
        )
    };
    for (permission, reads, writes) in [
        (
            "RoleManagementPolicy.Read.AzureADGroup",
            (true, false),
            (false, false),
        ),
        (
            "RoleManagementPolicy.ReadWrite.AzureADGroup",
            (true, false),
            (true, false),
        ),
        (
            "RoleManagementPolicy.Read.Directory",
            (false, true),
            (false, false),
        ),
        (
            "RoleManagementPolicy.ReadWrite.Directory",
            (false, true),
            (false, true),
        ),
        (
            "RoleManagement.Read.Directory",
            (false, true),
            (false, false),
        ),
        ("RoleManagement.Read.All", (false, true), (false, false)),
        (
            "RoleManagement.ReadWrite.Directory",
            (false, true),
            (false, true),
        ),
        ("Directory.Read.All", (false, false), (false, false)),
    ] {
        bed.simulator
            .admin()
            .set_app_roles(OPERATOR, &[permission])
            .unwrap();
        bed.sign_in().await;
        for (policy, filter, read, write) in [
            (&group, of_group(OPS), reads.0, writes.0),
            (&role, of_role(READER), reads.1, writes.1),
        ] {
            let replies = [
                (bed.get(&format!("{ASSIGNMENTS}?{filter}")).await, read),
                (bed.get(&format!("{POLICIES}/{policy}")).await, read),
                (bed.get(&format!("{POLICIES}/{policy}/rules")).await, read),
                (patch(&bed, policy, &[change()]).await, write),
                (patch_rule(&bed, policy, change()).await, write),
            ];
            for (reply, allowed) in replies {
                if allowed {
                    assert!(reply.status < 300, "{permission}: {:?}", reply.body);
                } else {
                    reply.refused(403, "Authorization_RequestDenied");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_person_changes_the_policies_of_owned_groups_only() {
    let bed = Bed::new().await;
    let policy = member_policy(&bed).await;
    let scopes = vec!["RoleManagementPolicy.ReadWrite.AzureADGroup".to_owned()];
    let person = |user: &str| {
        bed.person(&DelegatedToken {
            scopes: scopes.clone(),
            ..DelegatedToken::of(user)
        })
    };
    let change = || {
        rule(
            "Expiration_EndUser_Assignment",
            json!({"maximumDuration": "PT1H"}),
        )
    };
    let (bob, lead) = (person("bob@contoso.com"), person("lead@contoso.com"));
    patch(&bob, &policy, &[change()])
        .await
        .refused(403, "UnauthorizedAccessException");
    let reply = patch(&lead, &policy, &[change()]).await;
    assert_eq!(reply.body["lastModifiedBy"]["displayName"], "Lead");
}

#[tokio::test]
async fn unknown_rules_are_shown_and_survive() {
    let bed = Bed::unlogged().await;
    let extension = json!({
        "@odata.type": format!("{PREFIX}CustomExtensionRule"),
        "id": "CustomExtension_EndUser_Assignment",
        "customExtensions": [],
    });
    bed.simulator
        .admin()
        .set_role_policy("Global Reader", PolicyPatch::rule(extension.clone()))
        .unwrap();
    let policy = policy_id(&bed, &of_role(READER)).await;
    let change = rule(
        "Expiration_EndUser_Assignment",
        json!({"maximumDuration": "PT1H"}),
    );
    assert_eq!(patch(&bed, &policy, &[change]).await.status, 200);
    let rules = rules(&bed, &policy).await;
    assert_eq!(rules.len(), 18);
    assert_eq!(
        find(&rules, "CustomExtension_EndUser_Assignment"),
        &extension
    );
}

#[tokio::test]
async fn authentication_contexts_are_listed_to_those_who_may_see_them() {
    let mut bed = Bed::new().await;
    let set = "/v1.0/identity/conditionalAccess/authenticationContextClassReferences";
    let reply = bed.get(set).await;
    let first = json!({
        "id": "c1", "displayName": "Phishing-resistant",
        "description": "A security key or a passkey", "isAvailable": true,
    });
    assert_eq!(reply.items()[0], first);
    let available = bed.get(&format!("{set}?$filter=isAvailable eq true")).await;
    assert_eq!(available.items().len(), 1);
    assert_eq!(
        bed.get(&format!("{set}/c2")).await.body["isAvailable"],
        false
    );
    bed.get(&format!("{set}/c9"))
        .await
        .refused(404, "Request_ResourceNotFound");
    for (permission, status) in [
        ("Policy.Read.ConditionalAccess", 200),
        ("User.Read.All", 403),
    ] {
        bed.simulator
            .admin()
            .set_app_roles(OPERATOR, &[permission])
            .unwrap();
        bed.sign_in().await;
        assert_eq!(bed.get(set).await.status, status);
    }
}
