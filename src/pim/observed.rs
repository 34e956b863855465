//! What a plan is judged on: the rows that Entra lists for a natural key, and what the object's status remembers.

use chrono::{DateTime, Utc};

use crate::api::status::CreatedVia;

use super::{
    history::History,
    retry::LIST_LAG,
    window::{Declared, End, TOLERANCE, Window},
};

/// One schedule that Entra lists for the natural key (tenant, target, principal, kind).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The schedule's id; it changes with every update.
    pub id: String,
    /// The schedule's status, such as `Provisioned`.
    pub status: String,
    /// The request that made it; none for a membership made outside PIM.
    pub created_using: Option<String>,
    /// Whether it is ours to change.
    pub standing: Standing,
    /// Whether it is an active assignment, which Entra protects from change for its first five minutes.
    pub active: bool,
    /// Its window.
    pub window: Window,
}

/// Whose a row is. A removal names only principal and target, so acting because of a row that is not
/// [`Standing::Assigned`] would end a person's own activation or somebody else's grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Assigned by an administrator, directly: the only rows the operator changes.
    Assigned,
    /// The person's own activation of an eligibility.
    Activated,
    /// Held through another group, or of a sort this version does not know.
    Foreign,
}

/// The rows of a natural key as of a complete read, or the fact that they are not known.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// The read failed or was partial: this is not an empty list.
    Unknown,
    /// A complete read.
    Rows {
        /// The rows of the key.
        rows: &'a [Row],
        /// The complete reads in a row that have shown no row of ours, as far as [`Record::reads_count_from`] lets them
        /// count.
        absence: Option<Absence>,
        /// Whether an instance of the grant is in force, if it was asked.
        instance: Option<bool>,
        /// What earlier requests for the object's name say, if they were asked.
        history: History,
    },
}

impl<'a> Observation<'a> {
    /// A complete read, and nothing else asked.
    #[must_use]
    pub const fn listed(rows: &'a [Row], absence: Option<Absence>) -> Self {
        Self::Rows {
            rows,
            absence,
            instance: None,
            history: History::Unread,
        }
    }
}

/// Complete reads in a row that did not show the grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The first of them.
    pub since: DateTime<Utc>,
    /// The last of them.
    pub until: DateTime<Utc>,
}

/// What an object's status remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The window, once it was fixed.
    pub anchor: Option<Anchor>,
    /// How the grant came under the object's care; none while the operator has neither granted nor adopted anything for it.
    /// What it never managed, it does not revoke.
    pub created_via: Option<CreatedVia>,
    /// Whether the anchored window was ever granted: a window that never was is fixed anew at the next attempt.
    pub granted: bool,
    /// Whether Entra has listed the grant since the last request.
    pub confirmed: bool,
    /// Whether its instance has been seen in force.
    pub in_force: bool,
    /// The last request sent, or about to be.
    pub last: Option<Sent>,
}

impl Record {
    /// Takes in what became of the last request.
    pub fn learn(&mut self, outcome: Outcome) {
        if let Some(last) = &mut self.last {
            last.outcome = outcome;
        }
    }

    /// From when on a read that does not show the grant says anything: an earlier one tells nothing about what our last
    /// request did, and until the grant was listed once, lists may be behind.
    #[must_use]
    pub fn reads_count_from(&self) -> Option<DateTime<Utc>> {
        let last = self.last.as_ref()?;
        Some(if self.confirmed {
            last.at
        } else {
            last.at + LIST_LAG
        })
    }

    /// The id of the last request, if Entra took it for a window that began at once, and has not carried it out in all the time
    /// that lists may lag. It never will: that happens with principals that cannot hold the role.
    #[must_use]
    pub fn stuck(&self, now: DateTime<Utc>) -> Option<&str> {
        let sent = self.last.as_ref()?;
        let Outcome::Succeeded { id } = &sent.outcome else {
            return None;
        };
        let began = self
            .anchor
            .is_some_and(|anchor| anchor.window.start <= sent.at);
        let stuck = sent.only_granted
            && !sent.action.is_removal()
            && !self.confirmed
            && began
            && now >= sent.at + LIST_LAG;
        stuck.then_some(id)
    }

    /// Whether an assigned row is the grant that this object manages. After the end of the window only a row that began
    /// before it is: one that began later was granted anew by somebody else, and a membership made outside PIM,
    /// which has no start, may have been.
    #[must_use]
    pub fn owns(&self, row: &Row, now: DateTime<Utc>) -> bool {
        let Some(anchor) = self.anchor.filter(|_| self.created_via.is_some()) else {
            return false;
        };
        let end = anchor.window.end;
        !end.has_passed(now) || (row.created_using.is_some() && End::At(row.window.start) < end)
    }
}

