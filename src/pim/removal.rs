//! The decision for a grant whose object is being deleted: revoke what the operator manages, and let the object go once
//! Entra no longer lists it.

use chrono::{DateTime, Utc};

use crate::api::terms::DeletionPolicy;

use super::{
    desired::Mode,
    observed::{Observation, Record, assigned},
    plan::{Change, Decision, Plan, Wait, Why, ending, gone, on_its_way},
};

/// What to do about a deleted object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Nothing of it is left in Entra, or nothing that must go: let the object go.
    Done(Done),
    /// Deletion is held by `suspend`.
    Held,
    /// Do this first.
    First(Plan),
}

/// Why a deleted object may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The access is gone.
    Gone,
    /// `deletionPolicy: Retain`, or an object that only observed.
    Retained,
    /// The operator never granted or adopted anything for it.
    NeverManaged,
}

/// Decides about a grant whose object is being deleted.
#[must_use]
pub fn removal(
    policy: DeletionPolicy,
    mode: Mode,
    record: &Record,
    observation: &Observation<'_>,
    now: DateTime<Utc>,
) -> Removal {
    if record.anchor.is_none() {
        return Removal::Done(Done::NeverManaged);
    }
    let on_its_way = on_its_way(record, now);
    if record.created_via.is_none() && on_its_way.is_none() {
        return Removal::Done(Done::NeverManaged);
    }
    if policy == DeletionPolicy::Retain || mode == Mode::Observe {
        return Removal::Done(Done::Retained);
    }
    if mode == Mode::Suspended {
        return Removal::Held;
    }
    let Observation::Rows { rows, absence, .. } = *observation else {
        return Removal::First(Plan {
            decision: Decision::Wait(Wait::Observation),
            anchor: record.anchor,
            wake: None,
        });
    };
    let listed = assigned(rows);
    let live = listed.filter(|row| !row.has_lapsed(now));
    if let Some(row) = live.filter(|row| record.owns(row, now)) {
        return Removal::First(ending(row, record, Why::Deleted, record.anchor, now));
    }
    // A grant that was asked for and is not listed yet would outlive its object.
    if let Some(wait) = on_its_way {
        return Removal::First(wait);
    }
    // Entra never carried it out; withdrawn, it never will.
    if let (Some(id), None) = (record.stuck(now), listed) {
        let change = Change::Cancel {
            request_id: id.to_owned(),
        };
        return Removal::First(Plan {
            decision: Decision::Send(change, Why::Deleted),
            anchor: record.anchor,
            wake: None,
        });
    }
    match gone(record, absence, now) {
        // A row that is listed is no gap in the list: ours has lapsed, or it is somebody else's. It may be a memory, though.
        Some(wait) if listed.is_none() || wait.decision == Decision::Wait(Wait::Replication) => {
            Removal::First(wait)
        }
        _ => Removal::Done(Done::Gone),
    }
}

