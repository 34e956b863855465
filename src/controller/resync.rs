//! The drift check: period by period, everything that is declared in a tenant is read again.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use chrono::TimeDelta;
use futures::future::join_all;
use kube::runtime::events::EventType;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{api::conditions::Announcement, graph::Advice};

use super::{
    context::Context,
    grant::ObjectKey,
    tenants::{KIND, Tenant},
};

/// Reads all declared targets again, period by period. Only objects whose rows changed are woken, by the snapshots.
pub(super) fn spawn_resync(tenant: &Arc<Tenant>, context: &Arc<Context>, stop: CancellationToken) {
    // The task must not keep the connection alive that its end depends on.
    let (weak, context, period) = (
        Arc::downgrade(tenant),
        Arc::clone(context),
        tenant.resync_period,
    );
    let task = async move {
        loop {
            context
                .clock
                .sleep_until(context.clock.now() + jittered(period))
                .await;
            let Some(tenant) = weak.upgrade() else { return };
            resync(&tenant, &context).await;
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(task).await });
}

/// One resync: a complete read of every target that an object declares.
pub async fn resync(tenant: &Arc<Tenant>, context: &Context) {
    context.prune();
    tenant.directory.forget_old_answers();
    let targets: HashSet<_> = context.registry.targets(&tenant.id);
    tenant.snapshots.retain(&targets);
    let since = context.clock.now();
    let reads = targets
        .iter()
        .map(|target| tenant.snapshots.refresh(&tenant.background, target, since));
    let policies = context.policies.managed(&tenant.id);
    let policies = tenant.policies.retain(&policies);
    let policies = tenant
        .policies
        .refresh(&tenant.background, &policies, since);
    let mut signed_out = false;
    let (reads, policies) = tokio::join!(join_all(reads), policies);
    for error in reads.into_iter().chain([policies]).filter_map(Result::err) {
        signed_out |= error.advice() == Advice::FixCredential;
        warn!(tenant = tenant.name, %error, "a target could not be read in this resync");
    }
    if tenant.client.batch_refused() && !tenant.batch_refusal_told.swap(true, Ordering::SeqCst) {
        say_that_batches_are_refused(tenant, context);
    }
    if signed_out {
        // The credential ran out or was revoked: the tenant itself has to say so.
        context.wakeups.trigger(&ObjectKey {
            kind: KIND,
            namespace: String::new(),
            name: tenant.name.clone(),
        });
    }
}

/// Spreads resyncs over a tenth of the period, so that tenants and replicas do not march in step.
fn jittered(period: TimeDelta) -> TimeDelta {
    period - TimeDelta::milliseconds(rand::random_range(0..=period.num_milliseconds() / 10))
}

/// No source says whether PIM may be read in batches. Where it may not, a drift check costs a round trip for each list.
fn say_that_batches_are_refused(tenant: &Tenant, context: &Context) {
    if let Some(object) = context.tenants.object(&tenant.name) {
        let note = "Graph refuses PIM requests in $batch: lists are read one by one from now on"
            .to_owned();
        context.events.publish(
            object.as_ref(),
            EventType::Normal,
            Announcement::BatchRefused,
            "Resync",
            note,
        );
    }
}
