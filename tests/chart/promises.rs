//! What holds of the chart as a whole, whatever the values.

use serde_json::{Value, json};

use crate::helm::{
    NAMESPACE, RELEASE, ValuesFile, at, chart, defaults, helm, object, render, render_with,
    try_render,
};

#[test]
fn a_render_is_the_same_each_time() {
    assert_eq!(
        try_render(&defaults(), &[]).unwrap(),
        try_render(&defaults(), &[]).unwrap()
    );
}

#[test]
fn two_operators_without_an_election_are_refused() {
    let refusal = try_render(&json!({"leaderElection": {"enabled": false}}), &[]).unwrap_err();
    assert!(
        refusal.contains("leaderElection.enabled must be true when replicaCount is greater than 1"),
        "{refusal}"
    );
}

#[test]
fn a_service_account_that_is_not_made_has_to_be_named() {
    let refusal = try_render(&json!({"serviceAccount": {"create": false}}), &[]).unwrap_err();
    assert!(
        refusal.contains("serviceAccount.name must be set when serviceAccount.create is false"),
        "{refusal}"
    );
}

#[test]
fn a_service_monitor_without_a_service_is_refused() {
    let values =
        json!({"metrics": {"service": {"enabled": false}, "serviceMonitor": {"enabled": true}}});
    let refusal = try_render(&values, &[]).unwrap_err();
    assert!(
        refusal.contains("metrics.serviceMonitor needs metrics.service.enabled"),
        "{refusal}"
    );
}

#[test]
fn a_kubernetes_without_admission_policies_is_refused() {
    let refusal = try_render(&defaults(), &["--kube-version", "1.29.9"]).unwrap_err();
    assert!(
        refusal.contains("chart requires kubeVersion: >=1.30.0-0"),
        "{refusal}"
    );
    for version in ["1.34.4", "1.36.3"] {
        try_render(&defaults(), &["--kube-version", version]).unwrap();
    }
}

#[test]
fn names_stay_within_their_limits() {
    let long = "n".repeat(60);
    for values in [
        json!({"nameOverride": long}),
        json!({"fullnameOverride": "f".repeat(52)}),
    ] {
        let values = json!({"metrics": {"grafanaDashboard": {"enabled": true}}, "gitops": {"argocdNamespaces": ["argocd"]}})
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .chain(values.as_object().unwrap().clone())
            .collect();
        for object in render_with(&Value::Object(values), &[]) {
            let name = object["metadata"]["name"].as_str().unwrap();
            let limit = if object["kind"] == "CustomResourceDefinition" {
                253
            } else {
                65
            };
            assert!(name.len() <= limit, "{name}");
            let labels = object["metadata"]["labels"].as_object().unwrap();
            for (label, value) in labels {
                assert!(value.as_str().unwrap().len() <= 63, "{label}: {value}");
            }
        }
    }
}

#[test]
fn another_namespace_is_named_wherever_ours_would_be() {
    let objects = render_with(&defaults(), &["--namespace", "entra"]);
    for object in &objects {
        let text = object.to_string();
        assert!(!text.contains("pim-operator-system"), "{text}");
    }
    let policy = object(
        &objects,
        "ValidatingAdmissionPolicy/boundaries-changed.entrapim.dev",
    );
    let message = at(&policy, "/spec/validations/0/message");
    let command = "kubectl get grantboundaries -o yaml | pim-operator policies --namespace entra | kubectl apply";
    assert!(message.as_str().unwrap().contains(command), "{message}");
}

/// What no role of a person may give: who writes these decides who may be granted what.
#[test]
fn boundaries_and_tenants_are_in_no_role_of_people() {
    for role in ["view", "edit", "admin"] {
        let role = object(
            &render(&defaults()),
            &format!("ClusterRole/pim-operator-{role}"),
        );
        let text = at(&role, "/rules").to_string();
        assert!(text.contains("entrapim.dev"), "{text}");
        for kind in ["grantboundaries", "entratenants", "\"*\"", "override"] {
            assert!(!text.contains(kind), "{text}");
        }
    }
}

#[test]
fn the_operator_may_write_little_and_read_no_secret_but_those_named() {
    let with_everything = json!({"tenantSecrets": ["entra"], "gitops": {"flux": true, "argocdNamespaces": ["argocd"]},
        "workloadIdentity": {"serviceAccounts": ["contoso"]}});
    for values in [defaults(), with_everything] {
        for role in render(&values) {
            let name = role["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let ours = ["pim-operator", "pim-operator-applications"].contains(&name.as_str());
            if !ours || !matches!(role["kind"].as_str(), Some("ClusterRole" | "Role")) {
                continue;
            }
            for rule in role["rules"].as_array().unwrap() {
                let list = |field: &str| -> Vec<String> {
                    let entries = rule[field].as_array().into_iter().flatten();
                    entries
                        .map(|entry| entry.as_str().unwrap().to_owned())
                        .collect()
                };
                let text = rule.to_string();
                assert!(!text.contains('*'), "{text}");
                if list("resources").iter().any(|resource| {
                    resource.starts_with("secrets") || resource == "serviceaccounts/token"
                }) {
                    assert_eq!(role["kind"], "Role", "{text}");
                    assert!(!list("resourceNames").is_empty(), "{text}");
                }
                let reads = ["get", "list", "watch"];
                let writes = list("verbs")
                    .iter()
                    .any(|verb| !reads.contains(&verb.as_str()));
                if role["kind"] == "ClusterRole" && writes {
                    let groups = list("apiGroups");
                    assert!(
                        groups == ["entrapim.dev"] || groups == ["events.k8s.io"],
                        "{text}"
                    );
                    assert!(
                        !text.contains("\"create\"") || groups == ["events.k8s.io"],
                        "{text}"
                    );
                    assert!(!text.contains("delete"), "{text}");
                }
            }
        }
    }
}

#[test]
fn whoever_installs_is_told_the_next_step_and_warned_of_what_is_unsafe() {
    let notes = |values: &Value| {
        let file = ValuesFile::new(values);
        let output = helm()
            .args(["install", RELEASE])
            .arg(chart())
            .args(["--dry-run=client", "--namespace", NAMESPACE, "--values"])
            .arg(file.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_once("NOTES:").unwrap().1.to_owned()
    };
    let plain = notes(&defaults());
    assert!(plain.contains("that takes an EntraTenant"), "{plain}");
    assert!(
        plain.contains("pim-operator policies --namespace pim-operator-system"),
        "{plain}"
    );
    assert!(!plain.contains("WARNING"), "{plain}");
    for (values, warning) in [
        (
            json!({"liftDenials": ["group:68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"]}),
            "WARNING: liftDenials takes group:68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7 off",
        ),
        (
            json!({"crds": {"keep": false}}),
            "WARNING: crds.keep is false",
        ),
        (
            json!({"replicaCount": 1, "leaderElection": {"enabled": false}}),
            "WARNING: leaderElection.enabled is false",
        ),
        (
            json!({"crds": {"install": false}}),
            "are not part of this release",
        ),
        (
            json!({"rbac": {"create": false}}),
            "give the service account the rights",
        ),
    ] {
        let said = notes(&values);
        assert!(said.contains(warning), "{values}: {said}");
        assert!(!plain.contains(warning), "{plain}");
    }
}

#[test]
fn helm_finds_no_fault() {
    let output = helm()
        .arg("lint")
        .arg("--strict")
        .arg(chart())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
