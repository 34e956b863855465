//! One schedule request: history, not state. Its status is a function of time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::input::{Action, Input};
use crate::types::{Kind, RequestView};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A final status.
    Done(&'static str),
    /// `PendingProvisioning` until then, `Provisioned` after.
    Provisioning(DateTime<Utc>),
    /// `Granted` until access really begins, `Provisioned` after.
    Scheduled(DateTime<Utc>),
    /// `PendingApproval`; `Failed` when nobody decides by then (24 hours).
    AwaitingApproval(DateTime<Utc>),
    /// `PendingAdminDecision` (a person asked for an extension or renewal).
    AwaitingAdministrator,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Order of creation, also the page position.
    pub seq: u64,
    pub id: Uuid,
    pub kind: Kind,
    pub input: Input,
    pub progress: Progress,
    pub created: DateTime<Utc>,
    pub completed: Option<DateTime<Utc>>,
    /// Start as answered: replaced by the completion when it was in the past.
    pub start: Option<DateTime<Utc>>,
    /// Third part of the id of the schedule it made.
    pub target: Option<Uuid>,
    pub approval: bool,
    pub created_by: Option<Uuid>,
}

impl Request {
    pub fn status(&self, now: DateTime<Utc>) -> &'static str {
        match self.progress {
            Progress::Done(status) => status,
            Progress::Provisioning(until) if now < until => "PendingProvisioning",
            Progress::Scheduled(from) if now < from => "Granted",
            Progress::Provisioning(_) | Progress::Scheduled(_) => "Provisioned",
            Progress::AwaitingApproval(until) if now < until => "PendingApproval",
            Progress::AwaitingApproval(_) => "Failed",
            Progress::AwaitingAdministrator => "PendingAdminDecision",
        }
    }

    pub fn target_schedule_id(&self) -> Option<String> {
        let input = &self.input;
        self.target
            .map(|part| format!("{}_{}_{part}", input.group, input.access.as_str()))
    }

    /// Whether another request for the same target has to wait.
    pub fn pending(&self, now: DateTime<Utc>) -> bool {
        self.status(now).starts_with("Pending")
    }

    /// Cancelling is documented for `Granted` and the requests that await a decision.
    pub fn cancellable(&self, now: DateTime<Utc>) -> bool {
        matches!(
            self.status(now),
            "Granted" | "PendingApproval" | "PendingAdminDecision"
        )
    }

    pub fn is_removal(&self) -> bool {
        matches!(
            self.input.action,
            Action::AdminRemove | Action::SelfDeactivate
        )
    }

    pub fn view(&self, now: DateTime<Utc>) -> RequestView {
        let input = &self.input;
        RequestView {
            id: self.id.to_string(),
            kind: self.kind,
            action: input.action.as_str().to_owned(),
            status: self.status(now).to_owned(),
            group_id: input.group.to_string(),
            principal_id: input.principal.to_string(),
            access_id: input.access,
            justification: input.justification.clone(),
            ticket_number: input.ticket_number.clone(),
            ticket_system: input.ticket_system.clone(),
            created: self.created,
            target_schedule_id: self.target_schedule_id(),
            created_by: self.created_by.map(|id| id.to_string()),
        }
    }
}
