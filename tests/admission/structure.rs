//! Every bound, enum, required field, list type and type in the schemas, each broken once.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use crate::{
    cases, rules,
    server::{Server, Verdict, expect_silence, merge_at, object},
};

/// A value for the field at `path`, and what must be said of which field.
struct Trial {
    path: String,
    value: Value,
    /// `None`: it is at a limit, so that nothing may be said of this field.
    refusal: Option<(String, String)>,
}

/// The API server's bounds are floats in the Rust type.
fn whole(bound: f64) -> i64 {
    bound.to_string().parse().unwrap()
}

/// Another one like `good`: another text, or an object under another key.
fn variant(good: &Value, number: i64) -> Value {
    match good {
        // A GUID, or a path that ends in one.
        Value::String(text) if text.len() >= 36 => {
            json!(format!("{}{number:012x}", &text[..text.len() - 12]))
        }
        Value::String(text) => json!(format!("{text}{number}")),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            for key in ["id", "key"] {
                if let Some(field) = fields.get_mut(key) {
                    *field = variant(field, number);
                }
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}

/// The trials that the bounds and the type of a list or a map call for; `good` is one that is accepted.
fn collection_trials(path: &str, schema: &JSONSchemaProps, good: Option<&Value>) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |value: Value, refusal: Option<(String, &str)>| {
        trials.push(Trial {
            path: path.to_owned(),
            value,
            refusal: refusal.map(|(field, says)| (field, says.to_owned())),
        });
    };
    let here = || path.to_owned();
    if let Some(max) = schema.max_items {
        let good = good.and_then(|list| list.get(0));
        let good = good.unwrap_or_else(|| panic!("tests/admission/cases has no item in {path}"));
        let list = |length: i64| (0..length).map(|number| variant(good, number)).collect();
        add(list(max), None);
        let says = format!("must have at most {max} items");
        add(list(max + 1), Some((here(), &says)));
        let twice = json!([good, good]);
        let second = format!("{path}[1]");
        match schema.x_kubernetes_list_type.as_deref() {
            Some("set" | "map") => add(twice, Some((second, "Duplicate value"))),
            Some("atomic") => add(twice, None),
            other => panic!("{path}: the list type is {other:?}: say how appliers share it"),
        }
    }
    if let Some(min) = schema.min_items {
        assert_eq!(min, 1);
        add(json!([]), Some((here(), "should have at least 1 items")));
    }
    if let Some(max) = schema.max_properties {
        let map = |length: i64| {
            let pairs = (0..length).map(|number| (format!("key{number}"), json!("value")));
            Value::Object(pairs.collect())
        };
        // The good one's own are merged in.
        let own = good
            .and_then(Value::as_object)
            .map_or(0, serde_json::Map::len);
        let own = i64::try_from(own).unwrap();
        add(map(max - own), None);
        let says = format!("must have at most {max} items");
        add(map(max - own + 1), Some((here(), &says)));
    }
    trials
}

/// The trials that `schema` calls for at `path`.
fn trials(path: &str, schema: &JSONSchemaProps, good: Option<&Value>) -> Vec<Trial> {
    let mut trials = collection_trials(path, schema, good);
    let mut add = |value: Value, refusal: Option<&str>| {
        trials.push(Trial {
            path: path.to_owned(),
            value,
            // The value of a map is named `map.key` by the schema, `map[key]` by a rule.
            refusal: refusal.map(|says| (path.replace("[key]", ".key"), says.to_owned())),
        });
    };
    let type_ = schema.type_.as_deref().unwrap_or_default();
    let wrong = if type_ == "string" {
        json!(4711)
    } else {
        json!("text")
    };
    add(wrong, Some(&format!("must be of type {type_}")));
    if let Some(values) = &schema.enum_ {
        for value in values {
            add(value.0.clone(), None);
        }
        let text = values[0].0.as_str().unwrap();
        let other_case = if text.starts_with(char::is_uppercase) {
            text.to_lowercase()
        } else {
            text.to_uppercase()
        };
        add(json!(other_case), Some("supported values: "));
    }
    if let Some(max) = schema.max_length {
        let text = |length: i64| json!("x".repeat(usize::try_from(length).unwrap()));
        add(text(max), None);
        add(
            text(max + 1),
            Some(&format!("may not be more than {max} bytes")),
        );
    }
    if let Some(min) = schema.min_length {
        assert_eq!(min, 1);
        add(json!(""), Some("should be at least 1 chars long"));
    }
    if let Some(max) = schema.maximum {
        add(json!(whole(max)), None);
        let says = format!("should be less than or equal to {max}");
        add(json!(whole(max) + 1), Some(&says));
    }
    if let Some(min) = schema.minimum {
        add(json!(whole(min)), None);
        let says = format!("should be greater than or equal to {min}");
        add(json!(whole(min) - 1), Some(&says));
    }
    for name in schema.required.iter().flatten() {
        let field = format!("{path}.{name}");
        trials.push(Trial {
            path: field.clone(),
            value: Value::Null,
            refusal: Some((field, "Required value".to_owned())),
        });
    }
    trials
}

/// What is wrong with the server's verdict on `object`, which holds the trial's value, if anything is.
async fn complaint(server: &Server, trial: Trial, object: Value) -> Option<String> {
    let verdict = server.judge(&object).await;
    let right = match (&verdict, &trial.refusal) {
        (Verdict::Accepted(_), wanted) => wanted.is_none(),
        (Verdict::Refused(refusal), Some((field, says))) => refusal.names(field, says),
        // Other rules may refuse the object: what excludes the field, what is required beside it.
        (Verdict::Refused(refusal), None) => [
            "Unsupported value",
            "bytes",
            "or equal to",
            "must have at most",
        ]
        .iter()
        .all(|says| !refusal.names(&trial.path, says)),
    };
    let (kind, path, value) = (&object["kind"], &trial.path, &trial.value);
    (!right).then(|| format!("{kind} {path}: {value}\n  {verdict}"))
}

#[tokio::test]
async fn every_bound_enum_required_field_and_type_is_enforced() {
    let server = &Server::get().await;
    let files = cases::load();
    let mut judgements = Vec::new();
    for crd in rules::committed() {
        let kind = &crd.spec.names.kind;
        let file = files.iter().find(|file| file.kinds.contains(kind));
        let file = file.unwrap_or_else(|| panic!("{kind} has no cases"));
        for (path, schema) in rules::fields(&crd) {
            assert_eq!(
                schema.pattern, None,
                "{path}: write CEL, which can say what to write instead"
            );
            let whole = object(kind, "structure", &file.spec);
            let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
            for trial in trials(&path, &schema, whole.pointer(&pointer)) {
                let mut object = whole.clone();
                merge_at(&mut object, &trial.path, &trial.value);
                judgements.push(complaint(server, trial, object));
            }
        }
    }
    expect_silence(judgements).await;
}

#[tokio::test]
async fn a_misspelt_field_is_named() {
    let server = Server::get().await;
    for file in cases::load() {
        for kind in &file.kinds {
            let mut misspelt = object(kind, "misspelt", &file.spec);
            merge_at(&mut misspelt, "spec.resyncPeriode", &json!("1h"));
            let verdict = server.judge(&misspelt).await.to_string();
            assert!(
                verdict.contains("unknown field \"spec.resyncPeriode\""),
                "{verdict}"
            );
        }
    }
}

#[tokio::test]
async fn a_field_that_is_null_is_a_field_left_out() {
    let server = Server::get().await;
    let file = &cases::load()[0];
    let with = |path: &str, value: &Value| {
        let mut object = object(&file.kinds[0], "nulls", &file.spec);
        let mut at = &mut object;
        for name in path.split('.') {
            at = &mut at[name];
        }
        *at = value.clone();
        object
    };

    let id = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
    let verdict = server
        .judge(&with("spec.group", &json!({"id": id, "displayName": null})))
        .await;
    let Verdict::Accepted(stored) = verdict else {
        panic!("{verdict}");
    };
    assert_eq!(stored["spec"]["group"], json!({"id": id}));

    for (path, value, says) in [
        (
            "spec.group",
            json!({"id": null}),
            "must set exactly one of `id` and `displayName`",
        ),
        (
            "spec.scheduleInfo.expiration",
            json!({"type": "afterDuration", "duration": null}),
            "`duration` must be set with `type: afterDuration`",
        ),
        ("spec.accessId", Value::Null, "Required value"),
    ] {
        let verdict = server.judge(&with(path, &value)).await;
        let Verdict::Refused(refusal) = &verdict else {
            panic!("{path}: {value} was accepted");
        };
        assert!(refusal.names(path, says), "{verdict}");
    }

    // A default comes back where the field is null.
    let verdict = server.judge(&with("spec.tenantRef", &Value::Null)).await;
    let Verdict::Accepted(stored) = verdict else {
        panic!("{verdict}");
    };
    assert_eq!(stored["spec"]["tenantRef"], json!({"name": "default"}));
}
