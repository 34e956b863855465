//! Wires the operator up and runs it until it is told to stop.

use std::{
    future::{Future, ready},
    path::PathBuf,
    sync::Arc,
};

use futures::{
    StreamExt,
    future::{BoxFuture, join_all},
    stream::select,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        Controller, WatchStreamExt,
        controller::Action,
        predicates,
        reflector::{self, ObjectRef, Store, store::Writer},
        utils::{Predicate, PredicateConfig},
        watcher,
    },
};
use tokio::{net::TcpListener, sync::OnceCell};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    api::{boundary::GrantBoundary, tenant::EntraTenant},
    graph::{RetryLimits, Timeouts},
    pim::boundary::Lift,
};

use super::{
    authority::{Authority, watch_boundaries, watch_labels},
    clock::Clock,
    context::Context,
    election::{Election, Fence, LeaseLost, Timings, fenced},
    events::Events,
    first_list::{Filled, FirstList},
    grant::ObjectKey,
    kinds::{drain, kinds, watch},
    lanes::Lanes,
    metrics::Metrics,
    origin::Origins,
    policy::PolicyClaims,
    registry::Registry,
    removals::Removals,
    secrets,
    serve::{Health, Readiness, serve},
    several::Part,
    tenant_report::keep_reporting,
    tenants::{self, Tenants},
    wakeups::Wakeups,
};

/// Where Kubernetes projects the token of the operator's service account, unless it is told another place.
pub const FEDERATED_TOKEN_FILE: &str = "/var/run/secrets/azure/tokens/azure-identity-token";

/// What the operator needs to run.
pub struct Operator {
    /// The Kubernetes client.
    pub client: Client,
    /// The operator's own namespace: tenants' Secrets and the lease are there.
    pub namespace: String,
    /// The only namespaces whose grants are looked at; none means all.
    pub watch_namespaces: Vec<String>,
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
    /// The times of the election.
    pub timings: Timings,
}

/// Why the operator could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lease was lost: another replica leads now, and this process must end at once.
    #[error(transparent)]
    LeaseLost(#[from] LeaseLost),
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
            watch_namespaces,
            watch_tenant,
            lifted,
            clock,
            federated_token_file,
            timeouts,
            retry,
            listener,
            argocd_namespaces,
            identity,
            timings,
        } = self;
        let instance = identity.as_deref().map(Election::identity_of);
        let fence = Arc::new(match instance {
            None => Fence::alone(Arc::clone(&clock)),
            Some(_) => Fence::elected(Arc::clone(&clock), timings.renew),
        });
        if let Some(listener) = listener {
            server = Some(tokio::spawn(serve(
                listener,
                Arc::clone(&metrics),
                Health::new(readiness.clone(), Arc::clone(&fence), timings.lease),
                stop.clone(),
            )));
        }
        let parts = Parts {
            client: fenced(client.clone(), Arc::clone(&fence)),
            fence: Arc::clone(&fence),
            namespace: namespace.clone(),
            watch_namespaces,
            watch_tenant,
            lifted,
            clock,
            federated_token_file,
            timeouts,
            retry,
            metrics,
            readiness,
            argocd_namespaces,
            instance: instance.clone(),
        };
        // Cancelled once all that this process has to write is written.
        let written = CancellationToken::new();
        let work = controllers(parts, stop.clone(), written.clone());
        let outcome = match instance {
            None => {
                work.await;
                Ok(())
            }
            Some(instance) => {
                let election = Election::new(client, &namespace, instance, timings, fence);
                let work = async {
                    work.await;
                    Ok(())
                };
                // Whoever loses the lease drops the work where it is.
                tokio::try_join!(work, election.run(&written)).map(drop)
            }
        };
        stop.cancel();
        if let Some(server) = server.filter(|_| outcome.is_ok()) {
            // It ends with the token; how it ended changes nothing any more.
            let _ = server.await;
        }
        Ok(outcome?)
    }
}