impl Removal {
    /// The change to send, if there is one.
    #[must_use]
    pub const fn change(&self) -> Option<&Change> {
        match self {
            Self::First(Plan {
                decision: Decision::Send(change, _),
                ..
            }) => Some(change),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::{
        api::status::CreatedVia,
        pim::{
            observed::{Absence, Action, Anchor, Outcome, Row, Sent, Standing},
            window::{Declared, DeclaredEnd, End, Window},
        },
    };

    fn now() -> DateTime<Utc> {
        "2026-12-01T12:00:00Z".parse().expect("an instant")
    }

    /// A grant that began so many hours from now, eight hours long.
    fn window(hours: i64) -> Window {
        let start = now() + TimeDelta::hours(hours);
        Window {
            start,
            end: End::At(start + TimeDelta::hours(8)),
        }
    }

    fn row(window: Window) -> Row {
        Row {
            id: "schedule".to_owned(),
            status: "Provisioned".to_owned(),
            created_using: Some("request".to_owned()),
            standing: Standing::Assigned,
            active: false,
            window,
        }
    }

    fn record(window: Window) -> Record {
        let declared = Declared {
            start: None,
            end: DeclaredEnd::After(TimeDelta::hours(8)),
        };
        Record {
            anchor: Some(Anchor { declared, window }),
            created_via: Some(CreatedVia::Operator),
            granted: true,
            confirmed: true,
            in_force: true,
            last: None,
        }
    }

    fn asked(record: &Record, action: Action, seconds: i64, outcome: Outcome) -> Record {
        let last = Some(Sent {
            only_granted: false,
            action,
            at: now() - TimeDelta::seconds(seconds),
            outcome,
            failures: 0,
            failing_since: None,
            current: true,
        });
        Record {
            confirmed: false,
            last,
            ..record.clone()
        }
    }

    fn succeeded() -> Outcome {
        Outcome::Succeeded {
            id: "request".to_owned(),
        }
    }

    fn decide(record: &Record, rows: &[Row]) -> Removal {
        let observation = Observation::listed(rows, None);
        removal(
            DeletionPolicy::Revoke,
            Mode::Manage,
            record,
            &observation,
            now(),
        )
    }

    #[test]
    fn a_request_that_entra_never_carried_out_is_withdrawn_and_then_gone() {
        let window = Window {
            start: now() - TimeDelta::minutes(6),
            ..window(0)
        };
        let mut asked = asked(&record(window), Action::AdminAssign, 360, succeeded());
        if let Some(last) = &mut asked.last {
            last.only_granted = true;
        }
        let cancel = Change::Cancel {
            request_id: "request".to_owned(),
        };
        assert_eq!(decide(&asked, &[]).change(), Some(&cancel));
        let again = super::tests::asked(&asked, Action::Cancel, 1, succeeded());
        assert_eq!(decide(&again, &[]), Removal::Done(Done::Gone));
    }

    fn waits(removal: &Removal) -> Option<Wait> {
        match removal {
            Removal::First(Plan {
                decision: Decision::Wait(wait),
                ..
            }) => Some(*wait),
            _ => None,
        }
    }

    #[test]
    fn a_grant_in_force_is_removed_and_a_scheduled_one_cancelled() {
        let removal = decide(&record(window(-1)), &[row(window(-1))]);
        assert_eq!(removal.change(), Some(&Change::Remove));
        let removal = decide(&record(window(1)), &[row(window(1))]);
        let request_id = "request".to_owned();
        assert_eq!(removal.change(), Some(&Change::Cancel { request_id }));
    }

    #[test]
    fn the_object_goes_once_the_removed_grant_is_no_longer_listed() {
        let removed = asked(&record(window(-1)), Action::AdminRemove, 5, succeeded());
        let listed = decide(&removed, &[row(window(-1))]);
        assert_eq!(waits(&listed), Some(Wait::Replication));
        assert_eq!(decide(&removed, &[]), Removal::Done(Done::Gone));
    }

    #[test]
    fn a_grant_that_somebody_else_removed_counts_once_two_reads_agree() {
        let record = record(window(-1));
        assert_eq!(waits(&decide(&record, &[])), Some(Wait::AbsenceProof));
        let absence = Some(Absence {
            since: now() - TimeDelta::seconds(15),
            until: now(),
        });
        let observation = Observation::listed(&[], absence);
        let removal = removal(
            DeletionPolicy::Revoke,
            Mode::Manage,
            &record,
            &observation,
            now(),
        );
        assert_eq!(removal, Removal::Done(Done::Gone));
    }

    #[test]
    fn a_grant_that_was_just_asked_for_is_awaited_before_the_object_goes() {
        let ask = |outcome| asked(&record(window(0)), Action::AdminAssign, 5, outcome);
        assert_eq!(
            waits(&decide(&ask(succeeded()), &[])),
            Some(Wait::Replication)
        );
        let id = "request".to_owned();
        let working = Outcome::InProgress { id };
        assert_eq!(waits(&decide(&ask(working), &[])), Some(Wait::Provisioning));
        let never_answered = Record {
            created_via: None,
            granted: false,
            ..ask(Outcome::Unknown)
        };
        assert!(matches!(
            decide(&never_answered, &[]),
            Removal::First(Plan {
                decision: Decision::Inquire,
                ..
            })
        ));
    }

    #[test]
    fn what_was_never_granted_or_adopted_is_not_revoked() {
        let record = Record {
            created_via: None,
            granted: false,
            ..record(window(-1))
        };
        let removal = decide(&record, &[row(window(-1))]);
        assert_eq!(removal, Removal::Done(Done::NeverManaged));
        let removal = decide(&Record::default(), &[row(window(-1))]);
        assert_eq!(removal, Removal::Done(Done::NeverManaged));
    }

    #[test]
    fn access_granted_anew_after_the_window_stays() {
        let removal = decide(&record(window(-9)), &[row(window(0))]);
        assert_eq!(removal, Removal::Done(Done::Gone));
        let outlived = Window {
            end: End::Never,
            ..window(-9)
        };
        let removal = decide(&record(window(-9)), &[row(outlived)]);
        assert_eq!(removal.change(), Some(&Change::Remove));
    }

    #[test]
    fn a_lapsed_grant_lets_its_object_go_even_where_its_row_lingers() {
        for rows in [vec![], vec![row(window(-9))]] {
            assert_eq!(
                decide(&record(window(-9)), &rows),
                Removal::Done(Done::Gone)
            );
        }
    }

    #[test]
    fn retain_and_observe_leave_the_access_and_suspend_holds_the_object() {
        let rows = [row(window(-1))];
        let observation = Observation::listed(&rows, None);
        let record = record(window(-1));
        for (policy, mode, expected) in [
            (
                DeletionPolicy::Retain,
                Mode::Manage,
                Removal::Done(Done::Retained),
            ),
            (
                DeletionPolicy::Revoke,
                Mode::Observe,
                Removal::Done(Done::Retained),
            ),
            (DeletionPolicy::Revoke, Mode::Suspended, Removal::Held),
        ] {
            let removal = removal(policy, mode, &record, &observation, now());
            assert_eq!(removal, expected);
        }
    }

    #[test]
    fn a_failed_read_holds_the_object() {
        let removal = removal(
            DeletionPolicy::Revoke,
            Mode::Manage,
            &record(window(-1)),
            &Observation::Unknown,
            now(),
        );
        assert_eq!(waits(&removal), Some(Wait::Observation));
    }
}
