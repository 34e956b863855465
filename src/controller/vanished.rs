//! Objects that vanish while nobody watches. A watch that was cut off for long begins with a new list, and an object that was
//! deleted meanwhile is merely not on it: no event tells of its end, and whatever is kept for it would be kept for ever.

use std::{collections::HashMap, sync::Arc};

use kube::{Resource, ResourceExt, runtime::watcher::Event};

/// Finds the objects that a new list lacks.
#[derive(Debug)]
pub(super) struct Vanished<R> {
    /// The objects of the last list and the watch after it that the new list has not shown yet, by uid.
    unseen: HashMap<String, Arc<R>>,
}

impl<R> Default for Vanished<R> {
    fn default() -> Self {
        Self {
            unseen: HashMap::new(),
        }
    }
}

impl<R: Resource> Vanished<R> {
    /// Takes in an event and answers the objects that are gone by it. `known` are the objects of which earlier events told, asked
    /// for when a new list begins.
    pub(super) fn after(
        &mut self,
        event: &Event<R>,
        known: impl FnOnce() -> Vec<Arc<R>>,
    ) -> Vec<Arc<R>> {
        match event {
            Event::Init => {
                self.unseen = known()
                    .into_iter()
                    .map(|object| (object.uid().unwrap_or_default(), object))
                    .collect();
            }
            Event::InitApply(object) => {
                self.unseen
                    .remove(object.meta().uid.as_deref().unwrap_or_default());
            }
            Event::InitDone => return std::mem::take(&mut self.unseen).into_values().collect(),
            Event::Apply(_) | Event::Delete(_) => {}
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, uid: &str) -> Arc<ConfigMap> {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.uid = Some(uid.to_owned());
        Arc::new(object)
    }

    #[test]
    fn what_a_new_list_lacks_is_gone_and_so_is_what_was_made_anew_under_its_name() {
        let known = || vec![object("a", "1"), object("b", "2"), object("c", "3")];
        let shown = |object: Arc<ConfigMap>| Event::InitApply((*object).clone());
        let mut vanished = Vanished::default();
        // A list that is cut off says nothing of what it had not come to.
        for event in [Event::Init, shown(object("a", "1")), Event::Init] {
            assert!(vanished.after(&event, known).is_empty());
        }
        for event in [shown(object("a", "1")), shown(object("c", "9"))] {
            assert!(vanished.after(&event, known).is_empty());
        }
        let mut gone: Vec<_> = vanished
            .after(&Event::InitDone, known)
            .iter()
            .map(|object| object.uid().unwrap())
            .collect();
        gone.sort();
        assert_eq!(gone, ["2", "3"]);
        assert!(vanished.after(&Event::InitDone, known).is_empty());
    }
}
