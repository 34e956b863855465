//! The schema of the values: what is not in it is refused.

use serde_json::{Map, Value, json};

use crate::helm::{read, try_render};

fn schema() -> Value {
    serde_json::from_str(&read("charts/pim-operator/values.schema.json")).unwrap()
}

/// Every schema within a schema, with its path.
fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
    let Some(fields) = schema.as_object() else {
        return;
    };
    visit(path, fields);
    for group in ["properties", "$defs"] {
        for (name, inner) in fields
            .get(group)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            walk(inner, &format!("{path}.{name}"), visit);
        }
    }
    for (name, inner) in fields {
        if ["items", "additionalProperties"].contains(&name.as_str()) {
            walk(inner, &format!("{path}.{name}"), visit);
        }
    }
}

#[test]
fn no_object_takes_keys_that_nobody_knows() {
    let mut open = Vec::new();
    walk(&schema(), "", &mut |path, fields| {
        let is_object = fields.get("type") == Some(&json!("object"));
        // Closed, or a map whose values have a schema: labels and the like.
        let closed = match fields.get("additionalProperties") {
            Some(Value::Bool(false)) => true,
            Some(Value::Object(values)) => !values.is_empty(),
            _ => false,
        };
        if is_object && !closed {
            open.push(path.to_owned());
        }
    });
    // Helm itself fills it in when the chart is another one's dependency.
    assert_eq!(open, [".global"]);
}

fn compare(schema: &Value, default: &Value, path: &str) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for (name, inner) in properties {
        let path = format!("{path}.{name}");
        // Kubernetes' own fields are described there.
        let described = inner["description"].is_string();
        let own = path.matches('.').count() == 1
            || schema["description"].is_string()
            || schema["$schema"].is_string();
        let foreign = [
            "updateStrategy",
            "podSecurityContext",
            "securityContext",
            "resources",
        ];
        let foreign = foreign
            .iter()
            .any(|field| path.starts_with(&format!(".{field}.")));
        assert!(described || !own || foreign, "{path} is not described");
        assert!(
            foreign || path == ".global" || !default[name].is_null(),
            "{path} has no default"
        );
        compare(inner, &default[name], &path);
    }
    for name in default
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
    {
        assert!(
            properties.contains_key(name),
            "{path}.{name} is not in the schema"
        );
    }
}

#[test]
fn every_value_is_described_and_has_a_default() {
    let default: Value = serde_saphyr::from_str(&read("charts/pim-operator/values.yaml")).unwrap();
    compare(&schema(), &default, "");
}

/// Each of these has one key or value that is wrong, and Helm says where.
#[test]
fn wrong_values_are_refused_with_their_place() {
    for (values, place) in wrong() {
        let refusal = try_render(&values, &[]).expect_err(&values.to_string());
        assert!(refusal.contains(place), "{values}: {refusal}");
    }
}

fn wrong() -> Vec<(Value, &'static str)> {
    let mut wrong = wrong_of_the_operator();
    wrong.extend(wrong_of_the_pod());
    wrong
}

fn wrong_of_the_operator() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"replicas": 3}), "at ''"),
        (json!({"replicaCount": "3"}), "at '/replicaCount'"),
        (json!({"replicaCount": -1}), "at '/replicaCount'"),
        (json!({"image": {"name": "pim"}}), "at '/image'"),
        (
            json!({"image": {"digest": "sha256:abc"}}),
            "at '/image/digest'",
        ),
        (json!({"crds": {"enabled": false}}), "at '/crds'"),
        (
            json!({"admissionPolicies": {"lookalikes": true}}),
            "at '/admissionPolicies'",
        ),
        (
            json!({"watchNamespaces": ["a", "a"]}),
            "at '/watchNamespaces'",
        ),
        (
            json!({"watchNamespaces": ["Payments"]}),
            "at '/watchNamespaces/0'",
        ),
        (json!({"tenantSecrets": ["*"]}), "at '/tenantSecrets/0'"),
        (
            json!({"liftDenials": ["group:payments-ops"]}),
            "at '/liftDenials/0'",
        ),
        (
            json!({"workloadIdentity": {"clientID": ""}}),
            "at '/workloadIdentity'",
        ),
        (
            json!({"workloadIdentity": {"serviceAccounts": ["*"]}}),
            "at '/workloadIdentity/serviceAccounts/0'",
        ),
        (
            json!({"workloadIdentity": {"tokenExpirationSeconds": 60}}),
            "at '/workloadIdentity/tokenExpirationSeconds'",
        ),
        (json!({"gitops": {"argocd": true}}), "at '/gitops'"),
        (json!({"log": {"format": "xml"}}), "at '/log/format'"),
        (json!({"rbac": {"aggregate": true}}), "at '/rbac'"),
    ]
}

fn wrong_of_the_pod() -> Vec<(Value, &'static str)> {
    vec![
        (
            json!({"podSecurityContext": {"hostUsers": false}}),
            "at '/podSecurityContext'",
        ),
        (
            json!({"securityContext": {"readonlyRootFilesystem": true}}),
            "at '/securityContext'",
        ),
        (json!({"resources": {"request": {}}}), "at '/resources'"),
        (
            json!({"resources": {"requests": {"memory": "1 GB"}}}),
            "at '/resources/requests/memory'",
        ),
        (
            json!({"livenessProbe": {"httpGet": {}}}),
            "at '/livenessProbe'",
        ),
        (
            json!({"tolerations": [{"key": "a", "operator": "Is"}]}),
            "at '/tolerations/0/operator'",
        ),
        (json!({"affinity": {"nodeaffinity": {}}}), "at '/affinity'"),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]}),
            "at '/topologySpreadConstraints/0'",
        ),
        (
            json!({"extraEnv": [{"name": "A", "values": "b"}]}),
            "at '/extraEnv/0'",
        ),
        (
            json!({"extraVolumes": [{"name": "a", "hostPath": {"path": "/"}}]}),
            "at '/extraVolumes/0'",
        ),
        (
            json!({"extraVolumeMounts": [{"name": "a", "path": "/b"}]}),
            "at '/extraVolumeMounts/0'",
        ),
        (json!({"metrics": {"port": 80}}), "at '/metrics/port'"),
        (
            json!({"metrics": {"serviceMonitor": {"interval": "1 minute"}}}),
            "at '/metrics/serviceMonitor/interval'",
        ),
        (
            json!({"metrics": {"podMonitor": {"enabled": true}}}),
            "at '/metrics'",
        ),
        (
            json!({"networkPolicy": {"metricsFrom": [{}]}}),
            "at '/networkPolicy/metricsFrom/0'",
        ),
        (
            json!({"networkPolicy": {"kubernetesApiPorts": []}}),
            "at '/networkPolicy/kubernetesApiPorts'",
        ),
        (
            json!({"podDisruptionBudget": {"minAvailable": "half"}}),
            "at '/podDisruptionBudget/minAvailable'",
        ),
    ]
}
