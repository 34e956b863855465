//! Who led when, by the Lease itself.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api,
    runtime::{
        WatchStreamExt,
        watcher::{Config, watcher},
    },
};
use pim_operator::controller::election::LEASE;
use tokio::task::JoinHandle;

use crate::Bed;

/// One leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The process that led.
    pub holder: String,
    /// When it took the Lease, as it wrote there.
    pub from: DateTime<Utc>,
    /// When it had given it back, as far as was seen.
    pub given_back: Option<DateTime<Utc>>,
}

/// All leaderships in a bed since the beginning.
pub struct Terms {
    terms: Arc<Mutex<Vec<Term>>>,
    watching: JoinHandle<()>,
}

impl Terms {
    /// Follows the Lease of a bed's operators.
    #[must_use]
    pub fn follow(bed: &Bed) -> Self {
        let api = Api::<Lease>::namespaced(bed.client.clone(), &bed.namespace);
        let config = Config::default().fields(&format!("metadata.name={LEASE}"));
        let terms = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&terms);
        let watching = tokio::spawn(async move {
            let mut leases = pin!(watcher(api, config).default_backoff().applied_objects());
            loop {
                // An error is followed by a new list.
                if let Ok(Some(lease)) = leases.try_next().await {
                    let mut terms = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    note(&mut terms, &lease);
                }
            }
        });
        Self { terms, watching }
    }

    /// The leaderships so far, in order.
    #[must_use]
    pub fn all(&self) -> Vec<Term> {
        let terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        terms.clone()
    }

    /// Whoever leads, as far as the Lease tells.
    #[must_use]
    pub fn present(&self) -> Option<Term> {
        let last = self.all().pop();
        last.filter(|term| term.given_back.is_none())
    }
}

impl Drop for Terms {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn note(terms: &mut Vec<Term>, lease: &Lease) {
    let spec = lease.spec.clone().unwrap_or_default();
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    match (holder, spec.acquire_time.as_ref().and_then(instant)) {
        (Some(holder), Some(from)) => {
            let same = |last: &Term| last.holder == holder && last.from == from;
            if !terms.last().is_some_and(same) {
                terms.push(Term {
                    holder,
                    from,
                    given_back: None,
                });
            }
        }
        _ => {
            if let Some(last) = terms.last_mut() {
                last.given_back.get_or_insert_with(Utc::now);
            }
        }
    }
}

fn instant(time: &MicroTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(time.0.as_microsecond())
}

/// Whether a process led at a moment: it had taken the Lease, and neither given it back nor lost it to the next.
#[must_use]
pub fn led(terms: &[Term], process: &str, at: DateTime<Utc>) -> bool {
    terms.iter().enumerate().any(|(number, term)| {
        let next = terms.get(number + 1).map(|next| next.from);
        let end = [term.given_back, next].into_iter().flatten().min();
        term.holder == process && term.from <= at && end.is_none_or(|end| at <= end)
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_term_ends_when_the_lease_is_given_back_or_taken() {
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let term = |holder: &str, from, given_back: Option<i64>| Term {
            holder: holder.to_owned(),
            from: at(from),
            given_back: given_back.map(at),
        };
        let terms = [
            term("one", 0, Some(10)),
            term("two", 12, None),
            term("one", 30, None),
        ];
        for (process, second, expected) in [
            ("one", -1, false),
            ("one", 10, true),
            ("one", 11, false),
            ("two", 11, false),
            ("two", 30, true),
            ("two", 31, false),
            ("one", 31, true),
            ("three", 5, false),
        ] {
            let actual = led(&terms, process, at(second));
            assert_eq!(actual, expected, "{process} at {second}");
        }
    }
}
