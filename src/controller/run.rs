//! Wires the operator up and runs it until it is told to stop.

use std::{
    future::{Future, ready},
    path::PathBuf,
    sync::Arc,
};

use futures::{
    Stream, StreamExt, TryStreamExt,
    future::{BoxFuture, join_all},
    stream::select,
};
use k8s_controller::LeaderElection;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        Controller, WatchStreamExt,
        controller::{Action, Config, Error as ControllerError},
        predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        utils::{Predicate, PredicateConfig},
        watcher::{self, Event},
    },
};
use tokio::{net::TcpListener, sync::OnceCell};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    api::{boundary::GrantBoundary, tenant::EntraTenant},
    graph::{RetryLimits, Timeouts},
    pim::boundary::Lift,
};

use super::{
    authority::{Authority, watch_boundaries, watch_namespaces},
    clock::Clock,
    context::{Context, Memory, Objects, StoredObjects},
    events::Events,
    first_list::{Filled, FirstList},
    flush::flush,
    grant::{Grant, ObjectKey},
    lanes::{Lanes, reconcile_in_turn},
    metrics::Metrics,
    origin::Origins,
    reconcile::{Reconciler, after_error},
    registry::Registry,
    removals::Removals,
    serve::{Readiness, serve},
    sign_in::secret_of,
    tenant_report::keep_reporting,
    tenants::{self, Tenants},
    vanished::Vanished,
    wakeups::Wakeups,
};
use crate::api::group_grant::{GroupAssignment, GroupEligibility};

/// Where Kubernetes projects the token of the operator's service account, unless it is told another place.
pub const FEDERATED_TOKEN_FILE: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// What the operator needs to run.
pub struct Operator {
    /// The Kubernetes client.
    pub client: Client,
    /// The operator's own namespace: tenants' Secrets and the lease are there.
    pub namespace: String,
    /// The only namespace whose grants are looked at; none means all.
    pub watch_namespace: Option<String>,
    /// The only tenant that is served; none means all.
    pub watch_tenant: Option<String>,
    /// What is taken off the built-in deny list.
    pub lifted: Vec<Lift>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The token of the operator's own service account, with the audience that Entra expects.
    pub federated_token_file: PathBuf,
    /// How long a single answer of Graph is waited for.
    pub timeouts: Timeouts,
    /// How far the Graph client tries again by itself before a pass ends with a report.
    pub retry: RetryLimits,
    /// Where metrics and health are served; none means nowhere.
    pub listener: Option<TcpListener>,
    /// The namespaces whose Argo CD Applications are believed; the first is Argo CD's own.
    pub argocd_namespaces: Vec<String>,
    /// Who takes part in the election of a leader; none means that this process is alone.
    pub identity: Option<String>,
}

/// Why the operator could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lease was lost: another replica leads now, and this process must end at once.
    #[error("the leader lease was lost")]
    LeaseLost,
}

impl Operator {
    /// Runs until `stop` is cancelled. Passes in hand are finished first, with their status.
    ///
    /// # Errors
    /// When leadership is lost.
    pub async fn run(self, stop: CancellationToken) -> Result<(), RunError> {
        let metrics = Metrics::new(Arc::clone(&self.clock));
        let readiness = Readiness::default();
        let mut server = None;
        let Self {
            client,
            namespace,
            watch_namespace,
            watch_tenant,
            lifted,
            clock,
            federated_token_file,
            timeouts,
            retry,
            listener,
            argocd_namespaces,
            identity,
        } = self;
        if let Some(listener) = listener {
            server = Some(tokio::spawn(serve(
                listener,
                Arc::clone(&metrics),
                readiness.clone(),
                stop.clone(),
            )));
        }
        let instance = identity.clone();
        let parts = Parts {
            client: client.clone(),
            namespace: namespace.clone(),
            watch_namespace,
            watch_tenant,
            lifted,
            clock,
            federated_token_file,
            timeouts,
            retry,
            metrics,
            readiness: readiness.clone(),
            argocd_namespaces,
            instance,
        };
        let outcome = match identity {
            None => {
                controllers(parts, stop.clone()).await;
                Ok(())
            }
            Some(identity) => {
                // A standby is ready: a rolling update waits for it.
                readiness.set(true);
                let election = LeaderElection::new(client, &namespace, "pim-operator", &identity);
                let led = tokio::select! {
                    led = election.with_lease(controllers(parts, stop.clone())) => led,
                    () = stop_while_standing_by(&stop) => Some(()),
                };
                election.release().await;
                led.ok_or(RunError::LeaseLost)
            }
        };
        stop.cancel();
        if let Some(server) = server {
            // It ends with the token; how it ended changes nothing any more.
            let _ = server.await;
        }
        outcome
    }
}

