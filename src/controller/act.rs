//! Act: one request. Its intent is recorded in status first, conditional on the object being the one we read; then it is
//! sent, once; then its answer is recorded.
//!
//! A process that ends in between leaves an intent without an answer. The next one reads Entra before it decides anything, so
//! the worst outcome of a crash is a read.

use chrono::{DateTime, Utc};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    api::{
        FINALIZER,
        schedule_info::ExpirationType,
        status::{GrantStatus, LastRequest, ResolvedReferences},
    },
    graph::{self, Advice, GraphError, NewRequest, RequestState},
    pim::{
        boundary::GrantTarget,
        duration,
        observed::{Action, Anchor},
        plan::{Change, Why},
        provenance::{Provenance, justify},
        window::{End, Window},
    },
};

use super::{
    audit,
    context::{Answer, Context},
    grant::{Grant, RowKey, Target, wire},
    origin::Origin,
    report,
    status::{FORBIDDEN, refusal, schedule_status, whole_seconds},
    tenants::Tenant,
};

/// What a request is about.
pub struct Order<'a> {
    /// The change.
    pub change: &'a Change,
    /// Why it is made.
    pub why: Why,
    /// The window to remember.
    pub anchor: Option<Anchor>,
    /// The end of the row that it changes, if one is listed.
    pub listed: Option<End>,
    /// What it concerns.
    pub about: &'a GrantTarget,
    /// Whom it concerns, and all names.
    pub resolved: &'a ResolvedReferences,
}

/// How sending went.
pub enum Sent {
    /// Graph answered, for good or ill; the answer is to be recorded.
    Answered(Box<Answer>),
    /// Nobody knows whether it was carried out: look before anything else.
    Unknown(GraphError),
}

impl Change {
    /// The action it is sent as.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Assign(_) => Action::AdminAssign,
            Self::Update(_) => Action::AdminUpdate,
            Self::Extend(_) => Action::AdminExtend,
            Self::Remove => Action::AdminRemove,
            Self::Cancel { .. } => Action::Cancel,
        }
    }
}

/// Records the intent and returns the object as it then is.
///
/// The finalizer comes first, just before the first write to Entra: from then on the object cannot vanish unnoticed. The status
/// is replaced, not merged, under the resource version we read: a stale cache or a second leader gets a
/// conflict instead of a second request.
///
/// # Errors
/// When the API server refuses; nothing was sent then.
pub async fn record_intent<K: Grant>(
    context: &Context,
    grant: &K,
    status: &GrantStatus,
    order: &Order<'_>,
    client_request_id: Uuid,
    now: DateTime<Utc>,
) -> Result<K, kube::Error> {
    let grant = if order.change.action().is_removal() {
        grant.clone()
    } else {
        hold(context, grant).await?
    };
    let generation = grant.meta().generation.unwrap_or_default();
    let mut status = status.clone();
    // A run of failures goes on until something succeeds or the spec changes.
    let run = status
        .last_request
        .as_ref()
        .filter(|last| last.generation == generation && (last.error.is_some() || is_failed(last)))
        .map(|last| (last.failures, last.failing_since));
    status.last_request = Some(LastRequest {
        action: order.change.action().as_str().to_owned(),
        client_request_id: client_request_id.to_string(),
        time: now,
        settled_time: None,
        generation,
        id: None,
        status: None,
        error: None,
        message: None,
        failures: run.and_then(|(failures, _)| failures),
        failing_since: run.and_then(|(_, since)| since),
    });
    if let Some(anchor) = order.anchor {
        let mut schedule = schedule_status(
            &anchor,
            &grant.terms().schedule_info,
            status.schedule.as_ref(),
        );
        schedule.status = None;
        status.schedule = Some(schedule);
    }
    status.instance = None;
    status.resolved = Some(order.resolved.clone());
    // A repetition leaves the conditions alone: they say why the last try failed, and do so until one succeeds.
    if run.is_none() {
        report::sending(order.change.action().as_str(), order.why).apply(
            &mut status,
            generation,
            now,
        );
    }
    write_status(context, &grant, status).await
}

fn is_failed(last: &LastRequest) -> bool {
    let action = Action::read(&last.action).map(graph::RequestAction::from);
    matches!((&last.status, action), (Some(status), Some(action)) if graph::classify(status, &action) == RequestState::Failed)
}

/// Adds the finalizer.
///
/// # Errors
/// When the API server refuses.
pub async fn hold<K: Grant>(context: &Context, grant: &K) -> Result<K, kube::Error> {
    if grant
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
    {
        return Ok(grant.clone());
    }
    let mut finalizers = grant.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    patch_finalizers(context, grant, &finalizers).await
}

/// Removes the finalizer: the object may go.
///
/// # Errors
/// When the API server refuses for another reason than that the object is gone already.
pub async fn let_go<K: Grant>(context: &Context, grant: &K) -> Result<(), kube::Error> {
    let finalizers: Vec<_> = grant
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != FINALIZER)
        .cloned()
        .collect();
    match patch_finalizers(context, grant, &finalizers).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

