//! The tenants that the operator is connected to, and the reconciler of `EntraTenant`.
//!
//! A tenant is signed in to once and shared by all its grants. Its snapshots outlive a rotated secret. Grants ask here
//! and wait for the first verdict about their tenant: a restart must not report every grant unready for a moment.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use chrono::TimeDelta;
use kube::{
    ResourceExt,
    runtime::{controller::Action, reflector::Store},
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, info, warn};

use crate::{
    api::{
        RECONCILE_ANNOTATION,
        conditions::{ConditionType, Reason},
        guid::Guid,
        tenant::EntraTenant,
    },
    graph::{GraphClient, Priority, TokenIdentity},
};

use super::{
    authority::TenantFacts,
    clock::Clock,
    context::Context,
    directory::{Directory, Foreseen},
    first_list::FirstList,
    grant::{NaturalKey, ObjectKey},
    metrics,
    policy::{PolicyKey, PolicySnapshots},
    resync::spawn_resync,
    sign_in::{Failure, config, fingerprint, gather, parse_period, secret_of, sign_in_failure},
    snapshots::Snapshots,
    spans,
    tenant_report::{report, signed_in},
    wakeups::lock,
};

/// A tenant that the operator is signed in to.
pub struct Tenant {
    /// Name of the EntraTenant.
    pub name: String,
    /// The tenant's id.
    pub id: Guid,
    /// The Graph client, for what a person waits for.
    pub client: GraphClient,
    /// The same for bulk reads, which leave a share of the tenant's limits to the other.
    pub(super) background: GraphClient,
    /// Look-ups.
    pub directory: Arc<Directory>,
    /// What Entra lists.
    pub snapshots: Arc<Snapshots>,
    /// The PIM policies that Entra lists.
    pub policies: Arc<PolicySnapshots>,
    /// What the directory says that authority rests on.
    pub facts: Arc<TenantFacts>,
    pub(super) clock: Arc<dyn Clock>,
    fingerprint: u64,
    pub(super) resync_period: TimeDelta,
    /// Whether people were told that Graph refuses batches here.
    pub(super) batch_refusal_told: AtomicBool,
    /// Ends the resync of this connection when it is replaced.
    _resync: DropGuard,
}

/// What is known of a tenant.
#[derive(Clone)]
pub enum Connection {
    /// Signed in.
    Ready(Arc<Tenant>),
    /// Not signed in, and why.
    NotReady(String),
    /// There is no such EntraTenant.
    Missing,
}

/// All tenants.
pub struct Tenants {
    connections: Mutex<HashMap<String, Connection>>,
    verdicts: watch::Sender<()>,
    /// The requests for a look now that have been seen.
    nudges: Mutex<HashMap<String, Option<String>>>,
    /// The credentials whose end is known.
    credentials: Mutex<HashMap<String, metrics::Credential>>,
    store: Store<EntraTenant>,
    first_list: FirstList,
}

/// How long a grant waits for the first verdict about its tenant.
const FIRST_VERDICT: Duration = Duration::from_secs(30);
/// The kind's name.
pub const KIND: &str = "EntraTenant";
const RETRY: Duration = Duration::from_secs(20);
/// How often a new token is fetched while permissions are missing: an old one does not show what was granted since.
const LOOK_FOR_CONSENT: Duration = Duration::from_mins(2);

impl Tenants {
    /// No verdicts yet.
    #[must_use]
    pub fn new(store: Store<EntraTenant>, first_list: FirstList) -> Self {
        Self {
            connections: Mutex::default(),
            verdicts: watch::Sender::new(()),
            nudges: Mutex::default(),
            credentials: Mutex::default(),
            store,
            first_list,
        }
    }

