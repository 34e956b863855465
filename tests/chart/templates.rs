//! What each value does. A case sets values and says what is then found where; what it finds must not be there without them, so
//! that no case passes by itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{at, merge, object, read, render, try_render};

/// An object, a place in it, and what is found there.
type Finding = (&'static str, &'static str, Value);

struct Case {
    values: Value,
    /// Values that the case needs besides, but is not about.
    with: Value,
    findings: Vec<Finding>,
}

impl Case {
    fn check(self) {
        let mut values = self.with.clone();
        merge(&mut values, &self.values);
        let (before, after) = (render(&self.with), render(&values));
        for (address, pointer, expected) in self.findings {
            let place = |objects: &[Value]| at(&object(objects, address), pointer);
            assert_eq!(place(&after), expected, "{address}{pointer}");
            assert_ne!(
                place(&before),
                expected,
                "{address}{pointer}, without {values}"
            );
        }
    }
}

const DEPLOYMENT: &str = "Deployment/pim-operator";
const ACCOUNT: &str = "ServiceAccount/pim-operator";
const MONITOR: &str = "ServiceMonitor/pim-operator";
const NETWORK: &str = "NetworkPolicy/pim-operator";

/// Makes a test of each case, and a list of all for the test that looks for values without one.
macro_rules! cases {
    ($($name:ident: $values:tt $(with $with:tt)? => [$($address:expr, $pointer:expr => $expected:tt);+ $(;)?]),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                #[allow(unused_mut, unused_assignments, reason = "few cases need more")]
                let mut with = json!({});
                $(with = json!($with);)?
                Case {
                    values: json!($values),
                    with,
                    findings: vec![$(($address, $pointer, json!($expected))),+],
                }
                .check();
            }
        )+

        fn exercised() -> Vec<Value> {
            vec![$(json!($values)),+]
        }

        /// The values of each case, with those that it needs besides.
        pub fn complete() -> Vec<Value> {
            vec![$({
                #[allow(unused_mut, unused_assignments, reason = "few cases need more")]
                let mut values = json!({});
                $(values = json!($with);)?
                merge(&mut values, &json!($values));
                values
            }),+]
        }
    };
}

