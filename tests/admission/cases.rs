//! Every CEL rule, with values that it accepts and values that it refuses.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    rules,
    server::{Server, Verdict, merge, merge_at, object, repository},
};

/// A file in `cases/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The kinds that obey these rules.
    pub kinds: Vec<String>,
    /// A good object's `spec`; each case changes it.
    pub spec: Value,
    rules: Vec<RuleCases>,
}

/// One rule and what it judges.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCases {
    /// Where the rule stands, such as `spec.group.id`.
    at: String,
    /// The rule's message, whole.
    says: String,
    /// Merged into `spec` before each case.
    #[serde(default)]
    with: Option<Value>,
    /// The rule compares with what is stored, so that the cases are updates of a stored object.
    #[serde(default)]
    update: bool,
    /// Merged into the field at `at`: accepted.
    good: Vec<Value>,
    /// Merged into the field at `at`: refused, with this message and no other.
    bad: Vec<Value>,
}

pub fn load() -> Vec<Cases> {
    ["grants.yaml", "tenants.yaml"]
        .map(|file| {
            let path = repository("tests/admission/cases").join(file);
            let text = std::fs::read_to_string(&path).unwrap();
            serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .into()
}

#[tokio::test]
async fn every_rule_accepts_the_good_and_says_what_to_write_instead_of_the_bad() {
    let server = Server::get().await;
    let mut judgements = Vec::new();
    for cases in load() {
        for kind in &cases.kinds {
            for (number, rule) in cases.rules.iter().enumerate() {
                assert!(!rule.good.is_empty(), "{} has no good case", rule.says);
                assert!(!rule.bad.is_empty(), "{} has no bad case", rule.says);
                let mut spec = cases.spec.clone();
                merge(
                    &mut spec,
                    rule.with
                        .as_ref()
                        .unwrap_or(&Value::Object(Default::default())),
                );
                let mut base = object(kind, &format!("rule-{number}"), &spec);
                if rule.update {
                    base = server.create(&base).await;
                }
                let good = rule.good.iter().map(|value| (value, true));
                for (value, good) in good.chain(rule.bad.iter().map(|value| (value, false))) {
                    let mut changed = base.clone();
                    merge_at(&mut changed, &rule.at, value);
                    judgements.push((rule.clone(), value.clone(), good, changed));
                }
            }
        }
    }
    let count = judgements.len();
    let failures: Vec<String> = stream::iter(judgements)
        .map(|(rule, value, good, object)| {
            let server = &server;
            async move {
                let verdict = if rule.update {
                    server.judge_update(&object).await
                } else {
                    server.judge(&object).await
                };
                let right = match &verdict {
                    Verdict::Accepted(_) => good,
                    Verdict::Refused(refusal) => {
                        !good && refusal.causes.len() == 1 && refusal.names(&rule.at, &rule.says)
                    }
                };
                let kind = &object["kind"];
                (!right).then(|| {
                    format!(
                        "{kind} {}: {value}\n  wanted: {}\n  {verdict}",
                        rule.at,
                        if good { "accepted" } else { &rule.says }
                    )
                })
            }
        })
        .buffer_unordered(16)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(
        failures.is_empty(),
        "{} of {count}:\n{}",
        failures.len(),
        failures.join("\n")
    );
    println!("{count} judgements");
}

#[test]
fn every_rule_in_the_crds_has_its_cases() {
    let files = load();
    for crd in rules::committed() {
        let kind = &crd.spec.names.kind;
        let demanded: BTreeSet<(String, String)> = rules::fields(&crd)
            .into_iter()
            .flat_map(|(path, schema)| {
                let rules = schema.x_kubernetes_validations.into_iter().flatten();
                rules.map(move |rule| (path.clone(), rule.message.unwrap_or(rule.rule)))
            })
            .collect();
        let tried: BTreeSet<(String, String)> = files
            .iter()
            .filter(|file| file.kinds.contains(kind))
            .flat_map(|file| &file.rules)
            .map(|rule| (rule.at.clone(), rule.says.clone()))
            .collect();
        let missing: Vec<_> = demanded.difference(&tried).collect();
        assert!(
            missing.is_empty(),
            "{kind}: tests/admission/cases lacks {missing:#?}"
        );
        let stale: Vec<_> = tried.difference(&demanded).collect();
        assert!(stale.is_empty(), "{kind}: no such rule: {stale:#?}");
        println!("{kind}: {} rules", demanded.len());
    }
}
