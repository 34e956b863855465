//! What administrators change behind the operator's back: restored where it is stated, left alone where it is not, and reported
//! only where nothing may be written.

use std::collections::BTreeSet;

use pim_harness::{Bed, Operator};
use pim_operator::pim::policy::RuleId;
use pim_simulator::{Access, PolicyPatch};
use serde_json::{Value, json};

use crate::support::{
    apply, bed, calls, condition, look_again, patches, resync, revision, rule, sabotage, says,
    start, status, until, until_notes, until_reason,
};

/// Four policies, each of which states all rules but one.
const TARGETS: [(&str, &str, &str); 4] = [
    ("members", "payments-ops", "member"),
    ("owners", "payments-ops", "owner"),
    ("approvers", "payments-approvers", "member"),
    ("approvers-owners", "payments-approvers", "owner"),
];
/// The rule that none of them states.
const UNSTATED: &str = "Enablement_Admin_Assignment";

fn all_but_one() -> Value {
    let told = || {
        let one = json!({"notificationLevel": "Critical", "defaultRecipients": true, "recipients": ["soc@contoso.com"]});
        json!({"admin": one, "requestor": one, "approver": one})
    };
    json!({
        "eligibility": {"permanentAllowed": false, "maximumDuration": "P90D", "require": ["Justification"]},
        "assignment": {"permanentAllowed": false, "maximumDuration": "P30D"},
        "activation": {
            "maximumDuration": "PT4H",
            "require": ["Justification", "Ticketing"],
            "authenticationContext": {"claimValue": "c1"},
            "approval": {"approvers": [{"groupDisplayName": "on-call-approvers"}, {"userPrincipalName": "lead@contoso.com"}]},
        },
        "notifications": {"eligibility": told(), "assignment": told(), "activation": told()},
    })
}

/// What an administrator might make of a rule.
fn loosened(id: RuleId) -> Value {
    let mut rule = match id {
        RuleId::Expiration(_) => json!({"isExpirationRequired": false, "maximumDuration": "P365D"}),
        RuleId::Enablement(_) => json!({"enabledRules": []}),
        RuleId::Approval => json!({"setting": {"isApprovalRequired": false}}),
        RuleId::AuthenticationContext => json!({"isEnabled": false}),
        RuleId::Notification(..) => {
            json!({"notificationLevel": "None", "isDefaultRecipientsEnabled": false, "notificationRecipients": []})
        }
    };
    rule["id"] = json!(id.to_string());
    rule
}

fn access(word: &str) -> Access {
    if word == "owner" {
        Access::Owner
    } else {
        Access::Member
    }
}

fn held(bed: &Bed, (_, group, relation): (&str, &str, &str), id: &str) -> Value {
    let policy = bed.simulator.group_policy(group, access(relation));
    policy.unwrap().rule(id)
}

fn change(bed: &Bed, (_, group, relation): (&str, &str, &str), rules: Vec<Value>) {
    let patch = PolicyPatch {
        rules,
        ..PolicyPatch::default()
    };
    let admin = bed.simulator.admin();
    admin.set_policy(group, access(relation), patch).unwrap();
}