/// Ends a standby that is told to stop. A leader ends by itself, once its passes are finished.
async fn stop_while_standing_by(stop: &CancellationToken) {
    stop.cancelled().await;
    // Longer than any pass: a leader's own end comes first.
    tokio::time::sleep(std::time::Duration::from_secs(25)).await;
}

struct Parts {
    client: Client,
    namespace: String,
    watch_namespace: Option<String>,
    watch_tenant: Option<String>,
    lifted: Vec<Lift>,
    clock: Arc<dyn Clock>,
    federated_token_file: PathBuf,
    timeouts: Timeouts,
    retry: RetryLimits,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    argocd_namespaces: Vec<String>,
    instance: Option<String>,
}

#[expect(clippy::too_many_lines, reason = "the wiring reads as one list")]
async fn controllers(parts: Parts, stop: CancellationToken) {
    let Parts {
        client,
        namespace,
        watch_namespace,
        watch_tenant,
        lifted,
        clock,
        federated_token_file,
        timeouts,
        retry,
        metrics,
        readiness,
        argocd_namespaces,
        instance,
    } = parts;
    let (tenant_store, tenant_writer) = reflector::store::<EntraTenant>();
    let (eligibility_store, eligibility_writer) =
        reflector::store::<DeserializeGuard<GroupEligibility>>();
    let (assignment_store, assignment_writer) =
        reflector::store::<DeserializeGuard<GroupAssignment>>();
    let (boundary_store, boundary_writer) = reflector::store::<DeserializeGuard<GrantBoundary>>();
    let (namespace_store, namespace_writer) = reflector::store::<PartialObjectMeta<Namespace>>();
    let (boundaries_filled, boundaries_read) = FirstList::unread();
    let (namespaces_filled, namespaces_read) = FirstList::unread();
    let (tenants_filled, tenants_read) = FirstList::unread();
    let (eligibilities_filled, eligibilities_read) = FirstList::unread();
    let (assignments_filled, assignments_read) = FirstList::unread();
    let wakeups = Arc::new(Wakeups::new(Arc::clone(&clock)));
    let kinds: Vec<Arc<dyn Objects>> = vec![
        Arc::new(StoredObjects(eligibility_store.clone())),
        Arc::new(StoredObjects(assignment_store.clone())),
    ];
    let authority = Authority::new(
        boundary_store,
        namespace_store,
        vec![
            boundaries_read.clone(),
            namespaces_read,
            eligibilities_read.clone(),
            assignments_read.clone(),
        ],
        lifted,
    );
    let context = Arc::new(Context {
        client: client.clone(),
        namespace,
        stop: stop.clone(),
        clock,
        federated_token_file,
        timeouts,
        retry,
        tenants: Tenants::new(tenant_store.clone(), tenants_read.clone()),
        authority,
        registry: Arc::new(Registry::default()),
        wakeups: Arc::clone(&wakeups),
        events: Events::new(client.clone(), instance),
        origins: Origins::new(client.clone(), argocd_namespaces),
        metrics,
        removals: Removals::new(vec![eligibilities_read.clone(), assignments_read.clone()]),
        kinds,
        kinds_read: vec![eligibilities_read.clone(), assignments_read.clone()],
        lanes: Arc::new(Lanes::new(Arc::clone(&wakeups))),
    });
    // Read once, before anything is sent.
    context.origins.cluster().await;
    let timers = tokio::spawn(async move { wakeups.run().await });
    let reports = tokio::spawn(keep_reporting(Arc::clone(&context)));
    let is_ready = {
        let first_lists = [
            tenants_read.clone(),
            boundaries_read,
            eligibilities_read.clone(),
            assignments_read.clone(),
        ];
        async move {
            let all = join_all(first_lists.iter().map(FirstList::is_read)).await;
            readiness.set(all.into_iter().all(|read| read));
            info!("the operator is ready");
            std::future::pending::<()>().await;
        }
    };
    let tenants = tenant_controller(
        &context,
        watch_tenant.as_deref(),
        (tenant_store, tenants_read.clone()),
        (tenant_writer, tenants_filled),
        &stop,
    );
    let eligibilities = grant_controller(
        &context,
        watch_namespace.as_deref(),
        (eligibility_store, eligibilities_read),
        (eligibility_writer, eligibilities_filled),
        &stop,
    );
    let assignments = grant_controller(
        &context,
        watch_namespace.as_deref(),
        (assignment_store, assignments_read),
        (assignment_writer, assignments_filled),
        &stop,
    );
    let boundaries = watch_boundaries(&context, (boundary_writer, boundaries_filled));
    let namespaces = watch_namespaces(
        &context,
        watch_namespace.as_deref(),
        (namespace_writer, namespaces_filled),
    );
    let fence = select(boundaries, namespaces).for_each(ready);
    tokio::select! {
        _ = async { tokio::join!(tenants, eligibilities, assignments) } => {}
        () = fence => {}
        () = is_ready => {}
        () = context.removals.run(&context) => {}
    }
    context.removals.write(&context).await;
    timers.abort();
    reports.abort();
    context.events.close().await;
}

