//! The dashboard: a file kept by hand, so everything about it that a person may get wrong is checked.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use crate::{exposition::read, rules::promtool};

const FILE: &str = "charts/pim-operator/files/dashboard.json";

/// The panels that show something.
fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&read(FILE)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels
        .filter(|panel| panel["type"] != "row")
        .cloned()
        .collect()
}

/// What the panels ask for, with Grafana's variables filled in.
pub fn expressions() -> Vec<String> {
    let panels = panels();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    targets
        .map(|target| {
            let text = target["expr"].as_str().unwrap();
            text.replace("$__rate_interval", "5m")
                .replace("$job", ".*")
                .replace("$tenant", ".*")
        })
        .collect()
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: Value = serde_json::from_str(&read(FILE)).unwrap();
    assert_eq!(dashboard["uid"], "pim-operator");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable = |name: &str| variables.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(variable("datasource")["type"], "datasource");
    let all = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = all
        .iter()
        .map(|panel| panel["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids.len(), all.len(), "ids are given once");
    let mut taken = BTreeSet::new();
    for panel in all {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(
                    taken.insert((x, y)),
                    "{} lies on another panel",
                    panel["title"]
                );
            }
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit_and_from_the_chosen_source() {
    let chosen = json!({"type": "prometheus", "uid": "${datasource}"});
    let mut titles = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap().to_owned();
        let words = |value: &Value| {
            value
                .as_str()
                .unwrap_or_default()
                .split_whitespace()
                .count()
        };
        assert!(
            words(&panel["description"]) > 3,
            "{title} has no description"
        );
        assert!(
            words(&panel["fieldConfig"]["defaults"]["unit"]) == 1,
            "{title} has no unit"
        );
        assert_eq!(panel["datasource"], chosen, "{title}");
        let targets = panel["targets"].as_array().unwrap();
        let letters: BTreeSet<_> = targets
            .iter()
            .map(|target| target["refId"].as_str().unwrap())
            .collect();
        assert_eq!(letters.len(), targets.len(), "{title}");
        for target in targets {
            assert_eq!(target["datasource"], chosen, "{title}");
            let expression = target["expr"].as_str().unwrap();
            assert!(
                expression.contains("$job"),
                "{title} shows other operators too"
            );
        }
        assert!(titles.insert(title.clone()), "there are two of {title}");
    }
}

#[tokio::test]
async fn prometheus_understands_every_expression() {
    let rules: Vec<_> = expressions()
        .into_iter()
        .enumerate()
        .map(|(number, expr)| json!({"record": format!("panel:{number}"), "expr": expr}))
        .collect();
    assert!(rules.len() > 30, "{}", rules.len());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard-expressions.json");
    let groups = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(&file, groups.to_string()).unwrap();
    let checked = promtool(&["check", "rules"], &file).await;
    assert!(checked.is_ok(), "{}", checked.unwrap_err());
}
