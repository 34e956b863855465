//! Which `PimPolicy` manages which policy. The oldest object has it; the others are told whom they conflict with.
//!
//! Beside that: what policies are about to become, so that a grant can wait for a rule that is about to be tightened, and which objects are about to tighten something, so that what loosens can wait for them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use crate::{
    api::guid::Guid,
    controller::{grant::ObjectKey, registry::Claim, wakeups::lock},
    pim::policy::Policy,
};

use super::PolicyKey;

/// A policy of a tenant, by the tenant's id.
pub type TenantPolicy = (Guid, PolicyKey);

#[derive(Default)]
struct Claims {
    by_policy: HashMap<TenantPolicy, Vec<Claim>>,
    by_object: HashMap<ObjectKey, TenantPolicy>,
    becoming: HashMap<ObjectKey, Arc<Policy>>,
    tightening: HashMap<Guid, HashSet<ObjectKey>>,
}

/// All claims of the process.
#[derive(Default)]
pub struct PolicyClaims {
    claims: Mutex<Claims>,
}

impl PolicyClaims {
    /// Enters a claim; an object has at most one, so an earlier one goes.
    pub fn claim(&self, policy: &TenantPolicy, claim: Claim) {
        let mut claims = lock(&self.claims);
        claims.remove(&claim.object);
        claims
            .by_object
            .insert(claim.object.clone(), policy.clone());
        claims
            .by_policy
            .entry(policy.clone())
            .or_default()
            .push(claim);
    }

    /// Gives up an object's claim; says who else claims the policy.
    pub fn release(&self, object: &ObjectKey) -> Vec<ObjectKey> {
        let mut claims = lock(&self.claims);
        claims.becoming.remove(object);
        for tightening in claims.tightening.values_mut() {
            tightening.remove(object);
        }
        let policy = claims.remove(object);
        let held = policy.and_then(|policy| claims.by_policy.get(&policy));
        held.into_iter()
            .flatten()
            .map(|claim| claim.object.clone())
            .collect()
    }

    /// The other claims to a policy, oldest first.
    #[must_use]
    pub fn others(&self, policy: &TenantPolicy, uid: &str) -> Vec<Claim> {
        let claims = lock(&self.claims);
        let held = claims.by_policy.get(policy).into_iter().flatten();
        let mut others: Vec<Claim> = held.filter(|claim| claim.uid != uid).cloned().collect();
        others.sort();
        others
    }

    /// The objects that claim a policy.
    #[must_use]
    pub fn claimants(&self, policy: &TenantPolicy) -> Vec<ObjectKey> {
        let claims = lock(&self.claims);
        let held = claims.by_policy.get(policy).into_iter().flatten();
        held.map(|claim| claim.object.clone()).collect()
    }

    /// Every policy of a tenant that an object claims.
    #[must_use]
    pub fn managed(&self, tenant: &Guid) -> HashSet<PolicyKey> {
        let claims = lock(&self.claims);
        let all = claims.by_policy.keys();
        all.filter(|(id, _)| id == tenant)
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Notes what an object's policy is about to become.
    pub fn note_becoming(&self, object: &ObjectKey, policy: Policy) {
        lock(&self.claims)
            .becoming
            .insert(object.clone(), Arc::new(policy));
    }

    /// Notes that an object changes nothing for now: its rules are in force as stated, or a person has to act first.
    pub fn note_settled(&self, object: &ObjectKey) {
        lock(&self.claims).becoming.remove(object);
    }

    /// What a policy is about to become by the objects that claim it.
    #[must_use]
    pub fn becoming(&self, policy: &TenantPolicy) -> Vec<(ObjectKey, Arc<Policy>)> {
        let claims = lock(&self.claims);
        let held = claims.by_policy.get(policy).into_iter().flatten();
        held.filter_map(|claim| {
            let policy = claims.becoming.get(&claim.object)?;
            Some((claim.object.clone(), Arc::clone(policy)))
        })
        .collect()
    }

    /// Notes whether an object is about to tighten a policy of a tenant.
    pub fn note_tightening(&self, tenant: &Guid, object: &ObjectKey, tightens: bool) {
        let mut claims = lock(&self.claims);
        let all = claims.tightening.entry(tenant.clone()).or_default();
        if tightens {
            all.insert(object.clone());
        } else {
            all.remove(object);
        }
    }

    /// Whether another object is about to tighten a policy of a tenant: what loosens comes after it.
    #[must_use]
    pub fn others_tighten(&self, tenant: &Guid, object: &ObjectKey) -> bool {
        let claims = lock(&self.claims);
        let all = claims.tightening.get(tenant).into_iter().flatten();
        all.into_iter().any(|other| other != object)
    }
}

impl Claims {
    fn remove(&mut self, object: &ObjectKey) -> Option<TenantPolicy> {
        let policy = self.by_object.remove(object)?;
        if let Some(held) = self.by_policy.get_mut(&policy) {
            held.retain(|claim| claim.object != *object);
            if held.is_empty() {
                self.by_policy.remove(&policy);
            }
        }
        Some(policy)
    }
}
