//! The knobs: how slow, how strict and how odd this Graph is.
//!
//! [`Behaviour::default`] is immediate (no replication delays) and forgives nothing;
//! [`Behaviour::realistic`] adds the delays that were measured on live tenants.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The two message forms that policy failures have had on live tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PolicyMessageForm {
    /// `ExpirationRule - The policy does not allow permanent assignment` (seen since 2026).
    Explained,
    /// `["ExpirationRule","JustificationRule"]` (older tenants).
    Array,
}

/// Whether `$batch` takes PIM requests. No source proves or denies it, so both can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchSupport {
    /// PIM requests in a batch are served.
    Served,
    /// Each PIM item of a batch is answered 400.
    RefusedPerItem,
    /// A batch with a PIM item in it is answered 400 as a whole.
    RefusedWhole,
}

/// What a list of a group's rows answers when `$filter` names neither `groupId` nor `principalId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnfilteredList {
    /// 400, as documented.
    Error,
    /// 200 with an empty list, as once reported.
    Empty,
}

/// What `$expand=group` answers: clients have seen it filled, null and absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupExpansion {
    /// The group is there.
    Filled,
    /// The property is null.
    Null,
    /// The property is missing.
    Absent,
}

/// Whether a directory role's approval may be on without an approver; a group's never may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoleApprovers {
    /// Refused, as a client saw it.
    Required,
    /// Taken, as the portal does.
    Optional,
}

