//! Where an object comes from: the cluster, and the Git revision that Flux or Argo CD applied it from.
//!
//! Labels and annotations are the word of a manifest's author. A revision is believed only where the record of the one
//! who is said to have applied the object (a Kustomization, `HelmRelease` or Application) lists the object itself; otherwise it is
//! left out. All of it is read when a request is about to be sent, remembered for a moment and
//! shared. A record that is missing, forbidden or slow costs the revision, never the grant.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use serde_json::Value;
use tokio::{sync::OnceCell, time::timeout};
use tracing::{debug, warn};

use crate::pim::provenance::revision;

use super::{
    grant::{Grant, ObjectKey},
    wakeups::lock,
};

/// How long a record is believed.
const MEMORY: Duration = Duration::from_secs(10);
/// The longest that a request waits for one.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon the cluster's id is asked for again after it could not be read.
const CLUSTER_RETRY: Duration = Duration::from_mins(1);

/// The API group of our objects, as inventories name it.
const GROUP: &str = crate::api::GROUP;

/// What a request says of where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The uid of the cluster's `kube-system` namespace, if it may be read.
    pub cluster: Option<String>,
    /// The revision that the object was applied from, if a record says so.
    pub revision: Option<String>,
}

/// Knows the origins of objects.
pub struct Origins {
    client: Client,
    /// The namespaces whose Applications are believed; the first is where one without a namespace is looked for.
    argocd_namespaces: Vec<String>,
    cluster: OnceCell<String>,
    cluster_failed: Mutex<Option<Instant>>,
    records: Mutex<HashMap<Record, Asked>>,
}

/// When a record was asked for, and what it says.
type Asked = (Instant, Arc<OnceCell<Applied>>);

/// The record of a tool that applies manifests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Record {
    tool: Tool,
    namespace: String,
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tool {
    Kustomization,
    HelmRelease,
    Application,
}

/// What a record says: the revision, and the objects of ours that it lists.
#[derive(Debug, Default)]
struct Applied {
    revision: Option<String>,
    objects: HashSet<String>,
}

impl Origins {
    /// Nothing read yet.
    #[must_use]
    pub fn new(client: Client, argocd_namespaces: Vec<String>) -> Self {
        Self {
            client,
            argocd_namespaces,
            cluster: OnceCell::new(),
            cluster_failed: Mutex::default(),
            records: Mutex::default(),
        }
    }

    /// Where an object comes from. Takes a second at the most.
    pub async fn of<K: Grant>(&self, grant: &K) -> Origin {
        self.of_object(K::KIND, grant).await
    }

    /// The same for an object of any kind.
    pub async fn of_object<R: Resource>(&self, kind: &'static str, object: &R) -> Origin {
        let (labels, annotations) = (object.labels(), object.annotations());
        let object = ObjectKey::of(kind, object);
        let records = claimed(labels, annotations, &object, &self.argocd_namespaces);
        let revisions = join_all(
            records
                .into_iter()
                .map(|record| self.revision(record, &object)),
        );
        let (cluster, revisions) = tokio::join!(self.cluster(), revisions);
        Origin {
            cluster,
            revision: revisions.into_iter().flatten().next(),
        }
    }

