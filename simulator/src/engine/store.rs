//! Where rows and requests are kept, indexed so that no call looks at more than its own group or role.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::request::{Progress, Request};
use super::row::{Death, Row};
use super::target::{Resource, Service, Target};
use super::{last_holder, purge};
use crate::behaviour::Behaviour;
use crate::directory::Directory;
use crate::types::Kind;

/// What PIM knows of one group or role.
#[derive(Debug, Default)]
pub(crate) struct Book {
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

impl Book {
    /// Rows of one principal and target that have not ended.
    pub fn alive(
        &self,
        kind: Kind,
        principal: Uuid,
        target: Target,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = &Row> {
        self.rows
            .iter()
            .filter(move |row| row.concerns(kind, principal, target) && row.alive(now))
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
    books: HashMap<Resource, Book>,
    by_principal: HashMap<Uuid, BTreeSet<Resource>>,
    pub requests: Vec<Request>,
    request_ids: HashMap<Uuid, usize>,
    /// Sequence number of the latest write …
    seq: u64,
    /// … and of the one before the latest exchange that wrote.
    before_last_write: u64,
}

impl Pim {
    pub fn book(&self, of: Resource) -> Option<&Book> {
        self.books.get(&of)
    }

    pub fn book_mut(&mut self, of: Resource) -> &mut Book {
        self.books.entry(of).or_default()
    }

    pub fn group(&self, id: Uuid) -> Option<&Book> {
        self.book(Resource::Group(id))
    }

    pub fn group_mut(&mut self, id: Uuid) -> &mut Book {
        self.book_mut(Resource::Group(id))
    }

    /// Groups and roles in which a principal has or had rows.
    pub fn resources_of(&self, principal: Uuid) -> impl Iterator<Item = Resource> {
        self.by_principal
            .get(&principal)
            .into_iter()
            .flatten()
            .copied()
    }

    /// Groups in which a principal has or had rows.
    pub fn groups_of(&self, principal: Uuid) -> impl Iterator<Item = Uuid> {
        self.resources_of(principal).filter_map(Resource::group)
    }

    pub fn books(&self) -> impl Iterator<Item = &Book> {
        self.books.values()
    }

    /// Everything that a service has books of.
    pub fn resources(&self, service: Service) -> Vec<Resource> {
        let mut all: Vec<_> = self.books.keys().copied().collect();
        all.retain(|resource| resource.service() == service);
        all
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
            .insert(row.resource());
        self.book_mut(row.resource()).rows.push(row);
    }

    pub fn add_request(&mut self, request: Request) {
        let at = self.requests.len();
        self.request_ids.insert(request.id, at);
        let resource = request.input.target.resource();
        let book = self.book_mut(resource);
        book.requests.push(at);
        if !matches!(request.progress, Progress::Done(_)) {
            book.pending.push(at);
        }
        self.by_principal
            .entry(request.input.principal)
            .or_default()
            .insert(resource);
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
    pub fn has_pending(&mut self, target: Target, principal: Uuid, now: DateTime<Utc>) -> bool {
        let requests = &self.requests;
        let Some(book) = self.books.get_mut(&target.resource()) else {
            return false;
        };
        book.pending.retain(|at| {
            requests
                .get(*at)
                .is_some_and(|request| request.pending(now))
        });
        book.pending
            .iter()
            .filter_map(|at| requests.get(*at))
            .any(|request| request.input.principal == principal && request.input.target == target)
    }

    /// Applies what time has done to a group or role: expiry in order of the ends, except for the last
    /// active holder; forgets rows that nobody can see any more.
    pub fn settle(&mut self, of: Resource, now: DateTime<Utc>, directory: &Directory) {
        let Some(book) = self.books.get_mut(&of) else {
            return;
        };
        let passed =
            |row: &Row| !row.stuck && row.died.is_none() && row.end.is_some_and(|end| end <= now);
        if book.rows.iter().any(passed) {
            let mut due: Vec<usize> = (0..book.rows.len())
                .filter(|at| book.rows.get(*at).is_some_and(passed))
                .collect();
            due.sort_by_key(|at| book.rows.get(*at).and_then(|row| row.end));
            for at in due {
                let stays = last_holder::stays(&book.rows, at, directory);
                if let Some(row) = book.rows.get_mut(at) {
                    let end = row.end.unwrap_or(now);
                    if stays {
                        row.stuck = true;
                    } else {
                        row.kill(end, Death::Expired, 0, end);
                    }
                }
            }
        }
        book.rows.retain(|row| !purge::forgotten(row, now));
    }

    /// Ends rows and marks the requests of merely scheduled ones as cancelled.
    pub fn kill(
        &mut self,
        of: Resource,
        now: DateTime<Utc>,
        listed_until: DateTime<Utc>,
        mut which: impl FnMut(&Row) -> bool,
    ) -> usize {
        let seq = self.next_seq();
        let mut cancelled = Vec::new();
        let mut count = 0;
        for row in &mut self.book_mut(of).rows {
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