fn tenant_controller(
    context: &Arc<Context>,
    watch_tenant: Option<&str>,
    (store, first_list): (Store<EntraTenant>, FirstList),
    writer: (Writer<EntraTenant>, Filled),
    stop: &CancellationToken,
) -> BoxFuture<'static, ()> {
    let api = Api::<EntraTenant>::all(context.client.clone());
    let mut config = watcher::Config::default();
    if let Some(name) = watch_tenant {
        config = config.fields(&format!("metadata.name={name}"));
    }
    let gone = Arc::clone(context);
    let on_delete = move |tenant: &EntraTenant| {
        gone.tenants.forget(&tenant.name_any());
        gone.trigger_grants_of(&tenant.name_any());
    };
    let stream = watch(
        api,
        config,
        (store.clone(), writer),
        "EntraTenant",
        context,
        on_delete,
    )
    .predicate_filter(
        predicates::generation.combine(predicates::annotations),
        PredicateConfig::default(),
    );
    let secrets =
        Api::<PartialObjectMeta<Secret>>::namespaced(context.client.clone(), &context.namespace);
    let tenants = store.clone();
    let users_of = move |secret: PartialObjectMeta<Secret>| {
        let name = secret.name_any();
        let uses = move |tenant: &EntraTenant| secret_of(tenant) == Some(name.as_str());
        tenants
            .state()
            .into_iter()
            .filter(|tenant| uses(tenant))
            .map(|tenant| ObjectRef::from_obj(tenant.as_ref()))
            .collect::<Vec<_>>()
    };
    let triggers = UnboundedReceiverStream::new(context.wakeups.triggers(tenants::KIND))
        .map(|key: ObjectKey| ObjectRef::new(&key.name));
    let run = Controller::for_stream(stream, store)
        .watches(secrets, watcher::Config::default(), users_of)
        .reconcile_on(triggers)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            tenants::reconcile,
            |tenant, error, _| {
                warn!(tenant = tenant.name_any(), %error, "a tenant could not be reported");
                Action::requeue(std::time::Duration::from_secs(5))
            },
            Arc::clone(context),
        );
    Box::pin(drain(run, first_list, stop.clone()))
}

fn grant_controller<K: Grant>(
    context: &Arc<Context>,
    watch_namespace: Option<&str>,
    (store, first_list): (Store<DeserializeGuard<K>>, FirstList),
    writer: (Writer<DeserializeGuard<K>>, Filled),
    stop: &CancellationToken,
) -> BoxFuture<'static, ()> {
    let api: Api<DeserializeGuard<K>> = match watch_namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
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
        gone.context.metrics.object(&key, None);
        gone.context.wakeups.set(&key, None);
        gone.context.removals.waits_no_longer(&key);
        for other in gone.context.registry.release(&key) {
            gone.context.wakeups.trigger(&other);
        }
    };
    let stream = watch(
        api,
        watcher::Config::default(),
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
fn watch<R>(
    api: Api<R>,
    config: watcher::Config,
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
    watcher::watcher(api, config.any_semantic())
        .default_backoff()
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
async fn drain<R, E>(
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

/// A future that ends when the process is asked to: SIGTERM or an interrupt.
///
/// # Errors
/// When no handler can be installed.
pub fn termination() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            // Without the handler only SIGTERM counts.
            Ok(()) = tokio::signal::ctrl_c() => {}
        }
    })
}
