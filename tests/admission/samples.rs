//! The samples that people start from.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::server::{Server, repository};

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
