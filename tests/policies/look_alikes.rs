//! `look-alikes.entrapim.dev` warns of names that may look like others, and refuses none.

use serde_json::{Value, json};

use crate::bed::{Bed, EDITOR, grant};

async fn warnings(fields: &Value) -> String {
    let mut named = grant("shared", "named");
    for (name, value) in fields.as_object().unwrap() {
        named["spec"][name] = value.clone();
    }
    Bed::shared().await.kubectl_warnings(EDITOR, &named).await
}

#[tokio::test]
async fn a_name_with_letters_beyond_ascii_is_accepted_with_a_warning() {
    let advice = "has letters beyond ASCII, and some look just like others: if it is not meant so, name it by `id`, which nothing looks like";
    for (fields, named) in [
        // A Cyrillic а.
        (
            json!({"group": {"displayName": "p\u{430}yments-ops"}}),
            "`group.displayName`",
        ),
        (
            json!({"principal": {"userPrincipalName": "\u{430}lice@contoso.com"}}),
            "`principal.userPrincipalName`",
        ),
        // A blank of no width, and one that turns the direction.
        (
            json!({"group": {"displayName": "payments\u{200b}-ops"}}),
            "`group.displayName`",
        ),
        (
            json!({
                "accessId": "member",
                "group": {"displayName": "payments\u{202e}spo"},
                "principal": {"userPrincipalName": "zoë@contoso.com"},
            }),
            "`principal.userPrincipalName` and `group.displayName`",
        ),
    ] {
        let warnings = warnings(&fields).await;
        let sentence = format!(
            "Warning: Validation failed for ValidatingAdmissionPolicy 'look-alikes.entrapim.dev' with binding 'look-alikes.entrapim.dev': {named} {advice}"
        );
        assert_eq!(warnings.trim_end(), sentence);
    }
}

#[tokio::test]
async fn names_in_ascii_and_ids_raise_no_warning() {
    for fields in [
        json!({}),
        json!({"group": {"displayName": "Payments: Ops & On-call (EMEA) ~ #1"}}),
        json!({"principal": {"id": "0c6f6f0e-3b0a-4f0c-8a8e-5d7f3b1c9a21"}}),
    ] {
        assert_eq!(warnings(&fields).await, "");
    }
}
