//! Where rows and requests are kept, indexed so that no call looks at more than its own group.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::request::{Progress, Request};
use super::row::{Death, Row};
use super::{last_owner, purge};
use crate::behaviour::Behaviour;
use crate::directory::Directory;
use crate::types::{Access, Kind};

/// What PIM knows of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupPim {
    /// The first request onboards a group, irreversibly.
    pub onboarded: bool,
    pub rows: Vec<Row>,
    /// Positions in [`Pim::requests`].
    pub requests: Vec<usize>,
    /// Requests that may still be pending.
    pub pending: Vec<usize>,
    /// Replication of a new group: POSTs left that answer 404, then `Failed`.
    pub not_found_left: u32,
    pub failed_left: u32,
}

impl GroupPim {
    /// Rows of one principal and relationship that have not ended.
    pub fn alive(
        &self,
        kind: Kind,
        principal: Uuid,
        access: Access,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(move |row| row.concerns(kind, principal, access) && row.alive(now))
    }
}

/// Whose eyes a list is read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub now: DateTime<Utc>,
    /// A stale read: only writes up to this sequence number have happened.
    pub as_of: Option<u64>,
}

impl View {
    fn exists(&self, row: &Row) -> bool {
        match self.as_of {
            Some(limit) => row.seq <= limit && (row.died.is_none() || row.died_seq > limit),
            None => row.died.is_none() || self.now < row.listed_until,
        }
    }

    /// Whether a row is in the schedule list.
    pub fn schedule(&self, row: &Row) -> bool {
        self.exists(row) && (self.as_of.is_some() || row.listed_from <= self.now)
    }

    /// Whether a row is in the instance list.
    pub fn instance(&self, row: &Row) -> bool {
        self.exists(row)
            && row.effective <= self.now
            && (self.as_of.is_some() || row.instance_from <= self.now)
    }
}

/// All of PIM.
#[derive(Debug, Default)]
pub(crate) struct Pim {
    groups: HashMap<Uuid, GroupPim>,
    by_principal: HashMap<Uuid, BTreeSet<Uuid>>,
    pub requests: Vec<Request>,
    request_ids: HashMap<Uuid, usize>,
    /// Sequence number of the latest write …
    seq: u64,
    /// … and of the one before the latest exchange that wrote.
    before_last_write: u64,
}

impl Pim {
    pub fn group(&self, id: Uuid) -> Option<&GroupPim> {
        self.groups.get(&id)
    }

    pub fn group_mut(&mut self, id: Uuid) -> &mut GroupPim {
        self.groups.entry(id).or_default()
    }

    /// Groups in which a principal has or had rows.
    pub fn groups_of(&self, principal: Uuid) -> Vec<Uuid> {
        self.by_principal
            .get(&principal)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    pub fn all_groups(&self) -> impl Iterator<Item = (&Uuid, &GroupPim)> {
        self.groups.iter()
    }

    pub fn group_ids(&self) -> Vec<Uuid> {
        self.groups.keys().copied().collect()
    }

    /// Starts a write; stale reads show what was before it.
    pub fn begin_write(&mut self) {
        self.before_last_write = self.seq;
    }

    /// The sequence number of the latest write.
    pub fn latest(&self) -> u64 {
        self.seq
    }

    /// A write that began after this sequence number is done.
    pub fn wrote_after(&mut self, seq: u64) {
        self.before_last_write = seq;
    }

    /// What a stale read may see.
    pub fn stale_limit(&self) -> u64 {
        self.before_last_write
    }

    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    pub fn add_row(&mut self, row: Row) {
        self.by_principal
            .entry(row.principal)
            .or_default()
            .insert(row.group);
        self.group_mut(row.group).rows.push(row);
    }

    pub fn add_request(&mut self, request: Request) {
        let at = self.requests.len();
        self.request_ids.insert(request.id, at);
        let group = self.group_mut(request.input.group);
        group.requests.push(at);
        if !matches!(request.progress, Progress::Done(_)) {
            group.pending.push(at);
        }
        let (principal, group) = (request.input.principal, request.input.group);
        self.by_principal
            .entry(principal)
            .or_default()
            .insert(group);
        self.requests.push(request);
    }

    /// A request that is not purged yet.
    pub fn request(&self, id: Uuid, now: DateTime<Utc>, behaviour: &Behaviour) -> Option<&Request> {
        let request = self.requests.get(*self.request_ids.get(&id)?)?;
        purge::kept(request, now, behaviour).then_some(request)
    }

    pub fn request_mut(&mut self, id: Uuid) -> Option<&mut Request> {
        self.requests.get_mut(*self.request_ids.get(&id)?)
    }

    /// Whether a request for the same target still has to be decided or provisioned.
    pub fn has_pending(
        &mut self,
        group: Uuid,
        principal: Uuid,
        access: Access,
        now: DateTime<Utc>,
    ) -> bool {
        let requests = &self.requests;
        let Some(group) = self.groups.get_mut(&group) else {
            return false;
        };
        group.pending.retain(|at| {
            requests
                .get(*at)
                .is_some_and(|request| request.pending(now))
        });
        group
            .pending
            .iter()
            .filter_map(|at| requests.get(*at))
            .any(|request| request.input.principal == principal && request.input.access == access)
    }

    /// Applies what time has done to a group: expiry in order of the ends, except for the last
    /// active owner; forgets rows that nobody can see any more.
    pub fn settle(&mut self, group: Uuid, now: DateTime<Utc>, directory: &Directory) {
        let Some(group) = self.groups.get_mut(&group) else {
            return;
        };
        let passed =
            |row: &Row| !row.stuck && row.died.is_none() && row.end.is_some_and(|end| end <= now);
        if group.rows.iter().any(passed) {
            let mut due: Vec<usize> = (0..group.rows.len())
                .filter(|at| group.rows.get(*at).is_some_and(passed))
                .collect();
            due.sort_by_key(|at| group.rows.get(*at).and_then(|row| row.end));
            for at in due {
                let stays = last_owner::stays(&group.rows, at, directory);
                if let Some(row) = group.rows.get_mut(at) {
                    let end = row.end.unwrap_or(now);
                    if stays {
                        row.stuck = true;
                    } else {
                        row.kill(end, Death::Expired, 0, end);
                    }
                }
            }
        }
        group.rows.retain(|row| !purge::forgotten(row, now));
    }

    /// Ends rows and marks the requests of merely scheduled ones as cancelled.
    pub fn kill(
        &mut self,
        group: Uuid,
        now: DateTime<Utc>,
        listed_until: DateTime<Utc>,
        mut which: impl FnMut(&Row) -> bool,
    ) -> usize {
        let seq = self.next_seq();
        let mut cancelled = Vec::new();
        let mut count = 0;
        for row in &mut self.group_mut(group).rows {
            if row.alive(now) && which(row) {
                if row.scheduled(now) {
                    cancelled.extend(row.created_using);
                }
                row.kill(now, Death::Removed, seq, listed_until);
                count += 1;
            }
        }
        for id in cancelled {
            if let Some(request) = self.request_mut(id)
                && request.status(now) == "Granted"
            {
                request.progress = Progress::Done("Canceled");
            }
        }
        count
    }
}
