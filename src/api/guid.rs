//! Directory object ids, tenant ids and application ids as they are written in manifests.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::cel::guid_schema;

/// A GUID in lower case, such as `68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7`.
///
/// Lower case is demanded at admission so that two spellings of one id can never be two natural keys. Copies share their text: most
/// of what the operator remembers of a grant is ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Box<str>", into = "Box<str>")]
pub struct Guid(Arc<str>);

impl From<Box<str>> for Guid {
    /// As it is written: what is not in lower case was refused at admission.
    fn from(text: Box<str>) -> Self {
        Self(text.into())
    }
}

impl From<Guid> for Box<str> {
    fn from(guid: Guid) -> Self {
        guid.as_str().into()
    }
}

impl Guid {
    /// Takes any spelling of a GUID and keeps its lower-case form; Graph answers in lower case, people paste both.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().to_ascii_lowercase().into())
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