/// Numbers that look random and are the same at every run.
fn shuffled<T>(mut all: Vec<T>) -> Vec<T> {
    let mut state = 4_711_u64;
    let mut mixed = Vec::new();
    while !all.is_empty() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let place = usize::try_from(state >> 33).unwrap() % all.len();
        mixed.push(all.swap_remove(place));
    }
    mixed
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_sabotaged_rules_are_restored_in_one_resync_with_an_event_each() {
    let bed = bed("sabotage", |_| {}).await;
    let admin = bed.simulator.admin();
    let seed = serde_json::from_value(
        json!({"displayName": "on-call-approvers", "members": ["grace@contoso.com"]}),
    );
    admin.add_group(seed.unwrap()).unwrap();
    let operator = start(&bed).await;
    for (name, group, relation) in TARGETS {
        let mut spec = all_but_one();
        spec["target"] = json!({"group": {"displayName": group, "accessId": relation}});
        apply(&bed, name, spec).await;
    }
    for (name, ..) in TARGETS {
        let object = until_reason(&bed, name, "Applied").await;
        assert_eq!(status(&object).rules_managed, Some(16));
    }
    let settled = patches(&bed).len();
    assert_eq!(settled, TARGETS.len(), "one PATCH a policy");

    let rules: Vec<RuleId> = RuleId::all()
        .into_iter()
        .filter(|id| id.to_string() != UNSTATED)
        .collect();
    let pairs = TARGETS
        .iter()
        .flat_map(|target| rules.iter().map(|rule| (*target, *rule)));
    let mut chosen = shuffled(pairs.collect());
    chosen.truncate(30);
    let before: Vec<Value> = chosen
        .iter()
        .map(|(target, rule)| held(&bed, *target, &rule.to_string()))
        .collect();
    for target in TARGETS {
        let of_target = chosen.iter().filter(|(other, _)| *other == target);
        let mut changed: Vec<Value> = of_target.map(|(_, rule)| loosened(*rule)).collect();
        changed.push(json!({"id": UNSTATED, "enabledRules": ["Ticketing"]}));
        change(&bed, target, changed);
    }
    resync(&bed);
    let restored = || {
        let now = chosen
            .iter()
            .map(|(target, rule)| held(&bed, *target, &rule.to_string()));
        now.eq(before.iter().cloned())
    };
    bed.eventually("all are restored", || async { restored() })
        .await;
    for target in TARGETS {
        let (name, ..) = target;
        let sabotaged: BTreeSet<String> = chosen
            .iter()
            .filter(|(other, _)| *other == target)
            .map(|(_, rule)| rule.to_string())
            .collect();
        let notes = until_notes(&bed, name, "Drifted", sabotaged.len()).await;
        let named: BTreeSet<String> = notes
            .iter()
            .map(|note| note.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(named, sabotaged);
        assert!(
            notes
                .iter()
                .all(|note| note.contains("was changed in Entra to")
                    && note.contains("is restored to")),
            "{notes:?}"
        );
        assert_eq!(
            held(&bed, target, UNSTATED)["enabledRules"],
            json!(["Ticketing"])
        );
    }
    let touched: BTreeSet<_> = chosen.iter().map(|(target, _)| target.0).collect();
    assert_eq!(patches(&bed).len(), settled + touched.len());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_observed_is_reported_and_never_written() {
    let bed = bed("observe", |_| {}).await;
    let operator = start(&bed).await;
    let spec = json!({"managementPolicy": "Observe", "activation": {"maximumDuration": "PT2H"}});
    apply(&bed, "policy", spec).await;
    let object = until_reason(&bed, "policy", "Drifted").await;
    let said = says(&object, "Ready");
    for words in [
        "Expiration_EndUser_Assignment is PT8H and is to be PT2H",
        "Observe",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(status(&object).rules_drifted, Some(1));
    assert_eq!(status(&object).baseline, None);
    assert_eq!(
        status(&object).summary.as_deref(),
        Some("activation ≤ PT8H, justification")
    );
    sabotage(
        &bed,
        &[json!({"id": "Expiration_EndUser_Assignment", "maximumDuration": "PT2H"})],
    );
    resync(&bed);
    until_reason(&bed, "policy", "Observed").await;
    assert_eq!(patches(&bed), Vec::<Vec<String>>::new());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_tenant_and_a_suspended_object_write_nothing() {
    let bed = bed("freeze", |_| {}).await;
    bed.create_tenant(json!({"freeze": true})).await.unwrap();
    let operator = start(&bed).await;
    let spec = json!({"activation": {"maximumDuration": "PT2H"}});
    apply(&bed, "policy", spec.clone()).await;
    let object = until_reason(&bed, "policy", "Frozen").await;
    assert!(says(&object, "Ready").contains("is frozen"));
    let mut suspended = spec.clone();
    suspended["suspend"] = json!(true);
    apply(&bed, "policy", suspended).await;
    until_reason(&bed, "policy", "Suspended").await;
    bed.create_tenant(json!({"freeze": false})).await.unwrap();
    look_again(&bed, "policy").await;
    until_reason(&bed, "policy", "Suspended").await;
    assert_eq!(patches(&bed), Vec::<Vec<String>>::new());
    apply(
        &bed,
        "policy",
        json!({"suspend": false, "activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    until_reason(&bed, "policy", "Applied").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estate_at_rest_costs_no_write_after_a_restart() {
    let bed = bed("restart", |_| {}).await;
    let operator: Operator = start(&bed).await;
    let mut spec = all_but_one();
    spec["activation"]["approval"] =
        json!({"approvers": [{"userPrincipalName": "lead@contoso.com"}]});
    apply(&bed, "policy", spec.clone()).await;
    let object = until_reason(&bed, "policy", "Applied").await;
    // What is sound is told too.
    assert!(condition(&object, "Sound").is_some());
    operator.stop().await;
    let (written, sent) = (revision(&bed, "policy").await, patches(&bed).len());
    let reads = calls(&bed, "GET", "roleManagementPolicyAssignments");
    let operator = bed.start_operator();
    bed.eventually("the policy is read again", || async {
        calls(&bed, "GET", "roleManagementPolicyAssignments") > reads
    })
    .await;
    resync(&bed);
    bed.eventually("a resync", || async {
        calls(&bed, "GET", "roleManagementPolicyAssignments") > reads + 1
    })
    .await;
    operator.stop().await;
    assert_eq!(patches(&bed).len(), sent);
    assert_eq!(revision(&bed, "policy").await, written);

    assert_eq!(
        rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"],
        json!("PT4H")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_counted_by_rule_and_direction() {
    let bed = bed("metric", |_| {}).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut controller = bed.controller(bed.client.clone());
    controller.listener = Some(listener);
    let operator = Operator::start(controller);
    bed.until_tenant("Connected").await;
    apply(
        &bed,
        "policy",
        json!({"activation": {"maximumDuration": "PT2H"}}),
    )
    .await;
    until_reason(&bed, "policy", "Applied").await;
    sabotage(
        &bed,
        &[json!({"id": "Expiration_EndUser_Assignment", "maximumDuration": "P1D"})],
    );
    resync(&bed);
    until(&bed, "policy", "a second change", |object| {
        let last = object
            .status
            .as_ref()
            .and_then(|status| status.last_update.as_ref());
        last.is_some() && rule(&bed, "Expiration_EndUser_Assignment")["maximumDuration"] == "PT2H"
    })
    .await;
    until_notes(&bed, "policy", "Drifted", 1).await;
    let text = reqwest::get(format!("http://{address}/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("entrapim_policy_drifts_total"))
        .unwrap_or_default();
    for label in [
        r#"rule="Expiration_EndUser_Assignment""#,
        r#"from="P1D""#,
        r#"to="PT2H""#,
        r#"direction="looser""#,
    ] {
        assert!(line.contains(label) && line.ends_with(" 1"), "{line}");
    }
    operator.stop().await;
}