/// A declared window and the instants it was fixed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The declaration: another one opens a new window.
    pub declared: Declared,
    /// The instants.
    pub window: Window,
}

/// The last request that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What it did.
    pub action: Action,
    /// When it was recorded, just before it was sent.
    pub at: DateTime<Utc>,
    /// What is known of its outcome.
    pub outcome: Outcome,
    /// How many requests in a row have failed, this one included.
    pub failures: u32,
    /// When the first of them failed.
    pub failing_since: Option<DateTime<Utc>>,
    /// Whether the spec is still the one it was sent for.
    pub current: bool,
    /// Whether Entra says `Granted`: taken for certain, and to be carried out at its start.
    pub only_granted: bool,
}

/// Graph's actions, as far as the operator uses them, and `cancel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new grant.
    AdminAssign,
    /// Another window for a grant.
    AdminUpdate,
    /// A later end for a lease.
    AdminExtend,
    /// The end of a grant.
    AdminRemove,
    /// The end of a request whose start lies ahead.
    Cancel,
}

impl Action {
    /// The action in Graph's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AdminAssign => "adminAssign",
            Self::AdminUpdate => "adminUpdate",
            Self::AdminExtend => "adminExtend",
            Self::AdminRemove => "adminRemove",
            Self::Cancel => "cancel",
        }
    }

    /// The action of a spelling; none for one this version does not send.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        [
            Self::AdminAssign,
            Self::AdminUpdate,
            Self::AdminExtend,
            Self::AdminRemove,
            Self::Cancel,
        ]
        .into_iter()
        .find(|action| action.as_str() == text)
    }

    /// Whether it takes access away.
    #[must_use]
    pub const fn is_removal(self) -> bool {
        matches!(self, Self::AdminRemove | Self::Cancel)
    }
}

/// What is known of a request's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Recorded, and no answer known: the process ended or the connection broke in between.
    Unknown,
    /// Entra's request list was asked and does not hold it: it was never carried out.
    NeverSent,
    /// Entra took it and has not finished.
    InProgress {
        /// The request's id.
        id: String,
    },
    /// Entra carried it out.
    Succeeded {
        /// The request's id.
        id: String,
    },
    /// Entra took it and failed.
    Failed,
    /// Graph refused it; nothing was changed.
    Refused(Refusal),
}

/// Why Graph refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The grant is there already.
    Exists,
    /// There is nothing to change or remove; after a removal this often means that it worked.
    DoesNotExist,
    /// An active assignment of the principal is younger than five minutes.
    MinimumDuration,
    /// Another request for the same key is under way.
    Pending,
    /// The target's policy forbids it.
    Policy,
    /// The operator lacks a permission.
    Permission,
    /// The principal or the group is not known to PIM; normal for a while after it was created.
    NotReplicated,
    /// The request is past cancelling.
    NotCancellable,
    /// Nobody else would hold the role or own the group: Entra does not remove the last one.
    LastHolder,
    /// Any other refusal.
    Other,
}

/// Of the rows of a key, the one that is ours to change: assigned and direct.
///
/// Entra keeps one such row per key. Should it ever list several, the one that ends last is the access that counts.
#[must_use]
pub fn assigned(rows: &[Row]) -> Option<&Row> {
    rows.iter()
        .filter(|row| row.standing == Standing::Assigned)
        .max_by_key(|row| row.window.end)
}

impl Row {
    /// Whether the row's start lies ahead: it carries no access yet, and is ended by cancelling its request.
    #[must_use]
    pub fn is_ahead(&self, now: DateTime<Utc>) -> bool {
        self.window.is_ahead(now)
    }

    /// Whether the row has lapsed and lingers, as the last owner's and a failed clean-up do.
    #[must_use]
    pub fn has_lapsed(&self, now: DateTime<Utc>) -> bool {
        self.window.end.has_passed(now)
    }

    /// Whether the row carries what the window says: the same end, and the same start where it lies ahead.
    #[must_use]
    pub fn carries(&self, window: &Window, now: DateTime<Utc>) -> bool {
        let same_start = if window.is_ahead(now) {
            (self.window.start - window.start).abs() <= TOLERANCE
        } else {
            !self.is_ahead(now)
        };
        same_start && self.window.end.matches(window.end)
    }
}
