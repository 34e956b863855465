//! The way to the authority: the identity library's calls, over this client's HTTP stack, to the configured address.

use azure_core::{
    Error as AzureError,
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, HttpClient, Request, StatusCode,
        headers::{HeaderName, HeaderValue as AzureHeaderValue, Headers},
    },
};
use serde::Deserialize;
use url::Url;

use crate::graph::{error::SignInError, http::why_no_answer};

/// Finds the authority's code in the library's nested error.
pub(super) fn sign_in_error(error: &AzureError) -> SignInError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<SignInError>() {
            return error.clone();
        }
        if let Some(error) = current.downcast_ref::<AzureError>() {
            match error.kind() {
                ErrorKind::Io | ErrorKind::Connection => {
                    return SignInError::unavailable(error.to_string());
                }
                _ => {}
            }
        }
        cause = current.source();
    }
    SignInError::permanent("the authority's answer could not be read")
}

/// `AADSTS…` where the answer has a number, else the OAuth error word; and whether the text says that something has expired.
fn authority_code(body: &[u8]) -> Option<(Option<String>, bool)> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        error_codes: Vec<u32>,
        #[serde(default)]
        error: Option<String>,
        #[serde(default)]
        error_description: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let description = answer.error_description.unwrap_or_default();
    let expired = description.contains("expired");
    let described = description
        .split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| word.starts_with("AADSTS"))
        .map(str::to_owned);
    let numbered = answer
        .error_codes
        .first()
        .map(|code| format!("AADSTS{code}"));
    Some((described.or(numbered).or(answer.error), expired))
}

/// Lets the identity library use this client's HTTP stack, and sends its calls to the configured authority.
#[derive(Debug)]
pub(super) struct AuthorityTransport {
    pub(super) http: reqwest::Client,
    pub(super) authority: Url,
}

impl AuthorityTransport {
    /// The same path on the configured authority; a path of the authority itself goes in front.
    fn target(&self, asked: &Url) -> Url {
        let mut url = self.authority.clone();
        let prefix = self.authority.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}{}", asked.path()));
        url.set_query(asked.query());
        url
    }
}

#[async_trait::async_trait]
impl HttpClient for AuthorityTransport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body() else {
            return Err(AzureError::with_message(
                ErrorKind::Other,
                "streamed bodies are not supported",
            ));
        };
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| AzureError::new(ErrorKind::Other, error))?;
        let mut outgoing = self
            .http
            .request(method, self.target(request.url()))
            .body(body.clone());
        for (name, value) in request.headers().iter() {
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let unreachable = |error: reqwest::Error| {
            let (reason, detail) = why_no_answer(&error);
            let text = detail.unwrap_or_else(|| reason.to_string());
            AzureError::with_message(ErrorKind::Io, text)
        };
        let answer = outgoing.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        if status == 429 || status >= 500 {
            // Such answers need not be JSON, which the library expects of every error.
            return Err(AzureError::with_message(
                ErrorKind::Io,
                format!("HTTP {status}"),
            ));
        }
        if status >= 400 {
            // Read here: the library gives up on a text that its JSON has to escape, as line ends and quotes are.
            let body = answer.bytes().await.map_err(unreachable)?;
            let (code, expired) = authority_code(&body).unwrap_or_default();
            let refused = SignInError::refused(code, expired);
            return Err(AzureError::new(ErrorKind::Credential, refused));
        }
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(
                    HeaderName::from(name.as_str().to_owned()),
                    AzureHeaderValue::from(value.to_owned()),
                );
            }
        }
        let body = answer.bytes().await.map_err(unreachable)?;
        Ok(AsyncRawResponse::from_bytes(
            StatusCode::from(status),
            headers,
            body,
        ))
    }
}
