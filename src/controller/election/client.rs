//! A Kubernetes client that writes only while this process leads.

use std::sync::Arc;

use http::{Method, Request};
use kube::{Client, client::Body};
use tower::{BoxError, service_fn};

use super::fence::{Fence, Fenced};

/// The same client behind the fence. Reads pass; so do events and sign-ins, which mislead nobody.
///
/// A write that is still under way when the time of the lease is up is given up: kube's client repeats a write that an API
/// server under load turns away, and a process that was stopped in such a pause must not repeat it afterwards.
#[must_use]
pub fn fenced(client: Client, fence: Arc<Fence>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (client, fence) = (client.clone(), Arc::clone(&fence));
        async move {
            if is_harmless(&request) {
                return client.send(request).await.map_err(BoxError::from);
            }
            let Some(left) = fence.check()? else {
                return client.send(request).await.map_err(BoxError::from);
            };
            tokio::select! {
                // The time comes first: after a stop, both may be due.
                biased;
                () = tokio::time::sleep(left) => Err(BoxError::from(Fenced)),
                answer = client.send(request) => answer.map_err(BoxError::from),
            }
        }
    });
    Client::new(service, namespace)
}

fn is_harmless(request: &Request<Body>) -> bool {
    let path = request.uri().path();
    request.method() == Method::GET
        || path.starts_with("/apis/events.k8s.io/")
        || (path.contains("/serviceaccounts/") && path.ends_with("/token"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, api::PostParams};

    use super::*;
    use crate::controller::clock::SystemClock;

    fn behind_a_fence(renew: Duration) -> (Arc<Fence>, Arc<AtomicUsize>, Api<ConfigMap>) {
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let server = service_fn(move |request: Request<Body>| {
            let count = Arc::clone(&count);
            async move {
                if request.uri().path().ends_with("/slow") {
                    std::future::pending::<()>().await;
                }
                count.fetch_add(1, Ordering::SeqCst);
                Ok::<_, BoxError>(Response::new(Body::from(b"{}".to_vec())))
            }
        });
        let fence = Arc::new(Fence::elected(Arc::new(SystemClock), renew));
        let client = fenced(Client::new(server, "default"), Arc::clone(&fence));
        (fence, answered, Api::default_namespaced(client))
    }

    #[tokio::test]
    async fn writes_pass_only_while_the_lease_lasts_and_reads_always() {
        let (fence, answered, api) = behind_a_fence(Duration::from_mins(1));
        let write = || async {
            let map = ConfigMap::default();
            api.create(&PostParams::default(), &map).await
        };
        let error = write().await.unwrap_err();
        assert!(error.to_string().contains("does not lead"), "{error}");
        assert_eq!(answered.load(Ordering::SeqCst), 0);
        api.get("one").await.unwrap();
        fence.renewed(fence.moment());
        write().await.unwrap();
        fence.shut();
        write().await.unwrap_err();
        assert_eq!(answered.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_under_way_when_the_lease_is_up_is_given_up() {
        let (fence, answered, api) = behind_a_fence(Duration::from_secs(10));
        fence.renewed(fence.moment());
        let map = ConfigMap::default();
        let parameters = PostParams::default();
        let slow = api.replace("slow", &parameters, &map);
        let ended = tokio::time::timeout(Duration::from_secs(30), slow).await;
        ended.unwrap().unwrap_err();
        assert_eq!(answered.load(Ordering::SeqCst), 0);
    }
}
