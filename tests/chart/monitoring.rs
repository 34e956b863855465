//! The kinds of prometheus-operator that the chart makes, judged by a real API server that serves them.

use std::time::Duration;

use pim_testbed::ControlPlane;
use serde_json::{Value, json};

use crate::{
    helm::{NAMESPACE, object, parse, render, try_render},
    server::kubectl,
};

/// All of what the chart makes for Prometheus.
fn values() -> Value {
    json!({"metrics": {
        "serviceMonitor": {
            "enabled": true, "labels": {"release": "prometheus"}, "interval": "1m", "scrapeTimeout": "20s",
            "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "test"}],
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "process_.*", "action": "drop"}],
        },
        "prometheusRule": {"enabled": true, "labels": {"release": "prometheus"}},
    }})
}

/// Waits until the API server serves a kind.
async fn until_served(cluster: &ControlPlane, definition: &str) {
    let definition = format!("crd/{definition}");
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        &definition,
    ];
    let served = async {
        // It fails at once where there are no conditions yet.
        while kubectl(cluster, &established, "").await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), served)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_api_server_takes_monitor_and_rules_by_their_own_definitions() {
    let cluster = ControlPlane::shared().await.unwrap();
    for definition in pim_testbed::monitoring_crds().await.unwrap() {
        let name = parse(&definition)[0]["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        let apply = ["apply", "--server-side", "-f", "-"];
        kubectl(cluster, &apply, &definition).await.unwrap();
        until_served(cluster, &name).await;
    }
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    kubectl(cluster, &["apply", "-f", "-"], &namespace.to_string())
        .await
        .unwrap();
    let dry = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "-o",
        "json",
        "-f",
        "-",
    ];
    let objects = render(&values());
    for address in ["ServiceMonitor/pim-operator", "PrometheusRule/pim-operator"] {
        let rendered = object(&objects, address);
        let (taken, said) = kubectl(cluster, &dry, &rendered.to_string()).await.unwrap();
        assert_eq!(said, "", "{address}");
        let taken: Value = serde_json::from_str(&taken).unwrap();
        assert_eq!(
            taken["spec"], rendered["spec"],
            "{address}: nothing is dropped or added"
        );
        // The definitions are really asked.
        let mut wrong = rendered.clone();
        wrong["spec"]["colour"] = json!("red");
        let refusal = kubectl(cluster, &dry, &wrong.to_string())
            .await
            .unwrap_err();
        assert!(
            refusal.contains("unknown field \"spec.colour\""),
            "{refusal}"
        );
    }
    let mut wrong = object(&objects, "PrometheusRule/pim-operator");
    wrong["spec"]["groups"][0]["rules"][0]["for"] = json!("soon");
    let refusal = kubectl(cluster, &dry, &wrong.to_string())
        .await
        .unwrap_err();
    assert!(refusal.contains("rules[0].for"), "{refusal}");
}

#[test]
fn the_templates_of_the_alerts_reach_prometheus_as_they_are() {
    let text = try_render(&values(), &[]).unwrap();
    for kept in ["{{ $labels.tenant }}", "{{ $value | humanizeDuration }}"] {
        assert!(text.contains(kept), "{kept}");
    }
}
