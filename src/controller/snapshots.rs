//! What Entra lists, read once per target and shared by all objects of the target.
//!
//! A snapshot is never older than our own last write to its target: a write marks the target, and the next look reads
//! again. Reads are single-flight, and a read that fails leaves the last complete one in place and is an error to whoever
//! asked; it is never an empty list.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use chrono::{DateTime, Utc};

use crate::{
    graph::{
        AssignmentType, ExpirationType, GraphClient, GraphError, MemberType, Schedule, ScheduleKind,
    },
    pim::{
        observed::{Absence, Row, Standing},
        window::{End, Window},
    },
};

use super::{
    clock::Clock,
    grant::{RowKey, Target},
    history::Histories,
    wakeups::lock,
};

/// How many complete reads are remembered: enough for two that lie apart among some that follow each other closely.
const READS: usize = 16;

/// A complete read of one target.
#[derive(Debug)]
pub struct View {
    /// When the read began, UTC.
    pub read_at: DateTime<Utc>,
    tick: u64,
    rows: HashMap<RowKey, Vec<Row>>,
    /// When this and the complete reads before it began, oldest first.
    reads: Vec<DateTime<Utc>>,
    absent_since: HashMap<RowKey, DateTime<Utc>>,
}

impl View {
    /// The rows of a key.
    #[must_use]
    pub fn rows(&self, key: &RowKey) -> &[Row] {
        self.rows.get(key).map_or(&[], Vec::as_slice)
    }

    /// The complete reads in a row, from an instant on, that have not shown a row of ours for the key.
    #[must_use]
    pub fn absence(&self, key: &RowKey, from: Option<DateTime<Utc>>) -> Option<Absence> {
        if self
            .rows(key)
            .iter()
            .any(|row| row.standing == Standing::Assigned)
        {
            return None;
        }
        let gone = self.absent_since.get(key).copied();
        let counts = |at: &&DateTime<Utc>| {
            gone.is_none_or(|gone| **at >= gone) && from.is_none_or(|from| **at >= from)
        };
        let since = *self.reads.iter().find(counts)?;
        Some(Absence {
            since,
            until: self.read_at,
        })
    }
}

/// How recent a view must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As recent as our own last write to the row.
    OwnWrites,
    /// That, and begun at or after an instant.
    Since(DateTime<Utc>),
}

struct Entry {
    /// The tick of our own last write to each row that no view covers yet. A view counts for a row only when its read began
    /// later; for the other rows it stays good, so that a thousand creations do not cost a thousand reads.
    writes: Mutex<HashMap<RowKey, u64>>,
    view: tokio::sync::Mutex<Option<Arc<View>>>,
    instances: tokio::sync::Mutex<Option<Instances>>,
}

/// The keys with an instance in force, and when that was read.
type Instances = (DateTime<Utc>, HashSet<RowKey>);

impl Entry {
    fn is_covered(&self, row: &RowKey, view: &View) -> bool {
        lock(&self.writes)
            .get(row)
            .is_none_or(|tick| view.tick > *tick)
    }
}

/// Told which rows of a target changed between two complete reads.
pub type OnChange = Box<dyn Fn(&Target, &[RowKey]) + Send + Sync>;

/// The snapshots of one tenant.
pub struct Snapshots {
    clock: Arc<dyn Clock>,
    on_change: OnChange,
    ticks: AtomicU64,
    /// Whether everything declared was read once.
    complete: AtomicBool,
    last_write: Mutex<Option<DateTime<Utc>>>,
    entries: Mutex<HashMap<Target, Arc<Entry>>>,
    known_complete: Mutex<Option<DateTime<Utc>>>,
    /// What Entra's request lists say of windows that nothing else remembers.
    pub(super) histories: Histories,
}

