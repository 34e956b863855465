//! Each of the 17 rules: stated, changed by an administrator, restored, and left alone once it is stated no longer.

use serde_json::{Value, json};

use crate::support::{
    APPROVERS, LEAD, apply, bed, condition, look_again, patches, resync, revision, rule, sabotage,
    start, status, until, until_reason,
};

/// One rule.
struct Case {
    rule: String,
    /// What is stated.
    spec: Value,
    /// Where the value stands in Graph's rule, and what it is then.
    at: &'static str,
    holds: Value,
    /// What an administrator changes.
    sabotage: Value,
}

fn expiration(moment: &str, block: &str) -> Case {
    let mut stated = json!({"maximumDuration": "P25D"});
    if block == "activation" {
        stated = json!({"maximumDuration": "PT3H"});
    }
    Case {
        rule: format!("Expiration_{moment}"),
        holds: stated["maximumDuration"].clone(),
        spec: json!({block: stated}),
        at: "/maximumDuration",
        sabotage: json!({"maximumDuration": "P9D"}),
    }
}

fn enablement(moment: &str, block: &str) -> Case {
    Case {
        rule: format!("Enablement_{moment}"),
        spec: json!({block: {"require": ["Ticketing"]}}),
        at: "/enabledRules",
        holds: json!(["Ticketing"]),
        sabotage: json!({"enabledRules": []}),
    }
}

fn notification(moment: &str, block: &str, audience: &str, field: &str) -> Case {
    let said = json!({"notificationLevel": "Critical", "recipients": ["soc@contoso.com"]});
    Case {
        rule: format!("Notification_{audience}_{moment}"),
        spec: json!({"notifications": {block: {field: said}}}),
        at: "/notificationRecipients",
        holds: json!(["soc@contoso.com"]),
        sabotage: json!({"notificationRecipients": ["mallory@contoso.com"], "notificationLevel": "None"}),
    }
}

const MOMENTS: [(&str, &str); 3] = [
    ("Admin_Eligibility", "eligibility"),
    ("Admin_Assignment", "assignment"),
    ("EndUser_Assignment", "activation"),
];

async fn round_trip(name: &str, cases: Vec<Case>) {
    let bed = bed(name, |_| {}).await;
    let operator = start(&bed).await;
    for case in cases {
        let value = || rule(&bed, &case.rule).pointer(case.at).cloned().unwrap();
        let before = patches(&bed).len();
        // Set: one PATCH of this rule alone.
        apply(&bed, "policy", case.spec.clone()).await;
        let object = until_reason(&bed, "policy", "Applied").await;
        assert_eq!(value(), case.holds, "{}", case.rule);
        assert_eq!(patches(&bed)[before..], [[case.rule.clone()]]);
        assert_eq!(status(&object).rules_managed, Some(1));
        assert_eq!(condition(&object, "InSync").unwrap().status, "True");
        // A second look is none, and no write.
        let written = revision(&bed, "policy").await;
        look_again(&bed, "policy").await;
        assert_eq!(patches(&bed).len(), before + 1);
        // Drift by an administrator is restored at the next resync.
        let mut change = case.sabotage.clone();
        change["id"] = json!(case.rule);
        sabotage(&bed, &[change.clone()]);
        assert_ne!(value(), case.holds);
        resync(&bed);
        bed.eventually(&format!("{} is restored", case.rule), || async {
            value() == case.holds && patches(&bed).len() > before + 1
        })
        .await;
        assert_eq!(patches(&bed)[before + 1..], [[case.rule.clone()]]);
        until(&bed, "policy", "its report", |object| {
            object.metadata.resource_version.as_ref() != Some(&written)
        })
        .await;
        // Stated no longer, it is nobody's.
        apply(&bed, "policy", json!({})).await;
        let object = until_reason(&bed, "policy", "Applied").await;
        assert_eq!(status(&object).rules_managed, Some(0));
        assert_eq!(value(), case.holds, "what was stated stays");
        sabotage(&bed, &[change]);
        let sabotaged = value();
        look_again(&bed, "policy").await;
        until_reason(&bed, "policy", "Applied").await;
        assert_eq!(value(), sabotaged, "{} is left alone", case.rule);
        assert_eq!(patches(&bed).len(), before + 2);
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_and_demands_are_set_restored_and_left_alone() {
    let mut cases: Vec<_> = MOMENTS
        .map(|(moment, block)| expiration(moment, block))
        .into();
    cases.extend(MOMENTS.map(|(moment, block)| enablement(moment, block)));
    Box::pin(round_trip("durations", cases)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_and_authentication_context_are_set_restored_and_left_alone() {
    let user = json!({"@odata.type": "#microsoft.graph.singleUser", "userId": LEAD, "description": "Lead"});
    let group = json!({"@odata.type": "#microsoft.graph.groupMembers", "groupId": APPROVERS, "description": "payments-approvers"});
    let approvers = json!([{"userPrincipalName": "lead@contoso.com"}, {"groupDisplayName": "payments-approvers"}]);
    let cases = vec![
        Case {
            rule: "Approval_EndUser_Assignment".to_owned(),
            spec: json!({"activation": {"approval": {"approvers": approvers}}}),
            at: "/setting/approvalStages/0/primaryApprovers",
            holds: json!([user, group]),
            sabotage: json!({"setting": {"isApprovalRequired": false, "approvalStages": [{
                "approvalStageTimeOutInDays": 1, "isApproverJustificationRequired": true,
                "escalationTimeInMinutes": 0, "isEscalationEnabled": false,
                "primaryApprovers": [], "escalationApprovers": [],
            }]}}),
        },
        Case {
            rule: "AuthenticationContext_EndUser_Assignment".to_owned(),
            spec: json!({"activation": {"authenticationContext": {"claimValue": "c1"}}}),
            at: "/isEnabled",
            holds: json!(true),
            sabotage: json!({"isEnabled": false}),
        },
    ];
    Box::pin(round_trip("approval", cases)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nine_notifications_are_set_restored_and_left_alone() {
    let audiences = [
        ("Admin", "admin"),
        ("Requestor", "requestor"),
        ("Approver", "approver"),
    ];
    let cases = MOMENTS.into_iter().flat_map(|(moment, block)| {
        audiences.map(|(audience, field)| notification(moment, block, audience, field))
    });
    Box::pin(round_trip("notifications", cases.collect())).await;
}