    /// The uid of the `kube-system` namespace, which no other cluster has.
    pub async fn cluster(&self) -> Option<String> {
        if let Some(cluster) = self.cluster.get() {
            return Some(cluster.clone());
        }
        let failed = *lock(&self.cluster_failed);
        if failed.is_some_and(|at| at.elapsed() < CLUSTER_RETRY) {
            return None;
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let read = self.cluster.get_or_try_init(|| async {
            let namespace = timeout(PATIENCE, namespaces.get_metadata("kube-system")).await;
            let uid = namespace.map(|found| found.map(|namespace| namespace.uid()));
            match uid {
                Ok(Ok(Some(uid))) => Ok(uid),
                Ok(Ok(None)) => Err("it has no uid".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("it took too long".to_owned()),
            }
        });
        match read.await {
            Ok(cluster) => Some(cluster.clone()),
            Err(why) => {
                warn!(
                    why,
                    "the namespace kube-system cannot be read: requests do not name their cluster"
                );
                *lock(&self.cluster_failed) = Some(Instant::now());
                None
            }
        }
    }

    async fn revision(&self, record: Record, object: &ObjectKey) -> Option<String> {
        let cell = {
            let mut records = lock(&self.records);
            records.retain(|_, (at, _)| at.elapsed() < MEMORY);
            let (_, cell) = records
                .entry(record.clone())
                .or_insert_with(|| (Instant::now(), Arc::default()));
            Arc::clone(cell)
        };
        let applied = cell.get_or_init(|| self.read(record)).await;
        applied
            .objects
            .contains(&inventory_id(object))
            .then(|| applied.revision.clone())
            .flatten()
    }

    async fn read(&self, record: Record) -> Applied {
        let Record {
            tool,
            namespace,
            name,
        } = &record;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &tool.resource());
        match timeout(PATIENCE, api.get_opt(name)).await {
            Ok(Ok(Some(found))) => tool.applied(&found.data["status"]),
            Ok(Ok(None)) => Applied::default(),
            Ok(Err(error)) => {
                debug!(?record, %error, "no revision: the record cannot be read");
                Applied::default()
            }
            Err(_) => {
                debug!(?record, "no revision: the record takes too long to read");
                Applied::default()
            }
        }
    }
}

impl Tool {
    fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Kustomization => (
                "kustomize.toolkit.fluxcd.io",
                "v1",
                "Kustomization",
                "kustomizations",
            ),
            Self::HelmRelease => (
                "helm.toolkit.fluxcd.io",
                "v2",
                "HelmRelease",
                "helmreleases",
            ),
            Self::Application => ("argoproj.io", "v1alpha1", "Application", "applications"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// What a record's status says.
    fn applied(self, status: &Value) -> Applied {
        let text = |pointer| {
            let text = status.pointer(pointer).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        let entries = |pointer| {
            let entries = status.pointer(pointer).and_then(Value::as_array);
            entries.into_iter().flatten()
        };
        let (said, objects) = match self {
            Self::Kustomization | Self::HelmRelease => (
                text("/lastAttemptedRevision").or(text("/lastAppliedRevision")),
                entries("/inventory/entries")
                    .filter_map(|entry| entry["id"].as_str())
                    .filter(|id| id.contains(GROUP))
                    .map(str::to_owned)
                    .collect(),
            ),
            Self::Application => (
                text("/operationState/syncResult/revision").or(text("/sync/revision")),
                entries("/resources")
                    .filter(|entry| entry["group"] == GROUP)
                    .filter_map(|entry| {
                        let part = |key: &str| entry[key].as_str();
                        let (namespace, name) = (part("namespace")?, part("name")?);
                        Some(format!("{namespace}_{name}_{GROUP}_{}", part("kind")?))
                    })
                    .collect(),
            ),
        };
        Applied {
            revision: said.and_then(revision),
            objects,
        }
    }
}

/// The object as Flux's inventories name it.
fn inventory_id(object: &ObjectKey) -> String {
    let ObjectKey {
        kind,
        namespace,
        name,
    } = object;
    format!("{namespace}_{name}_{GROUP}_{kind}")
}

/// The records that an object's metadata point to.
fn claimed(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    object: &ObjectKey,
    argocd_namespaces: &[String],
) -> Vec<Record> {
    let flux = |tool, group: &str| {
        let label = |key| labels.get(&format!("{group}/{key}")).cloned();
        Some(Record {
            tool,
            namespace: label("namespace")?,
            name: label("name")?,
        })
    };
    let argo = || {
        let tracked = annotations
            .get("argocd.argoproj.io/tracking-id")
            .and_then(|id| tracked_by(id, object));
        let app = tracked.or_else(|| {
            labels
                .get("argocd.argoproj.io/instance")
                .map(String::as_str)
        })?;
        let (namespace, name) = match app.split_once('_') {
            // An Application's status is whatever its editors write: only where Argo CD's own administrators keep them.
            Some((namespace, name)) => (
                argocd_namespaces
                    .iter()
                    .find(|trusted| *trusted == namespace)?,
                name,
            ),
            None => (argocd_namespaces.first()?, app),
        };
        Some(Record {
            tool: Tool::Application,
            namespace: namespace.clone(),
            name: name.to_owned(),
        })
    };
    let claims = [
        flux(Tool::Kustomization, "kustomize.toolkit.fluxcd.io"),
        flux(Tool::HelmRelease, "helm.toolkit.fluxcd.io"),
        argo(),
    ];
    // They become part of a path.
    claims
        .into_iter()
        .flatten()
        .filter(|record| is_name(&record.namespace) && is_name(&record.name))
        .collect()
}

/// The application of a tracking id, `app:group/kind:namespace/name`, if it is the object's own: a copied manifest keeps the
/// annotation of the original.
fn tracked_by<'a>(id: &'a str, object: &ObjectKey) -> Option<&'a str> {
    let (app, of) = id.split_once(':')?;
    let ObjectKey {
        kind,
        namespace,
        name,
    } = object;
    (of == format!("{GROUP}/{kind}:{namespace}/{name}")).then_some(app)
}

fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    text.len() <= 253
        && text.bytes().all(is_inner)
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