    /// What is known of a tenant, once anything is.
    pub async fn get(&self, name: &str) -> Connection {
        let mut verdicts = self.verdicts.subscribe();
        let first = async {
            if !self.first_list.is_read().await {
                return Connection::NotReady("the operator is shutting down".to_owned());
            }
            loop {
                verdicts.borrow_and_update();
                if self
                    .store
                    .find(|tenant| tenant.name_any() == name)
                    .is_none()
                {
                    return Connection::Missing;
                }
                if let Some(connection) = lock(&self.connections).get(name) {
                    return connection.clone();
                }
                if verdicts.changed().await.is_err() {
                    return Connection::Missing;
                }
            }
        };
        tokio::time::timeout(FIRST_VERDICT, first)
            .await
            .unwrap_or_else(|_| {
                Connection::NotReady(format!(
                    "the EntraTenant {name} has not been signed in to yet"
                ))
            })
    }

    /// Every tenant that is signed in to.
    #[must_use]
    pub fn ready(&self) -> Vec<Arc<Tenant>> {
        let ready = |connection: &Connection| match connection {
            Connection::Ready(tenant) => Some(Arc::clone(tenant)),
            _ => None,
        };
        lock(&self.connections).values().filter_map(ready).collect()
    }

    /// Every EntraTenant, signed in to or not.
    #[must_use]
    pub fn all(&self) -> Vec<ObjectKey> {
        let tenants = self.store.state();
        let keys = tenants
            .iter()
            .map(|tenant| ObjectKey::of(KIND, tenant.as_ref()));
        keys.collect()
    }

    /// The EntraTenant of a name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<Arc<EntraTenant>> {
        self.store.find(|tenant| tenant.name_any() == name)
    }

    /// Every EntraTenant; none before they have been read once.
    pub(super) fn objects(&self) -> Option<Vec<Arc<EntraTenant>>> {
        self.first_list.is_read_now().then(|| self.store.state())
    }

    /// The end of what a tenant is signed in to with, where it is known.
    pub(super) fn credential(&self, name: &str) -> Option<metrics::Credential> {
        lock(&self.credentials).get(name).copied()
    }

    fn note_credential(&self, name: &str, credential: Option<metrics::Credential>) {
        let mut credentials = lock(&self.credentials);
        match credential {
            Some(credential) => credentials.insert(name.to_owned(), credential),
            None => credentials.remove(name),
        };
    }

    /// Changes when a verdict about a tenant does.
    pub(super) fn verdicts(&self) -> watch::Receiver<()> {
        self.verdicts.subscribe()
    }

    /// The names of the Secrets that tenants sign in with.
    pub(super) fn secrets(&self) -> BTreeSet<String> {
        let tenants = self.store.state();
        let named = tenants.iter().filter_map(|tenant| secret_of(tenant));
        named.map(str::to_owned).collect()
    }

    /// The tenants that sign in with a Secret.
    pub(super) fn users_of(&self, secret: &str) -> Vec<ObjectKey> {
        let tenants = self.store.state();
        let users = tenants
            .iter()
            .filter(|tenant| secret_of(tenant) == Some(secret));
        users
            .map(|tenant| ObjectKey::of(KIND, tenant.as_ref()))
            .collect()
    }

    /// Forgets a tenant whose EntraTenant was deleted.
    pub fn forget(&self, name: &str) {
        lock(&self.connections).remove(name);
        lock(&self.nudges).remove(name);
        lock(&self.credentials).remove(name);
        self.verdicts.send_replace(());
    }

    /// Whether a reconcile is to sign in anew: a person asked for it by annotation, or permissions were missing last time.
    fn is_asked_anew(&self, tenant: &EntraTenant) -> bool {
        let nudge = tenant.annotations().get(RECONCILE_ANNOTATION).cloned();
        let earlier = lock(&self.nudges).insert(tenant.name_any(), nudge.clone());
        let nudged = earlier.is_some_and(|earlier| earlier != nudge);
        let status = self
            .object(&tenant.name_any())
            .and_then(|tenant| tenant.status.clone());
        let lacking = status
            .and_then(|status| status.permissions)
            .is_some_and(|permissions| {
                !permissions.missing.is_empty() || permissions.granted.is_empty()
            });
        nudged || lacking
    }

    fn current(&self, name: &str) -> Option<Connection> {
        lock(&self.connections).get(name).cloned()
    }

    fn publish(&self, name: &str, connection: Connection) {
        lock(&self.connections).insert(name.to_owned(), connection);
        self.verdicts.send_replace(());
    }
}

