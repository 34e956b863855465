//! The samples that people start from.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::server::{Server, Verdict, repository};

#[tokio::test]
async fn the_samples_are_accepted_as_they_stand_and_show_every_kind() {
    let server = Server::get().await;
    let folder = repository("config/samples");
    let mut objects = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# "),
            "{} has no opening comment",
            path.display()
        );
        objects.extend(serde_saphyr::from_multiple::<Value>(&text).unwrap());
    }

    let namespaces: BTreeSet<&str> = objects
        .iter()
        .filter_map(|object| object["metadata"]["namespace"].as_str())
        .collect();
    for namespace in namespaces {
        server.kubectl(&["create", "namespace", namespace]).await;
    }
    let folder = folder.to_str().unwrap();
    let applied = server
        .kubectl(&["apply", "--dry-run=server", "-f", folder])
        .await;
    assert_eq!(applied.lines().count(), objects.len(), "{applied}");

    for crd in pim_operator::api::crds::all() {
        let kind = crd.spec.names.kind;
        assert!(
            objects.iter().any(|object| object["kind"] == kind.as_str()),
            "config/samples shows no {kind}"
        );
    }
}

/// The whole manifests of ours in the blocks of YAML of a page.
fn manifests(page: &Path) -> Vec<Value> {
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks
        .flat_map(|block| serde_saphyr::from_multiple::<Value>(block).unwrap())
        .filter(|document| {
            let version = document["apiVersion"].as_str().unwrap_or_default();
            version.starts_with("entrapim.dev/")
        })
        .collect()
}

/// `tests/docs` holds them against the schemas; the rules in CEL only the API server can judge.
#[tokio::test]
async fn the_manifests_in_the_documentation_are_accepted_as_they_stand() {
    let server = Server::get().await;
    let mut pages = vec![repository("README.md")];
    for entry in fs::read_dir(repository("docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    let mut accepted = 0;
    for page in pages {
        for mut manifest in manifests(&page) {
            // Asked in the default namespace, since theirs do not exist.
            manifest["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("namespace");
            match server.judge(&manifest).await {
                Verdict::Accepted(_) => accepted += 1,
                verdict @ Verdict::Refused(_) => panic!("{}: {verdict}", page.display()),
            }
        }
    }
    assert!(accepted > 5, "only {accepted} manifests were found");
}
