//! Boundaries and namespaces are authority: when one changes, the objects that it concerns are judged again.

use std::{collections::BTreeMap, sync::Arc};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        reflector::store::Writer,
        watcher::{self, Event},
    },
};
use tracing::warn;

use super::Authority;
use crate::{
    api::boundary::GrantBoundary,
    controller::{
        context::Context,
        first_list::Filled,
        several::{self, Part},
    },
    pim::boundary::{Boundary, Fence},
};

/// Watches the boundaries.
pub(in crate::controller) fn watch_boundaries(
    context: &Arc<Context>,
    (writer, filled): (Writer<DeserializeGuard<GrantBoundary>>, Filled),
) -> impl Stream<Item = ()> + Send + 'static {
    let (context, metrics) = (Arc::clone(context), Arc::clone(&context.metrics));
    watcher::watcher(Api::all(context.client.clone()), watcher::Config::default())
        .default_backoff()
        .modify(|boundary: &mut DeserializeGuard<GrantBoundary>| {
            boundary.managed_fields_mut().clear();
        })
        .inspect(move |event| {
            if let Err(error) = event {
                metrics.watch_error("GrantBoundary");
                warn!(%error, "the watch of boundaries failed and is tried again");
            }
        })
        .reflect(writer)
        .filter_map(move |event| {
            if let Ok(event) = &event {
                filled.after(event);
                // While a list comes in, the store holds the last complete one.
                if matches!(event, Event::Apply(_) | Event::Delete(_) | Event::InitDone) {
                    context.authority.boundaries_changed(&context);
                }
            }
            std::future::ready(event.ok().map(drop))
        })
}

/// Watches the labels of namespaces, of all if none is named.
pub(in crate::controller) fn watch_labels(
    context: &Arc<Context>,
    only: &[String],
    (writer, filled): (Writer<PartialObjectMeta<Namespace>>, Filled),
) -> impl Stream<Item = ()> + Send + 'static {
    let (context, metrics) = (Arc::clone(context), Arc::clone(&context.metrics));
    let part = |config, namespace: &str| Part {
        api: Api::<PartialObjectMeta<Namespace>>::all(context.client.clone()),
        config,
        namespace: namespace.to_owned(),
    };
    let named = only.iter().map(|name| {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        part(config, name)
    });
    let mut parts: Vec<_> = named.collect();
    if parts.is_empty() {
        parts.push(part(watcher::Config::default(), ""));
    }
    let known = Arc::clone(&context);
    several::watch(parts, move || known.authority.namespaces.state())
        .modify(|namespace| {
            namespace.managed_fields_mut().clear();
            namespace.annotations_mut().clear();
        })
        .inspect(move |event| {
            if let Err(error) = event {
                metrics.watch_error("Namespace");
                warn!(%error, "the watch of namespaces failed and is tried again");
            }
        })
        .reflect(writer)
        .filter_map(move |event| {
            if let Ok(event) = &event {
                filled.after(event);
                if let Event::Apply(namespace) | Event::Delete(namespace) = event {
                    context.trigger_grants_in(&namespace.name_any());
                }
            }
            std::future::ready(event.ok().map(drop))
        })
}

impl Authority {
    /// Reads the boundaries anew. One that cannot be read allows nothing.
    pub(super) fn rebuild(&self) -> Arc<Fence> {
        let read = |guard: &Arc<DeserializeGuard<GrantBoundary>>| {
            let (name, uid) = (guard.name_any(), guard.uid().unwrap_or_default());
            let generation = guard.meta().generation.unwrap_or_default();
            let boundary = guard.0.as_ref().map_err(|error| error.error.clone());
            boundary
                .and_then(|boundary| {
                    Boundary::read((&name, &uid, generation), &boundary.spec)
                        .map_err(|error| error.to_string())
                })
                .inspect_err(
                    |error| warn!(boundary = name, %error, "a boundary cannot be read and allows nothing"),
                )
                .ok()
        };
        let boundaries = self.boundaries.state().iter().filter_map(read).collect();
        let fence = Arc::new(Fence::new(boundaries));
        let mut current = super::lock(&self.fence);
        std::mem::replace(&mut *current, fence)
    }

    /// Has the objects looked at again whose namespace is selected by other boundaries than before.
    fn boundaries_changed(&self, context: &Context) {
        let before = self.rebuild();
        if !self.primed.initialized() {
            return;
        }
        let after = self.fence();
        let mut concerned: BTreeMap<String, bool> = BTreeMap::new();
        for kind in &context.kinds {
            for object in kind.all() {
                let namespace = &object.namespace;
                let again = *concerned.entry(namespace.clone()).or_insert_with(|| {
                    let labels = self.labels(namespace);
                    before.state_for(namespace, &labels) != after.state_for(namespace, &labels)
                });
                if again {
                    context.wakeups.trigger(&object);
                }
            }
        }
    }
}
