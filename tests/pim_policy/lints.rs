//! What looks like a mistake: told in the condition `Sound` and by a Warning event, and never in the way of what is stated.

use pim_simulator::Access;
use serde_json::{Value, json};

use crate::support::{
    apply, bed, condition, look_again, sabotage, says, start, until, until_notes, until_reason,
};

fn approved_by(approvers: &Value) -> Value {
    json!({"activation": {"approval": {"approvers": approvers}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_by_one_by_the_group_itself_and_by_nobody_is_told_until_it_is_mended() {
    let bed = bed("lint_approval", |_| {}).await;
    let operator = start(&bed).await;
    apply(
        &bed,
        "policy",
        approved_by(&json!([{"userPrincipalName": "carol@contoso.com"}])),
    )
    .await;
    let object = until_reason(&bed, "policy", "Applied").await;
    assert_eq!(
        condition(&object, "Sound").unwrap().reason,
        "SingleApprover"
    );
    until_notes(&bed, "policy", "SingleApprover", 1).await;
    // Told once, however often it is looked at.
    look_again(&bed, "policy").await;
    assert_eq!(
        until_notes(&bed, "policy", "SingleApprover", 1).await.len(),
        1
    );

    apply(
        &bed,
        "policy",
        approved_by(&json!([{"groupDisplayName": "payments-ops"}])),
    )
    .await;
    until(&bed, "policy", "SelfApproval", |object| {
        condition(object, "Sound").is_some_and(|sound| sound.reason == "SelfApproval")
    })
    .await;

    apply(
        &bed,
        "policy",
        approved_by(&json!([{"userPrincipalName": "erin@contoso.com"}])),
    )
    .await;
    until_reason(&bed, "policy", "Applied").await;
    bed.simulator.admin().delete("erin@contoso.com").unwrap();
    // What the directory says is believed for a while.
    bed.advance(chrono::TimeDelta::hours(2));
    look_again(&bed, "policy").await;
    let object = until(&bed, "policy", "NoLivingApprover", |object| {
        condition(object, "Sound").is_some_and(|sound| sound.reason == "NoLivingApprover")
    })
    .await;
    assert_eq!(
        condition(&object, "Ready").unwrap().status,
        "True",
        "it is as stated"
    );

    apply(
        &bed,
        "policy",
        approved_by(&json!([{"groupDisplayName": "payments-approvers"}])),
    )
    .await;
    until(&bed, "policy", "nothing to say", |object| {
        condition(object, "Sound").is_some_and(|sound| sound.status == "True")
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_mails_lengths_and_locks_that_make_no_sense_are_told() {
    let bed = bed("lint_rules", |_| {}).await;
    sabotage(
        &bed,
        &[
            json!({"id": "Expiration_Admin_Assignment", "maximumDuration": "PT0S"}),
            json!({"id": "Enablement_Admin_Eligibility", "enabledRules": ["MultiFactorAuthentication"]}),
        ],
    );
    let operator = start(&bed).await;
    let spec = json!({
        "activation": {"authenticationContext": {"claimValue": "c9"}},
        "notifications": {"activation": {"admin": {"defaultRecipients": false}}},
    });
    apply(&bed, "policy", spec).await;
    let object = until_reason(&bed, "policy", "Applied").await;
    let said = says(&object, "Sound");
    for words in [
        "Enablement_Admin_Eligibility demands multi-factor authentication",
        "Expiration_Admin_Assignment allows at most PT0S",
        "no authentication context c9",
        "Notification_Admin_EndUser_Assignment sends its mails to nobody",
    ] {
        assert!(said.contains(words), "{said}");
    }
    for reason in [
        "OperatorLockedOut",
        "ZeroDuration",
        "UnknownAuthenticationContext",
        "NobodyNotified",
    ] {
        until_notes(&bed, "policy", reason, 1).await;
    }
    // What is published is known, what is not is not.
    let published = json!({"activation": {"authenticationContext": {"claimValue": "c1"}}});
    apply(&bed, "policy", published).await;
    until(&bed, "policy", "a known context", |object| {
        !says(object, "Sound").contains("authentication context")
            && condition(object, "Ready").is_some_and(|ready| ready.status == "True")
    })
    .await;
    let rules = bed
        .simulator
        .group_policy("payments-ops", Access::Member)
        .unwrap();
    assert_eq!(
        rules.rule("AuthenticationContext_EndUser_Assignment")["claimValue"],
        "c1"
    );
    operator.stop().await;
}