cases! {
    replicas: {"replicaCount": 3} => [DEPLOYMENT, "/spec/replicas" => 3],
    history: {"revisionHistoryLimit": 7} => [DEPLOYMENT, "/spec/revisionHistoryLimit" => 7],
    update_strategy: {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}} => [
        DEPLOYMENT, "/spec/strategy" => {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}],
    grace_period: {"terminationGracePeriodSeconds": 90} => [
        DEPLOYMENT, "/spec/template/spec/terminationGracePeriodSeconds" => 90],
    image: {"image": {"repository": "registry.example.com/pim", "tag": "9.9.9", "pullPolicy": "Always"}} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/image" => "registry.example.com/pim:9.9.9";
        DEPLOYMENT, "/spec/template/spec/containers/0/imagePullPolicy" => "Always"],
    image_digest: {"image": {"digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}
        with {"image": {"tag": "9.9.9"}} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/image"
            => "pim-operator@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    pull_secrets: {"imagePullSecrets": [{"name": "registry"}]} => [
        DEPLOYMENT, "/spec/template/spec/imagePullSecrets" => [{"name": "registry"}]],
    another_name: {"nameOverride": "entra"} => [
        "Deployment/pim-operator-entra", "/spec/selector/matchLabels/app.kubernetes.io~1name" => "entra"],
    another_full_name: {"fullnameOverride": "entra"} => [
        "Deployment/entra", "/spec/template/spec/serviceAccountName" => "entra";
        "ClusterRoleBinding/entra", "/roleRef/name" => "entra";
        "PodDisruptionBudget/entra", "/spec/minAvailable" => 1],
    common_labels: {"commonLabels": {"team": "identity"}} => [
        DEPLOYMENT, "/metadata/labels/team" => "identity";
        DEPLOYMENT, "/spec/template/metadata/labels/team" => "identity";
        "ClusterRole/pim-operator-view", "/metadata/labels/team" => "identity";
        "CustomResourceDefinition/entratenants.entrapim.dev", "/metadata/labels/team" => "identity";
        "ValidatingAdmissionPolicy/overrides.entrapim.dev", "/metadata/labels/team" => "identity"],
    no_crds: {"crds": {"install": false}} => ["CustomResourceDefinition/entratenants.entrapim.dev", "" => null],
    crds_go_with_the_release: {"crds": {"keep": false}} => [
        "CustomResourceDefinition/entratenants.entrapim.dev", "/metadata/annotations" => null],
    no_admission_policies: {"admissionPolicies": {"install": false}} => [
        "ValidatingAdmissionPolicy/overrides.entrapim.dev", "" => null;
        "ValidatingAdmissionPolicy/operator-only.entrapim.dev", "" => null;
        "ClusterRole/entrapim-override", "" => null],
    boundaries_not_echoed: {"admissionPolicies": {"boundaries": false}} => [
        "ValidatingAdmissionPolicy/boundaries.entrapim.dev", "" => null;
        "ValidatingAdmissionPolicyBinding/boundaries-changed.entrapim.dev", "" => null],
    status_not_guarded: {"admissionPolicies": {"operatorOnly": false}} => [
        "ValidatingAdmissionPolicy/operator-only.entrapim.dev", "" => null;
        "ValidatingAdmissionPolicy/operator-limits.entrapim.dev", "" => null],
    overrides_not_guarded: {"admissionPolicies": {"overrides": false}} => [
        "ValidatingAdmissionPolicy/overrides.entrapim.dev", "" => null],
    look_alikes_not_told: {"admissionPolicies": {"lookAlikes": false}} => [
        "ValidatingAdmissionPolicy/look-alikes.entrapim.dev", "" => null],
    some_namespaces: {"watchNamespaces": ["payments", "ledger"]} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/5" => "--watch-namespace=payments,ledger";
        "Role/pim-operator-grants@payments", "/rules/0/verbs" => ["list", "watch", "patch"];
        "Role/pim-operator-grants@ledger", "/rules/0/verbs" => ["list", "watch", "patch"];
        "RoleBinding/pim-operator-grants@ledger", "/subjects/0/namespace" => "pim-operator-system";
        "Role/pim-operator-events", "/metadata/namespace" => "default";
        "RoleBinding/pim-operator-events", "/roleRef/name" => "pim-operator-events";
        "ClusterRole/pim-operator", "/rules/3/resourceNames" => ["payments", "ledger"]],
    one_tenant: {"watchTenant": "contoso"} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/5" => "--watch-tenant=contoso"],
    secrets_of_tenants: {"tenantSecrets": ["contoso", "fabrikam"]} => [
        "Role/pim-operator", "/rules/1/resourceNames" => ["contoso", "fabrikam"];
        "Role/pim-operator", "/rules/1/verbs" => ["get", "list", "watch"]],
    lifted_denials: {"liftDenials": ["group:68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"]} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/5" => "--lift-denial=group:68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"],
    no_federated_token: {"workloadIdentity": {"projectToken": false}} => [
        DEPLOYMENT, "/spec/template/spec/volumes/[name=azure-identity-token]" => null;
        DEPLOYMENT, "/spec/template/spec/containers/0/volumeMounts/[name=azure-identity-token]" => null],
    federated_token: {"workloadIdentity": {"audience": "api://AzureADTokenExchangeChina", "tokenExpirationSeconds": 7200}} => [
        DEPLOYMENT, "/spec/template/spec/volumes/[name=azure-identity-token]/projected/sources/0/serviceAccountToken"
            => {"path": "azure-identity-token", "audience": "api://AzureADTokenExchangeChina", "expirationSeconds": 7200}],
    webhook: {"workloadIdentity": {
        "webhook": true,
        "clientId": "11111111-0000-4000-8000-000000000001",
        "tenantId": "9f0c2c1e-0000-4000-8000-000000000001",
    }} => [
        DEPLOYMENT, "/spec/template/metadata/labels/azure.workload.identity~1use" => "true";
        ACCOUNT, "/metadata/annotations" => {
            "azure.workload.identity/client-id": "11111111-0000-4000-8000-000000000001",
            "azure.workload.identity/tenant-id": "9f0c2c1e-0000-4000-8000-000000000001",
            "azure.workload.identity/service-account-token-expiration": "3600",
        }],
    identities_of_tenants: {"workloadIdentity": {"serviceAccounts": ["contoso"]}} => [
        "Role/pim-operator", "/rules/1" => {
            "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["contoso"], "verbs": ["create"]}],
    flux: {"gitops": {"flux": true}} => [
        "ClusterRole/pim-operator", "/rules/5" => {
            "apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations"], "verbs": ["get"]};
        "ClusterRole/pim-operator", "/rules/6" => {
            "apiGroups": ["helm.toolkit.fluxcd.io"], "resources": ["helmreleases"], "verbs": ["get"]}],
    argocd: {"gitops": {"argocdNamespaces": ["argocd"]}} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/5" => "--argocd-namespaces=argocd";
        "Role/pim-operator-applications", "/metadata/namespace" => "argocd";
        "Role/pim-operator-applications", "/rules" => [
            {"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["get"]}];
        "RoleBinding/pim-operator-applications", "/roleRef/name" => "pim-operator-applications"],
    alone: {"leaderElection": {"enabled": false}} with {"replicaCount": 1} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/4" => null;
        "Role/pim-operator", "/rules/1" => null],
    log: {"log": {"format": "text", "filter": "debug"}} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/2" => "--log-format=text";
        "ConfigMap/pim-operator-settings", "/data/log-filter" => "debug"],
    another_service_account: {"serviceAccount": {"create": false, "name": "mine"}} => [
        ACCOUNT, "" => null;
        DEPLOYMENT, "/spec/template/spec/serviceAccountName" => "mine";
        "ClusterRoleBinding/pim-operator", "/subjects/0/name" => "mine"],
    service_account: {"serviceAccount": {"name": "entra", "annotations": {"example.com/role": "pim"}}} => [
        "ServiceAccount/entra", "/metadata/annotations" => {"example.com/role": "pim"};
        "ValidatingAdmissionPolicy/operator-only.entrapim.dev", "/spec/matchConditions/0/expression"
            => "request.userInfo.username != 'system:serviceaccount:pim-operator-system:entra'";
        "ValidatingAdmissionPolicy/operator-limits.entrapim.dev", "/spec/matchConditions/0/expression"
            => "request.userInfo.username == 'system:serviceaccount:pim-operator-system:entra'"],
    no_rights: {"rbac": {"create": false}} => [
        "ClusterRole/pim-operator", "" => null; "ClusterRoleBinding/pim-operator", "" => null;
        "Role/pim-operator", "" => null; "RoleBinding/pim-operator", "" => null;
        "ClusterRole/pim-operator-view", "" => null; "ClusterRole/pim-operator-admin", "" => null],
    nobody_views_by_it: {"rbac": {"aggregateToView": false}} => [
        "ClusterRole/pim-operator-view", "/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-view" => null],
    nobody_edits_by_it: {"rbac": {"aggregateToEdit": false}} => [
        "ClusterRole/pim-operator-edit", "/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-edit" => null],
    nobody_administers_by_it: {"rbac": {"aggregateToAdmin": false}} => [
        "ClusterRole/pim-operator-admin", "/metadata/labels/rbac.authorization.k8s.io~1aggregate-to-admin" => null],
    annotations: {"deploymentAnnotations": {"example.com/a": "1"}, "podAnnotations": {"example.com/b": "2"}} => [
        DEPLOYMENT, "/metadata/annotations" => {"example.com/a": "1"};
        DEPLOYMENT, "/spec/template/metadata/annotations/example.com~1b" => "2"],
    pod_labels: {"podLabels": {"tier": "identity"}} => [
        DEPLOYMENT, "/spec/template/metadata/labels/tier" => "identity"],
    pod_security: {"podSecurityContext": {
        "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "runAsNonRoot": true,
        "seccompProfile": {"type": "Localhost", "localhostProfile": "pim.json"},
    }} => [DEPLOYMENT, "/spec/template/spec/securityContext" => {
        "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "runAsNonRoot": true,
        "seccompProfile": {"type": "Localhost", "localhostProfile": "pim.json"}}],
    an_arbitrary_user: {"podSecurityContext": {"runAsUser": null, "runAsGroup": null, "fsGroup": null}} => [
        DEPLOYMENT, "/spec/template/spec/securityContext" => {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}],
    container_security: {"securityContext": {
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL", "NET_RAW"]},
        "runAsUser": 1000,
    }} => [DEPLOYMENT, "/spec/template/spec/containers/0/securityContext" => {
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL", "NET_RAW"]},
        "runAsUser": 1000}],
    resources: {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/resources"
            => {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}],
    probes: {
        "startupProbe": {"periodSeconds": 3, "timeoutSeconds": 3, "failureThreshold": 31},
        "livenessProbe": {"periodSeconds": 4, "timeoutSeconds": 4, "failureThreshold": 4},
        "readinessProbe": {"periodSeconds": 6, "timeoutSeconds": 6, "failureThreshold": 6},
    } => [
        DEPLOYMENT, "/spec/template/spec/containers/0/startupProbe" => {
            "httpGet": {"path": "/healthz", "port": "metrics"}, "periodSeconds": 3, "timeoutSeconds": 3, "failureThreshold": 31};
        DEPLOYMENT, "/spec/template/spec/containers/0/livenessProbe" => {
            "httpGet": {"path": "/healthz", "port": "metrics"}, "periodSeconds": 4, "timeoutSeconds": 4, "failureThreshold": 4};
        DEPLOYMENT, "/spec/template/spec/containers/0/readinessProbe" => {
            "httpGet": {"path": "/readyz", "port": "metrics"}, "periodSeconds": 6, "timeoutSeconds": 6, "failureThreshold": 6}],
    nodes: {"nodeSelector": {"kubernetes.io/os": "linux", "pool": "system"}} => [
        DEPLOYMENT, "/spec/template/spec/nodeSelector/pool" => "system"],
    tolerations: {"tolerations": [{"key": "critical", "operator": "Exists", "effect": "NoSchedule"}]} => [
        DEPLOYMENT, "/spec/template/spec/tolerations" => [{"key": "critical", "operator": "Exists", "effect": "NoSchedule"}]],
    affinity: {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["system"]}]}]}}}} => [
        DEPLOYMENT, "/spec/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0"
            => {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["system"]}]}],
    spread: {"topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"},
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}},
    ]} => [DEPLOYMENT, "/spec/template/spec/topologySpreadConstraints" => [
        {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {
            "app.kubernetes.io/name": "pim-operator", "app.kubernetes.io/instance": "pim-operator"}}},
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"a": "b"}}},
    ]],
    priority: {"priorityClassName": "system-cluster-critical"} => [
        DEPLOYMENT, "/spec/template/spec/priorityClassName" => "system-cluster-critical"],
    no_budget: {"podDisruptionBudget": {"enabled": false}} => ["PodDisruptionBudget/pim-operator", "" => null],
    budget: {"podDisruptionBudget": {"minAvailable": "50%"}} => [
        "PodDisruptionBudget/pim-operator", "/spec/minAvailable" => "50%"],
    budget_of_those_that_go: {"podDisruptionBudget": {"maxUnavailable": 0}} => [
        "PodDisruptionBudget/pim-operator", "/spec/maxUnavailable" => 0;
        "PodDisruptionBudget/pim-operator", "/spec/minAvailable" => null],
    no_budget_for_one: {"replicaCount": 1} => ["PodDisruptionBudget/pim-operator", "" => null],
    further_arguments: {"extraArgs": ["--identity=mine"]} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/5" => "--identity=mine"],
    further_environment: {"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/env/[name=HTTPS_PROXY]/value" => "http://proxy:3128"],
    further_volumes: {
        "extraVolumes": [{"name": "roots", "configMap": {"name": "corporate-roots"}}],
        "extraVolumeMounts": [{"name": "roots", "mountPath": "/etc/ssl/certs", "readOnly": true}],
    } => [
        DEPLOYMENT, "/spec/template/spec/volumes/[name=roots]/configMap/name" => "corporate-roots";
        DEPLOYMENT, "/spec/template/spec/containers/0/volumeMounts/[name=roots]/mountPath" => "/etc/ssl/certs"],
    metrics_address: {"metrics": {"address": "[::]", "port": 9090}} => [
        DEPLOYMENT, "/spec/template/spec/containers/0/args/1" => "--metrics-address=[::]:9090";
        DEPLOYMENT, "/spec/template/spec/containers/0/ports/0/containerPort" => 9090;
        "Service/pim-operator-metrics", "/spec/ports/0/port" => 9090],
    no_service: {"metrics": {"service": {"enabled": false}}} => ["Service/pim-operator-metrics", "" => null],
    service: {"metrics": {"service": {"annotations": {"prometheus.io/scrape": "true"}, "labels": {"scrape": "yes"}}}} => [
        "Service/pim-operator-metrics", "/metadata/annotations" => {"prometheus.io/scrape": "true"};
        "Service/pim-operator-metrics", "/metadata/labels/scrape" => "yes"],
    service_monitor: {"metrics": {"serviceMonitor": {
        "enabled": true, "labels": {"release": "prometheus"}, "interval": "1m", "scrapeTimeout": "20s",
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "go_.*", "action": "drop"}],
    }}} => [
        MONITOR, "/metadata/labels/release" => "prometheus";
        MONITOR, "/spec/selector/matchLabels" => {
            "app.kubernetes.io/name": "pim-operator", "app.kubernetes.io/instance": "pim-operator"};
        MONITOR, "/spec/namespaceSelector" => {"matchNames": ["pim-operator-system"]};
        MONITOR, "/spec/endpoints" => [{
            "port": "metrics", "path": "/metrics", "interval": "1m", "scrapeTimeout": "20s",
            "relabelings": [{"action": "labeldrop", "regex": "pod"}],
            "metricRelabelings": [{"sourceLabels": ["__name__"], "regex": "go_.*", "action": "drop"}],
        }]],
    alerts: {"metrics": {"prometheusRule": {
        "enabled": true, "labels": {"release": "prometheus"}, "runbookUrl": "https://wiki.example.com/pim/"}}} => [
        "PrometheusRule/pim-operator", "/metadata/labels/release" => "prometheus";
        "PrometheusRule/pim-operator", "/spec/groups/0/rules/0/annotations/runbook_url"
            => "https://wiki.example.com/pim/PimOperatorDown";
        "PrometheusRule/pim-operator", "/spec/groups/0/name" => "pim-operator"],
    dashboard: {"metrics": {"grafanaDashboard": {
        "enabled": true, "labels": {"grafana": "yes", "grafana_dashboard": "2"}, "annotations": {"grafana_folder": "Identity"}}}} => [
        "ConfigMap/pim-operator-dashboard", "/metadata/labels/grafana" => "yes";
        "ConfigMap/pim-operator-dashboard", "/metadata/labels/grafana_dashboard" => "2";
        "ConfigMap/pim-operator-dashboard", "/metadata/annotations" => {"grafana_folder": "Identity"}],
    network_policy: {"networkPolicy": {"enabled": true}} => [
        NETWORK, "/spec/podSelector/matchLabels/app.kubernetes.io~1instance" => "pim-operator";
        NETWORK, "/spec/policyTypes" => ["Ingress", "Egress"];
        NETWORK, "/spec/ingress" => [{"ports": [{"protocol": "TCP", "port": "metrics"}]}];
        NETWORK, "/spec/egress" => [
            {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
            {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]},
            {"ports": [{"protocol": "TCP", "port": 443}]}]],
    network_peers: {"networkPolicy": {
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "dnsTo": [{"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "kubernetesApiTo": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
        "kubernetesApiPorts": [8443],
        "entraTo": [{"ipBlock": {"cidr": "20.190.128.0/18"}}],
        "extraIngress": [{"ports": [{"protocol": "TCP", "port": 9999}]}],
        "extraEgress": [{"ports": [{"protocol": "TCP", "port": 3128}]}],
    }} with {"networkPolicy": {"enabled": true}} => [
        NETWORK, "/spec/ingress/0/from" => [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}];
        NETWORK, "/spec/ingress/1" => {"ports": [{"protocol": "TCP", "port": 9999}]};
        NETWORK, "/spec/egress/0/to" => [{"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}];
        NETWORK, "/spec/egress/1" => {
            "ports": [{"protocol": "TCP", "port": 8443}], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]};
        NETWORK, "/spec/egress/2/to" => [{"ipBlock": {"cidr": "20.190.128.0/18"}}];
        NETWORK, "/spec/egress/3" => {"ports": [{"protocol": "TCP", "port": 3128}]}],
}

/// The paths of all values that are not maps of values themselves; a map that is free by schema counts as one.
fn leaves(values: &Value, path: &str, found: &mut BTreeSet<String>) {
    match values {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                let path = if path.is_empty() {
                    field.clone()
                } else {
                    format!("{path}.{field}")
                };
                leaves(value, &path, found);
            }
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_value_has_a_case() {
    let default: Value = serde_saphyr::from_str(&read("charts/pim-operator/values.yaml")).unwrap();
    let (mut all, mut set) = (BTreeSet::new(), BTreeSet::new());
    leaves(&default, "", &mut all);
    for values in exercised() {
        leaves(&values, "", &mut set);
    }
    let covered = |path: &String| {
        set.iter().any(|set| set == path || set.starts_with(&format!("{path}.")))
            // A default with contents is replaced as a whole.
            || set.iter().any(|set| path.starts_with(&format!("{set}.")))
    };
    let missing: Vec<_> = all.iter().filter(|path| !covered(path)).collect();
    assert!(missing.is_empty(), "no case sets {missing:?}");
}

/// The value at a path with dots.
fn field<'a>(values: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(values, |place, field| &place[field])
}

/// The same values without the one at a path.
fn without(values: &Value, path: &str) -> Value {
    let mut rest = values.clone();
    let mut place = &mut rest;
    let (parents, field) = path.rsplit_once('.').unwrap_or(("", path));
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        place = &mut place[parent];
    }
    place.as_object_mut().unwrap().remove(field);
    rest
}

#[test]
fn each_value_by_itself_changes_what_is_rendered() {
    let default: Value = serde_saphyr::from_str(&read("charts/pim-operator/values.yaml")).unwrap();
    let mut tried = 0;
    let mut idle = Vec::new();
    for (values, complete) in exercised().into_iter().zip(complete()) {
        let whole = try_render(&complete, &[]);
        let mut set = BTreeSet::new();
        // Labels and the like have dots in their names, and are tried as a whole elsewhere.
        leaves(&values, "", &mut set);
        for path in set {
            let changed = field(&complete, &path);
            if changed.is_null() || field(&default, &path) == changed {
                continue;
            }
            tried += 1;
            if try_render(&without(&complete, &path), &[]) == whole {
                idle.push(path);
            }
        }
    }
    assert!(tried > 80, "only {tried} values were tried");
    assert_eq!(idle, Vec::<String>::new());
}
