//! The alerts, in the words of Prometheus's own tool.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::exposition::{read, repository};

pub const RULES: &str = "charts/pim-operator/files/alerts.yaml";
const TESTS: &str = "tests/observability/alerts.test.yaml";

/// What promtool says to these arguments, or its complaint.
pub async fn promtool(arguments: &[&str], file: &Path) -> Result<String, String> {
    let program = pim_testbed::promtool().await.unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

/// The alerts.
pub fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&read(RULES)).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

fn names() -> BTreeSet<String> {
    let names = alerts()
        .into_iter()
        .map(|alert| alert["alert"].as_str().unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn promtool_finds_no_fault_and_every_alert_fires_and_keeps_silent_as_its_tests_say() {
    let checked = promtool(
        &["check", "rules", "--lint=all", "--lint-fatal"],
        &repository(RULES),
    )
    .await;
    assert!(checked.is_ok(), "{checked:?}");
    let tested = promtool(&["test", "rules"], &repository(TESTS)).await;
    assert!(tested.is_ok(), "{}", tested.unwrap_err());
}

#[test]
fn every_alert_has_tests_of_both_sorts() {
    let tests: Value = serde_saphyr::from_str(&read(TESTS)).unwrap();
    let mut found: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for test in tests["tests"].as_array().unwrap() {
        for of_alert in test["alert_rule_test"].as_array().unwrap() {
            let alert = of_alert["alertname"].as_str().unwrap().to_owned();
            let fires = !of_alert["exp_alerts"].as_array().unwrap().is_empty();
            found.entry(alert).or_default().insert(fires);
        }
    }
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), names());
    for (alert, sorts) in found {
        assert_eq!(sorts, BTreeSet::from([false, true]), "{alert}");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do_and_has_a_page_of_its_own() {
    for alert in alerts() {
        let name = alert["alert"].as_str().unwrap();
        let annotation = |key: &str| {
            alert["annotations"][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        assert!(
            ["critical", "warning"]
                .iter()
                .any(|one| alert["labels"]["severity"] == *one),
            "{name}"
        );
        for key in ["summary", "description"] {
            assert!(
                annotation(key).split_whitespace().count() > 3,
                "{name} has no {key}"
            );
        }
        assert!(
            annotation("runbook_url").ends_with(&format!("/{name}")),
            "{name}"
        );
        let page = read(&format!("docs/runbooks/{name}.md"));
        let headings: Vec<_> = page.lines().filter(|line| line.starts_with('#')).collect();
        let wanted = [
            &format!("# {name}"),
            "## Meaning",
            "## Impact",
            "## Diagnose",
            "## Mend",
        ];
        assert_eq!(headings, wanted, "{name}");
        assert!(page.contains("```sh\n"), "{name} names no command");
    }
    let pages = std::fs::read_dir(repository("docs/runbooks")).unwrap();
    let pages = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<_> = pages
        .filter(|page| page != "README.md")
        .map(|page| page.trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(pages, names());
}
