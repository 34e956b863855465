//! The window of a grant as a manifest declares it: Graph's `scheduleInfo`, plus what happens at its end.

use chrono::{DateTime, Utc};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// When the access starts and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.onExpiry) || self.onExpiry != 'Renew' || self.expiration.type == 'afterDuration'")
    .message("`onExpiry: Renew` needs `expiration: {type: afterDuration, duration: …}`: a lease is renewed by its own length"))]
#[x_kube(validation = Rule::new("!has(self.renewBefore) || (has(self.onExpiry) && self.onExpiry == 'Renew')")
    .message("`renewBefore` may only be set together with `onExpiry: Renew`"))]
pub struct ScheduleInfo {
    /// When the access starts, UTC, ISO 8601. Absent or past means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant_schema")]
    pub start_date_time: Option<DateTime<Utc>>,
    /// When the access ends. It must be said; nothing is permanent by omission.
    pub expiration: Expiration,
    /// What happens at the end: `Lapse` (the access ends and is not granted again) or `Renew`
    /// (a lease: extended before its end for as long as this object exists).
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// How long before its end a lease is extended, ISO 8601 in days, hours and minutes, such as `P14D`. Shorter than
    /// the lease itself. Absent: a third of the lease. Only with `onExpiry: Renew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub renew_before: Option<String>,
}

/// When a window ends, in Graph's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'afterDateTime') == has(self.endDateTime)")
    .message("`endDateTime` must be set with `type: afterDateTime`, and only then"))]
#[x_kube(validation = Rule::new("(self.type == 'afterDuration') == has(self.duration)")
    .message("`duration` must be set with `type: afterDuration`, and only then"))]
pub struct Expiration {
    /// `noExpiration` (permanent; often forbidden by the group's PIM policy), `afterDateTime` (with `endDateTime`)
    /// or `afterDuration` (with `duration`).
    #[serde(rename = "type")]
    pub type_: ExpirationType,
    /// The end of the window, UTC, ISO 8601, such as `2026-12-31T17:00:00Z`. Only with `type: afterDateTime`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant_schema")]
    pub end_date_time: Option<DateTime<Utc>>,
    /// The length of the window, ISO 8601 in days, hours and minutes, such as `P90D` or `PT8H`; at least five
    /// minutes. Months and years are refused, as Graph refuses them. Counted once, from the first grant: it
    /// never restarts by itself. Only with `type: afterDuration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub duration: Option<String>,
}

/// Graph's `expirationPatternType`, without `notSpecified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum ExpirationType {
    /// Permanent.
    NoExpiration,
    /// Ends at `endDateTime`.
    AfterDateTime,
    /// Ends `duration` after the first grant.
    AfterDuration,
}

/// What happens when the window ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum OnExpiry {
    /// The access ends; only an edited `scheduleInfo` grants it again.
    #[default]
    Lapse,
    /// The window is a lease, extended before its end while the object exists.
    Renew,
}

/// Schema of an instant: checked by CEL so that a refusal can say what to write.
pub(super) fn instant_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": r"self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,7})?Z$') && timestamp(self) == timestamp(self)",
            "message": "must be an instant in UTC, such as 2026-12-31T17:00:00Z",
        }],
    })
}

/// Schema of a duration: days, hours and minutes, at least one of them.
pub(super) fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 24,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^P([0-9]{1,5}D)?(T([0-9]{1,5}H)?([0-9]{1,5}M)?)?$') && self.matches('^P([0-9]+D)?(T[0-9]+[HM].*)?$') && self != 'P'",
            "message": "must be an ISO 8601 duration in days, hours and minutes, such as P90D or PT8H; write P180D for six months (Graph refuses months and years)",
        }],
    })
}
