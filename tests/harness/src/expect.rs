//! Waiting for what a test expects: states, never moments. Each wait has one patience, and says what was there instead.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use kube::Api;
use pim_operator::{
    api::{status::GrantStatus, tenant::EntraTenant},
    controller::grant::Grant,
};

use crate::bed::{Bed, ready};

/// How long a test waits for a state before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

impl Bed {
    /// Waits until an object's status satisfies a condition, and returns the object.
    ///
    /// # Panics
    /// When it does not within a minute; the message holds the last status.
    pub async fn until<K: Grant>(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&GrantStatus) -> bool,
    ) -> K {
        let api = self.api::<K>();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let object = api.get_opt(name).await.ok().flatten();
            if let Some(object) = object
                .as_ref()
                .filter(|object| object.status().is_some_and(&holds))
            {
                return object.clone();
            }
            let last = object
                .as_ref()
                .and_then(|object| serde_json::to_string_pretty(&object.status()).ok());
            assert!(
                Instant::now() < deadline,
                "{name} never got {what}; its status: {}",
                last.unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until `Ready` has a reason, for the object's present generation.
    ///
    /// # Panics
    /// As [`Bed::until`].
    pub async fn until_reason<K: Grant>(&self, name: &str, reason: &str) -> K {
        let generation = self
            .api::<K>()
            .get(name)
            .await
            .ok()
            .and_then(|object| object.meta().generation);
        self.until(name, reason, |status| {
            status.observed_generation >= generation
                && ready(status).is_some_and(|(_, actual, _)| actual == reason)
        })
        .await
    }

    /// Waits until an object is gone.
    ///
    /// # Panics
    /// When it is still there after a minute.
    pub async fn until_gone<K: Grant>(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Some(object) = self.api::<K>().get_opt(name).await.ok().flatten() {
            let status = serde_json::to_string_pretty(&object.status()).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "{name} never went; its status: {status}"
            );
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until something of the test's own holds.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub async fn eventually<F: Future<Output = bool>>(
        &self,
        what: &str,
        mut holds: impl FnMut() -> F,
    ) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "never: {what}");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until the tenant is signed in to.
    ///
    /// # Panics
    /// When it is not within a minute.
    pub async fn until_tenant(&self, reason: &str) -> EntraTenant {
        let api: Api<EntraTenant> = Api::all(self.client.clone());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tenant = api.get(&self.tenant).await.ok();
            let conditions = tenant
                .as_ref()
                .and_then(|tenant| tenant.status.as_ref())
                .map(|status| status.conditions.clone());
            let actual = conditions
                .into_iter()
                .flatten()
                .find(|condition| condition.type_ == "Ready");
            if let (Some(tenant), true) = (
                tenant,
                actual.as_ref().is_some_and(|ready| ready.reason == reason),
            ) {
                return tenant;
            }
            assert!(
                Instant::now() < deadline,
                "the tenant never got {reason}: {actual:?}"
            );
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
}
