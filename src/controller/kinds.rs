//! The kinds of grants that the operator runs a controller for. To run one more is one more line in [`kinds`].

use std::{future::ready, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt, future::BoxFuture};
use kube::{
    Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config, Error as ControllerError},
        predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        utils::{Predicate, PredicateConfig},
        watcher::{self, Event},
    },
};
use tokio::sync::OnceCell;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::api::{
    group_grant::{GroupAssignment, GroupEligibility},
    role_grant::{RoleAssignment, RoleEligibility},
};

use super::{
    context::{Context, Memory},
    first_list::{Filled, FirstList},
    flush::flush,
    grant::{Grant, ObjectKey},
    lanes::reconcile_in_turn,
    objects::{GrantStore, Objects, StoredObjects},
    policy::PolicyKind,
    reconcile::{Reconciler, after_error},
    several::{self, Part, in_namespaces},
    vanished::Vanished,
};

/// A kind of grant that is about to be watched.
pub(super) trait Kind: Send {
    /// Its objects, for what concerns them all.
    fn objects(&self) -> Arc<dyn Objects>;
    /// Whether they have been read once.
    fn first_list(&self) -> FirstList;
    /// Watches and reconciles them until the operator is told to stop.
    fn controller(
        self: Box<Self>,
        context: &Arc<Context>,
        watch_namespaces: &[String],
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()>;
}

/// Every kind.
pub(super) fn kinds() -> Vec<Box<dyn Kind>> {
    vec![
        kind::<GroupEligibility>(),
        kind::<GroupAssignment>(),
        kind::<RoleEligibility>(),
        kind::<RoleAssignment>(),
        PolicyKind::boxed(),
    ]
}

/// A kind's store, and what fills it.
struct Stored<K: Grant> {
    store: GrantStore<K>,
    writer: Writer<DeserializeGuard<K>>,
    filled: Filled,
    read: FirstList,
}

fn kind<K: Grant>() -> Box<dyn Kind> {
    let (store, writer) = reflector::store::<DeserializeGuard<K>>();
    let (filled, read) = FirstList::unread();
    Box::new(Stored {
        store,
        writer,
        filled,
        read,
    })
}

impl<K: Grant> Kind for Stored<K> {
    fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(StoredObjects(self.store.clone()))
    }

    fn first_list(&self) -> FirstList {
        self.read.clone()
    }

    fn controller(
        self: Box<Self>,
        context: &Arc<Context>,
        watch_namespaces: &[String],
        stop: &CancellationToken,
    ) -> BoxFuture<'static, ()> {
        let Self {
            store,
            writer,
            filled,
            read,
        } = *self;
        let (of, writer) = ((store, read), (writer, filled));
        grant_controller(context, watch_namespaces, of, writer, stop)
    }
}

fn grant_controller<K: Grant>(
    context: &Arc<Context>,
    watch_namespaces: &[String],
    (store, first_list): (GrantStore<K>, FirstList),
    writer: (Writer<DeserializeGuard<K>>, Filled),
    stop: &CancellationToken,
) -> BoxFuture<'static, ()> {
    let reconciler = Arc::new(Reconciler {
        context: Arc::clone(context),
        first_list: first_list.clone(),
        store: store.clone(),
        memory: Memory::default(),
        primed: OnceCell::new(),
    });
    let gone = Arc::clone(&reconciler);
    let on_delete = move |guard: &DeserializeGuard<K>| {
        let key = ObjectKey::of(K::KIND, guard);
        let uid = guard.uid().unwrap_or_default();
        gone.memory.forget(&uid);
        gone.context.lanes.forget(&key);
        gone.context
            .authority
            .release(&gone.context, &key.namespace, &uid);
        gone.context.wakeups.set(&key, None);
        gone.context.removals.waits_no_longer(&key);
        for other in gone.context.registry.release(&key) {
            gone.context.wakeups.trigger(&other);
        }
    };
    let stream = watch(
        in_namespaces(&context.client, watch_namespaces),
        (store.clone(), writer),
        K::KIND,
        context,
        on_delete,
    )
    .predicate_filter(
        predicates::generation.combine(predicates::annotations),
        PredicateConfig::default(),
    );
    let triggers = UnboundedReceiverStream::new(context.wakeups.triggers(K::KIND))
        .map(|key: ObjectKey| key.object_ref());
    let run = Controller::for_stream(stream, store)
        // Each tenant has a bound of its own.
        .with_config(Config::default().concurrency(0))
        .reconcile_on(triggers)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile_in_turn, after_error, Arc::clone(&reconciler));
    let stop = stop.clone();
    Box::pin(async move {
        drain(run, first_list, stop).await;
        flush(&reconciler).await;
    })
}

/// Watches a kind into its store. The copies in the store are stripped of what nobody here reads: the
/// bookkeeping of server-side apply is most of an object's memory.
pub(super) fn watch<R>(
    parts: Vec<Part<R>>,
    (store, (writer, filled)): (Store<R>, (Writer<R>, Filled)),
    kind: &'static str,
    context: &Arc<Context>,
    on_delete: impl Fn(&R) + Send + 'static,
) -> impl Stream<Item = Result<R, watcher::Error>> + Send + 'static
where
    R: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Send
        + Sync
        + serde::de::DeserializeOwned
        + 'static,
{
    let metrics = Arc::clone(&context.metrics);
    let mut vanished = Vanished::default();
    let known = store.clone();
    several::watch(parts, move || known.state())
        .modify(|object| {
            object.managed_fields_mut().clear();
            object
                .annotations_mut()
                .remove("kubectl.kubernetes.io/last-applied-configuration");
        })
        .inspect_err(move |error| {
            metrics.watch_error(kind);
            warn!(kind, %error, "a watch failed and is tried again");
        })
        .reflect(writer)
        .inspect_ok(move |event| {
            filled.after(event);
            // The store keeps what it held until a new list is complete.
            for object in vanished.after(event, || store.state()) {
                on_delete(&object);
            }
            if let Event::Delete(object) = event {
                on_delete(object);
            }
        })
        .applied_objects()
}

/// Runs a controller until it is told to stop and its passes are finished.
///
/// kube's own graceful stop never ends for a controller that is still waiting for its first list (kube-runtime 5.0): its watch is
/// no longer polled, and the passes that it holds back until the list is there keep it from ending. No pass is under way then,
/// so it ends at once.
pub(super) async fn drain<R, E>(
    run: impl Stream<Item = Result<(ObjectRef<R>, Action), ControllerError<E, watcher::Error>>>,
    first_list: FirstList,
    stop: CancellationToken,
) where
    R: Resource,
    E: std::error::Error + 'static,
{
    let passes = run.for_each(|result| {
        match result {
            // Each is logged where it happens; an object that went in the meantime is nothing to speak of.
            Ok(_)
            | Err(ControllerError::ObjectNotFound(_) | ControllerError::ReconcilerFailed(..)) => {}
            Err(error) => debug!(%error, "controller"),
        }
        ready(())
    });
    let stopped_before_the_start = async {
        stop.cancelled().await;
        if first_list.is_read_now() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = passes => {}
        () = stopped_before_the_start => {}
    }
}
