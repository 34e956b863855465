//! The texts of manifests and the rules that the API server judges them by.
//!
//! Rules are CEL (`x-kubernetes-validations`) rather than `pattern` or `format`, because only CEL lets a refusal say what to
//! write instead. Every rule of a field looks away where another one already refuses, so that a mistake gets one sentence.
//! Rules must not fail at run time either, for then the API server prints the expression: what `timestamp()` or `int()` would
//! choke on is kept from them by a regular expression.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

const DURATION: &str = "^P([0-9]{1,5}D)?(T([0-9]{1,5}H)?([0-9]{1,5}M)?)?$";
const INSTANT: &str = "^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z$";
const DAY_TOO_MANY: &str = "^[0-9]{4}-(02-3|(04|06|09|11)-31)";
const LEAP_DAY: &str = "^[0-9]{4}-02-29";
/// Years that have one: divisible by 4 and not by 100, or by 400.
const LEAP_DAY_OF_LEAP_YEAR: &str =
    "^([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29";
const GUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
const LABEL_KEY: &str =
    "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";

/// A rule as the API server takes it: what must hold, and what to say where it does not.
fn rule(holds: impl Into<String>, message: &str) -> Value {
    json!({"rule": holds.into(), "message": message})
}

/// A text of at most `max_length` characters that obeys `rules`.
fn text(max_length: u32, rules: &[Value]) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": max_length,
        "x-kubernetes-validations": rules,
    })
}

/// That `value`, a CEL expression, is a duration in days, hours and minutes. `P`, `PT` and `P1DT` are none.
fn is_duration(value: &str) -> String {
    format!("({value}.matches('{DURATION}') && !{value}.matches('[PT]$'))")
}

/// The minutes in `value`, a CEL expression for which [`is_duration`] holds.
fn minutes(value: &str) -> String {
    let number = |unit: &str, count: u32| {
        format!("int('0' + {value}.find('[0-9]+{unit}').replace('{unit}', '')) * {count}")
    };
    format!(
        "{} + {} + {}",
        number("D", 24 * 60),
        number("H", 60),
        number("M", 1)
    )
}

/// That `value`, a CEL expression, is an instant in UTC, on a day that exists.
fn is_instant(value: &str) -> String {
    format!("({value}.matches('{INSTANT}') && {})", is_real_day(value))
}

fn is_real_day(value: &str) -> String {
    format!(
        "!{value}.matches('{DAY_TOO_MANY}') && (!{value}.matches('{LEAP_DAY}') || {value}.matches('{LEAP_DAY_OF_LEAP_YEAR}'))"
    )
}

/// That a lease is not over before it may be renewed.
pub(super) fn renew_before_is_shorter() -> String {
    let (before, length) = ("self.renewBefore", "self.expiration.duration");
    format!(
        "!has({before}) || !has({length}) || !{} || !{} || {} < {}",
        is_duration(before),
        is_duration(length),
        minutes(before),
        minutes(length)
    )
}

/// That a window is at least five minutes long, where both of its ends are declared. The ends are not subtracted from each
/// other: CEL has no durations of centuries.
pub(super) fn ends_after_start() -> String {
    let (start, end) = ("self.startDateTime", "self.expiration.endDateTime");
    format!(
        "!has({start}) || !has({end}) || !{} || !{} || timestamp({end}) - duration('5m') >= timestamp({start})",
        is_instant(start),
        is_instant(end)
    )
}

/// An ISO 8601 duration that Graph takes: days, hours and minutes, at least five minutes.
pub(super) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    // Months and weeks: an `M` or `W` before the `T`.
    let calendar_units = "self.matches('^P[^T]*[YMW]')";
    let seconds = "self.matches('^P.*[0-9]S$')";
    text(
        24,
        &[
            rule(
                format!("!{calendar_units}"),
                "may not use years, months or weeks, which Graph refuses: write days, such as P180D for six months",
            ),
            rule(
                format!("{calendar_units} || !{seconds}"),
                "may not use seconds: write minutes, such as PT5M",
            ),
            rule(
                format!("{calendar_units} || {seconds} || {}", is_duration("self")),
                "must be an ISO 8601 duration in days, hours and minutes, such as P90D, PT8H or P1DT12H",
            ),
            rule(
                format!("!{} || {} >= 5", is_duration("self"), minutes("self")),
                "must be at least five minutes, PT5M: Entra grants nothing shorter",
            ),
        ],
    )
}

