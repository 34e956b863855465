//! What people do at a terminal: `kubectl wait` and `kubectl get`.

use pim_operator::api::conditions::Reason;
use serde_json::{Value, json};

use crate::{
    reasons::Shape,
    recorder::{KINDS, Recorder},
    sets::{Set, empty_bed, folder},
    support::{eligible, start},
    tools::{bed, kubectl, kubectl_ok},
};

/// Kinds that report, with their short names.
const REPORTING: [&str; 6] = ["ge", "ga", "re", "ra", "pp", "et"];

/// The story, and an active role, which it does not show.
fn story() -> Vec<Value> {
    let role = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";
    let mut all = folder("config/story");
    // The story's last act is refused on purpose, and its observer sees a difference.
    all.retain(|object| {
        let spec = &object["spec"];
        object["metadata"]["name"] != "dave"
            && spec["role"]["displayName"] != "Global Administrator"
    });
    all.push(json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "GrantBoundary",
        "metadata": {"name": "directory-readers"},
        "spec": {
            "namespaces": ["payments"], "tenants": ["contoso"], "kinds": ["RoleAssignment"],
            "roles": [{"id": role, "directoryScopeIds": ["/"]}],
            "principals": {"kinds": ["User"]},
        },
    }));
    all.push(json!({
        "apiVersion": "entrapim.dev/v1alpha1", "kind": "RoleAssignment",
        "metadata": {"name": "bob-reader", "namespace": "payments"},
        "spec": {
            "tenantRef": {"name": "contoso"}, "role": {"id": role},
            "principal": {"userPrincipalName": "bob@contoso.com"},
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT8H"}},
            "justification": "An inventory",
        },
    }));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_waits_for_ready_and_for_deletion_of_each_kind_and_shows_a_full_row() {
    let bed = empty_bed("waits").await;
    let set = Set::on(&bed, story());
    set.make_namespaces(&bed).await;
    let operator = set.start_operator(&bed);
    let recorder = Recorder::of(&bed, &set.namespaces);
    kubectl_ok(
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &set.text(),
    )
    .await;
    let namespace = format!("--namespace={}", set.namespaces.first().unwrap());
    for kind in REPORTING {
        let (ready, patience) = ("--for=condition=Ready", "--timeout=60s");
        let names = match kind {
            "et" => vec![bed.tenant.as_str()],
            _ => vec!["--all", namespace.as_str()],
        };
        let arguments = [&["wait", kind, ready, patience], &names[..]].concat();
        let said = kubectl_ok(&arguments, "").await;
        assert!(said.contains(" condition met"), "{kind}: {said}");

        let arguments = [&["get", kind], &names[..]].concat();
        let arguments: Vec<&str> = arguments
            .into_iter()
            .filter(|one| *one != "--all")
            .collect();
        let table = kubectl_ok(&arguments, "").await;
        let header = table.lines().next().unwrap();
        let columns = header.split_whitespace().count();
        for row in table.lines().skip(1) {
            assert!(
                !row.contains("<none>") && !row.contains("<unknown>"),
                "{table}"
            );
            assert!(row.split_whitespace().count() >= columns, "{table}");
            assert!(row.contains(" True "), "{table}");
        }
    }
    // A boundary is a rule and reports nothing: there is nothing to wait for once it is there.
    let boundary = format!("{}-payments", bed.namespace);
    kubectl_ok(
        &["wait", "gb", &boundary, "--for=create", "--timeout=10s"],
        "",
    )
    .await;

    for kind in ["ge", "re", "pp"] {
        let all = [kind, "--all", &namespace];
        kubectl_ok(&[&["delete"], &all[..], &["--wait=false"]].concat(), "").await;
        let waits = [&["wait", "--for=delete", "--timeout=60s"], &all[..]].concat();
        kubectl_ok(&waits, "").await;
    }
    operator.stop().await;
    let seen = recorder.judge().await;
    for kind in KINDS {
        let done = |(of, shape, _): &(String, Shape, Reason)| of == kind && *shape == Shape::Done;
        assert!(seen.iter().any(done), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_does_not_take_a_fresh_object_or_a_stalled_one_for_ready() {
    let bed = bed("waits_in_vain").await;
    eligible("alice").apply(&bed).await;
    let namespace = format!("--namespace={}", bed.namespace);
    let wait = [
        "wait",
        "ge",
        "alice",
        &namespace,
        "--for=condition=Ready",
        "--timeout=1s",
    ];
    assert!(!kubectl(&wait, "").await.status.success());
    let operator = start(&bed).await;
    eligible("alice-again").apply(&bed).await;
    let stalled = [
        "wait",
        "ge",
        "alice-again",
        &namespace,
        "--for=condition=Stalled",
        "--timeout=60s",
    ];
    kubectl_ok(&stalled, "").await;
    let wait = [
        "wait",
        "ge",
        "alice-again",
        &namespace,
        "--for=condition=Ready",
        "--timeout=1s",
    ];
    assert!(!kubectl(&wait, "").await.status.success());
    operator.stop().await;
}
