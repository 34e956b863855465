//! The window of a grant as a manifest declares it: Graph's `scheduleInfo`, plus what happens at its end.

use chrono::{DateTime, Utc};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cel::{duration_schema, ends_after_start, instant_schema, renew_before_is_shorter};

/// When the access starts and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.onExpiry) || self.onExpiry != 'Renew' || self.expiration.type == 'afterDuration'")
    .message("`onExpiry: Renew` must go with `expiration: {type: afterDuration, duration: …}`: a lease is renewed by its own length"))]
#[x_kube(validation = Rule::new("!has(self.renewBefore) || (has(self.onExpiry) && self.onExpiry == 'Renew')")
    .message("`renewBefore` may not be set without `onExpiry: Renew`"))]
#[x_kube(validation = Rule::new(renew_before_is_shorter())
    .message("`renewBefore` must be shorter than `expiration.duration`"))]
#[x_kube(validation = Rule::new(ends_after_start())
    .message("`expiration.endDateTime` must be at least five minutes after `startDateTime`"))]
pub struct ScheduleInfo {
    /// When the access starts: an instant in UTC, ISO 8601, such as `2026-12-01T00:00:00Z`. Without it, or once it is past, the
    /// access starts as soon as the object is created. Until a future start the object is `Ready` with the reason `Scheduled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant_schema")]
    pub start_date_time: Option<DateTime<Utc>>,
    /// When the access ends, in one of three ways:
    ///
    /// `{type: afterDuration, duration: P90D}` ends a length of time after the start;
    ///
    /// `{type: afterDateTime, endDateTime: "2026-12-31T17:00:00Z"}` ends at an instant;
    ///
    /// `{type: noExpiration}` never ends.
    ///
    /// It must be said: nothing is permanent by omission. The PIM policy of the group may forbid a permanent grant or one that is
    /// too long; the object is then not `Ready`, with the reason `PolicyRejected`, and nothing is granted.
    pub expiration: Expiration,
    /// What happens at the end. With `Lapse`, the default, the access ends and is not granted again: the object stays, `Ready` with
    /// the reason `Expired`, until it is deleted or its `scheduleInfo` is edited. With `Renew` the grant is a lease: for as long
    /// as the object exists it is extended by its own `duration`, each time that its end is `renewBefore` away.
    #[serde(default)]
    pub on_expiry: OnExpiry,
    /// How long before its end a lease is extended: an ISO 8601 duration in days, hours and minutes, such as `P14D`; at least
    /// five minutes, and shorter than the lease. Without it a lease is extended when a third of it is left. It may only be set
    /// together with `onExpiry: Renew`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duration_schema")]
    pub renew_before: Option<String>,
}

/// When a window ends, in Graph's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type != 'afterDateTime' || has(self.endDateTime)")
    .message("`endDateTime` must be set with `type: afterDateTime`, such as 2026-12-31T17:00:00Z"))]
#[x_kube(validation = Rule::new("self.type == 'afterDateTime' || !has(self.endDateTime)")
    .message("`endDateTime` may only be set with `type: afterDateTime`"))]
#[x_kube(validation = Rule::new("self.type != 'afterDuration' || has(self.duration)")
    .message("`duration` must be set with `type: afterDuration`, such as P90D or PT8H"))]
#[x_kube(validation = Rule::new("self.type == 'afterDuration' || !has(self.duration)")
    .message("`duration` may only be set with `type: afterDuration`"))]
pub struct Expiration {
    /// How the end is declared: `afterDuration` (with `duration`), `afterDateTime` (with `endDateTime`) or `noExpiration`
    /// (permanent, which the PIM policy of many groups forbids).
    #[serde(rename = "type")]
    pub type_: ExpirationType,
    /// The end of the access: an instant in UTC, ISO 8601, such as `2026-12-31T17:00:00Z`; at least five minutes after
    /// `startDateTime`. Once it is past, the access is gone and the object is `Ready` with the reason `Expired`. It is set with
    /// `type: afterDateTime`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "instant_schema")]
    pub end_date_time: Option<DateTime<Utc>>,
    /// The length of the access: an ISO 8601 duration in days, hours and minutes, such as `P90D`, `PT8H` or `P1DT12H`; at least five
    /// minutes. Years, months, weeks and seconds are refused: write `P180D` for six months. The time is counted once, from
    /// the start of the first grant, and never starts again by itself; if the access is removed by hand, it is restored up to
    /// the same end. It is set with `type: afterDuration`, and only then.
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
