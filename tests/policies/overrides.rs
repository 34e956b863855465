//! `overrides.entrapim.dev`: the annotations that override a brake need the verb `override`.

use serde_json::{Value, json};

use crate::bed::{Bed, EDITOR, OPERATOR, OVERRIDER, expect_refusal, grant};

const POLICY: &str = "overrides.entrapim.dev";

fn tenant(name: &str) -> Value {
    json!({
        "apiVersion": "entrapim.dev/v1alpha1",
        "kind": "EntraTenant",
        "metadata": {"name": name},
        "spec": {
            "tenantId": "9f0c2c1e-0000-4000-8000-000000000001",
            "credential": {"managedIdentity": {}},
        },
    })
}

fn annotated(object: &Value, annotation: &str, value: &str) -> Value {
    let mut object = object.clone();
    object["metadata"]["annotations"] = json!({annotation: value});
    object
}

#[tokio::test]
async fn a_mass_removal_is_acknowledged_only_by_who_may_override() {
    let bed = Bed::shared().await;
    let name = "entrapim.dev/acknowledge-removals";
    let sentence = |user: &str| {
        format!(
            "the annotation `{name}` may only be set by somebody who holds the verb `override` on entratenants, and {user} does not: the ClusterRole `entrapim-override` gives it"
        )
    };
    let forged = annotated(&tenant("acknowledged"), name, "200");
    expect_refusal(
        &bed.create(EDITOR, &forged).await,
        POLICY,
        &sentence(EDITOR),
    );
    bed.create(OVERRIDER, &forged).await.unwrap();

    let stored = bed.store(&tenant("acknowledged")).await;
    let acknowledged = annotated(&stored, name, "40");
    expect_refusal(
        &bed.update(EDITOR, &acknowledged).await,
        POLICY,
        &sentence(EDITOR),
    );
    // Not even the operator acknowledges to itself; more than one policy is in its way.
    bed.update(OPERATOR, &acknowledged).await.unwrap_err();
    let stored = bed.change(OVERRIDER, &acknowledged).await.unwrap();

    // What stands may stand beside other edits; more of it is another acknowledgment; taking it back needs no right.
    let mut slower = stored.clone();
    slower["spec"]["resyncPeriod"] = json!("1h");
    bed.update(EDITOR, &slower).await.unwrap();
    expect_refusal(
        &bed.update(EDITOR, &annotated(&stored, name, "400")).await,
        POLICY,
        &sentence(EDITOR),
    );
    let mut taken_back = stored;
    taken_back["metadata"]["annotations"] = json!({});
    bed.update(EDITOR, &taken_back).await.unwrap();
}

#[tokio::test]
async fn a_grant_is_abandoned_only_by_who_may_override() {
    let bed = Bed::shared().await;
    let name = "entrapim.dev/abandon";
    let stored = bed.store(&grant("payments", "abandoned")).await;
    let uid = stored["metadata"]["uid"].as_str().unwrap().to_owned();
    let abandoned = annotated(&stored, name, &uid);
    expect_refusal(
        &bed.update(EDITOR, &abandoned).await,
        POLICY,
        "the annotation `entrapim.dev/abandon` may only be set by somebody who holds the verb `override` on groupeligibilities, and alice does not: the ClusterRole `entrapim-override` gives it",
    );
    bed.update(OVERRIDER, &abandoned).await.unwrap();
    let other = annotated(&stored, "example.com/abandon", &uid);
    bed.update(EDITOR, &other).await.unwrap();
}

#[tokio::test]
async fn the_right_to_override_may_be_given_for_one_namespace() {
    let bed = Bed::shared().await;
    bed.kubectl(
        &[
            "create",
            "rolebinding",
            "override",
            "--namespace=payments",
            "--clusterrole=entrapim-override",
            "--user=peter",
        ],
        "",
    )
    .await;
    bed.kubectl(
        &[
            "create",
            "clusterrolebinding",
            "peter-edits",
            "--clusterrole=edit-grants",
            "--user=peter",
        ],
        "",
    )
    .await;
    let name = "entrapim.dev/abandon";
    let here = bed.store(&grant("payments", "overridden")).await;
    let there = bed.store(&grant("shared", "overridden")).await;
    // The right holds a moment after it is given.
    bed.until(
        || async { bed.update("peter", &annotated(&here, name, "uid")).await },
        Result::is_ok,
    )
    .await;
    expect_refusal(
        &bed.update("peter", &annotated(&there, name, "uid")).await,
        POLICY,
        "the annotation `entrapim.dev/abandon` may only be set by somebody who holds the verb `override` on groupeligibilities, and peter does not: the ClusterRole `entrapim-override` gives it",
    );
}
