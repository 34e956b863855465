//! What an `EntraTenant` says of itself: who the operator is there, what it may do, how its objects fare.
//!
//! An estate at rest writes nothing, so what changes by itself is written rarely: counts once they have settled, times once an
//! hour and only when everything has been read again. Each write is a merge patch of the fields below and no others: the status
//! has other authors too.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tracing::debug;

use crate::{
    api::{
        conditions::{ConditionType, Reason},
        guid::Guid,
        tenant::EntraTenant,
        tenant_status::{EntraTenantStatus, ObjectCount, TenantPermissions, ThrottlingStatus},
    },
    graph::TokenIdentity,
    pim::permissions::judge,
};

use super::{
    context::Context,
    grant::ObjectKey,
    objects::Census,
    status::{Verdict, set_condition, since, whole_seconds},
    tenants::{KIND, Tenant},
};

/// How often the counts are taken.
const TICK: Duration = Duration::from_millis(500);
/// How long counts must stay the same before they are written: longer than what a grant's own steps lie apart.
const SETTLED: Duration = Duration::from_secs(4);
/// How many of these writes a tenant gets within [`SPAN`]: objects that flap must not make the tenant flap.
const WRITES: usize = 4;
const SPAN: Duration = Duration::from_mins(2);
/// How old a reported time may become.
const TIMES_HOLD: TimeDelta = TimeDelta::hours(1);
/// The most permissions that are listed; Graph has some hundreds.
const MOST_PERMISSIONS: usize = 1024;
/// How long a tenant's Secret may be missing before it takes a person: whoever applies a tenant often applies its Secret a moment
/// later.
const SECRET_MAY_FOLLOW: TimeDelta = TimeDelta::minutes(1);
/// The reason under which objects without a condition are counted.
const UNREPORTED: &str = "Unreported";

/// The part of a status that changes by itself.
#[derive(Clone, Debug, Default, PartialEq)]
struct Volatile {
    objects: Vec<ObjectCount>,
    last_complete_read: Option<DateTime<Utc>>,
    token_expires: Option<DateTime<Utc>>,
    throttling: Option<ThrottlingStatus>,
}

impl Volatile {
    fn of(tenant: &Tenant, context: &Context, census: &Census) -> Self {
        let objects = census
            .reasons
            .iter()
            .map(|(reason, count)| ObjectCount {
                reason: if reason.is_empty() {
                    UNREPORTED.to_owned()
                } else {
                    reason.clone()
                },
                count: *count,
            })
            .collect();
        let targets = context.registry.targets(&tenant.id);
        Self {
            objects,
            last_complete_read: tenant.snapshots.complete_since(&targets).map(whole_seconds),
            token_expires: tenant
                .client
                .known_identity()
                .map(|identity| whole_seconds(identity.expires_on)),
            throttling: context
                .metrics
                .throttles(&tenant.name)
                .map(|(count, last)| ThrottlingStatus {
                    count,
                    last_time: whole_seconds(last),
                }),
        }
    }

