//! Every CEL rule, with values that it accepts and values that it refuses.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    rules,
    server::{Server, Verdict, expect_silence, merge, merge_at, object, repository},
};

/// A file in `cases/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The kinds that obey these rules.
    pub kinds: Vec<String>,
    /// A good object's `spec`; each case changes it.
    pub spec: Value,
    /// Rules that stand in another file.
    #[serde(default)]
    shared: Option<Shared>,
    rules: Vec<RuleCases>,
}

/// The rules of another file, but for those of some fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    from: String,
    /// The fields, with all that is in them, whose rules are not meant.
    except: Vec<String>,
}

/// One rule and what it judges.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCases {
    /// Where the rule stands, such as `spec.group.id`, `spec.groups[0].id` or `spec.namespaceSelector.matchLabels[key]`.
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
    /// No value is good: another rule forbids the field.
    #[serde(default)]
    forbidden: bool,
    /// Merged into the field at `at`: refused, with this message and no other.
    bad: Vec<Value>,
}

pub fn load() -> Vec<Cases> {
    [
        "grants.yaml",
        "tenants.yaml",
        "boundaries.yaml",
        "policies.yaml",
        "role-assignments.yaml",
        "role-eligibilities.yaml",
    ]
    .map(read)
    .into()
}

fn read(file: &str) -> Cases {
    let path = repository("tests/admission/cases").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut cases: Cases =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Some(Shared { from, except }) = &cases.shared {
        let meant = |rule: &RuleCases| {
            let within =
                |field: &String| rule.at == *field || rule.at.starts_with(&format!("{field}."));
            !except.iter().any(within)
        };
        let shared = read(from).rules.into_iter().filter(meant);
        cases.rules.extend(shared.collect::<Vec<_>>());
    }
    cases
}

impl RuleCases {
    /// The object that the values are merged into; a stored one if the rule compares with what is stored.
    async fn base(&self, server: &Server, kind: &str, name: &str, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if let Some(with) = &self.with {
            merge(&mut spec, with);
        }
        let base = object(kind, name, &spec);
        if self.update {
            server.create(&base).await
        } else {
            base
        }
    }

    /// What is wrong with the server's verdict on `value`, if anything is.
    async fn complaint(
        &self,
        server: &Server,
        base: &Value,
        value: &Value,
        good: bool,
    ) -> Option<String> {
        let mut object = base.clone();
        merge_at(&mut object, &self.at, value);
        let verdict = if self.update {
            server.judge_update(&object).await
        } else {
            server.judge(&object).await
        };
        let right = match &verdict {
            Verdict::Accepted(_) => good,
            Verdict::Refused(refusal) => {
                !good && refusal.causes.len() == 1 && refusal.names(&self.at, &self.says)
            }
        };
        let wanted = if good { "accepted" } else { &self.says };
        let (kind, at) = (&base["kind"], &self.at);
        (!right).then(|| format!("{kind} {at}: {value}\n  wanted: {wanted}\n  {verdict}"))
    }
}

#[tokio::test]
async fn every_rule_accepts_the_good_and_says_what_to_write_instead_of_the_bad() {
    let server = &Server::get().await;
    let files = load();
    let mut judgements = Vec::new();
    for file in &files {
        for kind in &file.kinds {
            for (number, rule) in file.rules.iter().enumerate() {
                let name = format!("rule-{number}");
                let base = rule.base(server, kind, &name, &file.spec).await;
                let good = rule.good.iter().map(|value| (value, true));
                let bad = rule.bad.iter().map(|value| (value, false));
                for (value, good) in good.chain(bad) {
                    let base = base.clone();
                    judgements
                        .push(async move { rule.complaint(server, &base, value, good).await });
                }
            }
        }
    }
    expect_silence(judgements).await;
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
        let rules = files
            .iter()
            .filter(|file| file.kinds.contains(kind))
            .flat_map(|file| &file.rules);
        let tried: BTreeSet<(String, String)> = rules
            .filter(|rule| (rule.forbidden || !rule.good.is_empty()) && !rule.bad.is_empty())
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
