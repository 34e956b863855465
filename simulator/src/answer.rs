//! An answer before it goes out.

use serde::Serialize;

/// Status, headers and body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Content type, when it is not Graph's JSON.
    pub content_type: Option<&'static str>,
}

impl Answer {
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self {
            status,
            body,
            ..Self::default()
        }
    }

    pub fn plain_json(mut self) -> Self {
        self.content_type = Some("application/json; charset=utf-8");
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}
