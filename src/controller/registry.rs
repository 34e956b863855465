//! Which objects declare what: the natural keys, and who claims them.
//!
//! Two objects with one key would fight over one row. The oldest claim wins; the others are told whom they conflict with.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};

use super::{
    grant::{NaturalKey, ObjectKey, Target},
    wakeups::lock,
};
use crate::api::guid::Guid;

/// An object's claim to a natural key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// When the object was created, UTC.
    pub created: DateTime<Utc>,
    /// The object's uid; breaks ties.
    pub uid: String,
    /// The object.
    pub object: ObjectKey,
    /// Whether it declares access without an end.
    pub permanent: bool,
}

#[derive(Default)]
struct Claims {
    by_key: HashMap<Arc<NaturalKey>, Vec<Claim>>,
    by_object: HashMap<ObjectKey, Arc<NaturalKey>>,
}

/// All claims of the process.
#[derive(Default)]
pub struct Registry {
    claims: Mutex<Claims>,
}

impl Registry {
    /// Enters a claim; an object has at most one, so an earlier one goes. False if it was there already.
    pub fn claim(&self, key: &NaturalKey, claim: Claim) -> bool {
        let mut claims = lock(&self.claims);
        if let Some(earlier) = claims.by_object.get(&claim.object).cloned() {
            if *earlier == *key
                && claims
                    .by_key
                    .get(key)
                    .is_some_and(|held| held.contains(&claim))
            {
                return false;
            }
            claims.remove(&earlier, &claim.object);
        }
        let key = Arc::new(key.clone());
        let object = claim.object.clone();
        claims.by_object.insert(object, Arc::clone(&key));
        // Nearly always the only one.
        let alone = || Vec::with_capacity(1);
        claims.by_key.entry(key).or_insert_with(alone).push(claim);
        true
    }

    /// Gives up an object's claim; says who else claims the key, or one that the claim stood in the way of.
    pub fn release(&self, object: &ObjectKey) -> Vec<ObjectKey> {
        let mut claims = lock(&self.claims);
        let Some(key) = claims.by_object.remove(object) else {
            return Vec::new();
        };
        claims.remove(&key, object);
        let rival = key.rival();
        let others = [Some(&*key), rival.as_ref()].into_iter().flatten();
        others
            .filter_map(|key| claims.by_key.get(key))
            .flatten()
            .map(|claim| claim.object.clone())
            .collect()
    }

    /// The other claims to a key, oldest first.
    #[must_use]
    pub fn others(&self, key: &NaturalKey, uid: &str) -> Vec<Claim> {
        let claims = lock(&self.claims);
        let mut others: Vec<Claim> = claims
            .by_key
            .get(key)
            .into_iter()
            .flatten()
            .filter(|claim| claim.uid != uid)
            .cloned()
            .collect();
        others.sort();
        others
    }

    /// The objects that claim a key.
    #[must_use]
    pub fn claimants(&self, key: &NaturalKey) -> Vec<ObjectKey> {
        lock(&self.claims)
            .by_key
            .get(key)
            .into_iter()
            .flatten()
            .map(|claim| claim.object.clone())
            .collect()
    }

    /// Every target that is declared in a tenant.
    #[must_use]
    pub fn targets(&self, tenant: &Guid) -> HashSet<Target> {
        let claims = lock(&self.claims);
        claims
            .by_key
            .keys()
            .filter(|key| key.tenant == *tenant)
            .map(|key| key.target.clone())
            .collect()
    }

    /// Every object with a claim.
    #[must_use]
    pub fn objects(&self) -> Vec<Claim> {
        lock(&self.claims)
            .by_key
            .values()
            .flatten()
            .cloned()
            .collect()
    }
}

impl Claims {
    fn remove(&mut self, key: &NaturalKey, object: &ObjectKey) {
        if let Some(held) = self.by_key.get_mut(key) {
            held.retain(|claim| claim.object != *object);
            if held.is_empty() {
                self.by_key.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::references::AccessId,
        controller::grant::{Access, List, RowKey},
        graph::ScheduleKind,
    };

    fn key() -> NaturalKey {
        NaturalKey {
            tenant: Guid::new("t"),
            target: Target {
                schedules: ScheduleKind::Eligibility,
                list: List::Group(Guid::new("g")),
            },
            row: RowKey {
                principal: Guid::new("p"),
                access: Access::Group(AccessId::Member),
            },
        }
    }

    fn claim(name: &str, second: i64) -> Claim {
        Claim {
            created: DateTime::from_timestamp(second, 0).expect("a time"),
            uid: format!("uid-{name}"),
            object: ObjectKey {
                kind: "GroupEligibility",
                namespace: "ns".into(),
                name: name.into(),
            },
            permanent: false,
        }
    }

    #[test]
    fn the_oldest_claim_comes_first_whatever_the_order_of_arrival() {
        let registry = Registry::default();
        registry.claim(&key(), claim("young", 20));
        registry.claim(&key(), claim("old", 10));
        assert_eq!(registry.others(&key(), "uid-young"), vec![claim("old", 10)]);
        assert_eq!(
            registry.release(&claim("old", 10).object),
            vec![claim("young", 20).object]
        );
        assert!(registry.others(&key(), "uid-young").is_empty());
    }

    #[test]
    fn a_recreated_object_replaces_its_own_claim() {
        let registry = Registry::default();
        registry.claim(&key(), claim("one", 10));
        let again = Claim {
            uid: "uid-again".into(),
            ..claim("one", 30)
        };
        registry.claim(&key(), again.clone());
        assert_eq!(registry.objects(), vec![again]);
    }

    #[test]
    fn whoever_goes_makes_room_for_the_other_kind_of_the_same_role_and_of_no_group() {
        let role = |schedules, scope: &str| NaturalKey {
            target: Target {
                schedules,
                list: List::Roles,
            },
            row: RowKey {
                principal: Guid::new("p"),
                access: Access::Role {
                    id: Guid::new("r"),
                    scope: scope.to_owned(),
                },
            },
            ..key()
        };
        let registry = Registry::default();
        let eligible = role(ScheduleKind::Eligibility, "/");
        assert!(registry.claim(&eligible, claim("eligible", 10)));
        assert!(
            !registry.claim(&eligible, claim("eligible", 10)),
            "it was there"
        );
        registry.claim(&role(ScheduleKind::Assignment, "/"), claim("active", 20));
        registry.claim(
            &role(ScheduleKind::Assignment, "/u"),
            claim("elsewhere", 30),
        );
        assert_eq!(
            registry.release(&claim("eligible", 10).object),
            vec![claim("active", 20).object]
        );
        let permanent = Claim {
            permanent: true,
            ..claim("active", 20)
        };
        let active = role(ScheduleKind::Assignment, "/");
        assert!(registry.claim(&active, permanent), "an edit is a new claim");
        assert_eq!(key().rival(), None);
    }
}