/// An instant in UTC, in a spelling that chrono and CEL read alike.
pub(super) fn instant_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        35,
        &[
            rule(
                format!("self.matches('{INSTANT}')"),
                "must be an instant in UTC that ends in Z, such as 2026-12-31T17:00:00Z",
            ),
            rule(
                format!("!self.matches('{INSTANT}') || {}", is_real_day("self")),
                "must name a day that exists: April, June, September and November have 30 days, February has 28, or 29 in a leap year",
            ),
        ],
    )
}

/// A GUID in lower case.
pub(super) fn guid_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        36,
        &[
            rule(
                format!("self.lowerAscii().matches('{GUID}')"),
                "must be a GUID, such as 68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7",
            ),
            rule(
                format!("!self.lowerAscii().matches('{GUID}') || self == self.lowerAscii()"),
                "must be written in lower case, such as 68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7",
            ),
        ],
    )
}

/// A name as people give it: not empty, and no blanks around it, which nobody sees.
fn label_schema(max_length: u32) -> Schema {
    text(
        max_length,
        &[
            rule("self.trim() != ''", "may not be empty"),
            rule(
                "self.trim() == '' || self == self.trim()",
                "may not begin or end with a blank: write it without",
            ),
        ],
    )
}

/// The display name of a directory object; Entra allows 256 characters.
pub(super) fn display_name_schema(_: &mut SchemaGenerator) -> Schema {
    label_schema(256)
}

/// A ticket's number or system.
pub(super) fn ticket_schema(_: &mut SchemaGenerator) -> Schema {
    label_schema(128)
}

/// A justification; the operator appends where it comes from, and Entra keeps the whole.
pub(super) fn justification_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        300,
        &[rule(
            "self.trim() != ''",
            "may not be empty: say why the access is granted, or leave the field out",
        )],
    )
}

/// A user principal name. An apostrophe is lawful in one (`o'brien@contoso.com`).
pub(super) fn user_principal_name_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        320,
        &[rule(
            r#"self.matches('^[^@\\s"]+@[^@\\s"]+$')"#,
            "must be a user principal name with one @ and neither blanks nor quotes, such as alice@contoso.com",
        )],
    )
}

/// The id of an authentication context.
pub(super) fn claim_value_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        3,
        &[rule(
            "self.matches('^c[1-9][0-9]?$')",
            "must be the id of an authentication context, c1 to c99",
        )],
    )
}

/// A mail address.
pub(super) fn email_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        254,
        &[rule(
            r#"self.matches('^[^@\\s"]+@[^@\\s"]+$')"#,
            "must be a mail address with one @ and neither blanks nor quotes, such as soc@contoso.com",
        )],
    )
}

/// The name of a Kubernetes object.
pub(super) fn object_name_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        253,
        &[rule(
            "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
            "must be the name of a Kubernetes object: lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
        )],
    )
}

/// The name of a namespace.
pub(super) fn namespace_name_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        63,
        &[rule(
            "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
            "must be the name of a namespace: lower-case letters, digits and `-`, with a letter or digit at both ends",
        )],
    )
}

/// A label's key, with or without a prefix.
pub(super) fn label_key_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        317,
        &[rule(
            format!("self.matches('{LABEL_KEY}')"),
            "must be a label's key, such as team or kubernetes.io/metadata.name",
        )],
    )
}

