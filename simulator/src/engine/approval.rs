//! What a decision about an activation does, whoever takes it: an approver (see
//! [`super::approval_routes`]) or a test (through [`crate::Admin`]).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Actor;
use super::activation;
use super::assign;
use super::create::Case;
use super::request::Progress;
use crate::error::GraphError;
use crate::world::World;

impl World {
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
