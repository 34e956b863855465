//! Watches the Secrets that tenants sign in with, each by its name and no others, so that the operator need not be allowed to list
//! the Secrets of its namespace: whoever may list them may read them.

use std::sync::Arc;

use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio_stream::StreamMap;
use tracing::warn;

use super::context::Context;

/// Has tenants looked at again when their Secret changes. Never ends.
pub(super) async fn follow(context: &Arc<Context>) {
    let mut verdicts = context.tenants.verdicts();
    let mut watches: StreamMap<String, BoxStream<'static, ()>> = StreamMap::new();
    loop {
        verdicts.borrow_and_update();
        let named = context.tenants.secrets();
        let unnamed: Vec<_> = watches
            .keys()
            .filter(|name| !named.contains(*name))
            .cloned()
            .collect();
        for name in unnamed {
            watches.remove(&name);
        }
        for name in named {
            if !watches.contains_key(&name) {
                let changes = changes(context, &name);
                watches.insert(name, changes);
            }
        }
        tokio::select! {
            // It cannot fail: the context that we hold sends it.
            _ = verdicts.changed() => {}
            Some((name, ())) = watches.next() => {
                for tenant in context.tenants.users_of(&name) {
                    context.wakeups.trigger(&tenant);
                }
            }
        }
    }
}

/// A Secret's changes. Each new list counts as one, because it may hide some; so does the first, because the Secret was read before
/// it was watched.
fn changes(context: &Arc<Context>, name: &str) -> BoxStream<'static, ()> {
    let secrets =
        Api::<PartialObjectMeta<Secret>>::namespaced(context.client.clone(), &context.namespace);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let (metrics, secret) = (Arc::clone(&context.metrics), name.to_owned());
    // Metadata alone: what is in it is read when a tenant signs in, and not kept here.
    watcher::watcher(secrets, only)
        .default_backoff()
        .filter_map(move |event| {
            let changed = match event {
                Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => Some(()),
                Ok(Event::Init | Event::InitApply(_)) => None,
                Err(error) => {
                    metrics.watch_error("Secret");
                    warn!(secret, %error, "the watch of a Secret failed and is tried again");
                    None
                }
            };
            std::future::ready(changed)
        })
        .boxed()
}
