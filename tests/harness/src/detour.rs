//! Clients of the API server whose requests take another way: faults that a healthy API server never shows.

use http::Request;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{BoxError, filter::FilterLayer};

use crate::Bed;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detour {
    /// It goes as it is.
    None,
    /// It goes to another path and query.
    To(String),
    /// It is lost, as with a broken connection.
    Lost,
}

/// The rest of a watch's path and query with which it shows no object at all, and never ends.
pub const OF_NOTHING: &str = "watch=true&fieldSelector=metadata.name%3Dnobody";

impl Bed {
    /// A client whose requests go where `detour` sends them, by their path and query.
    ///
    /// # Panics
    /// When the control plane's kubeconfig is none.
    #[allow(clippy::unwrap_used, reason = "a harness of tests fails by panicking")]
    pub async fn client_by_way_of(
        &self,
        detour: impl Fn(&str) -> Detour + Clone + Send + Sync + 'static,
    ) -> Client {
        let kubeconfig = Kubeconfig::from_yaml(&self.control_plane.kubeconfig_yaml()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        let layer = FilterLayer::new(move |mut request: Request<Body>| {
            match detour(&request.uri().to_string()) {
                Detour::None => {}
                Detour::To(path) => *request.uri_mut() = path.parse()?,
                Detour::Lost => return Err(BoxError::from("the connection was lost")),
            }
            Ok(request)
        });
        ClientBuilder::try_from(config)
            .unwrap()
            .with_layer(&layer)
            .build()
    }
}
