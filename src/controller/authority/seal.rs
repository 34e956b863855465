//! The operator's mark on what it records. Whoever may write an object's status could otherwise claim somebody else's grant for
//! it and have it revoked by deleting the object. The key lies in a Secret of the operator's own namespace.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::ObjectMeta,
};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use tracing::warn;
use uuid::Uuid;

/// The Secret that holds the key.
const SECRET: &str = "pim-operator-seal";
const KEY: &str = "key";
const KEY_LENGTH: usize = 32;

/// How long to wait for an API server that did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Whether the API server would answer the same again: it understood the question and refused it.
const fn is_final(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 408 | 409 | 429)
}

/// Marks records.
pub struct Seal(hmac::Key);

impl Seal {
    /// Reads the key, and makes one where there is none. Without a key nothing is sealed: what the operator recorded is then
    /// revoked only where a boundary covers it. An API server that does not answer is asked again until it does: to go on
    /// without a key that is there would be to forget it until the next start.
    pub(super) async fn load(client: &Client, namespace: &str) -> Option<Self> {
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        loop {
            match Self::read_or_make(&secrets).await {
                Ok(Some(seal)) => return Some(seal),
                Ok(None) => {
                    warn!(
                        secret = SECRET,
                        "the Secret holds no key of 32 bytes: records are not sealed"
                    );
                    return None;
                }
                Err(kube::Error::Api(refusal)) if is_final(refusal.code) => {
                    warn!(secret = SECRET, error = %refusal, "the key for sealing records cannot be had: records are not sealed");
                    return None;
                }
                Err(error) => {
                    warn!(secret = SECRET, %error, "the key for sealing records cannot be read now; nothing is done until it is");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn read_or_make(secrets: &Api<Secret>) -> Result<Option<Self>, kube::Error> {
        if let Some(found) = secrets.get_opt(SECRET).await? {
            return Ok(Self::of(&found));
        }
        let mut key = [0; KEY_LENGTH];
        if SystemRandom::new().fill(&mut key).is_err() {
            return Ok(None);
        }
        let secret = Secret {
            data: Some([(KEY.to_owned(), ByteString(key.to_vec()))].into()),
            metadata: ObjectMeta {
                name: Some(SECRET.to_owned()),
                ..ObjectMeta::default()
            },
            ..Secret::default()
        };
        // Applied, not posted: a POST names no object, so that who may create one Secret by it may create any. Each process is a
        // field manager of its own and does not insist, so that it can never replace a key that another one has made.
        let maker = PatchParams::apply(&format!("pim-operator-{}", Uuid::new_v4()));
        match secrets.patch(SECRET, &maker, &Patch::Apply(&secret)).await {
            Ok(made) => Ok(Self::of(&made)),
            // Another replica was faster.
            Err(kube::Error::Api(status)) if status.is_conflict() => {
                Ok(Self::of(&secrets.get(SECRET).await?))
            }
            Err(error) => Err(error),
        }
    }

    fn of(secret: &Secret) -> Option<Self> {
        let key = &secret.data.as_ref()?.get(KEY)?.0;
        (key.len() == KEY_LENGTH).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// The mark for what is recorded.
    #[must_use]
    pub fn mark(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            // The length keeps two records apart that only differ in where a part ends.
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_bound_to_every_part_and_to_the_key() {
        let seal = |byte| Seal(hmac::Key::new(hmac::HMAC_SHA256, &[byte; KEY_LENGTH]));
        let mark = seal(1).mark(&["uid", "group", "alice"]);
        assert_eq!(mark, seal(1).mark(&["uid", "group", "alice"]));
        assert_ne!(mark, seal(2).mark(&["uid", "group", "alice"]));
        assert_ne!(mark, seal(1).mark(&["uid", "group", "bob"]));
        assert_ne!(mark, seal(1).mark(&["uid", "groupa", "lice"]));
    }
}
