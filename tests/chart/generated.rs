//! What in the chart's folder is made from other files. `make chart` makes it anew: these tests with `UPDATE=1`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};

use serde_json::{Value, json};

use crate::helm::{parse, read, render, repository, try_render};

/// Holds a file against what it should be, or makes it that.
fn hold(file: &Path, wanted: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, wanted).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is not up to date: run `make chart`",
        file.display()
    );
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(repository(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "kustomization.yaml").collect()
}

#[test]
fn the_charts_copies_of_crds_and_policies_are_those_of_the_repository() {
    for (original, copy) in [
        ("crds", "files/crds"),
        ("config/policies", "files/policies"),
    ] {
        let copy = format!("charts/pim-operator/{copy}");
        let wanted = names(original);
        for name in &wanted {
            hold(
                &repository(&format!("{copy}/{name}")),
                &read(&format!("{original}/{name}")),
            );
        }
        assert_eq!(names(&copy), wanted, "{copy}");
    }
}

/// The rendered defaults, without what only Helm reads.
#[test]
fn the_kustomize_base_is_what_the_chart_renders() {
    let values = json!({"crds": {"install": false}, "admissionPolicies": {"install": false}});
    let rendered = try_render(&values, &[]).unwrap();
    let kept = rendered.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("helm.sh/chart:")
            && !line.starts_with("app.kubernetes.io/managed-by:")
            && !line.starts_with("# Source:")
            && !line.is_empty()
    });
    let text: String = kept.flat_map(|line| [line, "\n"]).collect();
    let opening = "# The operator and its rights, made from the chart by `make chart`.\n";
    hold(
        &repository("config/operator/operator.yaml"),
        &format!("{opening}{text}"),
    );

    let kustomization = read("charts/pim-operator/files/crds/kustomization.yaml");
    for name in names("crds") {
        assert!(
            kustomization.contains(&format!("  - {name}\n")),
            "{name} is not in the kustomization"
        );
    }
}

#[tokio::test]
async fn kustomize_and_helm_install_the_same() {
    let kubectl = pim_testbed::Binaries::locate_or_build()
        .await
        .unwrap()
        .kubectl;
    let built = std::process::Command::new(kubectl)
        .arg("kustomize")
        .arg(repository("config/default"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let without_labels = |objects: Vec<Value>| -> BTreeMap<String, Value> {
        let objects = objects.into_iter().map(|mut object| {
            object["metadata"].as_object_mut().unwrap().remove("labels");
            object["metadata"]
                .as_object_mut()
                .unwrap()
                .remove("annotations");
            if let Some(labels) = object.pointer_mut("/spec/template/metadata/labels") {
                labels.as_object_mut().unwrap().retain(|label, _| {
                    !["helm.sh/chart", "app.kubernetes.io/managed-by"].contains(&label.as_str())
                });
            }
            let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
            (name, object)
        });
        objects.collect()
    };
    let mut kustomized = without_labels(parse(std::str::from_utf8(&built.stdout).unwrap()));
    // Helm makes it with `--create-namespace`.
    kustomized
        .remove("\"Namespace\" \"pim-operator-system\"")
        .unwrap();
    let helm = without_labels(render(&json!({})));
    assert_eq!(
        kustomized.keys().collect::<Vec<_>>(),
        helm.keys().collect::<Vec<_>>()
    );
    for (name, object) in helm {
        // Kustomize folds long lines anew, which means nothing within an expression.
        let unfolded = |object: &Value| object.to_string().replace("\\n\\n", "\\n");
        assert_eq!(unfolded(&kustomized[&name]), unfolded(&object), "{name}");
    }
}

#[test]
fn the_chart_has_the_version_of_the_operator() {
    let chart: Value = serde_saphyr::from_str(&read("charts/pim-operator/Chart.yaml")).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_chart_announces_every_kind_and_no_other() {
    let chart: Value = serde_saphyr::from_str(&read("charts/pim-operator/Chart.yaml")).unwrap();
    let announced = chart["annotations"]["artifacthub.io/crds"]
        .as_str()
        .unwrap();
    let announced: Vec<Value> = serde_saphyr::from_str(announced).unwrap();
    let announced: BTreeSet<String> = announced
        .iter()
        .map(|kind| format!("{} {} {}", kind["kind"], kind["version"], kind["name"]))
        .collect();
    let served: BTreeSet<String> = pim_operator::api::crds::all()
        .into_iter()
        .map(|crd| {
            let version = &crd.spec.versions[0].name;
            let name = crd.metadata.name.unwrap();
            format!("{:?} {version:?} {name:?}", crd.spec.names.kind)
        })
        .collect();
    assert_eq!(announced, served);
}

const BEGIN: &str = "<!-- values: made by `make chart` -->\n";
const END: &str = "<!-- end of values -->\n";

#[test]
fn the_readme_lists_the_values_as_the_schema_describes_them() {
    let schema: Value =
        serde_json::from_str(&read("charts/pim-operator/values.schema.json")).unwrap();
    let default: Value = serde_saphyr::from_str(&read("charts/pim-operator/values.yaml")).unwrap();
    let mut table = "| Value | Default | |\n|---|---|---|\n".to_owned();
    rows(&schema, &default, "", &mut table);
    let readme = read("charts/pim-operator/README.md");
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    hold(
        &repository("charts/pim-operator/README.md"),
        &format!("{before}{BEGIN}{table}{END}{after}"),
    );
}

fn rows(schema: &Value, default: &Value, path: &str, table: &mut String) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if default[name].is_null() {
            continue;
        }
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let default = &default[name];
        let Some(description) = inner["description"].as_str() else {
            continue;
        };
        let described = inner["properties"].as_object().is_some_and(|fields| {
            fields
                .values()
                .any(|field| field["description"].is_string())
        });
        if described {
            // A group: its members follow.
            writeln!(table, "| **`{path}`** | | {description} |").unwrap();
            rows(inner, default, &path, table);
        } else {
            let default = default.to_string().replace('|', "\\|");
            writeln!(table, "| `{path}` | `{default}` | {description} |").unwrap();
        }
    }
}
