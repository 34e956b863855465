//! How many grants the objects of each namespace hold. A place is judged and taken in one step, so that objects that are made
//! at the same time cannot pass the limit together.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kube::ResourceExt;

use crate::controller::grant::Grant;

/// An object that holds a grant, or is about to. The order is by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    created: DateTime<Utc>,
    uid: String,
}

impl Holder {
    /// An object's place in the order.
    #[must_use]
    pub fn of<K: Grant>(grant: &K) -> Self {
        let created = grant
            .creation_timestamp()
            .and_then(|time| DateTime::from_timestamp(time.0.as_second(), 0));
        Self {
            created: created.unwrap_or_default(),
            uid: grant.uid().unwrap_or_default(),
        }
    }
}

/// The holders, by namespace.
#[derive(Debug, Default)]
pub(super) struct Quota {
    holders: HashMap<String, BTreeSet<Holder>>,
}

impl Quota {
    /// Enters an object that holds a grant already.
    pub(super) fn enter(&mut self, namespace: &str, holder: Holder) {
        self.holders
            .entry(namespace.to_owned())
            .or_default()
            .insert(holder);
    }

    /// How many come before an object: of the holders, those that are older; all of them, if it holds nothing itself.
    /// A lowered limit then takes the youngest, and an object that is in is not pushed out by one that came later.
    pub(super) fn before(&self, namespace: &str, holder: &Holder) -> u32 {
        let Some(holders) = self.holders.get(namespace) else {
            return 0;
        };
        let before = if holders.contains(holder) {
            holders.range(..holder).count()
        } else {
            holders.len()
        };
        u32::try_from(before).unwrap_or(u32::MAX)
    }

    /// Takes a place, unless the limit is reached.
    pub(super) fn admit(&mut self, namespace: &str, holder: Holder, limit: Option<u32>) -> bool {
        let before = self.before(namespace, &holder);
        let admitted = limit.is_none_or(|limit| before < limit);
        if admitted {
            self.enter(namespace, holder);
        }
        admitted
    }

    /// Every holder, by namespace and uid.
    pub(super) fn places(&self) -> Vec<(String, String)> {
        let of = |(namespace, holders): (&String, &BTreeSet<Holder>)| {
            let place = |holder: &Holder| (namespace.clone(), holder.uid.clone());
            holders.iter().map(place).collect::<Vec<_>>()
        };
        self.holders.iter().flat_map(of).collect()
    }

    /// Gives a place back; false if the object had none.
    pub(super) fn release(&mut self, namespace: &str, uid: &str) -> bool {
        let Some(holders) = self.holders.get_mut(namespace) else {
            return false;
        };
        let before = holders.len();
        holders.retain(|holder| holder.uid != uid);
        holders.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(second: i64, uid: &str) -> Holder {
        Holder {
            created: DateTime::from_timestamp(second, 0).unwrap(),
            uid: uid.to_owned(),
        }
    }

    #[test]
    fn no_more_are_admitted_than_the_limit_whatever_the_order_of_arrival() {
        let mut quota = Quota::default();
        let admitted =
            |quota: &mut Quota, second, uid: &str| quota.admit("a", holder(second, uid), Some(2));
        assert!(admitted(&mut quota, 5, "late"));
        assert!(admitted(&mut quota, 5, "early"));
        assert!(!admitted(&mut quota, 1, "older"));
        // Whoever is in stays in.
        assert!(admitted(&mut quota, 5, "late"));
        assert!(quota.admit("b", holder(1, "elsewhere"), Some(2)));
        assert!(quota.release("a", "early"));
        assert!(!quota.release("a", "early"));
        assert!(admitted(&mut quota, 1, "older"));
    }

    #[test]
    fn a_lowered_limit_takes_the_youngest() {
        let mut quota = Quota::default();
        for second in 0..4 {
            quota.enter("a", holder(second, &second.to_string()));
        }
        let within =
            (0..4).filter(|second| quota.before("a", &holder(*second, &second.to_string())) < 2);
        assert_eq!(within.collect::<Vec<_>>(), [0, 1]);
    }
}
