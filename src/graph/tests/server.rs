//! A scripted HTTP/1.1 server on loopback that can also misbehave.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::graph::{Credential, GraphClient, GraphConfig, Limits, RetryLimits, Secret, Timeouts};

pub(super) const SECRET: &str = "hush-client-secret";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub method: String,
    /// Path and query, not decoded.
    pub path: String,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn is_token(&self) -> bool {
        self.path.ends_with("/oauth2/v2.0/token")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Act {
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Announces more bytes than it sends, then closes.
    Truncated,
    /// Closes without an answer.
    Close,
    /// Never answers.
    Hang,
}

pub(super) fn ok(body: &Value) -> Act {
    answer(200, body)
}

pub(super) fn answer(status: u16, body: &Value) -> Act {
    Act::Answer(status, vec![], body.to_string())
}

pub(super) fn empty_list() -> Act {
    ok(&json!({"value": []}))
}

pub(super) fn error(status: u16, code: &str) -> Act {
    answer(
        status,
        &json!({"error": {"code": code, "message": "words of Graph"}}),
    )
}

pub(super) fn throttled(retry_after: &str) -> Act {
    Act::Answer(
        429,
        vec![("retry-after", retry_after.to_owned())],
        json!({"error": {"code": "TooManyRequests", "message": ""}}).to_string(),
    )
}

/// An unsigned token whose text contains its number.
pub(super) fn token(number: usize, lifetime: u64) -> Act {
    let claims = json!({
        "tid": "tenant-1", "oid": "object-1", "appid": "app-1",
        "roles": ["User.Read.All"], "n": number,
    });
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    ok(&json!({
        "token_type": "Bearer",
        "expires_in": lifetime,
        "access_token": format!("header{number}.{payload}.signature"),
    }))
}

type Handler = Arc<dyn Fn(&Seen) -> Act + Send + Sync>;

pub(super) struct Server {
    pub root: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Asks `handler` about every request but those for tokens, which get a good one.
    pub async fn start(handler: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let tokens = Mutex::new(0);
        Self::start_bare(move |seen| {
            if seen.is_token() {
                let mut tokens = tokens.lock().unwrap();
                *tokens += 1;
                token(*tokens, 3600)
            } else {
                handler(seen)
            }
        })
        .await
    }

    /// Answers requests (but those for tokens) in this order; the last act stays.
    pub async fn script(acts: impl Into<VecDeque<Act>>) -> Self {
        let acts = Mutex::new(acts.into());
        Self::start(move |_| next(&acts)).await
    }

    /// Asks `handler` about every request.
    pub async fn start_bare(handler: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let handler: Handler = Arc::new(handler);
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&handler), Arc::clone(&log)));
            }
        });
        Self { root, seen }
    }

    /// Settings for this server with short waits.
    pub fn config(&self) -> GraphConfig {
        let credential = Credential::ClientSecret {
            client_id: "app-1".to_owned(),
            secret: Secret::new(SECRET),
        };
        let mut config = GraphConfig::new("tenant-1", credential).unwrap();
        config.graph_root = self.root.clone();
        config.authority = self.root.clone();
        config.limits = Limits {
            max_concurrency: 8,
            requests_per_second: 1000,
        };
        config.timeouts = Timeouts {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(20),
        };
        config.retry = RetryLimits {
            max_attempts: 3,
            max_elapsed: Duration::from_secs(5),
            base_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(5),
        };
        config
    }

    pub fn client(&self) -> GraphClient {
        GraphClient::new(self.config()).unwrap()
    }

    /// Requests to Graph so far.
    pub fn calls(&self) -> Vec<Seen> {
        self.requests(false)
    }

    /// Requests for tokens so far.
    pub fn sign_ins(&self) -> Vec<Seen> {
        self.requests(true)
    }

    fn requests(&self, token: bool) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.is_token() == token)
            .cloned()
            .collect()
    }
}

/// The next act of a script; the last one stays.
pub(super) fn next(acts: &Mutex<VecDeque<Act>>) -> Act {
    let mut acts = acts.lock().unwrap();
    if acts.len() > 1 {
        acts.pop_front().unwrap()
    } else {
        acts[0].clone()
    }
}

/// Answers a `$batch` by asking `item` for each path: status, headers and body.
pub(super) fn batch(seen: &Seen, item: impl Fn(&str) -> (u16, Value, Value)) -> Act {
    let request = seen.json();
    let responses: Vec<Value> = request["requests"]
        .as_array()
        .unwrap()
        .iter()
        // Graph answers in any order.
        .rev()
        .map(|one| {
            let (status, headers, body) = item(one["url"].as_str().unwrap());
            json!({"id": one["id"], "status": status, "headers": headers, "body": body})
        })
        .collect();
    ok(&json!({ "responses": responses }))
}

async fn serve(stream: TcpStream, handler: Handler, log: Arc<Mutex<Vec<Seen>>>) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream).await {
        log.lock().unwrap().push(seen.clone());
        let (status, headers, body) = match handler(&seen) {
            Act::Answer(status, headers, body) => (status, headers, body),
            Act::Close => return,
            Act::Hang => {
                std::future::pending::<()>().await;
                return;
            }
            Act::Truncated => {
                let text = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"value\": [";
                let _ = stream.write_all(text.as_bytes()).await;
                return;
            }
        };
        let mut text = format!("HTTP/1.1 {status} -\r\n");
        for (name, value) in headers {
            text += &[name, ": ", &value, "\r\n"].concat();
        }
        if status != 204 {
            text += &["content-length: ", &body.len().to_string(), "\r\n"].concat();
        }
        text.push_str("request-id: req-1\r\n\r\n");
        text.push_str(&body);
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