/// Signs in to a tenant and reports it.
///
/// # Errors
/// When the API server cannot be asked or told.
pub async fn reconcile(
    tenant: Arc<EntraTenant>,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    if !context.fence.leads() {
        // All are looked at when this replica begins to lead.
        return Ok(Action::await_change());
    }
    let span = spans::reconcile(&ObjectKey::of(KIND, tenant.as_ref()));
    let outcome = pass(tenant, context).instrument(span.clone()).await;
    spans::ended(&span, outcome.is_ok());
    outcome
}

async fn pass(tenant: Arc<EntraTenant>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let name = tenant.name_any();
    context.removals.heed(&tenant, &context).await?;
    let renew = context.tenants.is_asked_anew(&tenant);
    let (verdict, signed_in, again) = match connect(&tenant, &context, renew).await {
        Ok((connection, identity)) => {
            let fresh = !matches!(
                context.tenants.current(&name),
                Some(Connection::Ready(earlier)) if Arc::ptr_eq(&earlier, &connection)
            );
            if fresh {
                info!(tenant = name, application = identity.app_id, "signed in");
                context
                    .tenants
                    .publish(&name, Connection::Ready(connection));
            }
            // What may be missing is judged by what is declared, once that is known.
            let Some(census) = context.census(&name).await else {
                return Ok(Action::await_change());
            };
            let verdict = signed_in(&identity, &census);
            let was = verdict_of(&tenant).is_some_and(|reason| reason == verdict.reason.as_str());
            if fresh || !was {
                context.trigger_grants_of(&name);
            }
            let again = match verdict.status {
                Some(true) => Action::await_change(),
                // Consent is given elsewhere, and only a new token shows it.
                _ => Action::requeue(LOOK_FOR_CONSENT),
            };
            let verdict = context.removals.verdict(&tenant, verdict);
            (verdict, Some((identity, census)), again)
        }
        Err(failure) => {
            warn!(tenant = name, reason = %failure.verdict.reason, "{}", failure.verdict.message);
            let was_ready = matches!(context.tenants.current(&name), Some(Connection::Ready(_)));
            // A tenant that was signed in to stays usable through a passing outage: its token may still be good.
            if !(was_ready && failure.passing) {
                context
                    .tenants
                    .publish(&name, Connection::NotReady(failure.verdict.message.clone()));
                context.trigger_grants_of(&name);
            }
            (failure.verdict, None, Action::requeue(RETRY))
        }
    };
    report(&tenant, &context, &verdict, signed_in).await?;
    Ok(again)
}

/// The reason of a tenant's `Ready`, as last seen.
fn verdict_of(tenant: &EntraTenant) -> Option<&str> {
    let conditions = &tenant.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
        .map(|condition| condition.reason.as_str())
}