/// How the simulator behaves. Durations are virtual time, written as ISO 8601 in YAML and JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// How long a new or changed row is missing from the schedule list (measured: 0–20 s).
    #[serde(with = "crate::duration::iso")]
    pub schedule_list_lag: Duration,
    /// How long it is missing from the instance list (measured: 2–34 s).
    #[serde(with = "crate::duration::iso")]
    pub instance_list_lag: Duration,
    /// How long a removed row is still listed (measured: seconds to about 80 s).
    #[serde(with = "crate::duration::iso")]
    pub removal_lag: Duration,
    /// How long a request stays `PendingProvisioning` (measured on groups: up to 13 s; zero: the
    /// answer already says `Provisioned`).
    #[serde(with = "crate::duration::iso")]
    pub pending_provisioning_for: Duration,
    /// Earliest and latest delay between a future start and the instance (measured: 40–47 s). It
    /// is part of how PIM starts scheduled grants, so it is on by default.
    #[serde(with = "crate::duration::iso")]
    pub future_start_lag_min: Duration,
    /// See [`future_start_lag_min`](Self::future_start_lag_min).
    #[serde(with = "crate::duration::iso")]
    pub future_start_lag_max: Duration,
    /// How long before the answer a request was received: a duration counts from there, while the
    /// stored start is the completion, so the stored length is this much short (measured: 0.6–1.2 s).
    #[serde(with = "crate::duration::iso")]
    pub processing_time: Duration,
    /// How long PIM answers `SubjectNotFound` for a principal that was just created (5–30 s and more).
    #[serde(with = "crate::duration::iso")]
    pub new_principal_lag: Duration,
    /// How long a new directory object is missing from filtered lists (measured: 14 s).
    #[serde(with = "crate::duration::iso")]
    pub directory_search_lag: Duration,
    /// How many POSTs for a group created while running answer 404 `ResourceNotFound` …
    pub new_group_not_found_posts: u32,
    /// … and how many after that answer 201 with status `Failed`.
    pub new_group_failed_posts: u32,
    /// How long PIM does not know a group created while running, so that its policies answer 404 …
    #[serde(with = "crate::duration::iso")]
    pub new_group_policy_lag: Duration,
    /// … and how many reads of its policies answer 404 after that (measured: 2, some seconds apart).
    pub new_group_policy_not_found_reads: u32,
    /// How many reads of a policy or its rules answer 404 when the assignments are listed already.
    pub new_group_rules_not_found_reads: u32,
    /// How long every other read of a changed policy is answered from before the change.
    #[serde(with = "crate::duration::iso")]
    pub policy_read_lag: Duration,
    /// Whether the approval of a role needs an approver. Sources differ; strict by default.
    pub role_approvers: RoleApprovers,
    /// How long rows of deleted groups and principals stay listed (hours up to 7 days).
    #[serde(with = "crate::duration::iso")]
    pub ghosts_linger_for: Duration,
    /// When a request is no longer found (about 45 days).
    #[serde(with = "crate::duration::iso")]
    pub requests_purged_after: Duration,
    /// Age below which an active assignment blocks updates and removals (5 minutes).
    #[serde(with = "crate::duration::iso")]
    pub minimum_active_age: Duration,
    /// Whether turning an active grant permanent silently removes the eligible one. Measured for
    /// directory roles; nobody measured it for groups, so it is off.
    pub permanent_active_removes_eligible: bool,
    /// Whether a justification rule binds an app-only caller. Sources differ; strict by default.
    pub app_only_needs_justification: bool,
    /// How policy failures are worded.
    pub policy_message_form: PolicyMessageForm,
    /// What `$expand=group` gives.
    pub group_expansion: GroupExpansion,
    /// What an unfiltered list of group rows gives.
    pub unfiltered_list: UnfilteredList,
    /// Whether `$batch` takes PIM requests.
    pub batch: BatchSupport,
    /// Rows per page of a PIM list; none: one page.
    pub pim_page_size: Option<usize>,
    /// Objects per page of a directory list without `$top` (Graph's default is 100).
    pub directory_page_size: usize,
    /// Lifetime of access tokens.
    #[serde(with = "crate::duration::iso")]
    pub token_lifetime: Duration,
    /// False: every PIM call answers 400 `AadPremiumLicenseRequired`.
    pub licensed: bool,
    /// Successful removals of active rows are answered 400 `RoleAssignmentDoesNotExist`, as measured
    /// twice in a run on a live tenant. The next N removals; the counter goes down.
    pub misreported_removals: u32,
    /// Requests that pass every check are answered 201 with status `Failed` and leave no schedule, as
    /// live tenants do while something has not replicated. The next N requests that grant something;
    /// the counter goes down.
    pub failed_requests: u32,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            schedule_list_lag: Duration::ZERO,
            instance_list_lag: Duration::ZERO,
            removal_lag: Duration::ZERO,
            pending_provisioning_for: Duration::ZERO,
            future_start_lag_min: Duration::from_secs(40),
            future_start_lag_max: Duration::from_secs(47),
            processing_time: Duration::from_millis(600),
            new_principal_lag: Duration::ZERO,
            directory_search_lag: Duration::ZERO,
            new_group_not_found_posts: 0,
            new_group_failed_posts: 0,
            new_group_policy_lag: Duration::ZERO,
            new_group_policy_not_found_reads: 0,
            new_group_rules_not_found_reads: 0,
            policy_read_lag: Duration::ZERO,
            role_approvers: RoleApprovers::Required,
            ghosts_linger_for: Duration::from_hours(24),
            requests_purged_after: Duration::from_hours(45 * 24),
            minimum_active_age: Duration::from_mins(5),
            permanent_active_removes_eligible: false,
            app_only_needs_justification: true,
            policy_message_form: PolicyMessageForm::Explained,
            group_expansion: GroupExpansion::Filled,
            unfiltered_list: UnfilteredList::Error,
            batch: BatchSupport::Served,
            pim_page_size: None,
            directory_page_size: 100,
            token_lifetime: Duration::from_secs(3599),
            licensed: true,
            misreported_removals: 0,
            failed_requests: 0,
        }
    }
}

impl Behaviour {
    /// The delays of a live tenant.
    #[must_use]
    pub fn realistic() -> Self {
        Self {
            schedule_list_lag: Duration::from_secs(12),
            instance_list_lag: Duration::from_secs(30),
            removal_lag: Duration::from_secs(30),
            pending_provisioning_for: Duration::from_secs(8),
            new_principal_lag: Duration::from_secs(20),
            directory_search_lag: Duration::from_secs(14),
            new_group_not_found_posts: 2,
            new_group_failed_posts: 1,
            new_group_policy_not_found_reads: 2,
            new_group_rules_not_found_reads: 1,
            policy_read_lag: Duration::from_secs(10),
            ..Self::default()
        }
    }
}
