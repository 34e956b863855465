//! Directory object ids, tenant ids and application ids as they are written in manifests.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::cel::guid_schema;

/// A GUID in lower case, such as `68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7`.
///
/// Lower case is demanded at admission so that two spellings of one id can never be two natural keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Guid(String);

impl Guid {
    /// Takes any spelling of a GUID and keeps its lower-case form; Graph answers in lower case, people paste both.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().to_ascii_lowercase())
    }

    /// The id as Graph takes it in a path or filter.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Guid {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Guid".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        guid_schema(generator)
    }
}
