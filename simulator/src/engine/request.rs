//! One schedule request: history, not state. Its status is a function of time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::input::{Action, Input};
use super::target::{Service, Target};
use crate::types::{Kind, RequestView, RoleRequestView};

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
    /// What the id of the schedule it made carries.
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
        self.target.map(|part| self.input.target.schedule_id(part))
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

    pub fn service(&self) -> Service {
        self.input.target.service()
    }

    /// A request about a group as tests see it.
    pub fn view(&self, now: DateTime<Utc>) -> Option<RequestView> {
        let input = &self.input;
        let Target::Group { group, access } = input.target else {
            return None;
        };
        Some(RequestView {
            id: self.id.to_string(),
            kind: self.kind,
            action: input.action.as_str().to_owned(),
            status: self.status(now).to_owned(),
            group_id: group.to_string(),
            principal_id: input.principal.to_string(),
            access_id: access,
            justification: input.justification.clone(),
            ticket_number: input.ticket_number.clone(),
            ticket_system: input.ticket_system.clone(),
            created: self.created,
            target_schedule_id: self.target_schedule_id(),
            created_by: self.created_by.map(|id| id.to_string()),
        })
    }

    /// A request about a role as tests see it.
    pub fn role_view(&self, now: DateTime<Utc>) -> Option<RoleRequestView> {
        let input = &self.input;
        let Target::Role { role, scope } = input.target else {
            return None;
        };
        Some(RoleRequestView {
            id: self.id.to_string(),
            kind: self.kind,
            action: input.action.as_str().to_owned(),
            status: self.status(now).to_owned(),
            role_definition_id: role.to_string(),
            directory_scope_id: scope.directory(),
            app_scope_id: scope.app().map(str::to_owned),
            principal_id: input.principal.to_string(),
            justification: input.justification.clone(),
            ticket_number: input.ticket_number.clone(),
            ticket_system: input.ticket_system.clone(),
            created: self.created,
            target_schedule_id: self.target_schedule_id(),
            created_by: self.created_by.map(|id| id.to_string()),
        })
    }
}
