//! Approvals: the decision by a person (through [`crate::Admin`]), and the read side.
//!
//! One id serves for the request, its approval and its only stage. Applications are never let in.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Actor;
use super::activation;
use super::assign;
use super::create::Case;
use super::request::{Progress, Request};
use super::target::{GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR, Target};
use crate::error::GraphError;
use crate::types::Access;
use crate::world::World;

impl World {
    /// Whether a person may decide activations of a target: the owner of a group, and for a role whoever
    /// manages roles.
    pub fn decides(&self, person: Uuid, target: Target, now: DateTime<Utc>) -> bool {
        match target {
            Target::Group { group, .. } => {
                let access = Access::Owner;
                self.holds(person, Target::Group { group, access }, now)
            }
            Target::Role { .. } => self.holds_role(
                person,
                &[GLOBAL_ADMINISTRATOR, PRIVILEGED_ROLE_ADMINISTRATOR],
                now,
            ),
        }
    }

    /// Decides a request that awaits approval. The activation clock starts now.
    pub fn decide(
        &mut self,
        id: Uuid,
        approve: bool,
        now: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        let request = self
            .pim
            .request(id, now, &self.behaviour)
            .filter(|request| request.status(now) == "PendingApproval")
            .cloned()
            .ok_or_else(super::create::no_such_request)?;
        self.pim.begin_write();
        self.settle(&[request.input.target.resource()], now);
        let progress = if approve {
            let actor = Actor::Portal;
            let case = Case {
                kind: request.kind,
                input: &request.input,
                actor: &actor,
                id,
                now,
            };
            let window = assign::resolve(self, &case)?;
            let eligible = activation::eligible_row(self, &case);
            activation::begin(self, &case, &window, eligible).progress
        } else {
            Progress::Done("Denied")
        };
        if let Some(request) = self.pim.request_mut(id) {
            request.progress = progress;
            request.completed = Some(now);
        }
        Ok(())
    }
}

/// The approval of a request, as a person reads it.
pub(super) fn body(request: &Request, now: DateTime<Utc>) -> Value {
    let (result, status) = match request.status(now) {
        "PendingApproval" => ("NotReviewed", "InProgress"),
        "Denied" => ("Deny", "Completed"),
        _ => ("Approve", "Completed"),
    };
    json!({
        "id": request.id,
        "stages": [{
            "id": request.id,
            "displayName": null,
            "reviewedDateTime": null,
            "reviewResult": result,
            "status": status,
            "assignedToMe": false,
            "justification": "",
            "reviewedBy": null,
        }],
    })
}
