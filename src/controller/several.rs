//! Several watches of one kind as if they were one: for an operator that may look at some namespaces and not at all.
//!
//! What comes out is what one watch would say: one first list, complete once every part's is, and after it nothing but single
//! changes. A part whose list begins anew, as after an outage, is compared with what is known of it.

use std::sync::Arc;

use futures::{StreamExt, stream, stream::BoxStream};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};

use super::vanished::Vanished;

/// One of the watches.
pub(super) struct Part<R> {
    pub(super) api: Api<R>,
    pub(super) config: watcher::Config,
    /// The namespace that it is about; for all, any name.
    pub(super) namespace: String,
}

/// The objects of a kind in some namespaces, or in all if none is named.
pub(super) fn in_namespaces<R>(client: &Client, namespaces: &[String]) -> Vec<Part<R>>
where
    R: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let part = |api, namespace: &str| Part {
        api,
        config: watcher::Config::default().any_semantic(),
        namespace: namespace.to_owned(),
    };
    if namespaces.is_empty() {
        return vec![part(Api::all(client.clone()), "")];
    }
    let parts = namespaces.iter();
    parts
        .map(|namespace| part(Api::namespaced(client.clone(), namespace), namespace))
        .collect()
}

/// Watches all parts, each tried again by itself after an error. `known` are the objects of which earlier events told.
pub(super) fn watch<R>(
    parts: Vec<Part<R>>,
    known: impl Fn() -> Vec<Arc<R>> + Send + 'static,
) -> BoxStream<'static, Result<Event<R>, watcher::Error>>
where
    R: Resource + Clone + std::fmt::Debug + Send + Sync + serde::de::DeserializeOwned + 'static,
{
    let alone = parts.len() == 1;
    let mut merge = Merge::of(parts.iter().map(|part| part.namespace.clone()));
    let watches = parts.into_iter().enumerate().map(|(number, part)| {
        let watch = watcher::watcher(part.api, part.config).default_backoff();
        watch.map(move |event| (number, event)).boxed()
    });
    stream::select_all(watches)
        .flat_map(move |(number, event)| {
            let events = match event {
                Ok(event) if alone => vec![Ok(event)],
                Ok(event) => {
                    let merged = merge.after(number, event, &known);
                    merged.into_iter().map(Ok).collect()
                }
                Err(error) => vec![Err(error)],
            };
            stream::iter(events)
        })
        .boxed()
}

/// What has arrived so far.
struct Merge<R> {
    parts: Vec<Arrived<R>>,
    /// Whether the first list was passed on.
    listed: bool,
}

struct Arrived<R> {
    namespace: String,
    /// Its first list, as far as it has come in.
    list: Vec<R>,
    listed: bool,
    /// What happened after its own first list and before that of all.
    held: Vec<Event<R>>,
    vanished: Vanished<R>,
}

impl<R: Resource + Clone> Merge<R> {
    fn of(namespaces: impl Iterator<Item = String>) -> Self {
        let parts = namespaces.map(|namespace| Arrived {
            namespace,
            list: Vec::new(),
            listed: false,
            held: Vec::new(),
            vanished: Vanished::default(),
        });
        Self {
            parts: parts.collect(),
            listed: false,
        }
    }

    /// What an event of a part means for the whole.
    fn after(
        &mut self,
        part: usize,
        event: Event<R>,
        known: impl Fn() -> Vec<Arc<R>>,
    ) -> Vec<Event<R>> {
        let Some(arrived) = self.parts.get_mut(part) else {
            return Vec::new();
        };
        if self.listed {
            return arrived.after(event, known);
        }
        match event {
            Event::Init => {
                arrived.list.clear();
                arrived.held.clear();
                arrived.listed = false;
            }
            Event::InitApply(object) => arrived.list.push(object),
            Event::InitDone => arrived.listed = true,
            later => arrived.held.push(later),
        }
        self.listed = self.parts.iter().all(|part| part.listed);
        if !self.listed {
            return Vec::new();
        }
        let (mut all, mut held) = (vec![Event::Init], Vec::new());
        for part in &mut self.parts {
            all.extend(part.list.drain(..).map(Event::InitApply));
            held.append(&mut part.held);
        }
        all.push(Event::InitDone);
        all.append(&mut held);
        all
    }
}

