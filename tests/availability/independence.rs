//! The API server never depends on us: nothing that is installed has it call the operator, and while no operator runs, objects are
//! created, changed and deleted all the same.

use std::path::{Path, PathBuf};

use kube::{ResourceExt, api::DeleteParams};
use pim_operator::api::{crds, group_grant::GroupEligibility};

use crate::support::{bed, eligible, sent, start};

/// Whatever makes the API server ask somebody else.
const CALLERS: [&str; 5] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "conversionReviewVersions",
    "admissionReviewVersions",
];

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push(path);
        }
    }
}

#[test]
fn nothing_that_is_installed_has_the_api_server_call_the_operator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["charts/pim-operator", "config", "crds"] {
        files(&root.join(folder), &mut all);
    }
    all.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| ["yaml", "tpl"].contains(&extension))
    });
    assert!(all.len() > 20, "{all:?}");
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        for caller in CALLERS {
            assert!(!text.contains(caller), "{} has {caller}", path.display());
        }
    }
    for crd in crds::all() {
        let conversion = crd.spec.conversion.as_ref();
        assert!(
            conversion.is_none_or(|conversion| conversion.strategy == "None"),
            "{}",
            crd.name_any()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_operator_objects_are_created_changed_and_deleted_and_what_was_granted_waits() {
    let bed = bed("no_operator", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    bed.until_reason::<GroupEligibility>("alice", "Provisioned")
        .await;
    operator.stop().await;

    eligible("bob").user("bob@contoso.com").apply(&bed).await;
    eligible("bob")
        .user("bob@contoso.com")
        .lasting("P10D")
        .apply(&bed)
        .await;
    eligible("carol")
        .user("carol@contoso.com")
        .apply(&bed)
        .await;
    let api = bed.api::<GroupEligibility>();
    // What was never granted goes at once: nothing holds it.
    bed.delete::<GroupEligibility>("carol").await.unwrap();
    assert!(api.get_opt("carol").await.unwrap().is_none());
    // What was granted waits for the operator: its access is not forgotten.
    api.delete("alice", &DeleteParams::default()).await.unwrap();
    let alice = api.get("alice").await.unwrap();
    assert!(alice.metadata.deletion_timestamp.is_some());
    assert_eq!(alice.finalizers(), ["entrapim.dev/revoke"]);
    assert_eq!(sent(&bed), ["adminAssign"]);

    let operator = start(&bed).await;
    bed.until_gone::<GroupEligibility>("alice").await;
    bed.until_reason::<GroupEligibility>("bob", "Provisioned")
        .await;
    let mut actions = sent(&bed);
    actions.sort();
    assert_eq!(actions, ["adminAssign", "adminAssign", "adminRemove"]);
    operator.stop().await;
}
