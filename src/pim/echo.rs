//! Boundaries in the words of the admission policies: what `config/policies/boundaries.yaml` judges by.
//!
//! A policy knows text, lists and comparisons, and neither YAML nor the boundaries of other objects. So each boundary becomes one
//! line of fields between `;`, and all lines one text in a ConfigMap. A line says no more than the policy can judge: targets and memberships
//! are not in it. The decision itself is made elsewhere, on every write; this is its echo, which may say less and never more.

use std::fmt::{self, Display};

use thiserror::Error;

use super::duration::{self, DurationError};
use crate::api::{
    boundary::{
        GrantBoundarySpec, LabelExpression, LabelOperator, NamespaceSelector, Permanence,
        Requirement,
    },
    references::AccessId,
};

/// What separates boundaries, fields, items, demands and values; no name, key or value of a boundary that the API server took has one.
const SEPARATORS: [char; 6] = [';', ',', '&', '|', ' ', '\n'];

/// Why a boundary has no echo.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EchoError {
    /// A limit is no duration. Such a boundary allows nothing.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A name, key or value is none that Kubernetes would take.
    #[error("{0:?} is no lawful name, label or label value")]
    Word(String),
}

/// A boundary as one line; `boundaries.yaml` names its fields.
///
/// # Errors
/// [`EchoError`] for what the API server would not have taken.
pub fn line(name: &str, spec: &GrantBoundarySpec) -> Result<String, EchoError> {
    let limits = spec.limits.clone().unwrap_or_default();
    let requirements = spec.requirements.clone().unwrap_or_default();
    let access_ids = if spec.access_ids.is_empty() {
        vec![AccessId::Member]
    } else {
        spec.access_ids.clone()
    };
    Ok([
        words([name], "")?,
        fenced(
            &words(spec.namespaces.iter().map(|name| &name.0), ",")?,
            ',',
        ),
        labels(spec.namespace_selector.as_ref())?,
        demands(spec.namespace_selector.as_ref())?,
        words(spec.tenants.iter().map(|name| &name.0), ",")?,
        names(&spec.kinds),
        access_ids
            .iter()
            .map(|access| match access {
                AccessId::Member => "member",
                AccessId::Owner => "owner",
            })
            .collect::<Vec<_>>()
            .join(","),
        names(&spec.principals.kinds),
        format!("{:?}", limits.permanent.unwrap_or(Permanence::Forbidden)),
        limit(limits.max_eligibility_duration)?,
        limit(limits.max_assignment_duration)?,
        requirement(requirements.justification),
        requirement(requirements.ticket),
    ]
    .join(";"))
}

/// A limit as it is written, and in minutes.
fn limit(text: Option<String>) -> Result<String, DurationError> {
    text.map_or(Ok(String::new()), |text| {
        duration::parse(&text).map(|length| format!("{text} {}", length.num_minutes()))
    })
}

fn requirement(stated: Option<Requirement>) -> String {
    format!("{:?}", stated.unwrap_or(Requirement::Optional))
}

/// The variants' names, which are those of the manifests.
fn names(variants: &[impl fmt::Debug]) -> String {
    let names: Vec<_> = variants
        .iter()
        .map(|variant| format!("{variant:?}"))
        .collect();
    names.join(",")
}

fn words<T: Display>(
    words: impl IntoIterator<Item = T>,
    separator: &str,
) -> Result<String, EchoError> {
    let checked: Result<Vec<_>, _> = words
        .into_iter()
        .map(|word| {
            let word = word.to_string();
            if word.contains(SEPARATORS) {
                Err(EchoError::Word(word))
            } else {
                Ok(word)
            }
        })
        .collect();
    Ok(checked?.join(separator))
}

/// Items each between two separators, so that one of them can be looked for in the whole line; nothing for none.
fn fenced(items: &str, separator: char) -> String {
    if items.is_empty() {
        String::new()
    } else {
        format!("{separator}{items}{separator}")
    }
}

/// The labels that a selector wants, `KEY=VALUE` each; `*` where it wants none and has other demands. Nothing for a selector that
/// states nothing, since that selects nothing.
fn labels(selector: Option<&NamespaceSelector>) -> Result<String, EchoError> {
    let Some(selector) = selector else {
        return Ok(String::new());
    };
    if selector.match_labels.is_empty() && !selector.match_expressions.is_empty() {
        return Ok(fenced("*", '&'));
    }
    let pairs = selector.match_labels.iter();
    let pairs = words(pairs.map(|(key, value)| format!("{key}={value}")), "&")?;
    Ok(fenced(&pairs, '&'))
}

