//! Policies from the outside: what an estate seeds, what an administrator changes in the portal, and
//! what the state dump shows.

use pim_simulator::{Access, Estate, PolicyPatch, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};

use crate::bed::*;
use crate::policy_bed::{ASSIGNMENTS, POLICIES, READER, of_group, of_role};

async fn control(bed: &Bed, path: &str, body: Option<Value>) -> Value {
    let method = if body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let reply = bed.send(method, &format!("/_simulator/{path}"), body).await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

/// A rule as the first policy that the filter finds shows it.
async fn seen(bed: &Bed, filter: &str, id: &str) -> Value {
    let found = bed.get(&format!("{ASSIGNMENTS}?{filter}")).await;
    let policy = found.items()[0]["policyId"].as_str().unwrap().to_owned();
    bed.get(&format!("{POLICIES}/{policy}/rules/{id}"))
        .await
        .body
}

#[tokio::test]
async fn an_estate_seeds_policies_in_the_short_form_and_rule_by_rule() {
    let estate = r"
users: [{userPrincipalName: ann@contoso.com, displayName: Ann}]
groups:
  - displayName: ops
    policy:
      member:
        activation: {approvalRequired: true, approvers: [approvers, ann@contoso.com], authenticationContext: c3}
        rules:
          - {id: Notification_Admin_EndUser_Assignment, notificationLevel: Critical, notificationRecipients: [soc@contoso.com]}
  - displayName: approvers
rolePolicies:
  - role: Global Reader
    policy: {activation: {maximumDuration: PT1H, require: [Justification]}}
authenticationContexts:
  - {id: c3, displayName: Strong}
";
    let mut estate = Estate::from_yaml(estate).unwrap();
    estate.applications = vec![Estate::operator_application()];
    let bed = Bed::logged(SimulatorConfig::new(estate)).await;
    let policy = bed.simulator.group_policy("ops", Access::Member).unwrap();
    assert_eq!(policy.modified_by, None);
    let approval = policy.rule("Approval_EndUser_Assignment");
    let names: Vec<_> = approval["setting"]["approvalStages"][0]["primaryApprovers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|approver| approver["description"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["approvers", "Ann"]);
    assert_eq!(
        policy.rule("AuthenticationContext_EndUser_Assignment")["claimValue"],
        "c3"
    );
    let mail = policy.rule("Notification_Admin_EndUser_Assignment");
    assert_eq!(mail["notificationRecipients"], json!(["soc@contoso.com"]));
    assert_eq!(mail["isDefaultRecipientsEnabled"], true);
    let role = seen(&bed, &of_role(READER), "Expiration_EndUser_Assignment").await;
    assert_eq!(role["maximumDuration"], "PT1H");
    let contexts = "/v1.0/identity/conditionalAccess/authenticationContextClassReferences";
    assert_eq!(bed.get(contexts).await.items()[0]["id"], "c3");
}

#[tokio::test]
async fn an_administrator_can_sabotage_any_rule() {
    let bed = Bed::new().await;
    let rules = bed
        .simulator
        .group_policy(OPS, Access::Member)
        .unwrap()
        .rules;
    assert_eq!(rules.len(), 17);
    for rule in rules {
        let id = rule["id"].as_str().unwrap();
        let change = match id.split('_').next().unwrap() {
            "Expiration" => json!({"isExpirationRequired": false, "maximumDuration": "PT23H"}),
            "Enablement" => json!({"enabledRules": []}),
            "Approval" => json!({"setting": {"isApprovalRequired": true}}),
            "AuthenticationContext" => json!({"isEnabled": true, "claimValue": "c42"}),
            _ => json!({"isDefaultRecipientsEnabled": false}),
        };
        let mut body = change.clone();
        body["id"] = id.into();
        let deed = json!({"do": "setPolicy", "group": OPS, "policy": {"rules": [body]}});
        control(&bed, "estate", Some(deed)).await;
        let filter = format!("{} and roleDefinitionId eq 'member'", of_group(OPS));
        let after = seen(&bed, &filter, id).await;
        for (name, value) in change.as_object().unwrap() {
            if name == "setting" {
                assert_eq!(after[name]["isApprovalRequired"], true);
                assert_eq!(after[name]["approvalMode"], "SingleStage", "the rest stays");
            } else {
                assert_eq!(after[name], *value, "{id}");
            }
        }
        assert_eq!(after["target"], rule["target"]);
    }
    let policy = bed.simulator.group_policy(OPS, Access::Member).unwrap();
    assert_eq!(policy.modified_by.as_deref(), Some("Administrator"));
    let owner = bed.simulator.group_policy(OPS, Access::Owner).unwrap();
    assert_eq!(owner.modified, None);
}

#[tokio::test]
async fn an_administrator_can_sabotage_a_role_and_its_context() {
    let bed = Bed::new().await;
    let deeds = json!([
        {"do": "setRolePolicy", "role": "global reader",
         "policy": {"assignment": {"permanentAllowed": false, "maximumDuration": "P5D"}}},
        {"do": "removeAuthenticationContext", "id": "c1"},
        {"do": "setAuthenticationContext", "id": "c2", "displayName": "Renamed"},
    ]);
    control(&bed, "estate", Some(deeds)).await;
    let rule = seen(&bed, &of_role(READER), "Expiration_Admin_Assignment").await;
    assert_eq!(
        (&rule["isExpirationRequired"], &rule["maximumDuration"]),
        (&json!(true), &json!("P5D"))
    );
    let contexts = "/v1.0/identity/conditionalAccess/authenticationContextClassReferences";
    let found = bed.get(contexts).await;
    assert_eq!(found.items().len(), 1);
    assert_eq!(found.items()[0]["displayName"], "Renamed");
    let nobody = bed
        .simulator
        .admin()
        .set_role_policy("Head Gardener", PolicyPatch::default());
    assert_eq!(
        nobody.unwrap_err().to_string(),
        "no role is called Head Gardener"
    );
}

#[tokio::test]
async fn the_dump_shows_the_policies_that_differ_from_the_defaults() {
    let bed = Bed::new().await;
    let before = control(&bed, "state", None).await["policies"]
        .as_array()
        .unwrap()
        .len();
    bed.simulator
        .admin()
        .set_role_policy(
            READER,
            PolicyPatch::rule(json!({"id": "Odd", "@odata.type": "#x"})),
        )
        .unwrap();
    let state = control(&bed, "state", None).await;
    let policies = state["policies"].as_array().unwrap();
    assert_eq!(policies.len(), before + 1);
    let ours = policies
        .iter()
        .find(|policy| policy["roleDefinitionId"] == READER)
        .unwrap();
    assert_eq!(ours["rules"].as_array().unwrap().len(), 18);
    assert!(ours["lastModifiedDateTime"].is_string());
    assert_eq!(state["estate"]["authenticationContexts"][0]["id"], "c1");
}