/// Labels that must be there. One under a key that no label can have would never be.
pub(super) fn labels_schema(generator: &mut SchemaGenerator) -> Schema {
    let rules = [rule(
        format!("self.all(key, key.matches('{LABEL_KEY}'))"),
        "must have labels' keys, such as team or kubernetes.io/metadata.name",
    )];
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": label_value_schema(generator),
        "x-kubernetes-validations": rules,
    })
}

/// One of a few words. Where a field is optional, schemars would describe it by its type rather than by the field.
pub(super) fn words_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// A label's value.
pub(super) fn label_value_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        63,
        &[rule(
            "self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",
            "must be a label's value: letters, digits, `-`, `_` and `.`, with a letter or digit at both ends",
        )],
    )
}

/// A directory scope.
pub(super) fn directory_scope_schema(_: &mut SchemaGenerator) -> Schema {
    let guid = GUID.trim_matches(['^', '$']);
    text(
        64,
        &[rule(
            format!("self == '/' || self.matches('^/(administrativeUnits/)?{guid}$')"),
            "must be / for the whole tenant, /administrativeUnits/ID or /ID with the id in lower case, such as /administrativeUnits/5d107bba-d8e2-4e13-b6ae-884be90e5d1a",
        )],
    )
}

/// A key in a Secret.
pub(super) fn secret_key_schema(_: &mut SchemaGenerator) -> Schema {
    text(
        253,
        &[rule(
            "self.matches('^[-._a-zA-Z0-9]+$')",
            "must be a key of a Secret: letters, digits, `-`, `_` and `.`, such as client-secret",
        )],
    )
}

/// A period such as that of resyncs: a number with a unit.
pub(super) fn period_schema(_: &mut SchemaGenerator) -> Schema {
    let shape = "self.matches('^[0-9]{1,5}[smh]$')";
    text(
        16,
        &[
            rule(
                shape,
                "must be a whole number with the unit s, m or h, such as 15m or 1h",
            ),
            rule(
                format!(
                    "!{shape} || (duration(self) >= duration('1m') && duration(self) <= duration('24h'))"
                ),
                "must be at least 1m and at most 24h",
            ),
        ],
    )
}

/// The root of a service. Plain http would show the token to the network, so it is for loopback addresses only.
pub(super) fn endpoint_schema(_: &mut SchemaGenerator) -> Schema {
    let root = "(:[0-9]{1,5})?/?$";
    let shape =
        format!("self.matches('^https?://([A-Za-z0-9.-]+|\\\\[[0-9A-Fa-f:.]+\\\\]){root}')");
    text(
        512,
        &[
            rule(
                shape.clone(),
                "must be https://HOST or https://HOST:PORT without a path, such as https://graph.example.com",
            ),
            rule(
                format!(
                    "!{shape} || self.startsWith('https://') || self.matches('^http://(127[.]0[.]0[.]1|localhost|\\\\[::1\\\\]){root}')"
                ),
                "must use https:// unless the host is 127.0.0.1, localhost or [::1]: http would show the token to the network",
            ),
        ],
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_bounded_and_every_rule_speaks() {
        let generator = &mut SchemaGenerator::default();
        for schema in [
            duration_schema(generator),
            instant_schema(generator),
            guid_schema(generator),
            display_name_schema(generator),
            justification_schema(generator),
            user_principal_name_schema(generator),
            claim_value_schema(generator),
            email_schema(generator),
            object_name_schema(generator),
            secret_key_schema(generator),
            period_schema(generator),
            namespace_name_schema(generator),
            label_key_schema(generator),
            label_value_schema(generator),
            directory_scope_schema(generator),
            endpoint_schema(generator),
        ] {
            assert!(schema.get("maxLength").is_some());
            let rules = schema.get("x-kubernetes-validations");
            for rule in rules.and_then(Value::as_array).unwrap() {
                let message = rule["message"].as_str().unwrap();
                assert!(
                    message.starts_with("must ") || message.starts_with("may not "),
                    "{message}"
                );
            }
        }
    }
}
