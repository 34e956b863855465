//! Lanes: how many passes a tenant has in hand at once, each tenant for itself.
//!
//! A pass waits for Graph, and a Graph that throttles or hangs makes all passes of its tenant wait. With one bound for all
//! tenants they would soon fill it, and tenants in good health would wait with them. So the controllers run without a bound, and
//! each tenant has its own; a pass that waits for its turn holds little more than a pointer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
};

use kube::{
    core::DeserializeGuard,
    runtime::{controller::Action, reflector::ObjectRef},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    grant::Grant,
    reconcile::{ReconcileError, Reconciler, reconcile},
    wakeups::lock,
};

/// How many objects of a kind are looked at at once in a tenant. Graph's own limit lies in the tenant's limiter.
const WIDTH: usize = 32;

/// The lanes of all tenants.
pub struct Lanes {
    stop: CancellationToken,
    lanes: Mutex<HashMap<(&'static str, String), Weak<Semaphore>>>,
}

/// Leave to look at one object; given back when dropped.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
    /// Whether it had to be waited for: the object may have changed in the meantime.
    pub waited: bool,
}

impl Lanes {
    /// Nobody under way. Whoever still waits when `stop` is cancelled gets no turn any more.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            lanes: Mutex::default(),
        }
    }

    /// Waits for a turn; none when the operator is about to end.
    pub async fn enter(&self, kind: &'static str, tenant: &str) -> Option<Turn> {
        let lane = self.lane(kind, tenant);
        if let Ok(permit) = Arc::clone(&lane).try_acquire_owned() {
            return Some(Turn {
                _permit: permit,
                waited: false,
            });
        }
        let permit = self.stop.run_until_cancelled(lane.acquire_owned()).await?;
        Some(Turn {
            _permit: permit.ok()?,
            waited: true,
        })
    }

    fn lane(&self, kind: &'static str, tenant: &str) -> Arc<Semaphore> {
        let mut lanes = lock(&self.lanes);
        let key = (kind, tenant.to_owned());
        if let Some(lane) = lanes.get(&key).and_then(Weak::upgrade) {
            return lane;
        }
        // Manifests name tenants at will: lanes that nobody is in must not pile up.
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Semaphore::new(WIDTH));
        lanes.insert(key, Arc::downgrade(&lane));
        lane
    }
}

/// Runs a pass for an object when its tenant's turn has come. The future of a pass is tens of kilobytes; of 10,000 objects, all but
/// [`WIDTH`] wait at the start, so those who wait hold none.
///
/// # Errors
/// As [`reconcile`].
pub async fn reconcile_in_turn<K: Grant>(
    guard: Arc<DeserializeGuard<K>>,
    reconciler: Arc<Reconciler<K>>,
) -> Result<Action, ReconcileError> {
    let tenant = match &guard.0 {
        Ok(grant) => grant.terms().tenant_ref.name.clone(),
        // Boxed, as below: what is written out here is carried by everybody who waits.
        Err(_) => return Box::pin(reconcile(guard, reconciler)).await,
    };
    let Some(turn) = reconciler.context.lanes.enter(K::KIND, &tenant).await else {
        return Ok(Action::await_change());
    };
    let current = if turn.waited {
        reconciler.store.get(&ObjectRef::from_obj(guard.as_ref()))
    } else {
        Some(guard)
    };
    match current {
        // Boxed, so that those who wait are small.
        Some(guard) => Box::pin(reconcile(guard, reconciler)).await,
        None => Ok(Action::await_change()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::group_grant::GroupEligibility;

    /// The size of the future that a function returns, which is not called.
    fn size_of_future<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_pass_that_waits_for_its_turn_is_small() {
        assert!(size_of_future(reconcile_in_turn::<GroupEligibility>) < 1024);
    }

    #[tokio::test]
    async fn a_full_lane_leaves_the_others_free_and_opens_with_each_turn_that_ends() {
        let lanes = Lanes::new(CancellationToken::new());
        let mut turns = Vec::new();
        for _ in 0..WIDTH {
            turns.push(lanes.enter("GroupEligibility", "slow").await.unwrap());
        }
        assert!(
            !lanes
                .enter("GroupEligibility", "quick")
                .await
                .unwrap()
                .waited
        );
        assert!(!lanes.enter("GroupAssignment", "slow").await.unwrap().waited);
        let next = lanes.enter("GroupEligibility", "slow");
        tokio::pin!(next);
        assert!(futures::poll!(&mut next).is_pending());
        turns.pop();
        assert!(next.await.unwrap().waited);
    }

    #[tokio::test]
    async fn whoever_waits_at_the_end_gets_no_turn() {
        let stop = CancellationToken::new();
        let lanes = Lanes::new(stop.clone());
        let mut turns = Vec::new();
        for _ in 0..WIDTH {
            turns.push(lanes.enter("GroupEligibility", "slow").await);
        }
        stop.cancel();
        assert!(lanes.enter("GroupEligibility", "slow").await.is_none());
    }

    #[tokio::test]
    async fn empty_lanes_do_not_pile_up() {
        let lanes = Lanes::new(CancellationToken::new());
        for number in 0..1000 {
            lanes.enter("GroupEligibility", &number.to_string()).await;
        }
        assert!(lock(&lanes.lanes).len() <= 2);
    }
}