async fn connect(
    tenant: &EntraTenant,
    context: &Arc<Context>,
    renew: bool,
) -> Result<(Arc<Tenant>, TokenIdentity), Failure> {
    let name = tenant.name_any();
    let gathered = gather(tenant, context).await;
    let expires = gathered
        .as_ref()
        .ok()
        .and_then(|presented| presented.expires);
    // One that has ended is known too: that is why the sign-in below fails.
    context.tenants.note_credential(&name, expires);
    let presented = gathered?;
    let fingerprint = fingerprint(tenant, &presented);
    let earlier = match context.tenants.current(&name) {
        Some(Connection::Ready(earlier)) => Some(earlier),
        _ => None,
    };
    if let Some(same) = earlier
        .as_ref()
        .filter(|earlier| earlier.fingerprint == fingerprint)
    {
        let identity = if renew {
            same.client.renewed_identity().await
        } else {
            same.client.identity().await
        };
        let identity = identity.map_err(|error| sign_in_failure(&error))?;
        return Ok((Arc::clone(same), identity));
    }
    let config = config(tenant, presented, context)?;
    let client = match &earlier {
        Some(earlier) => earlier.client.replaced_by(config),
        None => GraphClient::new(config),
    };
    let client = client.map_err(|error| sign_in_failure(&error))?;
    let identity = client
        .identity()
        .await
        .map_err(|error| sign_in_failure(&error))?;
    if Guid::new(&identity.tenant_id) != tenant.spec.tenant_id {
        let message = format!(
            "the sign-in led to tenant {}, not to spec.tenantId {}; check tenantId and the application",
            identity.tenant_id, tenant.spec.tenant_id
        );
        return Err(Failure::lasting(Reason::InvalidSpec, message));
    }
    let (snapshots, policies, facts) = earlier.map_or_else(
        || {
            (
                new_snapshots(&tenant.spec.tenant_id, context),
                new_policy_snapshots(&tenant.spec.tenant_id, context),
                Arc::default(),
            )
        },
        |earlier| {
            (
                Arc::clone(&earlier.snapshots),
                Arc::clone(&earlier.policies),
                Arc::clone(&earlier.facts),
            )
        },
    );
    let stop = CancellationToken::new();
    let resync_period = parse_period(&tenant.spec.resync_period).ok_or_else(|| {
        Failure::lasting(Reason::InvalidSpec, "spec.resyncPeriod must be such as 15m")
    })?;
    let foreseen = foreseen_questions(&name, context);
    let connection = Arc::new(Tenant {
        name,
        id: tenant.spec.tenant_id.clone(),
        directory: Directory::new(Arc::clone(&context.clock), client.clone(), foreseen),
        background: client.with_priority(Priority::Background),
        client: client.with_priority(Priority::Interactive),
        snapshots,
        policies,
        facts,
        clock: Arc::clone(&context.clock),
        fingerprint,
        resync_period,
        batch_refusal_told: AtomicBool::new(false),
        _resync: stop.clone().drop_guard(),
    });
    spawn_resync(&connection, context, stop);
    Ok((connection, identity))
}

/// The ids that will have to be looked up: those of the tenant's grants that are not resolved yet.
fn foreseen_questions(tenant: &str, context: &Context) -> Foreseen {
    let (kinds, tenant) = (context.kinds.clone(), tenant.to_owned());
    Box::new(move || {
        kinds
            .iter()
            .flat_map(|kind| kind.unresolved_ids(&tenant))
            .collect()
    })
}

fn new_policy_snapshots(tenant: &Guid, context: &Arc<Context>) -> Arc<PolicySnapshots> {
    // The context outlives every tenant, and must not be kept alive by one.
    let clock = Arc::clone(&context.clock);
    let (tenant, context) = (tenant.clone(), Arc::downgrade(context));
    let on_change = Box::new(move |key: &PolicyKey, waiting: HashSet<ObjectKey>| {
        let Some(context) = context.upgrade() else {
            return;
        };
        let managing = context.policies.claimants(&(tenant.clone(), key.clone()));
        for object in managing.iter().chain(&waiting) {
            context.wakeups.trigger(object);
        }
    });
    Arc::new(PolicySnapshots::new(clock, on_change))
}

fn new_snapshots(tenant: &Guid, context: &Arc<Context>) -> Arc<Snapshots> {
    let (registry, wakeups, tenant) = (
        Arc::clone(&context.registry),
        Arc::clone(&context.wakeups),
        tenant.clone(),
    );
    let on_change = Box::new(
        move |target: &super::grant::Target, rows: &[super::grant::RowKey]| {
            for row in rows {
                let key = NaturalKey {
                    tenant: tenant.clone(),
                    target: target.clone(),
                    row: row.clone(),
                };
                registry
                    .claimants(&key)
                    .iter()
                    .for_each(|object| wakeups.trigger(object));
            }
        },
    );
    Arc::new(Snapshots::new(Arc::clone(&context.clock), on_change))
}