impl Snapshots {
    /// Nothing read yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, on_change: OnChange) -> Self {
        Self {
            histories: Histories::new(Arc::clone(&clock)),
            clock,
            on_change,
            ticks: AtomicU64::new(1),
            complete: AtomicBool::new(false),
            last_write: Mutex::default(),
            entries: Mutex::default(),
            known_complete: Mutex::default(),
        }
    }

    /// The target's rows for whoever looks at one of them, read again only when the last complete read is not fresh enough.
    ///
    /// # Errors
    /// When the read failed; the caller knows nothing then.
    pub async fn observe(
        &self,
        client: &GraphClient,
        target: &Target,
        row: &RowKey,
        freshness: Freshness,
    ) -> Result<Arc<View>, GraphError> {
        let entry = self.entry(target);
        let current = entry.view.lock().await;
        if let Some(view) = current.as_ref()
            && entry.is_covered(row, view)
            && !matches!(freshness, Freshness::Since(instant) if view.read_at < instant)
        {
            return Ok(Arc::clone(view));
        }
        self.read(client, target, &entry, current).await
    }

    /// Reads the target unless it was read at or after an instant.
    ///
    /// # Errors
    /// When the read failed.
    pub async fn refresh(
        &self,
        client: &GraphClient,
        target: &Target,
        since: DateTime<Utc>,
    ) -> Result<(), GraphError> {
        let entry = self.entry(target);
        let current = entry.view.lock().await;
        if current.as_ref().is_some_and(|view| view.read_at >= since) {
            return Ok(());
        }
        self.read(client, target, &entry, current).await.map(drop)
    }

    async fn read(
        &self,
        client: &GraphClient,
        target: &Target,
        entry: &Entry,
        mut current: tokio::sync::MutexGuard<'_, Option<Arc<View>>>,
    ) -> Result<Arc<View>, GraphError> {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        let read_at = self.clock.now();
        let schedules = client.schedules(target.schedules, target.listing()).await?;
        let (view, changed) = next_view(
            current.as_deref(),
            tick,
            read_at,
            target.schedules,
            &schedules,
        );
        let view = Arc::new(view);
        lock(&entry.writes).retain(|_, written| *written > view.tick);
        *current = Some(Arc::clone(&view));
        drop(current);
        if !changed.is_empty() {
            (self.on_change)(target, &changed);
        }
        Ok(view)
    }

    /// Whether an instance of the key is in force, read at or after an instant.
    ///
    /// # Errors
    /// When the read failed.
    pub async fn in_force(
        &self,
        client: &GraphClient,
        target: &Target,
        key: &RowKey,
        since: DateTime<Utc>,
    ) -> Result<bool, GraphError> {
        let entry = self.entry(target);
        let mut current = entry.instances.lock().await;
        if let Some((read_at, keys)) = current.as_ref()
            && *read_at >= since
        {
            return Ok(keys.contains(key));
        }
        let read_at = self.clock.now();
        let instances = client.instances(target.schedules, target.listing()).await?;
        let keys: HashSet<RowKey> = instances
            .iter()
            .filter(|instance| instance.member_type == MemberType::Direct)
            .filter(|instance| !matches!(instance.assignment_type, Some(AssignmentType::Activated)))
            .filter_map(|instance| RowKey::of_row(instance.target(), &instance.principal_id))
            .collect();
        let found = keys.contains(key);
        *current = Some((read_at, keys));
        Ok(found)
    }

    /// Marks a write of ours to a row, once before it is sent and once after: no earlier read of it counts any more.
    pub fn note_write(&self, target: &Target, row: &RowKey) {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst);
        lock(&self.entry(target).writes).insert(row.clone(), tick);
        self.histories.note_write(target, row);
        *lock(&self.last_write) = Some(self.clock.now());
    }

    /// Whether everything that was declared has been read once since the start.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::SeqCst)
    }

    /// Everything that is declared has been read once.
    pub fn note_complete(&self) {
        self.complete.store(true, Ordering::SeqCst);
    }

    /// Whether the last complete read already covers our own last write to the row. A read under way counts as not yet.
    #[must_use]
    pub fn is_current(&self, target: &Target, row: &RowKey) -> bool {
        let entry = self.entry(target);
        entry.view.try_lock().is_ok_and(|view| {
            view.as_ref()
                .is_some_and(|view| entry.is_covered(row, view))
        })
    }

    /// When we last wrote to the tenant, since the start.
    #[must_use]
    pub fn last_write(&self) -> Option<DateTime<Utc>> {
        *lock(&self.last_write)
    }

    /// The time since which each of these targets has been read completely; none while one of them has not, or there is none.
    #[must_use]
    pub fn complete_since(&self, targets: &HashSet<Target>) -> Option<DateTime<Utc>> {
        let entries = lock(&self.entries);
        let read_at = |target| {
            // A read under way will be seen at the next look.
            let view = entries.get(target)?.view.try_lock().ok()?;
            view.as_ref().map(|view| view.read_at)
        };
        let times: Option<Vec<_>> = targets.iter().map(read_at).collect();
        times?.into_iter().min()
    }

    /// The same, or as it was known last while a read is under way; none where there is no target.
    #[must_use]
    pub fn known_complete_since(&self, targets: &HashSet<Target>) -> Option<DateTime<Utc>> {
        let mut known = lock(&self.known_complete);
        *known = match (targets.is_empty(), self.complete_since(targets)) {
            (true, _) => None,
            (false, now) => now.or(*known),
        };
        *known
    }

    /// The permanent active access that was given by somebody, rather than activated. A target that is being read is left out.
    #[must_use]
    pub fn standing(&self) -> Vec<(Target, RowKey)> {
        let stands = |rows: &[Row]| {
            let stands = |row: &Row| {
                row.active && row.standing == Standing::Assigned && row.window.end == End::Never
            };
            rows.iter().any(stands)
        };
        let mut found = Vec::new();
        for (target, entry) in lock(&self.entries).iter() {
            let Ok(view) = entry.view.try_lock() else {
                continue;
            };
            for (key, rows) in view.iter().flat_map(|view| &view.rows) {
                if stands(rows) {
                    found.push((target.clone(), key.clone()));
                }
            }
        }
        found
    }

    /// Forgets targets that nobody declares any more.
    pub fn retain(&self, declared: &HashSet<Target>) {
        lock(&self.entries).retain(|target, _| declared.contains(target));
        self.histories.forget_old_lists();
    }

    fn entry(&self, target: &Target) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(target) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry {
            writes: Mutex::default(),
            view: tokio::sync::Mutex::new(None),
            instances: tokio::sync::Mutex::new(None),
        });
        entries.insert(target.clone(), Arc::clone(&entry));
        entry
    }
}