    /// Whether enough differs from what was written to write again. Counts differ as soon as they settle; a time only once it is
    /// an hour old; the end of the token never on its own.
    fn is_due(&self, written: &EntraTenantStatus) -> bool {
        let counts = self.objects != written.objects;
        let read = match (self.last_complete_read, written.last_complete_read_time) {
            (Some(now), Some(then)) => now - then >= TIMES_HOLD,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let throttled = match (&self.throttling, &written.throttling) {
            (Some(now), Some(then)) => now.last_time - then.last_time >= TIMES_HOLD,
            (Some(_), None) => true,
            (None, _) => false,
        };
        counts || read || throttled
    }

    fn write_to(self, fields: &mut Map<String, Value>) {
        fields.insert("objects".to_owned(), json!(self.objects));
        // What is not known now was known once: it stays.
        for (name, value) in [
            (
                "lastCompleteReadTime",
                self.last_complete_read.map(|time| json!(time)),
            ),
            (
                "tokenExpirationTime",
                self.token_expires.map(|time| json!(time)),
            ),
            ("throttling", self.throttling.map(|seen| json!(seen))),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
    }
}

/// What the reporter remembers of a tenant. It can be lost.
#[derive(Default)]
struct Memory {
    /// What was counted last, and since when it has been so.
    counted: Option<(Census, Instant)>,
    writes: VecDeque<Instant>,
    asked: Option<Instant>,
}

/// Keeps the tenants' statuses up to date until the process ends.
pub(super) async fn keep_reporting(context: Arc<Context>) {
    let mut memories: HashMap<String, Memory> = HashMap::new();
    loop {
        tokio::time::sleep(TICK).await;
        let tenants = context.tenants.ready();
        memories.retain(|name, _| tenants.iter().any(|tenant| tenant.name == *name));
        for tenant in tenants {
            let memory = memories.entry(tenant.name.clone()).or_default();
            if let Err(error) = look(&tenant, &context, memory).await {
                debug!(tenant = tenant.name, %error, "a tenant's counts were not written");
            }
        }
    }
}

async fn look(tenant: &Tenant, context: &Context, memory: &mut Memory) -> Result<(), kube::Error> {
    let (Some(census), Some(object)) = (
        context.census(&tenant.name).await,
        context.tenants.object(&tenant.name),
    ) else {
        return Ok(());
    };
    let now = Instant::now();
    match &memory.counted {
        Some((counted, since)) if *counted == census => {
            if now - *since < SETTLED {
                return Ok(());
            }
        }
        _ => {
            memory.counted = Some((census, now));
            return Ok(());
        }
    }
    let written = object.status.clone().unwrap_or_default();
    if permissions_moved(tenant, &census, &written)
        && memory.asked.is_none_or(|asked| now - asked > SETTLED)
    {
        // The verdict is the reconciler's: it belongs together with the condition.
        memory.asked = Some(now);
        context.wakeups.trigger(&ObjectKey {
            kind: KIND,
            namespace: String::new(),
            name: tenant.name.clone(),
        });
    }
    while memory.writes.front().is_some_and(|at| now - *at > SPAN) {
        memory.writes.pop_front();
    }
    let volatile = Volatile::of(tenant, context, &census);
    if memory.writes.len() >= WRITES || !volatile.is_due(&written) {
        return Ok(());
    }
    memory.writes.push_back(now);
    let mut fields = Map::new();
    volatile.write_to(&mut fields);
    patch(context, &tenant.name, fields).await
}

/// Whether what the operator may do, or must, has changed since it was reported.
fn permissions_moved(tenant: &Tenant, census: &Census, written: &EntraTenantStatus) -> bool {
    match (tenant.client.known_identity(), &written.permissions) {
        (Some(identity), Some(reported)) => *reported != permissions(&identity, census),
        _ => false,
    }
}

fn permissions(identity: &TokenIdentity, census: &Census) -> TenantPermissions {
    let judged = judge(&census.usage, &identity.roles);
    let mut granted = identity.roles.clone();
    granted.sort();
    granted.dedup();
    granted.truncate(MOST_PERMISSIONS);
    TenantPermissions {
        granted,
        missing: judged.missing,
        needless: judged.needless.into_iter().take(MOST_PERMISSIONS).collect(),
    }
}

/// What a sign-in that worked means for `Ready`: with a permission missing, some objects will fail, and the tenant says why.
pub(super) fn signed_in(identity: &TokenIdentity, census: &Census) -> Verdict {
    let signed_in = format!(
        "signed in as application {} to tenant {}",
        identity.app_id, identity.tenant_id
    );
    let missing = judge(&census.usage, &identity.roles).missing;
    match (identity.roles.as_slice(), missing.as_slice()) {
        ([], []) => Verdict::no(
            Reason::PermissionDenied,
            format!(
                "{signed_in}, but the token carries no application permissions: add them to the application and give admin consent"
            ),
        ),
        ([], missing) => Verdict::no(
            Reason::PermissionDenied,
            format!(
                "{signed_in}, but the token carries no application permissions: add {} to the application and give admin consent",
                missing.join(", ")
            ),
        ),
        (_, []) => Verdict::yes(Reason::Connected, signed_in),
        (_, missing) => Verdict::no(
            Reason::PermissionDenied,
            format!(
                "{signed_in}, but objects of this tenant need further application permissions: add {} to the application and give admin consent",
                missing.join(", ")
            ),
        ),
    }
}

/// Writes what a reconcile of the tenant came to, if it differs from what is there.
pub(super) async fn report(
    tenant: &EntraTenant,
    context: &Context,
    verdict: &Verdict,
    signed_in: Option<(TokenIdentity, Census)>,
) -> Result<(), kube::Error> {
    let name = tenant.name_any();
    // The copy at hand may be from before a write of the reporter.
    let Some(current) = Api::<EntraTenant>::all(context.client.clone())
        .get_opt(&name)
        .await?
    else {
        return Ok(());
    };
    let earlier = current.status.clone().unwrap_or_default();
    let generation = tenant.metadata.generation.unwrap_or_default();
    let mut status = earlier.clone();
    status.observed_generation = Some(generation);
    status.lifted_denials = lifted(context);
    let mut token_expires = None;
    if let Some((identity, census)) = signed_in {
        status.permissions = Some(permissions(&identity, &census));
        status.application_id = Some(Guid::new(&identity.app_id));
        status.service_principal_id = Some(Guid::new(&identity.object_id));
        token_expires = Some(whole_seconds(identity.expires_on));
    }
    set_conditions(&mut status, verdict, generation, context.clock.now());
    if status == earlier {
        return Ok(());
    }
    let news = ready(&status) != ready(&earlier);
    let mut fields = Map::new();
    fields.insert("observedGeneration".to_owned(), json!(generation));
    fields.insert("conditions".to_owned(), json!(status.conditions));
    fields.insert("liftedDenials".to_owned(), json!(status.lifted_denials));
    if let Some(end) = token_expires {
        fields.insert("applicationId".to_owned(), json!(status.application_id));
        fields.insert(
            "servicePrincipalId".to_owned(),
            json!(status.service_principal_id),
        );
        fields.insert("tokenExpirationTime".to_owned(), json!(end));
        // A merge patch keeps what it does not name: an empty list has to be named.
        let permissions = status.permissions.unwrap_or_default();
        fields.insert(
            "permissions".to_owned(),
            json!({
                "granted": permissions.granted,
                "missing": permissions.missing,
                "needless": permissions.needless,
            }),
        );
    }
    patch(context, &name, fields).await?;
    // How many revocations wait changes from moment to moment.
    let tripped = Reason::RemovalGuardTripped;
    let known = ready(&earlier).is_some_and(|ready| ready.reason == tripped.as_str());
    let still_tripped = known && verdict.reason == tripped;
    if news && !still_tripped {
        context.events.publish_verdict(tenant, verdict);
    }
    Ok(())
}

/// `Ready`, and beside it what kstatus reads: whether the operator still works on it, or waits for a person.
fn set_conditions(
    status: &mut EntraTenantStatus,
    verdict: &Verdict,
    generation: i64,
    now: DateTime<Utc>,
) {
    let conditions = &mut status.conditions;
    set_condition(
        conditions,
        ConditionType::Ready,
        Some(verdict),
        generation,
        now,
    );
    let unready_for = ready(status).map_or(TimeDelta::zero(), |ready| now - since(ready));
    let stalled = needs_a_person(verdict, unready_for);
    let working = verdict.status != Some(true) && !stalled;
    let progress = Verdict::yes(verdict.reason, verdict.message.clone());
    for (type_, holds) in [
        (ConditionType::Reconciling, working),
        (ConditionType::Stalled, stalled),
    ] {
        let verdict = holds.then_some(&progress);
        set_condition(&mut status.conditions, type_, verdict, generation, now);
    }
}

fn ready(status: &EntraTenantStatus) -> Option<&Condition> {
    let conditions = &status.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
}

/// Whether trying again helps nothing.
fn needs_a_person(verdict: &Verdict, unready_for: TimeDelta) -> bool {
    verdict.status != Some(true)
        && match verdict.reason {
            Reason::GraphUnavailable | Reason::Throttled | Reason::RequestFailed => false,
            Reason::CredentialUnavailable => unready_for >= SECRET_MAY_FOLLOW,
            _ => true,
        }
}

/// What the controller's flag takes off the deny list.
fn lifted(context: &Context) -> Vec<String> {
    let lifted = context.authority.lifted().iter();
    lifted.map(ToString::to_string).collect()
}

async fn patch(
    context: &Context,
    tenant: &str,
    fields: Map<String, Value>,
) -> Result<(), kube::Error> {
    let patch = Patch::Merge(json!({"status": fields}));
    let api = Api::<EntraTenant>::all(context.client.clone());
    match api
        .patch_status(tenant, &PatchParams::default(), &patch)
        .await
    {
        // Deleted in the meantime.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minute * 60, 0).unwrap()
    }

    fn written() -> EntraTenantStatus {
        EntraTenantStatus {
            objects: vec![ObjectCount {
                reason: "Provisioned".to_owned(),
                count: 7,
            }],
            last_complete_read_time: Some(at(0)),
            ..EntraTenantStatus::default()
        }
    }

    fn seen() -> Volatile {
        Volatile {
            objects: written().objects,
            last_complete_read: Some(at(0)),
            token_expires: Some(at(90)),
            throttling: None,
        }
    }

    /// Which conditions a verdict leads to, after `Ready` was false since minute 0.
    fn conditions(verdict: &Verdict, minute: i64) -> Vec<String> {
        let mut status = written();
        let before = Verdict::no(Reason::GraphUnavailable, "no answer");
        set_conditions(&mut status, &before, 1, at(0));
        set_conditions(&mut status, verdict, 1, at(minute));
        let types = status.conditions.into_iter().map(|one| one.type_);
        types.collect()
    }

    #[test]
    fn what_a_retry_can_mend_is_reconciling_and_the_rest_is_stalled() {
        let no = |reason| Verdict::no(reason, "because");
        assert_eq!(
            conditions(&no(Reason::GraphUnavailable), 60),
            ["Ready", "Reconciling"]
        );
        assert_eq!(
            conditions(&no(Reason::PermissionDenied), 0),
            ["Ready", "Stalled"]
        );
        let connected = Verdict::yes(Reason::Connected, "signed in");
        assert_eq!(conditions(&connected, 1), ["Ready"]);
    }

    #[test]
    fn a_secret_may_come_a_moment_after_its_tenant() {
        let missing = Verdict::no(Reason::CredentialUnavailable, "no Secret");
        assert_eq!(conditions(&missing, 0), ["Ready", "Reconciling"]);
        assert_eq!(conditions(&missing, 1), ["Ready", "Stalled"]);
    }

    #[test]
    fn a_drift_check_and_a_new_token_are_not_worth_a_write() {
        let later = Volatile {
            last_complete_read: Some(at(16)),
            token_expires: Some(at(150)),
            ..seen()
        };
        assert!(!later.is_due(&written()));
    }

    #[test]
    fn counts_are_written_when_they_differ_and_times_once_an_hour() {
        let fewer = Volatile {
            objects: Vec::new(),
            ..seen()
        };
        assert!(fewer.is_due(&written()));
        let hour = Volatile {
            last_complete_read: Some(at(60)),
            ..seen()
        };
        assert!(hour.is_due(&written()));
    }

    #[test]
    fn the_first_throttling_is_written_and_the_rest_of_its_hour_is_not() {
        let throttled = |minute, count| Volatile {
            throttling: Some(ThrottlingStatus {
                count,
                last_time: at(minute),
            }),
            ..seen()
        };
        assert!(throttled(1, 1).is_due(&written()));
        let mut told = written();
        told.throttling = throttled(1, 1).throttling;
        assert!(!throttled(30, 12).is_due(&told));
        assert!(throttled(61, 13).is_due(&told));
    }
}
