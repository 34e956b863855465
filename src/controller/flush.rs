//! The last thing a controller does: answers of Graph that wait for their read-back are written down, so that the next process
//! knows them. Without them it would only have to ask once more.

use kube::ResourceExt;
use tracing::warn;

use crate::pim::plan::Wait;

use super::{
    act::write_status, grant::Grant, pass::status_with_answer, reconcile::Reconciler, report,
    status::whole_seconds,
};

/// Writes the answers that are not in status yet. An object that has changed since is left to the next process.
pub async fn flush<K: Grant>(reconciler: &Reconciler<K>) {
    let unwritten = reconciler.memory.unwritten();
    if unwritten.is_empty() {
        return;
    }
    let now = whole_seconds(reconciler.context.clock.now());
    for guard in reconciler.store.state() {
        let Ok(grant) = &guard.0 else { continue };
        let Some(answer) = grant.uid().and_then(|uid| unwritten.get(&uid)) else {
            continue;
        };
        let mut status = status_with_answer(grant, Some(answer));
        let generation = grant.meta().generation.unwrap_or_default();
        report::waiting(Wait::Replication, status.last_request.as_ref()).apply(
            &mut status,
            generation,
            now,
        );
        if let Err(error) = write_status(&reconciler.context, grant, status).await {
            warn!(kind = K::KIND, name = grant.name_any(), %error, "an answer was not written before the end");
        }
    }
}