/// What else it demands of the labels: `In KEY=VALUE|KEY=VALUE`, `NotIn` alike, `Exists KEY` or `DoesNotExist KEY`.
fn demands(selector: Option<&NamespaceSelector>) -> Result<String, EchoError> {
    let expressions = selector.map_or(&[][..], |selector| &selector.match_expressions);
    let demands: Result<Vec<_>, _> = expressions.iter().map(demand).collect();
    Ok(demands?.join("&"))
}

fn demand(expression: &LabelExpression) -> Result<String, EchoError> {
    let LabelExpression {
        key,
        operator,
        values,
    } = expression;
    let operand = match operator {
        LabelOperator::In | LabelOperator::NotIn => {
            words(values.iter().map(|value| format!("{key}={}", value.0)), "|")?
        }
        LabelOperator::Exists | LabelOperator::DoesNotExist => words([key], "")?,
    };
    Ok(format!("{operator:?} {operand}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn echo(spec: Value) -> Result<String, EchoError> {
        line("fence", &serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_boundary_is_one_line_with_a_place_for_each_clause() {
        let whole = json!({
            "namespaces": ["payments", "checkout"],
            "tenants": ["contoso", "fabrikam"],
            "kinds": ["GroupEligibility", "GroupAssignment"],
            "groups": [{"id": "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"}],
            "accessIds": ["member", "owner"],
            "principals": {"kinds": ["User", "ServicePrincipal"]},
            "limits": {"permanent": "Allowed", "maxEligibilityDuration": "P180D", "maxAssignmentDuration": "PT8H"},
            "requirements": {"justification": "Required", "ticket": "Required"},
        });
        assert_eq!(
            echo(whole).unwrap(),
            "fence;,payments,checkout,;;;contoso,fabrikam;GroupEligibility,GroupAssignment;member,owner;User,ServicePrincipal;Allowed;P180D 259200;PT8H 480;Required;Required"
        );
    }

    #[test]
    fn what_a_boundary_leaves_out_is_written_out() {
        let least = json!({
            "namespaces": ["lab"], "tenants": ["contoso"], "kinds": ["RoleEligibility"],
            "principals": {"kinds": ["Group"]},
        });
        assert_eq!(
            echo(least).unwrap(),
            "fence;,lab,;;;contoso;RoleEligibility;member;Group;Forbidden;;;Optional;Optional"
        );
    }

    #[test]
    fn a_selector_becomes_demands_and_an_empty_one_selects_nothing() {
        let with = |selector: Value| {
            echo(json!({
                "namespaceSelector": selector, "tenants": ["contoso"], "kinds": ["GroupEligibility"],
                "principals": {"kinds": ["User"]},
            }))
        };
        let rest = ";contoso;GroupEligibility;member;User;Forbidden;;;Optional;Optional";
        let selector = json!({
            "matchLabels": {"team": "payments", "tier": ""},
            "matchExpressions": [
                {"key": "stage", "operator": "NotIn", "values": ["lab", "sandbox"]},
                {"key": "kubernetes.io/metadata.name", "operator": "Exists"},
                {"key": "legacy", "operator": "DoesNotExist"},
            ],
        });
        assert_eq!(
            with(selector).unwrap(),
            format!(
                "fence;;&team=payments&tier=&;NotIn stage=lab|stage=sandbox&Exists kubernetes.io/metadata.name&DoesNotExist legacy{rest}"
            )
        );
        let expression = json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]});
        assert_eq!(
            with(expression).unwrap(),
            format!("fence;;&*&;Exists team{rest}")
        );
        assert_eq!(with(json!({})).unwrap(), format!("fence;;;{rest}"));
    }

    #[test]
    fn no_word_can_pass_for_two() {
        for word in ["a;b", "a,b", "a&b", "a|b", "a b", "a\nb"] {
            let spec = |namespace: &str, tenant: &str, value: &str| {
                echo(json!({
                    "namespaces": [namespace], "tenants": [tenant], "kinds": ["GroupEligibility"],
                    "namespaceSelector": {"matchLabels": {"team": value}},
                    "principals": {"kinds": ["User"]},
                }))
            };
            let refused = |word: &str| Err(EchoError::Word(word.to_owned()));
            assert_eq!(spec(word, "contoso", "payments"), refused(word));
            assert_eq!(spec("payments", word, "payments"), refused(word));
            let pair = format!("team={word}");
            assert_eq!(spec("payments", "contoso", word), refused(&pair));
        }
    }

    #[test]
    fn a_limit_that_is_no_duration_is_named() {
        let spec = json!({
            "namespaces": ["lab"], "tenants": ["contoso"], "kinds": ["GroupEligibility"],
            "principals": {"kinds": ["User"]}, "limits": {"maxEligibilityDuration": "P6M"},
        });
        let error = echo(spec).unwrap_err().to_string();
        assert!(error.contains("write days, such as P180D"), "{error}");
    }
}
