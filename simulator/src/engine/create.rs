//! A POST of a schedule request: the order of checks, and what it leaves behind.
//!
//! A refused POST leaves nothing. A 201 is not a grant: its status says what became of it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::input::{Action, Input};
use super::prerequisites::{self, Readiness};
use super::request::{Progress, Request};
use super::sets::Set;
use super::target::{GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR, Target};
use super::{Actor, activation, assign, overlap, remove};
use crate::error::GraphError;
use crate::types::{Access, Kind};
use crate::world::World;

/// One request on its way through the checks.
pub(super) struct Case<'a> {
    pub kind: Kind,
    pub input: &'a Input,
    pub actor: &'a Actor,
    pub id: Uuid,
    pub now: DateTime<Utc>,
}

/// What a verb decided.
pub(super) struct Decision {
    pub progress: Progress,
    pub completed: Option<DateTime<Utc>>,
    pub start: Option<DateTime<Utc>>,
    /// Whether the request made a schedule that carries its id.
    pub makes_schedule: bool,
    pub approval: bool,
    /// Done and recorded, and answered as an error all the same.
    pub misreported: bool,
}

impl World {
    /// Checks and carries out a schedule request. The answer is the stored request, or for
    /// `isValidationOnly` one that is not stored.
    pub fn create(
        &mut self,
        kind: Kind,
        input: &Input,
        actor: &Actor,
        now: DateTime<Utc>,
    ) -> Result<Request, GraphError> {
        let before = self.pim.latest();
        self.settle(&[input.target.resource()], now);
        let case = Case {
            kind,
            input,
            actor,
            id: Uuid::new_v4(),
            now,
        };
        check_caller(self, &case)?;
        let readiness = prerequisites::check_target(self, input, now)?;
        let readiness = prerequisites::check_principal(self, kind, input, now)?.max(readiness);
        let waits =
            !input.action.is_removal() && self.pim.has_pending(input.target, input.principal, now);
        if waits {
            return Err(overlap::pending());
        }
        let grants = !input.action.is_removal() && !input.validation_only && !actor.is_portal();
        let readiness = if grants && self.behaviour.failed_requests > 0 {
            self.behaviour.failed_requests -= 1;
            Readiness::Fails
        } else {
            readiness
        };
        let nothing = |status, completed| Decision {
            progress: Progress::Done(status),
            completed,
            start: None,
            makes_schedule: false,
            approval: false,
            misreported: false,
        };
        let decision = match (readiness, input.action) {
            (Readiness::Fails, _) => nothing("Failed", Some(now)),
            (Readiness::Stuck, _) => nothing("Granted", None),
            (_, Action::AdminAssign) => assign::assign(self, &case)?,
            (_, Action::AdminUpdate) => assign::update(self, &case)?,
            (_, Action::AdminExtend) => assign::extend(self, &case)?,
            (_, Action::AdminRenew) => assign::renew(self, &case)?,
            (_, Action::AdminRemove) => remove::remove(self, &case)?,
            (_, Action::SelfActivate) => activation::activate(self, &case)?,
            (_, Action::SelfDeactivate) => activation::deactivate(self, &case)?,
            (_, Action::SelfExtend | Action::SelfRenew) => activation::ask(self, &case)?,
        };
        let request = self.record(&case, &decision);
        if !input.validation_only {
            self.pim.wrote_after(before);
        }
        if decision.misreported {
            return Err(overlap::does_not_exist(400));
        }
        Ok(request)
    }

    /// Stores the request, unless it was only to be validated.
    fn record(&mut self, case: &Case<'_>, decision: &Decision) -> Request {
        let seq = self.pim.next_seq();
        let stored = !case.input.validation_only;
        let mut request = Request {
            seq,
            id: case.id,
            kind: case.kind,
            input: case.input.clone(),
            progress: decision.progress,
            created: case.now - self.behaviour.processing_time,
            completed: decision.completed,
            start: decision.start,
            target: (decision.makes_schedule && stored).then_some(case.id),
            approval: decision.approval,
            created_by: case.actor.id(),
        };
        if stored {
            let resource = case.input.target.resource();
            self.pim.book_mut(resource).onboarded = true;
            self.pim.add_request(request.clone());
        } else {
            request.progress = Progress::Done("Granted");
        }
        request
    }

    /// Cancels a request that is `Granted` or awaits a decision; what it scheduled is gone.
    pub fn cancel(
        &mut self,
        set: Set,
        id: Option<Uuid>,
        now: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        let request = id
            .and_then(|id| self.pim.request(id, now, &self.behaviour))
            .filter(|request| set.holds(request))
            .ok_or_else(no_such_request)?;
        if !request.cancellable(now) {
            return Err(GraphError::bad_request(
                "RequestCannotBeCancelled",
                "Request is not in cancellable state.",
            ));
        }
        let (id, resource) = (request.id, request.input.target.resource());
        self.pim.begin_write();
        let gone = now + self.behaviour.removal_lag;
        self.pim
            .kill(resource, now, gone, |row| row.created_using == Some(id));
        if let Some(request) = self.pim.request_mut(id) {
            request.progress = Progress::Done("Canceled");
        }
        Ok(())
    }
}

/// What a purged or invented request id answers.
pub(crate) fn no_such_request() -> GraphError {
    GraphError::new(
        404,
        "RoleAssignmentRequestNotFound",
        "The role assignment request is not found",
    )
}

/// A person acts on own rows, or administers the target: owns the group, or holds a role that manages
/// roles. An application has no own rows.
fn check_caller(world: &World, case: &Case<'_>) -> Result<(), GraphError> {
    let input = case.input;
    let may = match case.actor {
        Actor::Portal => true,
        Actor::App(_) => !input.action.is_own(),
        Actor::Person { id, .. } if input.action.is_own() => *id == input.principal,
        Actor::Person { id, .. } => match input.target {
            Target::Group { group, .. } => {
                let owner = Target::Group {
                    group,
                    access: Access::Owner,
                };
                world.holds(*id, owner, case.now)
            }
            Target::Role { .. } => world.holds_role(
                *id,
                &[GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR],
                case.now,
            ),
        },
    };
    if may {
        Ok(())
    } else {
        Err(GraphError::unauthorized_access())
    }
}
