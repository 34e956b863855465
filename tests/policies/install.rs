//! How the policies come and go.

use std::time::Duration;

use pim_testbed::ControlPlaneOptions;
use serde_json::Value;

use crate::bed::{Bed, EDITOR, grant, repository};

#[tokio::test]
async fn the_server_finds_no_fault_and_what_is_taken_away_refuses_no_more() {
    let options = ControlPlaneOptions {
        // It checks the types of policies.
        controller_manager: true,
    };
    let bed = Bed::start(options).await;
    let checked = async || {
        let listed = bed
            .kubectl(&["get", "validatingadmissionpolicies", "-o", "json"], "")
            .await;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        listed["items"].as_array().unwrap().clone()
    };
    let mut policies = checked().await;
    for _ in 0..600 {
        if policies
            .iter()
            .all(|policy| policy["status"]["observedGeneration"].is_number())
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        policies = checked().await;
    }
    assert_eq!(policies.len(), 6);
    for policy in policies {
        assert_eq!(
            policy["status"]["typeChecking"],
            serde_json::json!({}),
            "{}",
            policy["metadata"]["name"]
        );
    }

    // Nothing is left to defaults that would look like a difference at each apply.
    let folder = repository("config/policies");
    let again = bed.kubectl(&["apply", "-k", &folder], "").await;
    assert!(
        again.lines().all(|line| line.ends_with(" unchanged")),
        "{again}"
    );

    // Without the ConfigMap the boundaries' echo is silent; without the policies, everything is.
    let unfenced = grant("lab", "unfenced");
    bed.create(EDITOR, &unfenced).await.unwrap_err();
    let arguments = [
        "delete",
        "configmap",
        "--namespace=pim-operator-system",
        "pim-operator-boundaries",
    ];
    bed.kubectl(&arguments, "").await;
    bed.until(|| bed.create(EDITOR, &unfenced), Result::is_ok)
        .await;

    let mut finalized = unfenced;
    finalized["metadata"]["finalizers"] = serde_json::json!(["entrapim.dev/revoke"]);
    bed.create(EDITOR, &finalized).await.unwrap_err();
    bed.kubectl(&["delete", "-k", &folder], "").await;
    bed.until(|| bed.create(EDITOR, &finalized), Result::is_ok)
        .await;
}
