//! Connections: plain or TLS, HTTP/1.1 with keep-alive.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming as RequestBody, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::answer::Answer;
use crate::core::Core;
use crate::exchange::{self, Incoming, Outcome};

const GRAPH_JSON: &str = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on order")]
struct CutOnOrder;

/// Accepts connections until told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    core: Arc<Core>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    continue;
                }
            },
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let _ = stream.set_nodelay(true);
        let (core, tls, stop) = (core.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, core, stop).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => connection(stream, core, stop).await,
                    Err(error) => tracing::debug!(%error, "no TLS"),
                },
            }
        });
    }
}

async fn connection<S>(stream: S, core: Arc<Core>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| {
        let core = core.clone();
        async move { respond(&core, request).await }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = serving => if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        },
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn respond(
    core: &Arc<Core>,
    request: Request<RequestBody>,
) -> Result<Response<Reply>, CutOnOrder> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|_| CutOnOrder)?
        .to_bytes()
        .to_vec();
    let text = |name: &str| header(&head.headers, name);
    let host = text("host").unwrap_or_else(|| core.address.to_string());
    let target = head
        .uri
        .path_and_query()
        .map_or_else(|| "/".to_owned(), ToString::to_string);
    let incoming = Incoming {
        method: head.method.as_str().to_owned(),
        target,
        authorization: text("authorization"),
        user_agent: text("user-agent"),
        client_request_id: text("client-request-id"),
        eventual: text("consistencylevel").is_some_and(|l| l.eq_ignore_ascii_case("eventual")),
        metadata: text("metadata").as_deref() == Some("true"),
        body,
        base: format!("{}://{host}", core.scheme),
    };
    match exchange::serve(core, &incoming).await {
        Outcome::Cut => Err(CutOnOrder),
        Outcome::Reply(answer) => Ok(response(answer, false)),
        Outcome::Truncated(answer) => Ok(response(answer, true)),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn response(answer: Answer, truncated: bool) -> Response<Reply> {
    let promised = answer.body.len();
    let mut bytes = Bytes::from(answer.body);
    if truncated {
        bytes.truncate(promised / 2);
    }
    let data = Some(bytes).filter(|bytes| !bytes.is_empty());
    let mut response = Response::new(Reply {
        data,
        promised,
        truncated,
        pauses: 2,
    });
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if promised > 0 {
        let kind = answer.content_type.unwrap_or(GRAPH_JSON);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::try_from(value),
        ) {
            headers.insert(name, value);
        }
    }
    response
}

/// A body that can stop short of what its length promised.
struct Reply {
    data: Option<Bytes>,
    promised: usize,
    truncated: bool,
    pauses: u8,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = CutOnOrder;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutOnOrder>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if self.truncated {
            // What was written has to leave before the connection goes down.
            if self.pauses > 0 {
                self.pauses -= 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.truncated = false;
            return Poll::Ready(Some(Err(CutOnOrder)));
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && !self.truncated
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.promised).unwrap_or(u64::MAX))
    }
}
