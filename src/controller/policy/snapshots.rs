//! The policies of a tenant, read once per target and shared by all objects: those that manage them, and grants that want to know
//! what a policy will say.
//!
//! One call reads both policies of a group, another one those of all roles. A view is never older than our own last write to its
//! policy. Entra's replicas may disagree for some seconds after a write, so for a while what we have just written counts, where a
//! read still shows what was there before. Reads are single-flight; one that fails is an error to whoever asked, never an empty
//! policy.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;

use crate::{
    api::{guid::Guid, references::AccessId},
    controller::{clock::Clock, grant::ObjectKey, snapshots::Freshness, wakeups::lock},
    graph::{GraphClient, GraphError, PolicyAssignment},
    pim::policy::{Difference, Policy, Rule, RuleId},
};

/// How long replicas may show what was there before our own write.
pub(super) const REPLICATION: TimeDelta = TimeDelta::seconds(60);
/// How long the list of authentication contexts is believed.
const CONTEXTS: TimeDelta = TimeDelta::minutes(10);

/// Whose policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PolicyKey {
    /// That of a group's members or owners.
    Group(Guid, AccessId),
    /// That of a directory role.
    Role(Guid),
}

impl PolicyKey {
    fn source(&self) -> Source {
        match self {
            Self::Group(id, _) => Source::Group(id.clone()),
            Self::Role(_) => Source::Roles,
        }
    }

    /// The group or role.
    #[must_use]
    pub const fn id(&self) -> &Guid {
        match self {
            Self::Group(id, _) | Self::Role(id) => id,
        }
    }

    /// The relationship with the group; none for a role.
    #[must_use]
    pub const fn access(&self) -> Option<AccessId> {
        match self {
            Self::Group(_, access) => Some(*access),
            Self::Role(_) => None,
        }
    }
}

/// What one call reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Group(Guid),
    Roles,
}

/// A policy as it was read.
#[derive(Clone, Debug)]
pub struct PolicyView {
    /// When the read began, UTC.
    pub read_at: DateTime<Utc>,
    /// The policy's id at that time. It changes: read anew before it is used.
    pub id: String,
    /// What it says. Where a replica still shows what was there before our own last write, what we wrote.
    pub policy: Arc<Policy>,
    /// The rules of which a replica showed an earlier value.
    pub lagging: Vec<RuleId>,
    tick: u64,
}

impl PolicyView {
    /// Whether another view is of the same policy with the same rules.
    fn says_the_same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.lagging == other.lagging
            && self.policy.rules().eq(other.policy.rules())
    }
}

/// The authentication contexts, and when they were read.
type Contexts = (DateTime<Utc>, Arc<BTreeSet<String>>);
type Found = HashMap<PolicyKey, Arc<PolicyView>>;

#[derive(Default)]
struct Entry {
    /// The tick of our own last write to each policy that no read covers yet.
    writes: Mutex<HashMap<PolicyKey, u64>>,
    read: tokio::sync::Mutex<Option<Read>>,
}

struct Read {
    tick: u64,
    at: DateTime<Utc>,
    found: Arc<Found>,
}

impl Entry {
    /// Whether a read from then covers our own last write to a policy.
    fn covers(&self, key: &PolicyKey, tick: u64) -> bool {
        lock(&self.writes)
            .get(key)
            .is_none_or(|written| tick > *written)
    }
}

/// Told that a policy changed between two reads, and who waits for that.
pub type OnPolicyChange = Box<dyn Fn(&PolicyKey, HashSet<ObjectKey>) + Send + Sync>;

/// A rule that we have written, and what was there before.
struct Written {
    at: DateTime<Utc>,
    from: Rule,
    to: Rule,
}

/// The policies of one tenant.
pub struct PolicySnapshots {
    clock: Arc<dyn Clock>,
    on_change: OnPolicyChange,
    ticks: AtomicU64,
    entries: Mutex<HashMap<Source, Arc<Entry>>>,
    written: Mutex<HashMap<(PolicyKey, RuleId), Written>>,
    waiting: Mutex<HashMap<PolicyKey, HashSet<ObjectKey>>>,
    contexts: tokio::sync::Mutex<Option<Contexts>>,
}