impl<R: Resource + Clone> Arrived<R> {
    /// After the first list: a new one is so many changes.
    fn after(&mut self, event: Event<R>, known: impl Fn() -> Vec<Arc<R>>) -> Vec<Event<R>> {
        let namespace = &self.namespace;
        let of_this_part = |object: &Arc<R>| {
            // A namespace is in none itself.
            let place = object.namespace().unwrap_or_else(|| object.name_any());
            place == *namespace
        };
        let gone = self.vanished.after(&event, || {
            let mut known = known();
            known.retain(of_this_part);
            known
        });
        let changed = match event {
            Event::Apply(object) | Event::InitApply(object) => Some(Event::Apply(object)),
            Event::Delete(object) => Some(Event::Delete(object)),
            Event::Init | Event::InitDone => None,
        };
        let gone = gone.iter().map(|object| Event::Delete((**object).clone()));
        gone.chain(changed).collect()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(namespace: &str, name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.namespace = Some(namespace.to_owned());
        object.metadata.name = Some(name.to_owned());
        object.metadata.uid = Some(format!("{namespace}/{name}"));
        object
    }

    /// Events in short.
    fn told(events: &[Event<ConfigMap>]) -> Vec<String> {
        let uid = |object: &ConfigMap| object.uid().unwrap_or_default();
        let short = |event: &Event<ConfigMap>| match event {
            Event::Init => "init".to_owned(),
            Event::InitApply(object) => format!("listed {}", uid(object)),
            Event::InitDone => "done".to_owned(),
            Event::Apply(object) => format!("changed {}", uid(object)),
            Event::Delete(object) => format!("deleted {}", uid(object)),
        };
        events.iter().map(short).collect()
    }

    fn merge() -> Merge<ConfigMap> {
        Merge::of(["a", "b"].map(str::to_owned).into_iter())
    }

    fn nothing() -> Vec<Arc<ConfigMap>> {
        Vec::new()
    }

    #[test]
    fn there_is_one_first_list_and_it_waits_for_every_part() {
        let mut merge = merge();
        let quiet = [
            (0, Event::Init),
            (0, Event::InitApply(object("a", "cut-off"))),
            (0, Event::Init),
            (0, Event::InitApply(object("a", "1"))),
            (0, Event::InitDone),
            (0, Event::Apply(object("a", "2"))),
            (0, Event::Delete(object("a", "1"))),
            (1, Event::Init),
            (1, Event::InitApply(object("b", "1"))),
        ];
        for (part, event) in quiet {
            assert_eq!(
                told(&merge.after(part, event, nothing)),
                Vec::<String>::new()
            );
        }
        assert_eq!(
            told(&merge.after(1, Event::InitDone, nothing)),
            [
                "init",
                "listed a/1",
                "listed b/1",
                "done",
                "changed a/2",
                "deleted a/1"
            ]
        );
    }

    #[test]
    fn a_part_that_lists_anew_tells_what_is_there_and_what_is_gone_of_it_alone() {
        let mut merge = merge();
        for part in [0, 1] {
            merge.after(part, Event::Init, nothing);
            merge.after(part, Event::InitDone, nothing);
        }
        let known = || {
            [object("a", "1"), object("a", "2"), object("b", "1")]
                .map(Arc::new)
                .to_vec()
        };
        assert!(merge.after(0, Event::Init, known).is_empty());
        let again = merge.after(0, Event::InitApply(object("a", "2")), known);
        assert_eq!(told(&again), ["changed a/2"]);
        let after = merge.after(0, Event::InitDone, known);
        assert_eq!(told(&after), ["deleted a/1"]);
        let single = merge.after(1, Event::Delete(object("b", "1")), known);
        assert_eq!(told(&single), ["deleted b/1"]);
    }
}