struct Parts {
    client: Client,
    fence: Arc<Fence>,
    namespace: String,
    watch_namespaces: Vec<String>,
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

/// Watches everything, and acts on it while this process leads; another replica keeps its stores filled meanwhile, so that it can
/// begin at once. `written` is cancelled when nothing is left to write but events.
async fn controllers(parts: Parts, stop: CancellationToken, written: CancellationToken) {
    // However this ends.
    let written = written.drop_guard();
    let Parts {
        client,
        fence,
        namespace,
        watch_namespaces,
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
    let kinds = kinds();
    let kinds_read: Vec<FirstList> = kinds.iter().map(|kind| kind.first_list()).collect();
    let (tenant_store, tenant_writer) = reflector::store::<EntraTenant>();
    let (boundary_store, boundary_writer) = reflector::store::<DeserializeGuard<GrantBoundary>>();
    let (namespace_store, namespace_writer) = reflector::store::<PartialObjectMeta<Namespace>>();
    let (boundaries_filled, boundaries_read) = FirstList::unread();
    let (namespaces_filled, namespaces_read) = FirstList::unread();
    let (tenants_filled, tenants_read) = FirstList::unread();
    let wakeups = Arc::new(Wakeups::new(Arc::clone(&clock)));
    let with_kinds = |lists: &[&FirstList]| -> Vec<FirstList> {
        let lists = lists.iter().copied();
        lists.chain(&kinds_read).cloned().collect()
    };
    let authority = Authority::new(
        boundary_store,
        namespace_store,
        with_kinds(&[&boundaries_read, &namespaces_read]),
        lifted,
    );
    let first_lists = with_kinds(&[&tenants_read, &boundaries_read]);
    let context = Arc::new(Context {
        client: client.clone(),
        namespace,
        fence,
        instance: instance.clone(),
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
        removals: Removals::new(kinds_read.clone()),
        kinds: kinds.iter().map(|kind| kind.objects()).collect(),
        kinds_read,
        policies: PolicyClaims::default(),
        claims_primed: OnceCell::new(),
        lanes: Arc::new(Lanes::new(Arc::clone(&wakeups))),
    });
    // Read once, before anything is sent.
    context.origins.cluster().await;
    let timers = tokio::spawn(async move { wakeups.run().await });
    let reports = tokio::spawn(keep_reporting(Arc::clone(&context)));
    let tenants = tenant_controller(
        &context,
        watch_tenant.as_deref(),
        (tenant_store, tenants_read.clone()),
        (tenant_writer, tenants_filled),
        &stop,
    );
    let grants = kinds
        .into_iter()
        .map(|kind| kind.controller(&context, &watch_namespaces, &stop));
    let grants = join_all(grants.collect::<Vec<_>>());
    let boundaries = watch_boundaries(&context, (boundary_writer, boundaries_filled));
    let namespaces = watch_labels(
        &context,
        &watch_namespaces,
        (namespace_writer, namespaces_filled),
    );
    let fence = select(boundaries, namespaces).for_each(ready);
    tokio::select! {
        _ = async { tokio::join!(tenants, grants) } => {}
        () = fence => {}
        () = secrets::follow(&context) => {}
        () = tell_readiness(&first_lists, &readiness, &stop) => {}
        () = lead(&context) => {}
    }
    context.removals.write(&context).await;
    drop(written);
    timers.abort();
    reports.abort();
    context.events.close().await;
}

/// Ready once everything was read, until it is time to stop. Never ends.
async fn tell_readiness(
    first_lists: &[FirstList],
    readiness: &Readiness,
    stop: &CancellationToken,
) {
    let all = join_all(first_lists.iter().map(FirstList::is_read)).await;
    readiness.set(all.into_iter().all(|read| read));
    info!("the operator is ready");
    stop.cancelled().await;
    readiness.set(false);
    std::future::pending::<()>().await;
}

/// What is for the leader alone.
async fn lead(context: &Arc<Context>) {
    context.fence.led().await;
    let _leading = context.metrics.lead();
    // A standby knows the same objects, which must not be counted twice.
    context.metrics.follow(context);
    if context.fence.is_elected() {
        context.trigger_all();
    }
    context.removals.run(context).await;
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
    let all = Part {
        api,
        config: config.any_semantic(),
        namespace: String::new(),
    };
    let stream = watch(
        vec![all],
        (store.clone(), writer),
        "EntraTenant",
        context,
        on_delete,
    )
    .predicate_filter(
        predicates::generation.combine(predicates::annotations),
        PredicateConfig::default(),
    );
    let triggers = UnboundedReceiverStream::new(context.wakeups.triggers(tenants::KIND))
        .map(|key: ObjectKey| ObjectRef::new(&key.name));
    let run = Controller::for_stream(stream, store)
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
