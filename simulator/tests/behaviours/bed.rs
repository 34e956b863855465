//! A simulator with the contoso story, a frozen clock, and a client that has signed in.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pim_simulator::{Access, Behaviour, DelegatedToken, Estate, Kind, Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};

pub const OPS: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
pub const APPROVERS: &str = "68e55cce-0000-4000-8000-000000000002";
pub const ADMINS: &str = "68e55cce-0000-4000-8000-000000000003";
pub const DYNAMIC: &str = "68e55cce-0000-4000-8000-000000000004";
pub const ON_PREMISES: &str = "68e55cce-0000-4000-8000-000000000005";
pub const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";
pub const BOB: &str = "b0b00000-0000-4000-8000-000000000002";
pub const CAROL: &str = "ca401000-0000-4000-8000-000000000003";
pub const LEAD: &str = "1ead0000-0000-4000-8000-00000000000a";
pub const DEPLOYER: &str = "5e4f1ce0-0000-4000-8000-000000000001";
pub const PIM: &str = "/v1.0/identityGovernance/privilegedAccess/group";
pub const OPERATOR: &str = "11111111-0000-4000-8000-000000000001";

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    /// Graph's error code.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// The entities of a list.
    pub fn items(&self) -> &Vec<Value> {
        assert_eq!(self.status, 200, "{:?}", self.body);
        self.body["value"].as_array().unwrap()
    }

    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status, self.code()),
            (status, code),
            "{:?}",
            self.body
        );
        self
    }

    #[track_caller]
    pub fn is(&self, status: &str) -> &Self {
        assert_eq!(
            (self.status, self.text("status")),
            (201, status),
            "{:?}",
            self.body
        );
        self
    }
}

pub struct Bed {
    pub simulator: Simulator,
    pub client: reqwest::Client,
    pub token: String,
}

impl Bed {
    /// A bed whose traffic is logged, to be held against Microsoft's metadata.
    pub async fn new() -> Self {
        Self::with(Behaviour::default()).await
    }

    pub async fn with(behaviour: Behaviour) -> Self {
        let config = SimulatorConfig {
            behaviour,
            ..SimulatorConfig::new(Estate::contoso())
        };
        Self::logged(config).await
    }

    pub async fn logged(config: SimulatorConfig) -> Self {
        let name = std::thread::current()
            .name()
            .unwrap_or("test")
            .replace("::", "-");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../graph-traffic");
        let log = folder.join(format!("simulator-{name}.jsonl"));
        Self::start(SimulatorConfig {
            traffic_log: Some(log),
            ..config
        })
        .await
    }

    /// A bed for requests that are wrong on purpose: no log.
    pub async fn unlogged() -> Self {
        Self::start(SimulatorConfig::new(Estate::contoso())).await
    }

    pub async fn start(config: SimulatorConfig) -> Self {
        let simulator = Simulator::start(config).await.unwrap();
        simulator.clock().freeze();
        let mut bed = Self {
            simulator,
            client: client(),
            token: String::new(),
        };
        bed.sign_in().await;
        bed
    }

    /// Gets a new app-only token.
    pub async fn sign_in(&mut self) {
        let reply = self
            .sign_in_with("client_secret", Estate::OPERATOR_SECRET)
            .await;
        reply.text("access_token").clone_into(&mut self.token);
        assert!(!self.token.is_empty(), "{:?}", reply.body);
    }

    pub async fn sign_in_with(&self, field: &str, value: &str) -> Reply {
        self.token_request(&Estate::TENANT.to_string(), OPERATOR, field, value)
            .await
    }

    pub async fn token_request(
        &self,
        tenant: &str,
        client: &str,
        field: &str,
        value: &str,
    ) -> Reply {
        let scope = format!("{}/.default", self.simulator.url());
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("scope", &scope),
            (field, value),
        ];
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.simulator.url());
        let request = self.client.post(url).body(form);
        reply(request.send().await.unwrap()).await
    }

    /// The same simulator seen by a person.
    pub fn person(&self, wanted: &DelegatedToken) -> Self {
        let token = self.simulator.delegated_token(wanted).unwrap();
        Self {
            simulator: self.simulator.clone(),
            client: self.client.clone(),
            token,
        }
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        reply(self.try_send(method, path, body).await.unwrap()).await
    }

    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<reqwest::Response> {
        let url = match path.strip_prefix("http") {
            Some(_) => path.to_owned(),
            None => format!("{}{path}", self.simulator.url()),
        };
        let request = self.client.request(method, url).bearer_auth(&self.token);
        match body {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    /// POSTs a schedule request.
    pub async fn request(&self, kind: Kind, body: Value) -> Reply {
        self.post(&format!("{PIM}/{}ScheduleRequests", set(kind)), body)
            .await
    }

    /// adminAssign of Alice as member of payments-ops, changed by `with`.
    pub async fn admin(&self, kind: Kind, action: &str, with: Value) -> Reply {
        self.request(kind, body(action, &with)).await
    }

    /// Rows of payments-ops in a set such as `Schedules`.
    pub async fn rows(&self, kind: Kind, set_suffix: &str) -> Vec<Value> {
        self.rows_of(OPS, kind, set_suffix).await
    }

    pub async fn rows_of(&self, group: &str, kind: Kind, set_suffix: &str) -> Vec<Value> {
        let path = format!(
            "{PIM}/{}{set_suffix}?$filter=groupId eq '{group}'",
            set(kind)
        );
        self.get(&path).await.items().clone()
    }

    /// Rows of payments-ops that PIM made.
    pub async fn pim_rows(&self, kind: Kind, set_suffix: &str) -> Vec<Value> {
        let mut rows = self.rows(kind, set_suffix).await;
        rows.retain(|row| row["principalId"] != LEAD);
        rows
    }

    pub fn advance(&self, seconds: u64) {
        self.simulator.clock().advance(Duration::from_secs(seconds));
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.simulator.clock().now()
    }

    /// A time so many seconds from now, as a client writes it.
    pub fn at(&self, seconds: i64) -> String {
        let at = self.now() + chrono::TimeDelta::seconds(seconds);
        at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

pub fn set(kind: Kind) -> &'static str {
    match kind {
        Kind::Assignment => "assignment",
        Kind::Eligibility => "eligibility",
    }
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent("behaviours")
        .no_proxy()
        .build()
        .unwrap()
}

pub async fn reply(response: reqwest::Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Reply {
        status,
        headers,
        body,
    }
}

/// A request body for Alice and payments-ops; `with` adds or replaces properties, null removes one.
pub fn body(action: &str, with: &Value) -> Value {
    let mut body = json!({
        "action": action,
        "accessId": Access::Member.as_str(),
        "groupId": OPS,
        "principalId": ALICE,
        "justification": "on call",
    });
    if !action.to_lowercase().ends_with("remove") && action != "selfDeactivate" {
        body["scheduleInfo"] = lasting("P30D");
    }
    let map = body.as_object_mut().unwrap();
    for (name, value) in with.as_object().unwrap() {
        if value.is_null() {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
    body
}

pub fn lasting(duration: &str) -> Value {
    json!({"expiration": {"type": "afterDuration", "duration": duration}})
}

pub fn permanent() -> Value {
    json!({"expiration": {"type": "noExpiration"}})
}

pub fn none() -> Value {
    json!({})
}

pub const ELIGIBLE: Kind = Kind::Eligibility;
pub const ACTIVE: Kind = Kind::Assignment;
