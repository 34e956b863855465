//! Manifests, as a user writes them.

use kube::{
    Client, Discovery, ResourceExt,
    api::{Api, DynamicObject, Patch, PatchParams},
    discovery::Scope,
};

/// Applies every document of a YAML text by server-side apply, as GitOps tools do, into a namespace where a document names none.
///
/// # Errors
/// The API server's refusal, or what is wrong with the text.
pub async fn apply(
    client: &Client,
    namespace: &str,
    text: &str,
) -> Result<Vec<DynamicObject>, kube::Error> {
    let discovery = Discovery::new(client.clone())
        .filter(&["entrapim.dev", ""])
        .run()
        .await?;
    let mut applied = Vec::new();
    for document in text
        .split("\n---")
        .map(|part| part.trim_start_matches("---"))
    {
        if document.trim().is_empty() {
            continue;
        }
        let object: DynamicObject = serde_saphyr::from_str(document)
            .map_err(|error| kube::Error::Service(Box::new(error)))?;
        let types = object.types.clone().unwrap_or_default();
        let group = types
            .api_version
            .split_once('/')
            .map_or("", |(group, _)| group);
        let version = types.api_version.rsplit('/').next().unwrap_or_default();
        let kind = kube::core::GroupVersionKind::gvk(group, version, &types.kind);
        let (resource, capabilities) = discovery
            .resolve_gvk(&kind)
            .ok_or_else(|| kube::Error::Service(format!("no such kind: {}", types.kind).into()))?;
        let api: Api<DynamicObject> = match capabilities.scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => {
                let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
                Api::namespaced_with(client.clone(), &namespace, &resource)
            }
        };
        let params = PatchParams::apply("git").force();
        applied.push(
            api.patch(&object.name_any(), &params, &Patch::Apply(&object))
                .await?,
        );
    }
    Ok(applied)
}
