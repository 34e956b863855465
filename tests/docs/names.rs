//! Paths, tests and names of the API that pages mention exist.

use std::{collections::BTreeSet, fs, path::Path};

use pim_operator::api::{
    conditions::{Announcement, ConditionType, Reason},
    crds,
};
use serde_json::Value;

use crate::page::{Page, pages, read, repository};

/// The folders of the repository by which a path in a page is known.
const FOLDERS: [&str; 8] = [
    "src/",
    "tests/",
    "config/",
    "charts/",
    "docs/",
    "crds/",
    "simulator/",
    "hack/",
];

/// Words in one piece, such as `PolicyRejected`, that are Kubernetes', Entra's or of tools.
const OF_OTHERS: [&str; 18] = [
    "AuditLogs",
    "ClusterRole",
    "ConfigMap",
    "GroupManagement",
    "HelmRelease",
    "NetworkPolicy",
    "PendingRoleAssignmentRequest",
    "PodDisruptionBudget",
    "PrometheusRule",
    "ReplicaSet",
    "RoleAssignmentExists",
    "RoleBinding",
    "RoleManagement",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
    "ValidatingAdmissionPolicies",
    "ValidatingAdmissionPolicy",
];
/// The page that speaks the language of other tools.
const ABOUT_OTHERS: &str = "docs/migration.md";

/// Words that look like a test's name and are none of ours.
const FOREIGN: [&str; 3] = ["entrapim_", "azuread_", "process_"];

/// The paths in a text.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|word| {
            word.trim_matches(|letter: char| {
                !letter.is_alphanumeric() && letter != '/' && letter != '_'
            })
        })
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(['*', '…', '{', '$', '<']))
}

/// The code of a page that people may copy or look up.
fn code(page: &Page) -> impl Iterator<Item = (&str, usize)> {
    let shown = page
        .blocks
        .iter()
        .filter(|block| ["bash", "console"].contains(&block.language.as_str()));
    shown
        .chain(&page.spans)
        .map(|code| (code.text.as_str(), code.line))
}

#[test]
fn every_path_exists() {
    let (mut missing, mut count) = (Vec::new(), 0);
    for page in pages() {
        for (text, line) in code(&page) {
            for path in paths(text) {
                count += 1;
                let folder = repository(page.path.parent().unwrap());
                if !repository(path).exists() && !folder.join(path).exists() {
                    missing.push(format!("{}: {path}", page.at(line)));
                }
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
    println!("{count} paths");
}

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn is_test_name(text: &str) -> bool {
    let plain = text
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    plain
        && text.matches('_').count() >= 4
        && !FOREIGN.iter().any(|prefix| text.starts_with(prefix))
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut text = String::new();
    for folder in ["src", "tests", "simulator"] {
        sources(&repository(folder), &mut text);
    }
    let (mut missing, mut count) = (Vec::new(), 0);
    for page in pages() {
        for span in page.spans.iter().filter(|span| is_test_name(&span.text)) {
            count += 1;
            if !text.contains(&format!("fn {}(", span.text)) {
                missing.push(format!("{}: {}", page.at(span.line), span.text));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
    println!("{count} tests named");
}

/// The names of the API's group that `src/api/mod.rs` defines (annotations and finalizers), its version, the
/// name in events, and where runbooks are.
pub fn api_names() -> BTreeSet<String> {
    let source = read("src/api/mod.rs");
    let quoted = source.split('"').skip(1).step_by(2);
    let defined = quoted.filter(|text| text.starts_with("entrapim.dev/"));
    let others = [
        "entrapim.dev/v1alpha1",
        "entrapim.dev/pim-operator",
        // Where alerts link to unless the chart is told another place.
        "entrapim.dev/runbooks",
    ];
    defined.chain(others).map(str::to_owned).collect()
}

/// Annotations, finalizers and versions: a reader copies them.
#[test]
fn every_name_of_the_api_exists() {
    let known = api_names();
    let mut unknown = Vec::new();
    for page in pages() {
        for (number, line) in read(&page.path).lines().enumerate() {
            // `KIND.entrapim.dev/NAME` is an object, as kubectl names it.
            let words = line.match_indices("entrapim.dev/");
            for (start, _) in words.filter(|(start, _)| !line[..*start].ends_with('.')) {
                let rest = &line[start + "entrapim.dev/".len()..];
                let end =
                    rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
                let name = format!("entrapim.dev/{}", &rest[..end.unwrap_or(rest.len())]);
                if !known.contains(&name) {
                    unknown.push(format!("{}: {name}", page.at(number + 1)));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "\n{}", unknown.join("\n"));
}

/// The enum values of a schema.
fn values(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            let words = fields.get("enum").and_then(Value::as_array);
            let words = words.into_iter().flatten().filter_map(Value::as_str);
            found.extend(words.map(str::to_owned));
            fields.values().for_each(|inner| values(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| values(inner, found)),
        _ => {}
    }
}

/// `PolicyRejected`: two words or more, each with a capital, in one piece.
fn is_compound(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let humps = letters
        .windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    letters.first().is_some_and(char::is_ascii_uppercase)
        && letters.iter().all(char::is_ascii_alphabetic)
        && !letters
            .windows(2)
            .any(|pair| pair.iter().all(char::is_ascii_uppercase))
        && humps.count() > 0
}

#[test]
fn every_reason_condition_kind_and_value_that_a_page_names_exists() {
    let mut known: BTreeSet<String> = OF_OTHERS.map(str::to_owned).into();
    known.extend(ConditionType::ALL.iter().map(ToString::to_string));
    known.extend(Reason::ALL.iter().map(ToString::to_string));
    known.extend(Announcement::ALL.iter().map(ToString::to_string));
    for crd in crds::all() {
        values(&serde_json::to_value(&crd).unwrap(), &mut known);
        known.insert(crd.spec.names.kind);
    }
    let (mut unknown, mut count) = (Vec::new(), 0);
    for page in pages()
        .iter()
        .filter(|page| page.path != Path::new(ABOUT_OTHERS))
    {
        for span in page.spans.iter().filter(|span| is_compound(&span.text)) {
            count += 1;
            if !known.contains(&span.text) {
                unknown.push(format!("{}: {}", page.at(span.line), span.text));
            }
        }
    }
    assert!(unknown.is_empty(), "\n{}", unknown.join("\n"));
    println!("{count} words of the API");
}
