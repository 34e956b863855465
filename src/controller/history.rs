//! What Entra's request history says of an object's name: one list per group or role, read once and shared by all its objects.
//!
//! It is asked only before a relative window is opened that no status remembers (see [`crate::pim::history`]), so a converged
//! estate never pays for it. A read is single-flight, remembered for a while, and not believed for a row that
//! we have written to since. One that fails is an error to whoever asked, never an empty history.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::info;

use crate::{
    api::guid::Guid,
    graph::{
        ExpirationType, GraphError, RequestAction, RequestState, ScheduleInfo, ScheduleKind,
        ScheduleRequest,
    },
    pim::{
        desired::Desired,
        duration,
        history::{Fate, History, Past, recall},
        observed::Action,
        provenance::parse,
        window::{End, Window},
    },
};

use super::{
    clock::Clock,
    grant::{Access, Grant, List, ObjectKey, RowKey, Target, wire},
    pass::Place,
    status::end_text,
    wakeups::lock,
};

/// How long a list is believed.
const MEMORY: TimeDelta = TimeDelta::minutes(10);
/// How long our own removal of a deleted object may be missing from the list.
const LIST_LAG: TimeDelta = TimeDelta::minutes(1);

/// What one history is of. That of all roles would hold every activation in the tenant, so it is asked for role by role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Group(ScheduleKind, Guid),
    Role(ScheduleKind, Guid),
}

impl Subject {
    fn of(target: &Target, row: &RowKey) -> Option<Self> {
        match (&target.list, &row.access) {
            (List::Group(id), _) => Some(Self::Group(target.schedules, id.clone())),
            (List::Roles, Access::Role { id, .. }) => {
                Some(Self::Role(target.schedules, id.clone()))
            }
            (List::Roles, Access::Group(_)) => None,
        }
    }
}

/// The request histories of one tenant.
pub struct Histories {
    clock: Arc<dyn Clock>,
    ticks: AtomicU64,
    entries: Mutex<HashMap<Subject, Arc<Entry>>>,
    /// When we last ended a deleted object's access.
    ended: Mutex<HashMap<(Target, RowKey), DateTime<Utc>>>,
}

#[derive(Default)]
struct Entry {
    /// The tick of our own last write to each row that the list does not cover.
    writes: Mutex<HashMap<RowKey, u64>>,
    list: tokio::sync::Mutex<Option<Listed>>,
}

struct Listed {
    read_at: DateTime<Utc>,
    tick: u64,
    requests: HashMap<(String, RowKey), Vec<Past>>,
}

impl Histories {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            ticks: AtomicU64::new(1),
            entries: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// Our requests for an object's name and row.
    async fn requests(&self, place: &Place, object: &ObjectKey) -> Result<Vec<Past>, GraphError> {
        let (target, row) = (&place.target, &place.row);
        let Some(subject) = Subject::of(target, row) else {
            return Ok(Vec::new());
        };
        let entry = Arc::clone(lock(&self.entries).entry(subject).or_default());
        let mut list = entry.list.lock().await;
        let covers = |list: &Listed| {
            let written = lock(&entry.writes).get(row).copied();
            self.clock.now() - list.read_at < MEMORY && written.is_none_or(|tick| list.tick > tick)
        };
        if !list.as_ref().is_some_and(covers) {
            let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
            let read_at = self.clock.now();
            let client = &place.tenant.client;
            let listed = client
                .request_history(target.schedules, &wire(&place.about))
                .await?;
            let mut requests: HashMap<_, Vec<Past>> = HashMap::new();
            for (key, past) in listed.iter().filter_map(past) {
                requests.entry(key).or_default().push(past);
            }
            lock(&entry.writes).retain(|_, written| *written > tick);
            *list = Some(Listed {
                read_at,
                tick,
                requests,
            });
        }
        let key = (object.to_string(), row.clone());
        let mut found = list
            .as_ref()
            .and_then(|list| list.requests.get(&key).cloned())
            .unwrap_or_default();
        let ended = lock(&self.ended)
            .get(&(target.clone(), row.clone()))
            .copied();
        // What was ended a moment ago may still be listed without its end.
        found.retain(|past| ended.is_none_or(|ended| past.at > ended));
        Ok(found)
    }

    /// Marks a write of ours to a row: no earlier list says what became of it.
    pub(super) fn note_write(&self, target: &Target, row: &RowKey) {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        let Some(subject) = Subject::of(target, row) else {
            return;
        };
        if let Some(entry) = lock(&self.entries).get(&subject) {
            lock(&entry.writes).insert(row.clone(), tick);
        }
    }

    /// Notes that a deleted object's access was ended: its name begins anew, though lists lag behind.
    pub(super) fn note_end(&self, target: &Target, row: &RowKey) {
        let now = self.clock.now();
        let mut ended = lock(&self.ended);
        ended.retain(|_, at| now - *at < LIST_LAG);
        ended.insert((target.clone(), row.clone()), now);
    }

    /// Gives back the memory of lists that are not believed any more.
    pub(super) fn forget_old_lists(&self) {
        let now = self.clock.now();
        lock(&self.entries).retain(|_, entry| {
            // One that is being read is in use.
            entry.list.try_lock().map_or(true, |list| {
                list.as_ref()
                    .is_some_and(|list| now - list.read_at < MEMORY)
            })
        });
    }
}