/// Builds the view of a complete read and names the keys whose rows differ from the last one.
fn next_view(
    last: Option<&View>,
    tick: u64,
    read_at: DateTime<Utc>,
    kind: ScheduleKind,
    schedules: &[Schedule],
) -> (View, Vec<RowKey>) {
    let mut rows: HashMap<RowKey, Vec<Row>> = HashMap::with_capacity(schedules.len());
    for schedule in schedules {
        if let Some(key) = RowKey::of_row(schedule.target(), &schedule.principal_id) {
            // Nearly always the only one.
            rows.entry(key)
                .or_insert_with(|| Vec::with_capacity(1))
                .push(row(kind, schedule, read_at));
        }
    }
    let mut absent_since = HashMap::new();
    let mut changed = Vec::new();
    if let Some(last) = last {
        absent_since.extend(
            last.absent_since
                .iter()
                .filter(|(key, _)| !holds_assigned(&rows, key))
                .map(|(k, t)| (k.clone(), *t)),
        );
        for (key, before) in &last.rows {
            if holds_assigned(&last.rows, key) && !holds_assigned(&rows, key) {
                absent_since.insert(key.clone(), read_at);
            }
            if rows.get(key) != Some(before) {
                changed.push(key.clone());
            }
        }
        changed.extend(
            rows.keys()
                .filter(|key| !last.rows.contains_key(*key))
                .cloned(),
        );
    }
    let earlier = last.map_or(&[][..], |last| &last.reads);
    let kept = earlier.len().saturating_sub(READS - 1);
    let reads = earlier[kept..].iter().copied().chain([read_at]).collect();
    // A key that was seen once and is seen again starts its absence afresh.
    (
        View {
            read_at,
            tick,
            rows,
            reads,
            absent_since,
        },
        changed,
    )
}

fn holds_assigned(rows: &HashMap<RowKey, Vec<Row>>, key: &RowKey) -> bool {
    rows.get(key)
        .is_some_and(|rows| rows.iter().any(|row| row.standing == Standing::Assigned))
}

fn row(kind: ScheduleKind, schedule: &Schedule, read_at: DateTime<Utc>) -> Row {
    let direct = schedule.member_type == MemberType::Direct;
    let standing = match (direct, kind, &schedule.assignment_type) {
        (true, ScheduleKind::Eligibility, _)
        | (true, ScheduleKind::Assignment, Some(AssignmentType::Assigned)) => Standing::Assigned,
        (_, ScheduleKind::Assignment, Some(AssignmentType::Activated)) => Standing::Activated,
        _ => Standing::Foreign,
    };
    let expiration = &schedule.schedule_info.expiration;
    let end = match expiration.kind {
        ExpirationType::NoExpiration => End::Never,
        _ => expiration.end_date_time.into(),
    };
    // A membership made outside PIM has no start of its own.
    let start = schedule.schedule_info.start_date_time.unwrap_or(read_at);
    Row {
        id: schedule.id.clone(),
        status: schedule.status.clone(),
        created_using: schedule.created_using.clone(),
        standing,
        active: kind == ScheduleKind::Assignment,
        window: Window { start, end },
    }
}
