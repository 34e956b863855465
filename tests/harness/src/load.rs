//! Grants in any number, for benches and crash tests: groups that each have as many eligible as active members.

use std::{collections::HashSet, fmt::Debug, pin::pin, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Resource, ResourceExt,
    api::PostParams,
    runtime::watcher::{self, Event, watcher},
};
use pim_operator::{
    api::{
        group_grant::{GroupAssignment, GroupEligibility},
        pim_policy::PimPolicy,
    },
    controller::grant::Grant,
};
use pim_simulator::{Estate, SimulatorConfig};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::bed::{Bed, BedError, BedOptions, ready};

/// How many objects are created at a time.
const SIDE_BY_SIDE: usize = 32;

/// How many groups and grants there are.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Groups.
    pub groups: u32,
    /// Eligible members of each group; it has as many active ones.
    pub of_each_kind: u32,
}

impl Load {
    /// Grants of both kinds together.
    #[must_use]
    pub const fn grants(self) -> u32 {
        self.groups * self.of_each_kind * 2
    }

    /// A bed for it: a simulator without delays, and a tenant whose limits do not slow the operator down.
    #[must_use]
    pub fn options(self, name: &str) -> BedOptions {
        // Nobody is in two groups: names are looked up for as many people as there are grants.
        let estate = Estate::generate(self.groups, self.grants());
        BedOptions {
            name: name.to_owned(),
            simulator: SimulatorConfig::new(estate),
            secret: Estate::OPERATOR_SECRET.to_owned(),
            tenant: json!({"limits": {"maxConcurrency": 64, "requestsPerSecond": 10_000}}),
            boundary: true,
        }
    }

    /// Creates the objects.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn declare(self, bed: &Bed) -> Result<(), BedError> {
        self.declare_kind::<GroupEligibility>(bed, 0).await?;
        self.declare_kind::<GroupAssignment>(bed, self.of_each_kind)
            .await
    }

    /// Creates a policy for the members and one for the owners of each group, each with rules that Entra does not hold yet.
    ///
    /// # Errors
    /// The API server's refusal.
    pub async fn declare_policies(self, bed: &Bed) -> Result<(), BedError> {
        let places =
            (1..=self.groups).flat_map(|group| ["member", "owner"].map(|access| (group, access)));
        let manifests = places.map(|(group, access)| {
            json!({
                "apiVersion": "entrapim.dev/v1alpha1", "kind": "PimPolicy",
                "metadata": {"name": format!("{access}s-of-group-{group:04}")},
                "spec": {
                    "tenantRef": {"name": bed.tenant},
                    "target": {"group": {"id": Estate::generated_group(group), "accessId": access}},
                    "eligibility": {"maximumDuration": "P180D"},
                    "assignment": {"maximumDuration": "P90D", "require": ["Justification"]},
                    "activation": {
                        "maximumDuration": "PT4H",
                        "require": ["MultiFactorAuthentication", "Justification"],
                    },
                },
            })
        });
        create_all::<PimPolicy>(bed, manifests).await
    }

    async fn declare_kind<K: Grant>(self, bed: &Bed, first_user: u32) -> Result<(), BedError> {
        let places = (1..=self.groups)
            .flat_map(|group| (1..=self.of_each_kind).map(move |member| (group, member)));
        let manifests = places.map(|(group, member)| {
            let user = (group - 1) * self.of_each_kind * 2 + first_user + member;
            json!({
                "apiVersion": "entrapim.dev/v1alpha1", "kind": K::KIND,
                "metadata": {"name": name(group, member)},
                "spec": {
                    "tenantRef": {"name": bed.tenant},
                    "group": {"id": Estate::generated_group(group)},
                    "accessId": "member",
                    "principal": {"id": Estate::generated_user(user)},
                    "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P90D"}},
                    "justification": "On call for the service that this group may change",
                },
            })
        });
        create_all::<K>(bed, manifests).await
    }

    /// Waits until every object is ready.
    ///
    /// # Errors
    /// When one is not in time.
    pub async fn until_ready(self, bed: &Bed, patience: Duration) -> Result<(), BedError> {
        let of_each_kind = (self.groups * self.of_each_kind) as usize;
        let both = async {
            tokio::try_join!(
                all_ready::<GroupEligibility>(bed, of_each_kind),
                all_ready::<GroupAssignment>(bed, of_each_kind)
            )
        };
        tokio::time::timeout(patience, both)
            .await
            .map_err(|_| format!("not every grant was ready within {patience:?}"))?
            .map(drop)
    }
}

/// Creates objects, many at a time.
///
/// # Errors
/// The API server's refusal.
pub async fn create_all<K>(
    bed: &Bed,
    manifests: impl Iterator<Item = Value>,
) -> Result<(), BedError>
where
    K: Object,
{
    let api = Api::<K>::namespaced(bed.client.clone(), &bed.namespace);
    let api = &api;
    let creations = manifests.map(async |manifest| {
        let object = serde_json::from_value(manifest)?;
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    });
    stream::iter(creations)
        .buffer_unordered(SIDE_BY_SIDE)
        .try_collect()
        .await
}

/// An object of a namespace, of whatever kind.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + 'static
{
}

/// The name of a grant. In the order of names, groups alternate: grants of one group are not next to each other.
#[must_use]
pub fn name(group: u32, member: u32) -> String {
    format!("member-{member:04}-of-group-{group:04}")
}

/// Waits until so many objects of a kind are ready.
///
/// # Errors
/// When the API server cannot be watched.
pub async fn all_ready<K: Grant>(bed: &Bed, expected: usize) -> Result<(), BedError> {
    all_are::<K>(bed, expected, is_ready).await
}

/// Waits until so many policies are ready.
///
/// # Errors
/// When the API server cannot be watched.
pub async fn all_policies_ready(bed: &Bed, expected: usize) -> Result<(), BedError> {
    let is_ready = |policy: &PimPolicy| {
        policy.status.as_ref().is_some_and(|status| {
            let mut conditions = status.conditions.iter();
            status.observed_generation == policy.meta().generation
                && conditions.any(|one| one.type_ == "Ready" && one.status == "True")
        })
    };
    all_are(bed, expected, is_ready).await
}

async fn all_are<K: Object>(
    bed: &Bed,
    expected: usize,
    is_ready: impl Fn(&K) -> bool,
) -> Result<(), BedError> {
    let mut ready = HashSet::new();
    let api = Api::<K>::namespaced(bed.client.clone(), &bed.namespace);
    let mut events = pin!(watcher(api, watcher::Config::default()));
    while ready.len() < expected {
        match events.try_next().await? {
            Some(Event::Apply(object) | Event::InitApply(object)) if is_ready(&object) => {
                ready.insert(object.name_any());
            }
            Some(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
                ready.remove(&object.name_any());
            }
            Some(Event::Init) => ready.clear(),
            Some(Event::InitDone) => {}
            None => return Err("the watch ended".into()),
        }
    }
    Ok(())
}

fn is_ready<K: Grant>(object: &K) -> bool {
    object.status().is_some_and(|status| {
        status.observed_generation == object.meta().generation
            && ready(status).is_some_and(|(status, _, _)| status == "True")
    })
}
