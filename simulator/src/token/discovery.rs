//! The documents that clients read before they sign in.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Tokens;

/// `/{tenant}/v2.0/.well-known/openid-configuration`
pub(crate) fn openid(base: &str, tenant: Uuid) -> Value {
    json!({
        "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/{tenant}/v2.0"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{base}/{tenant}/oauth2/v2.0/logout"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": authority(base),
        "msgraph_host": authority(base),
    })
}

/// `/{tenant}/discovery/v2.0/keys`
pub(crate) fn keys(tokens: &Tokens) -> Value {
    json!({"keys": [tokens.key.jwk()]})
}

/// `/common/discovery/instance`
pub(crate) fn instance(base: &str, tenant: Uuid) -> Value {
    let host = authority(base);
    json!({
        "tenant_discovery_endpoint":
            format!("{base}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    })
}

/// `/metadata/endpoints`: the description of a cloud, all of whose parts are here. Versions before
/// 2022 answer a list of clouds.
pub(crate) fn cloud(base: &str, api_version: &str) -> Value {
    let host = authority(base);
    let cloud = json!({
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": [base],
            // These two values tell clients that this is not an Azure Stack.
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": base,
        "graphAudience": base,
        "graph": base,
        "name": "AzureSimulated",
        "suffixes": {"storage": host, "keyVaultDns": host, "sqlServerHostname": host},
        "batch": base,
        "resourceManager": base,
        "sqlManagement": base,
        "gallery": base,
        "microsoftGraphResourceId": base,
        "logAnalyticsResourceId": base,
    });
    let listed = api_version < "2022-01-01" && !api_version.is_empty();
    if listed { json!([cloud]) } else { cloud }
}

fn authority(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, host)| host)
}
