//! The API server's own judgement of what Helm renders.

use std::process::Stdio;

use pim_testbed::ControlPlane;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{
    helm::{NAMESPACE, at, defaults, merge, object, render},
    templates::complete,
};

/// What kubectl says to an input: its output and its warnings, or its complaint.
pub async fn kubectl(
    cluster: &ControlPlane,
    arguments: &[&str],
    input: &str,
) -> Result<(String, String), String> {
    let mut command = cluster.kubectl();
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that does not read its input may have closed it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, said) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        Ok((printed, said))
    } else {
        Err(said)
    }
}

async fn namespaces(cluster: &ControlPlane, labelled: &[(&str, Value)]) {
    for (name, labels) in labelled {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        kubectl(cluster, &["apply", "-f", "-"], &namespace.to_string())
            .await
            .unwrap();
    }
}

/// Holds what Helm renders against the API server's schemas, policies and CEL compiler, unknown fields refused, without keeping it.
pub async fn takes_every_object(cluster: &ControlPlane) {
    let none = json!({});
    let namespaced = [NAMESPACE, "payments", "ledger", "argocd"];
    namespaces(cluster, &namespaced.map(|name| (name, none.clone()))).await;
    for values in [defaults(), everything()] {
        // Kinds of the Prometheus operator are not served here.
        let objects = render(&values).into_iter().filter(|object| {
            let version = object["apiVersion"].as_str().unwrap_or_default();
            !version.starts_with("monitoring.coreos.com/")
        });
        let objects: Vec<Value> = objects.collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let arguments = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
        ];
        let (taken, said) = kubectl(cluster, &arguments, &list.to_string())
            .await
            .unwrap();
        assert_eq!(said, "", "{taken}");
        assert_eq!(taken.lines().count(), objects.len(), "{taken}");
    }
}

/// The values of all cases that add something, at once.
fn everything() -> Value {
    let mut all = json!({});
    for values in complete() {
        let text = values.to_string();
        let takes_away = text.contains("false") || text.contains("Override");
        if !takes_away {
            merge(&mut all, &values);
        }
    }
    all
}

#[tokio::test]
async fn the_api_server_takes_every_object_without_a_warning() {
    takes_every_object(ControlPlane::shared().await.unwrap()).await;
}

#[tokio::test]
async fn pod_security_restricted_accepts_the_pods_and_would_refuse_weaker_ones() {
    let cluster = ControlPlane::shared().await.unwrap();
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    });
    namespaces(cluster, &[("restricted", labels)]).await;
    let run = async |values: &Value| {
        let template = at(
            &object(&render(values), "Deployment/pim-operator"),
            "/spec/template",
        );
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
        pod["metadata"]["name"] = json!("pim-operator");
        let arguments = [
            "create",
            "--namespace=restricted",
            "--dry-run=server",
            "-f",
            "-",
        ];
        kubectl(cluster, &arguments, &pod.to_string()).await
    };
    let (_, said) = run(&defaults()).await.unwrap();
    assert_eq!(said, "");
    for (weaker, complaint) in [
        (
            json!({"securityContext": {"allowPrivilegeEscalation": true}}),
            "allowPrivilegeEscalation != false",
        ),
        (
            json!({"securityContext": {"capabilities": {"drop": []}}}),
            "unrestricted capabilities",
        ),
        (
            json!({"podSecurityContext": {"runAsNonRoot": false}}),
            "runAsNonRoot != true",
        ),
        (
            json!({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}),
            "seccompProfile",
        ),
    ] {
        let refusal = run(&weaker).await.unwrap_err();
        assert!(refusal.contains(complaint), "{weaker}: {refusal}");
    }
}
