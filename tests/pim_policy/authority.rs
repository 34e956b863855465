//! Who may state which rules: boundaries and their floor, one object a target, and what would lock the operator out.

use serde_json::{Value, json};

use crate::support::{
    HELPDESK, apply, bed, bound, calls, condition, delete, patches, rule, says, start, status,
    until, until_gone, until_reason,
};

const NOTHING: Vec<Vec<String>> = Vec::new();

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_below_the_floor_is_denied_whole_until_one_of_the_two_is_edited() {
    let bed = bed("floor", |_| {}).await;
    let floor = json!({"policyFloor": {"maximumActivationDuration": "PT8H", "multiFactorAuthentication": "Required"}});
    bound(&bed, floor).await;
    let operator = start(&bed).await;
    let below = json!({
        "eligibility": {"maximumDuration": "P30D"},
        "activation": {"maximumDuration": "PT10H", "require": ["MultiFactorAuthentication"]},
    });
    apply(&bed, "policy", below.clone()).await;
    let object = until_reason(&bed, "policy", "BoundaryDenied").await;
    let said = says(&object, "Authorized");
    for words in [
        "comes nearest",
        "maximumActivationDuration` is PT8H",
        "PT10H",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert!(condition(&object, "Stalled").is_some());
    assert_eq!(patches(&bed), NOTHING, "the harmless part waits too");
    // The boundary gives way.
    bound(
        &bed,
        json!({"policyFloor": {"maximumActivationDuration": "PT12H"}}),
    )
    .await;
    let object = until_reason(&bed, "policy", "Applied").await;
    assert_eq!(
        status(&object).authorized_by.as_ref().unwrap().name,
        bed.namespace
    );
    assert_eq!(patches(&bed).len(), 1);
    // And comes back: what is in force stays, and is not kept up any more.
    bound(&bed, json!({"policyFloor": {"approval": "Required"}})).await;
    let off = json!({"activation": {"maximumDuration": "PT10H", "approval": {"disabled": {}}}});
    apply(&bed, "policy", off).await;
    let object = until_reason(&bed, "policy", "BoundaryDenied").await;
    assert!(
        says(&object, "Ready").contains("approval"),
        "{}",
        says(&object, "Ready")
    );
    assert_eq!(patches(&bed).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_boundary_that_names_kind_and_target_nothing_is_changed() {
    let bed = bed("boundary", |_| {}).await;
    bound(&bed, json!({"kinds": ["GroupEligibility"]})).await;
    let operator = start(&bed).await;
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT1H"}}),
    )
    .await;
    let object = until_reason(&bed, "policy", "BoundaryDenied").await;
    assert!(says(&object, "Ready").contains("its `kinds` lack PimPolicy"));
    // The rules that rule the tenant are on the deny list.
    bound(&bed, json!({"roles": [{"id": "62e90394-69f5-4237-9190-012177145e10", "directoryScopeIds": ["/"]}]})).await;
    let role = json!({"target": {"role": {"displayName": "Global Administrator"}}, "activation": {"maximumDuration": "P1D"}});
    apply(&bed, "rule-all", role).await;
    let object = until_reason(&bed, "rule-all", "DenyListed").await;
    assert!(says(&object, "Ready").contains("Global Administrator"));
    until_reason(&bed, "policy", "Applied").await;
    assert_eq!(patches(&bed).len(), 1);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_objects_for_one_target_the_older_holds_and_the_younger_follows_when_it_goes() {
    let bed = bed("conflict", |_| {}).await;
    let operator = start(&bed).await;
    let longest = || rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"].clone();
    let stating = |length: &str| -> Value { json!({"activation": {"maximumDuration": length}}) };
    apply(&bed, "older", stating("PT2H")).await;
    until_reason(&bed, "older", "Applied").await;
    // Kubernetes dates objects by the second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    apply(&bed, "younger", stating("PT3H")).await;
    let object = until_reason(&bed, "younger", "Conflict").await;
    let said = says(&object, "Ready");
    assert!(
        said.contains(&format!("PimPolicy {}/older", bed.namespace)),
        "{said}"
    );
    assert!(condition(&object, "Stalled").is_some());
    assert_eq!(longest(), json!("PT2H"));
    // Owners have rules of their own.
    let owners = json!({"target": {"group": {"displayName": "payments-ops", "accessId": "owner"}}, "activation": {"maximumDuration": "PT4H"}});
    apply(&bed, "owners", owners).await;
    until_reason(&bed, "owners", "Applied").await;
    delete(&bed, "older").await;
    until_gone(&bed, "older").await;
    until_reason(&bed, "younger", "Applied").await;
    assert_eq!(longest(), json!("PT3H"));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_would_lock_the_operator_out_is_refused() {
    let bed = bed("locked_out", |_| {}).await;
    let operator = start(&bed).await;
    let locks = json!({
        "assignment": {"maximumDuration": "P10D", "require": ["MultiFactorAuthentication"]},
        "activation": {"maximumDuration": "PT1H"},
    });
    apply(&bed, "policy", locks).await;
    let object = until_reason(&bed, "policy", "OperatorLockedOut").await;
    assert!(says(&object, "Ready").contains("spec.assignment.require"));
    assert!(condition(&object, "Stalled").is_some());
    assert_eq!(patches(&bed), NOTHING);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roles_policy_is_named_by_the_role_and_read_once_for_all_roles() {
    let bed = bed("role", |_| {}).await;
    let operator = start(&bed).await;
    let spec = json!({
        "target": {"role": {"displayName": "helpdesk administrator"}},
        "activation": {"maximumDuration": "PT2H", "require": ["MultiFactorAuthentication", "Justification"]},
        "eligibility": {"permanentAllowed": false},
    });
    apply(&bed, "helpdesk", spec).await;
    let object = until_reason(&bed, "helpdesk", "Applied").await;
    let resolved = status(&object).resolved.clone().unwrap();
    assert_eq!(resolved.target_id.as_str(), HELPDESK);
    assert_eq!(resolved.target_name, "Helpdesk Administrator");
    let policy = bed.simulator.role_policy(HELPDESK).unwrap();
    assert_eq!(
        policy.rule("Expiration_EndUser_Assignment")["maximumDuration"],
        "PT2H"
    );
    assert_eq!(
        policy.rule("Expiration_Admin_Eligibility")["isExpirationRequired"],
        true
    );
    assert_eq!(status(&object).policy_id.as_ref(), Some(&policy.id));
    assert_eq!(patches(&bed).len(), 1);
    // One list of all; what was written is read back alone.
    let (all, one) = ("scopeType%20eq%20%27DirectoryRole%27&", "roleDefinitionId");
    assert_eq!((calls(&bed, "GET", all), calls(&bed, "GET", one)), (1, 1));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_nowhere_or_twice_is_told() {
    let bed = bed("names", |_| {}).await;
    let operator = start(&bed).await;
    let target = json!({"group": {"displayName": "on-call", "accessId": "member"}});
    apply(&bed, "twice", json!({"target": target})).await;
    let object = until_reason(&bed, "twice", "Ambiguous").await;
    assert_eq!(
        condition(&object, "ReferencesResolved").unwrap().status,
        "False"
    );
    let approval = json!({"activation": {"approval": {"approvers": [{"userPrincipalName": "nobody@contoso.com"}]}}});
    apply(&bed, "nobody", approval).await;
    let object = until_reason(&bed, "nobody", "PrincipalNotFound").await;
    assert!(says(&object, "Ready").contains("nobody@contoso.com"));
    // The approver appears.
    bed.simulator
        .admin()
        .add_user("nobody@contoso.com")
        .unwrap();
    until(&bed, "nobody", "Applied", |object| {
        condition(object, "Ready").is_some_and(|ready| ready.status == "True")
    })
    .await;
    operator.stop().await;
}
