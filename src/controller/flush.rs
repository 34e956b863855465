//! The last thing a controller does: answers of Graph that wait for their read-back are written down, so that the next process
//! knows them. Without them it would only have to ask once more.

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use kube::ResourceExt;
use tracing::warn;

use crate::pim::plan::Wait;

use super::{
    act::{read, write_status},
    context::Answer,
    grant::Grant,
    pass::status_with_answer,
    reconcile::Reconciler,
    report,
    status::whole_seconds,
};

/// How many answers are written at a time.
const SIDE_BY_SIDE: usize = 16;

/// Writes the answers that are not in status yet. An object that has changed since is left to the next process.
pub async fn flush<K: Grant>(reconciler: &Reconciler<K>) {
    let unwritten = reconciler.memory.unwritten();
    if unwritten.is_empty() {
        return;
    }
    let now = whole_seconds(reconciler.context.clock.now());
    // Another replica may be waiting for the lease meanwhile.
    stream::iter(reconciler.store.state())
        .for_each_concurrent(SIDE_BY_SIDE, async |guard| {
            let Ok(grant) = &guard.0 else { return };
            let Some(answer) = grant.uid().and_then(|uid| unwritten.get(&uid)) else {
                return;
            };
            if let Err(error) = write_down(reconciler, grant, answer, now).await {
                warn!(kind = K::KIND, name = grant.name_any(), %error, "an answer was not written before the end");
            }
        })
        .await;
}

async fn write_down<K: Grant>(
    reconciler: &Reconciler<K>,
    grant: &K,
    answer: &Answer,
    now: DateTime<Utc>,
) -> Result<(), kube::Error> {
    // The watch has ended, perhaps before it showed the intent that the answer belongs to.
    let grant = if reconciler.memory.is_behind(grant) {
        read(&reconciler.context, grant).await?
    } else {
        grant.clone()
    };
    let mut status = status_with_answer(&grant, Some(answer));
    let generation = grant.meta().generation.unwrap_or_default();
    let last = status.last_request.as_ref();
    report::waiting(Wait::Replication, last).apply(&mut status, generation, now);
    write_status(&reconciler.context, &grant, status)
        .await
        .map(drop)
}