impl PolicySnapshots {
    /// Nothing read yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, on_change: OnPolicyChange) -> Self {
        Self {
            clock,
            on_change,
            ticks: AtomicU64::new(1),
            entries: Mutex::default(),
            written: Mutex::default(),
            waiting: Mutex::default(),
            contexts: tokio::sync::Mutex::new(None),
        }
    }

    /// A policy, read again only where the last read is not fresh enough. None where Entra lists no such policy.
    ///
    /// # Errors
    /// When the read failed; the caller knows nothing then. A group that PIM does not know yet is "not found".
    pub async fn observe(
        &self,
        client: &GraphClient,
        key: &PolicyKey,
        freshness: Freshness,
    ) -> Result<Option<Arc<PolicyView>>, GraphError> {
        let entry = self.entry(&key.source());
        let mut read = entry.read.lock().await;
        let fresh = read.as_ref().is_some_and(|read| {
            // One policy may have been read later than the others.
            let (tick, at) = match read.found.get(key) {
                Some(view) => (view.tick, view.read_at),
                None => (read.tick, read.at),
            };
            entry.covers(key, tick)
                && !matches!(freshness, Freshness::Since(instant) if at < instant)
        });
        let mut changed = Vec::new();
        match (&mut *read, key) {
            _ if fresh => {}
            // The others of the tenant are known, and there are many.
            (Some(read), PolicyKey::Role(id)) if read.found.contains_key(key) => {
                changed = self.read_role(client, id, &entry, read).await?;
            }
            (read, _) => changed = self.read(client, &key.source(), &entry, read).await?,
        }
        let view = read.as_ref().and_then(|read| read.found.get(key).cloned());
        drop(read);
        self.tell(&changed);
        Ok(view)
    }

    /// Reads these policies again unless they were read at or after an instant: one call for each group, one for all roles.
    ///
    /// # Errors
    /// With what failed first; the others are read all the same.
    pub async fn refresh(
        &self,
        client: &GraphClient,
        keys: &HashSet<PolicyKey>,
        since: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        let sources: HashSet<Source> = keys.iter().map(PolicyKey::source).collect();
        let reads = sources.iter().map(|source| async move {
            let entry = self.entry(source);
            let mut read = entry.read.lock().await;
            if read.as_ref().is_some_and(|read| read.at >= since) {
                return Ok(());
            }
            let changed = self.read(client, source, &entry, &mut read).await?;
            drop(read);
            self.tell(&changed);
            Ok(())
        });
        let all = join_all(reads).await;
        // A group that is gone, or that PIM does not know yet, is its objects' to report.
        let failed =
            |one: &Result<(), GraphError>| one.as_ref().is_err_and(|error| !error.is_not_found());
        all.into_iter().find(failed).unwrap_or(Ok(()))
    }

    async fn read(
        &self,
        client: &GraphClient,
        source: &Source,
        entry: &Entry,
        current: &mut Option<Read>,
    ) -> Result<Vec<PolicyKey>, GraphError> {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        let at = self.clock.now();
        let assignments = match source {
            Source::Group(id) => client.group_policies(id.as_str()).await?,
            Source::Roles => client.role_policies().await?,
        };
        let mut found = Found::new();
        for assignment in assignments {
            if let Some((key, id, policy)) = parse(source, assignment) {
                let view = self.with_own_writes(&key, id, &policy, at, tick);
                found.insert(key, Arc::new(view));
            }
        }
        let changed = current
            .as_ref()
            .map_or_else(Vec::new, |before| changes(&before.found, &found));
        lock(&entry.writes).retain(|_, written| *written > tick);
        *current = Some(Read {
            tick,
            at,
            found: Arc::new(found),
        });
        Ok(changed)
    }

    /// Reads the policy of one role again.
    async fn read_role(
        &self,
        client: &GraphClient,
        id: &Guid,
        entry: &Entry,
        current: &mut Read,
    ) -> Result<Vec<PolicyKey>, GraphError> {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        let at = self.clock.now();
        let mut found = Found::clone(&current.found);
        let role = PolicyKey::Role(id.clone());
        found.remove(&role);
        for assignment in client.role_policy(id.as_str()).await? {
            if let Some((key, id, policy)) = parse(&Source::Roles, assignment)
                && key == role
            {
                let view = self.with_own_writes(&key, id, &policy, at, tick);
                found.insert(key, Arc::new(view));
            }
        }
        let changed = changes(&current.found, &found);
        lock(&entry.writes).retain(|key, written| *key != role || *written > tick);
        current.found = Arc::new(found);
        Ok(changed)
    }

    /// Lays what we have just written over what a replica that is behind still shows.
    fn with_own_writes(
        &self,
        key: &PolicyKey,
        id: String,
        read: &Policy,
        at: DateTime<Utc>,
        tick: u64,
    ) -> PolicyView {
        let mut written = lock(&self.written);
        written.retain(|_, one| at - one.at < REPLICATION);
        let mut over = Vec::new();
        for (rule, shown) in read.rules() {
            if let Some(one) = written.get(&(key.clone(), rule))
                && *shown == one.from
            {
                over.push((rule, one.to.clone()));
            }
        }
        let lagging = over.iter().map(|(rule, _)| *rule).collect();
        PolicyView {
            read_at: at,
            id,
            policy: Arc::new(read.with(&over)),
            lagging,
            tick,
        }
    }

    /// Marks a write of ours, once before it is sent and once after: no earlier read of the policy counts any more.
    pub fn note_write(&self, key: &PolicyKey) {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        lock(&self.entry(&key.source()).writes).insert(key.clone(), tick);
    }

    /// Notes rules that Entra has accepted.
    pub fn note_accepted(&self, key: &PolicyKey, step: &[Difference]) {
        let at = self.clock.now();
        let mut written = lock(&self.written);
        for one in step {
            // Of two writes in a row a replica may show what was there before either; the older value is the likelier one.
            let from = written
                .remove(&(key.clone(), one.rule))
                .filter(|earlier| at - earlier.at < REPLICATION && earlier.from != one.to)
                .map_or_else(|| one.from.clone(), |earlier| earlier.from);
            let to = one.to.clone();
            written.insert((key.clone(), one.rule), Written { at, from, to });
        }
    }

    /// Has an object looked at again once the policy is another one than the object has seen.
    pub fn wait_for(&self, key: &PolicyKey, object: &ObjectKey, seen: &PolicyView) {
        lock(&self.waiting)
            .entry(key.clone())
            .or_default()
            .insert(object.clone());
        // It may have become another one since it was seen. A read that is under way tells by itself.
        let entry = self.entry(&key.source());
        let changed = entry.read.try_lock().is_ok_and(|read| {
            let now = read.as_ref().and_then(|read| read.found.get(key));
            now.is_some_and(|now| now.tick > seen.tick && !now.says_the_same(seen))
        });
        if changed {
            self.tell(std::slice::from_ref(key));
        }
    }

    /// Forgets what nobody manages or waits for; the policies that are left are to be read in a resync.
    #[must_use]
    pub fn retain(&self, managed: &HashSet<PolicyKey>) -> HashSet<PolicyKey> {
        let mut kept = managed.clone();
        kept.extend(lock(&self.waiting).keys().cloned());
        let sources: HashSet<Source> = kept.iter().map(PolicyKey::source).collect();
        lock(&self.entries).retain(|source, _| sources.contains(source));
        kept
    }

    /// The authentication contexts that are published in the tenant.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn contexts(
        &self,
        client: &GraphClient,
    ) -> Result<Arc<BTreeSet<String>>, GraphError> {
        let now = self.clock.now();
        let mut known = self.contexts.lock().await;
        if let Some((at, contexts)) = known.as_ref()
            && now - *at < CONTEXTS
        {
            return Ok(Arc::clone(contexts));
        }
        let all = client.authentication_contexts().await?;
        let published = all
            .into_iter()
            .filter(|one| one.is_available != Some(false));
        let contexts = Arc::new(published.map(|one| one.id).collect::<BTreeSet<_>>());
        *known = Some((now, Arc::clone(&contexts)));
        Ok(contexts)
    }

    fn tell(&self, changed: &[PolicyKey]) {
        for key in changed {
            let waiting = lock(&self.waiting).remove(key).unwrap_or_default();
            (self.on_change)(key, waiting);
        }
    }

    fn entry(&self, source: &Source) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        Arc::clone(entries.entry(source.clone()).or_default())
    }
}

/// Whose policy an assignment is, its id and its rules.
fn parse(source: &Source, assignment: PolicyAssignment) -> Option<(PolicyKey, String, Policy)> {
    let policy = assignment.policy?;
    let whose = assignment.role_definition_id;
    let key = match source {
        Source::Group(id) if whose.eq_ignore_ascii_case("member") => {
            PolicyKey::Group(id.clone(), AccessId::Member)
        }
        Source::Group(id) if whose.eq_ignore_ascii_case("owner") => {
            PolicyKey::Group(id.clone(), AccessId::Owner)
        }
        Source::Group(_) => return None,
        Source::Roles => PolicyKey::Role(Guid::new(&whose)),
    };
    Some((key, policy.id, Policy::read(&policy.rules)))
}

/// The policies that say something else than before, or whose id is another one.
fn changes(before: &Found, now: &Found) -> Vec<PolicyKey> {
    let differs = |(key, view): (&PolicyKey, &Arc<PolicyView>)| {
        let earlier = before.get(key);
        let same = earlier.is_some_and(|earlier| earlier.says_the_same(view));
        (!same).then(|| key.clone())
    };
    now.iter().filter_map(differs).collect()
}
