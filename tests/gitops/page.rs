//! The example repository of `docs/gitops.md`: every block that names a file is written to disk and built as a tool would build it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::tools::{documents, kubectl_ok, repository};

/// The files of the page, by name.
fn files() -> BTreeMap<String, String> {
    let page = fs::read_to_string(repository("docs/gitops.md")).unwrap();
    let mut files = BTreeMap::new();
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let (head, _) = text.split_once('\n').unwrap();
        let name = head
            .strip_prefix("# ")
            .unwrap_or_else(|| panic!("{head} names no file"));
        let other = files.insert(name.to_owned(), text.to_owned());
        assert_eq!(other, None, "{name} is there twice");
    }
    files
}

/// The repository on disk, once for this process.
async fn written() -> &'static PathBuf {
    static WRITTEN: OnceCell<PathBuf> = OnceCell::const_new();
    let write = || async {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gitops-page");
        let _ = fs::remove_dir_all(&root);
        for (name, text) in files() {
            let file = root.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    };
    WRITTEN.get_or_init(write).await
}

async fn build(folder: &str) -> Vec<Value> {
    let folder = written().await.join(folder);
    documents(&kubectl_ok(&["kustomize", folder.to_str().unwrap()], "").await)
}

/// What the page's repository applies.
pub async fn built() -> Vec<Value> {
    let mut all = build("security").await;
    for environment in ["production", "staging"] {
        let team = build(&format!("teams/payments/{environment}")).await;
        assert_eq!(team.len(), 3, "{environment}");
        all.extend(team);
    }
    all
}

/// Fields of kinds that are not ours, as their CRDs have them: Argo CD v3.5, Flux v2.7.
const FIELDS: [(&str, &[&str]); 4] = [
    (
        "AppProject",
        &[
            "spec.description",
            "spec.sourceRepos[]",
            "spec.destinations[].server",
            "spec.destinations[].namespace",
            "spec.clusterResourceWhitelist[].group",
            "spec.clusterResourceWhitelist[].kind",
            "spec.namespaceResourceWhitelist[].group",
            "spec.namespaceResourceWhitelist[].kind",
            "spec.namespaceResourceBlacklist[].group",
            "spec.namespaceResourceBlacklist[].kind",
        ],
    ),
    (
        "Application",
        &[
            "spec.project",
            "spec.source.repoURL",
            "spec.source.targetRevision",
            "spec.source.path",
            "spec.destination.server",
            "spec.destination.namespace",
            "spec.syncPolicy.automated.prune",
            "spec.syncPolicy.automated.selfHeal",
            "spec.syncPolicy.syncOptions[]",
        ],
    ),
    (
        "ApplicationSet",
        &[
            "spec.goTemplate",
            "spec.goTemplateOptions[]",
            "spec.generators[].git.repoURL",
            "spec.generators[].git.revision",
            "spec.generators[].git.directories[].path",
            "spec.syncPolicy.preserveResourcesOnDeletion",
            "spec.template.metadata.name",
            "spec.template.metadata.annotations.argocd.argoproj.io/compare-options",
        ],
    ),
    (
        "Kustomization",
        &[
            "spec.interval",
            "spec.retryInterval",
            "spec.timeout",
            "spec.path",
            "spec.prune",
            "spec.wait",
            "spec.deletionPolicy",
            "spec.serviceAccountName",
            "spec.dependsOn[].name",
            "spec.dependsOn[].namespace",
            "spec.sourceRef.kind",
            "spec.sourceRef.name",
            "spec.sourceRef.namespace",
            "spec.healthChecks[].apiVersion",
            "spec.healthChecks[].kind",
            "spec.healthChecks[].name",
            "spec.healthChecks[].namespace",
            "spec.healthCheckExprs[].apiVersion",
            "spec.healthCheckExprs[].kind",
            "spec.healthCheckExprs[].failed",
            "spec.healthCheckExprs[].current",
        ],
    ),
];

/// The paths of a value's leaves.
fn leaves(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(&format!("{at}.{name}"), value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                leaves(&format!("{at}[]"), item, found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn the_objects_of_argo_cd_and_flux_name_fields_that_exist() {
    let fields: BTreeMap<&str, &[&str]> = FIELDS.into_iter().collect();
    let mut kinds = BTreeMap::new();
    for (name, text) in files() {
        for object in documents(&text) {
            let version = object["apiVersion"].as_str().unwrap();
            if !version.starts_with("argoproj.io/") && !version.contains("toolkit.fluxcd.io/") {
                continue;
            }
            let kind = object["kind"].as_str().unwrap().to_owned();
            let mut found = Vec::new();
            leaves("spec", &object["spec"], &mut found);
            for path in found {
                // The template of an ApplicationSet is an Application.
                let inner = path
                    .strip_prefix("spec.template.")
                    .filter(|_| kind == "ApplicationSet");
                let known = fields[kind.as_str()].contains(&path.as_str())
                    || inner.is_some_and(|path| fields["Application"].contains(&path));
                assert!(known, "{name}: {kind} has no {path}");
            }
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    let expected = [
        ("AppProject", 2),
        ("Application", 1),
        ("ApplicationSet", 1),
        ("Kustomization", 3),
    ];
    assert_eq!(
        kinds,
        expected
            .map(|(kind, count)| (kind.to_owned(), count))
            .into()
    );
}

#[tokio::test]
async fn the_rights_of_the_page_are_accepted_and_enough_for_what_flux_does() {
    // With the types, the API server knows the resources.
    crate::sets::empty_bed("rights").await;
    let rights = files().remove("clusters/flux/rights.yaml").unwrap();
    let objects = documents(&rights);
    let rules = &objects[1]["rules"][0];
    for verb in ["get", "list", "watch", "create", "patch", "delete"] {
        assert!(rules["verbs"].as_array().unwrap().contains(&verb.into()));
    }
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: payments}\n---\n";
    let text = format!("{namespace}{rights}");
    kubectl_ok(&["apply", "--server-side", "-f", "-"], &text).await;
    for resource in ["groupeligibilities", "pimpolicies"] {
        let resource = format!("{resource}.entrapim.dev");
        let account = "--as=system:serviceaccount:payments:access-payments";
        let may = [
            "auth",
            "can-i",
            "patch",
            &resource,
            account,
            "--namespace=payments",
        ];
        assert_eq!(kubectl_ok(&may, "").await.trim(), "yes");
    }
    let may = [
        "auth",
        "can-i",
        "create",
        "grantboundaries.entrapim.dev",
        "--as=system:serviceaccount:payments:access-payments",
    ];
    assert!(!crate::tools::kubectl(&may, "").await.status.success());
}
