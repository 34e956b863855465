//! A candidate at work: it waits for the Lease, holds it, and gives it back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use k8s_openapi::{api::coordination::v1::Lease, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

use super::{
    LEASE,
    fence::{Fence, Moment},
    news::{News, Told},
    record::{Observer, Standing, Timings, given_back, held_by, holder},
};

/// How often a write is repeated at once when the Lease has changed in between.
const TRIES: usize = 3;
/// How long giving the Lease back may take: it runs out by itself anyway.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// The lease was lost: another replica leads now, or may, and this process must end at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the leader lease was lost")]
pub struct LeaseLost;

/// A replica in an election.
pub struct Election {
    api: Api<Lease>,
    identity: String,
    timings: Timings,
    fence: Arc<Fence>,
}

impl Election {
    /// A candidate under a name that no other process has.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        identity: String,
        timings: Timings,
        fence: Arc<Fence>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity,
            timings,
            fence,
        }
    }

    /// The name of a process: that of its replica, and something of its own. A container that is started again in the same pod
    /// does not take itself for the one before.
    #[must_use]
    pub fn identity_of(replica: &str) -> String {
        let own = Uuid::new_v4().simple().to_string();
        format!("{replica}_{}", &own[..8])
    }

    /// Takes part until told to resign. The fence is open while this process leads; it is shut before the Lease is given back.
    ///
    /// # Errors
    /// When the Lease was held and is lost.
    pub async fn run(self, resign: &CancellationToken) -> Result<(), LeaseLost> {
        let mut news = News::of(self.api.clone(), LEASE, self.timings.retry);
        let Some((lease, sent)) = self.campaign(&mut news, resign).await else {
            return Ok(());
        };
        info!(identity = self.identity, "this replica leads");
        self.fence.renewed(sent);
        let held = self.hold(lease, &mut news, resign).await;
        // Whatever comes now, nothing more is written.
        self.fence.shut();
        let lease = held?;
        self.give_back(lease).await;
        Ok(())
    }

    /// Waits until the Lease is ours; none when told to resign before.
    async fn campaign(
        &self,
        news: &mut News,
        resign: &CancellationToken,
    ) -> Option<(Lease, Moment)> {
        info!(identity = self.identity, "waiting for the leader lease");
        let mut observer = Observer::new(self.identity.clone(), self.timings);
        loop {
            if resign.is_cancelled() {
                return None;
            }
            let sent = self.fence.moment();
            let look = tokio::time::timeout(self.timings.renew, self.try_to_take(&mut observer));
            let rest = match look.await {
                Ok(Ok(Ok(lease))) => return Some((lease, sent)),
                Ok(Ok(Err(rest))) => rest,
                Ok(Err(error)) => {
                    complain(&error);
                    self.timings.retry
                }
                Err(_) => {
                    warn!("the API server does not answer about the leader lease");
                    Duration::ZERO
                }
            };
            self.until_worth_a_look(&mut observer, news, rest, resign)
                .await;
        }
    }

    /// Looks at the Lease, and takes it if it is free; otherwise says for how long it is not.
    async fn try_to_take(
        &self,
        observer: &mut Observer,
    ) -> Result<Result<Lease, Duration>, kube::Error> {
        let lease = self.api.get_opt(LEASE).await?;
        let spec = lease
            .as_ref()
            .map(|lease| lease.spec.clone().unwrap_or_default());
        match observer.look(spec.as_ref(), Instant::now()) {
            Standing::Taken(rest) => Ok(Err(rest)),
            Standing::Free | Standing::Ours => match self.write(lease).await {
                Ok(lease) => Ok(Ok(lease)),
                // Another was faster.
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                    Ok(Err(Duration::ZERO))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Waits until the Lease may be free, or nothing was heard of it for longer than a leader needs to renew it.
    async fn until_worth_a_look(
        &self,
        observer: &mut Observer,
        news: &mut News,
        mut rest: Duration,
        resign: &CancellationToken,
    ) {
        loop {
            // Spread, so that candidates do not march in step.
            let silence = self.timings.retry.mul_f64(rand::random_range(1.0..1.5));
            let told = tokio::select! {
                () = resign.cancelled() => return,
                () = tokio::time::sleep(rest.min(silence).max(self.timings.retry / 20)) => return,
                told = news.next() => told,
            };
            let standing = match &told {
                Told::Nothing => continue,
                Told::There(spec) => observer.look(Some(spec), Instant::now()),
                Told::Gone => observer.look(None, Instant::now()),
            };
            match standing {
                Standing::Taken(longer) => rest = longer,
                Standing::Free | Standing::Ours => return,
            }
        }
    }

    /// Renews the Lease until told to resign.
    async fn hold(
        &self,
        mut lease: Lease,
        news: &mut News,
        resign: &CancellationToken,
    ) -> Result<Lease, LeaseLost> {
        let mut next = tokio::time::Instant::now() + self.timings.retry;
        loop {
            tokio::select! {
                () = resign.cancelled() => return Ok(lease),
                () = tokio::time::sleep_until(next) => {}
                told = news.next() => match told {
                    Told::Nothing => continue,
                    // What we wrote ourselves.
                    Told::There(spec) if holder(&spec) == Some(&self.identity) => continue,
                    // It may be old news. A renewal tells.
                    Told::There(_) | Told::Gone => {}
                },
            }
            let since = self.fence.since_renewal().unwrap_or_default();
            // After a stop the deadline is over, but nobody may have taken the Lease yet: one try shows it.
            let left = self.timings.renew.saturating_sub(since);
            let left = if left.is_zero() {
                self.timings.retry
            } else {
                left
            };
            let sent = self.fence.moment();
            match tokio::time::timeout(left, self.renew(&lease)).await {
                Ok(Ok(Some(renewed))) => {
                    lease = renewed;
                    self.fence.renewed(sent);
                }
                Ok(Ok(None)) => {
                    warn!("the leader lease was taken by another");
                    return Err(LeaseLost);
                }
                Ok(Err(error)) => warn!(%error, "the leader lease was not renewed"),
                Err(_) => warn!("the leader lease was not renewed in time"),
            }
            let since = self.fence.since_renewal().unwrap_or_default();
            if since >= self.timings.renew {
                return Err(LeaseLost);
            }
            next = tokio::time::Instant::now() + self.timings.retry.saturating_sub(since);
            if next <= tokio::time::Instant::now() {
                // The last try failed: not at once again.
                next = tokio::time::Instant::now() + self.timings.retry / 4;
            }
        }
    }

    /// Renews the Lease, and makes it anew if it is gone. None when somebody else has it.
    async fn renew(&self, lease: &Lease) -> Result<Option<Lease>, kube::Error> {
        let mut known = Some(lease.clone());
        for _ in 0..TRIES {
            match self.write(known).await {
                Ok(renewed) => return Ok(Some(renewed)),
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
                Err(error) => return Err(error),
            }
            known = self.api.get_opt(LEASE).await?;
            let other = known.as_ref().is_some_and(|lease| !self.is_ours(lease));
            if other {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Writes our name into a Lease, under the revision that was read, so that of several candidates one succeeds.
    async fn write(&self, lease: Option<Lease>) -> Result<Lease, kube::Error> {
        let before = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let spec = held_by(&self.identity, self.timings, before, Timestamp::now());
        let parameters = PostParams::default();
        if let Some(mut lease) = lease {
            lease.spec = Some(spec);
            return self.api.replace(LEASE, &parameters, &lease).await;
        }
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(LEASE.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
        };
        self.api.create(&parameters, &lease).await
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(holder) == Some(&self.identity)
    }

    /// Gives the Lease back, so that the others need not wait until it runs out.
    async fn give_back(&self, mut lease: Lease) {
        let attempt = async {
            for _ in 0..TRIES {
                lease.spec = lease.spec.as_ref().map(given_back);
                match self
                    .api
                    .replace(LEASE, &PostParams::default(), &lease)
                    .await
                {
                    Ok(_) => return Ok(true),
                    // Our own last renewal, or somebody else's.
                    Err(kube::Error::Api(status)) if status.is_conflict() => {}
                    Err(error) => return Err(error),
                }
                lease = self.api.get(LEASE).await?;
                if !self.is_ours(&lease) {
                    return Ok(false);
                }
            }
            Ok(false)
        };
        match tokio::time::timeout(GIVE_BACK, attempt).await {
            Ok(Ok(true)) => info!("the leader lease is given back"),
            Ok(Ok(false)) => debug!("the leader lease has another holder already"),
            Ok(Err(error)) => {
                warn!(%error, "the leader lease was not given back and has to run out");
            }
            Err(_) => warn!("the leader lease was not given back in time and has to run out"),
        }
    }
}

/// A missing right does not come by waiting: it is said louder.
fn complain(error: &kube::Error) {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => {
            error!(%error, "the operator may not use the Lease `{LEASE}` of its namespace: allow it to get, create, update and watch it");
        }
        error => warn!(%error, "the leader lease could not be looked at"),
    }
}
