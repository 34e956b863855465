//! What became of a request: of one that Entra is working on, and of one whose answer was lost.
//!
//! Requests are history, not state: they say how our own last one ended, and nothing about what is listed.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    api::status::{CreatedVia, GrantStatus},
    graph::{GraphError, RequestAction, RequestState, ScheduleKind, ScheduleRequest},
    pim::{observed::Action, provenance},
};

use super::{grant::wire, pass::Place};

/// How long Entra's request list may lag: before that, a request that is not listed may still have been carried out.
const REQUEST_LIST_LAG: TimeDelta = TimeDelta::seconds(20);

/// What Entra's request list says of our last request.
pub(super) enum Inquiry {
    /// It is listed, and how it stands is noted in the status.
    Found,
    /// It was never carried out.
    NeverSent,
    /// It is not listed, and may be yet: ask again then.
    AskAgain(DateTime<Utc>),
}

/// Looks for our last request among those of the principal, by the id that its justification carries.
pub(super) async fn inquire(
    status: &mut GrantStatus,
    place: &Place,
    schedules: ScheduleKind,
    now: DateTime<Utc>,
) -> Result<Inquiry, GraphError> {
    let Some(last) = &status.last_request else {
        return Ok(Inquiry::NeverSent);
    };
    let principal = place.resolved.principal_id.as_str();
    let requests = place
        .tenant
        .client
        .requests(schedules, &wire(&place.about), principal)
        .await?;
    let action = Action::read(&last.action).map(RequestAction::from);
    let is_ours = |request: &ScheduleRequest| {
        // Whoever activates an eligibility chooses the words of that request, but not its action.
        let suffix = request.justification.as_deref().and_then(provenance::parse);
        suffix.is_some_and(|suffix| suffix.request == last.client_request_id)
            && action.as_ref() == Some(&request.action)
    };
    let listable = last.time + REQUEST_LIST_LAG;
    match requests.into_iter().find(is_ours) {
        Some(request) => {
            note(status, request, now);
            Ok(Inquiry::Found)
        }
        None if now < listable => Ok(Inquiry::AskAgain(listable)),
        None => Ok(Inquiry::NeverSent),
    }
}

/// Asks what became of a request that Entra was working on.
pub(super) async fn follow_up(
    status: &mut GrantStatus,
    place: &Place,
    schedules: ScheduleKind,
    id: &str,
    now: DateTime<Utc>,
) -> Result<(), GraphError> {
    let family = wire(&place.about).family();
    match place.tenant.client.request(schedules, family, id).await? {
        Some(request) => note(status, request, now),
        // Entra has forgotten it, so it is long over; the lists say how it ended.
        None => {
            if let Some(last) = &mut status.last_request {
                last.status = Some("Provisioned".to_owned());
            }
        }
    }
    Ok(())
}

/// Notes how our last request stands.
fn note(status: &mut GrantStatus, request: ScheduleRequest, now: DateTime<Utc>) {
    let state = request.state();
    if state == RequestState::Succeeded {
        note_success(
            status,
            request
                .target_schedule_id
                .unwrap_or_else(|| request.id.clone()),
        );
    }
    if let Some(last) = &mut status.last_request {
        if state == RequestState::Failed {
            last.failures = Some(last.failures.unwrap_or_default().saturating_add(1));
            last.failing_since = last.failing_since.or(Some(now));
        }
        // Lists lag behind the moment at which Entra was done, not behind the one at which it was asked.
        if state == RequestState::Succeeded && last.status.is_some() {
            last.settled_time = Some(now);
        }
        last.id = Some(request.id);
        last.status = Some(request.status);
    }
}

/// Notes that the last request was carried out. If it granted something, the window counts as granted from now on, listed or
/// not, and the grant is this object's to revoke.
pub(super) fn note_success(status: &mut GrantStatus, schedule_id: String) {
    let grants = status
        .last_request
        .as_ref()
        .and_then(|last| Action::read(&last.action))
        .is_some_and(|action| !action.is_removal());
    if !grants {
        return;
    }
    status.created_via.get_or_insert(CreatedVia::Operator);
    if let Some(schedule) = &mut status.schedule {
        schedule.id = Some(schedule_id);
    }
}
