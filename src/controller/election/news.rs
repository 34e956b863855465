//! News of the Lease: a watch, so that a replica notices at once when the leader gives it back, and the leader when somebody
//! meddles with it. It only hastens things: without it, replicas look at the Lease from time to time.

use std::{pin::pin, time::Duration};

use futures::TryStreamExt;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{
    Api, ResourceExt,
    api::{WatchEvent, WatchParams},
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

/// What the watch last told.
#[derive(Clone, Debug, Default)]
pub(super) enum Told {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The Lease as it is.
    There(LeaseSpec),
    /// There is none any more.
    Gone,
}

/// The watch of a Lease, for as long as this is held.
pub(super) struct News {
    told: watch::Receiver<Told>,
    _watching: AbortOnDropHandle<()>,
}

impl News {
    /// Begins to watch. A watch that fails is begun anew after `pause`.
    pub(super) fn of(api: Api<Lease>, name: &'static str, pause: Duration) -> Self {
        let (sender, told) = watch::channel(Told::Nothing);
        let watching = tokio::spawn(async move {
            loop {
                if let Err(error) = follow(&api, name, &sender).await {
                    debug!(%error, "the watch of the lease failed and is begun anew");
                }
                tokio::time::sleep(pause).await;
            }
        });
        Self {
            told,
            _watching: AbortOnDropHandle::new(watching),
        }
    }

    /// Waits for the next news; several at once are told as their last.
    pub(super) async fn next(&mut self) -> Told {
        if self.told.changed().await.is_err() {
            // The task ends only with us.
            std::future::pending::<()>().await;
        }
        self.told.borrow_and_update().clone()
    }
}

/// Tells of the Lease until the watch ends. It begins with the Lease as it is.
async fn follow(
    api: &Api<Lease>,
    name: &str,
    told: &watch::Sender<Told>,
) -> Result<(), kube::Error> {
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(api.watch(&only, "0").await?);
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(lease) | WatchEvent::Modified(lease) if lease.name_any() == name => {
                told.send_replace(Told::There(lease.spec.unwrap_or_default()));
            }
            WatchEvent::Deleted(lease) if lease.name_any() == name => {
                told.send_replace(Told::Gone);
            }
            WatchEvent::Error(error) => return Err(kube::Error::Api(error)),
            _ => {}
        }
    }
    Ok(())
}