/// What the history says of the window that a grant declares.
pub(super) async fn recalled<K: Grant>(
    place: &Place,
    grant: &K,
    desired: &Desired,
    now: DateTime<Utc>,
) -> Result<History, GraphError> {
    let object = ObjectKey::of(K::KIND, grant);
    let requests = place
        .tenant
        .snapshots
        .histories
        .requests(place, &object)
        .await?;
    let history = recall(desired, &requests, now);
    if let History::Granted(window) = history {
        info!(object = %object, end = end_text(window.end), "the window was granted before, and keeps its end");
    }
    Ok(history)
}

/// A request as history, if it is one of ours. Whoever activates an eligibility chooses the words of that request, so only what an
/// administrator may send counts.
fn past(request: &ScheduleRequest) -> Option<((String, RowKey), Past)> {
    let action = match request.action {
        RequestAction::AdminAssign => Action::AdminAssign,
        RequestAction::AdminUpdate => Action::AdminUpdate,
        RequestAction::AdminExtend => Action::AdminExtend,
        RequestAction::AdminRemove => Action::AdminRemove,
        _ => return None,
    };
    if request.is_validation_only == Some(true) {
        return None;
    }
    let suffix = parse(request.justification.as_deref()?)?;
    let row = RowKey::of_row(request.target(), &request.principal_id)?;
    let withdrawn = ["canceled", "revoked"]
        .iter()
        .any(|status| request.status.eq_ignore_ascii_case(status));
    let fate = match request.state() {
        RequestState::Failed if withdrawn => Fate::Withdrawn,
        RequestState::Failed => Fate::Failed,
        RequestState::Succeeded | RequestState::InProgress => Fate::Done,
    };
    let at = request
        .created_date_time
        .or(request.completed_date_time)
        .unwrap_or_default();
    let window = request
        .schedule_info
        .as_ref()
        .filter(|_| !action.is_removal());
    let past = Past {
        at,
        action,
        why: suffix.why,
        fate,
        window: window.and_then(|schedule| asked_for(schedule, at)),
        lasting: suffix.lasting,
    };
    let object = format!("{} {}/{}", suffix.kind, suffix.namespace, suffix.name);
    Some(((object, row), past))
}

/// The window that a request asked for; a start that is not there was the moment of the request.
fn asked_for(schedule: &ScheduleInfo, at: DateTime<Utc>) -> Option<Window> {
    let start = schedule.start_date_time.unwrap_or(at);
    let expiration = &schedule.expiration;
    let end = match expiration.kind {
        ExpirationType::NoExpiration => End::Never,
        ExpirationType::AfterDuration => {
            let length = duration::parse(expiration.duration.as_deref()?).ok()?;
            End::At(start + length)
        }
        _ => End::At(expiration.end_date_time?),
    };
    Some(Window { start, end })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(action: &str, status: &str, justification: &str) -> ScheduleRequest {
        serde_json::from_value(json!({
            "id": "q", "status": status, "action": action, "justification": justification,
            "groupId": "g", "principalId": "P", "accessId": "member",
            "createdDateTime": "2026-12-01T12:00:00.1234567Z",
            "scheduleInfo": {
                "startDateTime": "2026-12-01T12:00:01Z",
                "expiration": {"type": "afterDateTime", "endDateTime": "2026-12-31T12:00:00Z"},
            },
        }))
        .expect("a request")
    }

    const OURS: &str = "on call [pim-operator: GroupEligibility payments/alice uid=u1 generation=1 request=r1 why=not-granted lasting=P30D cluster=c1]";

    #[test]
    fn a_request_of_ours_is_known_by_its_suffix_whatever_its_uid_and_cluster() {
        let ((object, row), past) =
            past(&request("adminAssign", "Provisioned", OURS)).expect("ours");
        assert_eq!(object, "GroupEligibility payments/alice");
        assert_eq!(row.principal.as_str(), "p");
        assert_eq!(past.lasting, Some(TimeDelta::days(30)));
        assert_eq!(past.fate, Fate::Done);
        let end = "2026-12-31T12:00:00Z".parse().expect("an instant");
        assert_eq!(past.window.map(|window| window.end), Some(End::At(end)));
    }

    #[test]
    fn what_a_person_may_write_is_no_history() {
        assert!(past(&request("selfActivate", "Provisioned", OURS)).is_none());
        assert!(past(&request("adminAssign", "Provisioned", "on call")).is_none());
        let quoted = format!("as in \"{OURS}\" before");
        assert!(past(&request("adminAssign", "Provisioned", &quoted)).is_none());
    }

    #[test]
    fn a_cancelled_grant_is_withdrawn_and_a_failed_one_failed() {
        let fate = |action, status| past(&request(action, status, OURS)).map(|(_, past)| past.fate);
        assert_eq!(fate("adminAssign", "Canceled"), Some(Fate::Withdrawn));
        assert_eq!(fate("adminAssign", "Revoked"), Some(Fate::Withdrawn));
        assert_eq!(fate("adminAssign", "Failed"), Some(Fate::Failed));
        assert_eq!(fate("adminRemove", "Revoked"), Some(Fate::Done));
        assert_eq!(fate("adminAssign", "PendingProvisioning"), Some(Fate::Done));
    }
}