async fn patch_finalizers<K: Grant>(
    context: &Context,
    grant: &K,
    finalizers: &[String],
) -> Result<K, kube::Error> {
    let patch = json!({"metadata": {"resourceVersion": grant.resource_version(), "finalizers": finalizers}});
    api::<K>(context, grant)
        .patch(
            &grant.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
}

/// Replaces the status under the resource version that was read.
///
/// # Errors
/// When the API server refuses, as it does when the object has changed since.
pub async fn write_status<K: Grant>(
    context: &Context,
    grant: &K,
    status: GrantStatus,
) -> Result<K, kube::Error> {
    let mut object = grant.clone();
    object.set_status(status);
    api::<K>(context, grant)
        .replace_status(&grant.name_any(), &PostParams::default(), &object)
        .await
}

/// Reads the object from the API server, where the store may be behind.
///
/// # Errors
/// When the API server refuses.
pub async fn read<K: Grant>(context: &Context, grant: &K) -> Result<K, kube::Error> {
    api::<K>(context, grant).get(&grant.name_any()).await
}

fn api<K: Grant>(context: &Context, grant: &K) -> Api<K> {
    Api::namespaced(
        context.client.clone(),
        &grant.namespace().unwrap_or_default(),
    )
}

/// Sends the request and turns Graph's answer into a record.
pub async fn send<K: Grant>(
    context: &Context,
    tenant: &Tenant,
    grant: &K,
    order: &Order<'_>,
    client_request_id: Uuid,
    origin: &Origin,
) -> Sent {
    let target = Target::of(K::SCHEDULES, order.about);
    let row = RowKey::of(order.about, &order.resolved.principal_id);
    tenant.snapshots.note_write(&target, &row);
    let answer = exchange(tenant, grant, order, client_request_id, origin).await;
    tenant.snapshots.note_write(&target, &row);
    if answer.is_ok() && order.why == Why::Deleted {
        tenant.snapshots.histories.note_end(&target, &row);
    }
    let entry = audit::Entry::Sent {
        order,
        client_request_id,
        answer: answer
            .as_ref()
            .map(|accepted| (accepted.id.as_str(), accepted.status.as_str())),
    };
    audit::record(tenant, grant, order.resolved, origin, &entry);
    context
        .metrics
        .write(K::KIND, order.change.action().as_str(), answer.is_ok());
    if answer.is_ok() {
        context
            .metrics
            .grant_drift(&tenant.name, K::KIND, order.why);
    }
    let Some(mut last) = grant
        .status()
        .and_then(|status| status.last_request.clone())
    else {
        return Sent::Unknown(GraphError::Invalid(
            "the intent was not recorded".to_owned(),
        ));
    };
    match answer {
        Ok(request) => {
            let failed = request.state == RequestState::Failed;
            last.id = Some(request.id);
            last.status = Some(request.status);
            note_failure(&mut last, failed, context.clock.now());
            Sent::Answered(Box::new(Answer {
                last_request: last,
                schedule_id: request.schedule_id,
            }))
        }
        Err(error) => match refusal_code(&error) {
            Some(code) => {
                last.message = Some(refusal_message(&error, order));
                last.error = Some(code);
                note_failure(&mut last, true, context.clock.now());
                Sent::Answered(Box::new(Answer {
                    last_request: last,
                    schedule_id: None,
                }))
            }
            None => Sent::Unknown(error),
        },
    }
}

fn note_failure(last: &mut LastRequest, failed: bool, now: DateTime<Utc>) {
    if failed {
        last.failures = Some(last.failures.unwrap_or_default().saturating_add(1));
        last.failing_since = last.failing_since.or(Some(whole_seconds(now)));
    } else {
        last.failures = None;
        last.failing_since = None;
    }
}

struct Accepted {
    id: String,
    status: String,
    state: RequestState,
    schedule_id: Option<String>,
}

async fn exchange<K: Grant>(
    tenant: &Tenant,
    grant: &K,
    order: &Order<'_>,
    client_request_id: Uuid,
    origin: &Origin,
) -> Result<Accepted, GraphError> {
    if let Change::Cancel { request_id } = order.change {
        tenant
            .client
            .cancel_request(K::SCHEDULES, K::FAMILY, request_id, client_request_id)
            .await?;
        // Cancelling answers without a body; it took effect.
        return Ok(Accepted {
            id: request_id.clone(),
            status: "Revoked".to_owned(),
            state: RequestState::Succeeded,
            schedule_id: None,
        });
    }
    let body = body(grant, order, client_request_id, origin);
    let request = tenant
        .client
        .create_request(K::SCHEDULES, &body, client_request_id)
        .await?;
    let state = request.state();
    let schedule_id = (state == RequestState::Succeeded).then(|| {
        request
            .target_schedule_id
            .unwrap_or_else(|| request.id.clone())
    });
    Ok(Accepted {
        id: request.id,
        state,
        status: request.status,
        schedule_id,
    })
}

fn body<K: Grant>(
    grant: &K,
    order: &Order<'_>,
    client_request_id: Uuid,
    origin: &Origin,
) -> NewRequest {
    let terms = grant.terms();
    let window = match order.change {
        Change::Assign(window) | Change::Update(window) | Change::Extend(window) => Some(*window),
        Change::Remove | Change::Cancel { .. } => None,
    };
    NewRequest {
        action: order.change.action().into(),
        target: wire(order.about),
        principal_id: order.resolved.principal_id.to_string(),
        justification: Some(justification(grant, order, client_request_id, origin)),
        schedule_info: window.map(schedule_info),
        ticket_info: terms.ticket_info.as_ref().map(|ticket| graph::TicketInfo {
            ticket_number: Some(ticket.ticket_number.clone()),
            ticket_system: ticket.ticket_system.clone(),
        }),
        is_validation_only: false,
    }
}

/// The window as Graph takes it: always an instant, never a duration. A duration would count from when Entra gets around to
/// it, and the end would differ from the one in status.
fn schedule_info(window: Window) -> graph::ScheduleInfo {
    graph::ScheduleInfo {
        start_date_time: Some(window.start),
        expiration: match window.end {
            End::Never => graph::Expiration::never(),
            End::At(end) => graph::Expiration::at(end),
        },
    }
}

/// The user's words, and where they come from: an auditor of Entra finds the manifest by it, and we our own request.
fn justification<K: Grant>(
    grant: &K,
    order: &Order<'_>,
    client_request_id: Uuid,
    origin: &Origin,
) -> String {
    let terms = grant.terms();
    let expiration = &terms.schedule_info.expiration;
    let lasting = expiration
        .duration
        .as_deref()
        .filter(|_| expiration.type_ == ExpirationType::AfterDuration)
        .filter(|_| !order.change.action().is_removal())
        .and_then(|duration| duration::parse(duration).ok());
    let provenance = Provenance {
        kind: K::KIND.to_owned(),
        namespace: grant.namespace().unwrap_or_default(),
        name: grant.name_any(),
        uid: grant.uid().unwrap_or_default(),
        request: client_request_id.to_string(),
        why: Some(order.why.as_str().to_owned()),
        lasting,
        generation: grant.meta().generation,
        cluster: origin.cluster.clone(),
        revision: origin.revision.clone(),
    };
    justify(terms.justification.as_deref(), &provenance)
}

/// The code of a refusal: Graph looked at the request and changed nothing. None for everything else.
fn refusal_code(error: &GraphError) -> Option<String> {
    let advice = error.advice();
    if matches!(
        advice,
        Advice::Retry | Advice::RetryAfter(_) | Advice::FixCredential
    ) {
        return None;
    }
    let status = error
        .status()
        .filter(|status| (400..500).contains(status))?;
    let code = error
        .code()
        .filter(|code| !code.is_empty())
        .map_or_else(|| format!("Http{status}"), str::to_owned);
    let denied = matches!(advice, Advice::FixPermissions { .. })
        && refusal(&code) != crate::pim::observed::Refusal::Permission;
    Some(if denied { FORBIDDEN.to_owned() } else { code })
}

/// Rules that only a person's sign-in can satisfy.
const OUT_OF_REACH: [&str; 2] = ["MfaRule", "AuthenticationContextRule"];

fn refusal_message(error: &GraphError, order: &Order<'_>) -> String {
    let action = order.change.action().as_str();
    match error.advice() {
        Advice::FixPolicy { rules }
            if rules
                .iter()
                .any(|rule| OUT_OF_REACH.contains(&rule.as_str())) =>
        {
            format!(
                "the PIM policy of {} refuses {action}: {}; an application cannot pass multi-factor authentication, so the policy must not demand it of administrators ({})",
                order.resolved.target_name,
                rules.join(", "),
                error.code().unwrap_or_default(),
            )
        }
        Advice::FixPolicy { rules } if !rules.is_empty() => format!(
            "the PIM policy of {} refuses {action}: {}; shorten the window or complete the manifest, or have the policy changed ({}: {})",
            order.resolved.target_name,
            rules.join(", "),
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        ),
        _ => match (error.code(), order.about) {
            (Some("CannotDeleteLastAdminAssignment"), _) => format!(
                "Entra does not remove {} from {}, which nobody else holds: give it to somebody else first (CannotDeleteLastAdminAssignment)",
                order.resolved.principal_name, order.resolved.target_name
            ),
            // A list of all roles shows only what principals hold themselves.
            (Some("RoleAssignmentExists"), GrantTarget::Role { .. }) => format!(
                "Graph refused {action}, because {} holds {} already: where Entra lists no such role of its own, it comes through a group or from outside PIM (RoleAssignmentExists)",
                order.resolved.principal_name, order.resolved.target_name
            ),
            _ => format!("Graph refused {action}: {error}"),
        },
    }
}
