//! A simulator with the contoso story, and clients for it.

use std::{path::PathBuf, time::Duration};

use pim_operator::graph::{
    AccessId, Credential, Expiration, GraphClient, GraphConfig, GraphError, Limits, NewRequest,
    RequestAction, RetryLimits, ScheduleInfo, ScheduleKind, ScheduleRequest, ScheduleTarget,
    Secret,
};
use pim_simulator::{Behaviour, Simulator, SimulatorConfig, TlsFiles};
use uuid::Uuid;

pub const TENANT: &str = "9f0c2c1e-0000-4000-8000-000000000001";
pub const CLIENT: &str = "11111111-0000-4000-8000-000000000001";
pub const PAYMENTS_OPS: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
pub const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";

/// Starts a simulator whose traffic goes to `target/graph-traffic/graph-client-NAME.jsonl`.
pub async fn simulator(name: &str, behaviour: Behaviour) -> Simulator {
    start(name, behaviour, None).await
}

pub async fn start(name: &str, behaviour: Behaviour, tls: Option<TlsFiles>) -> Simulator {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/graph-traffic");
    std::fs::create_dir_all(&folder).unwrap();
    Simulator::start(SimulatorConfig {
        traffic_log: Some(folder.join(format!("graph-client-{name}.jsonl"))),
        behaviour,
        tls,
        ..SimulatorConfig::default()
    })
    .await
    .unwrap()
}

/// Settings for a simulator, with short waits.
pub fn config(simulator: &Simulator) -> GraphConfig {
    let credential = Credential::ClientSecret {
        client_id: CLIENT.to_owned(),
        secret: Secret::new("simulated-secret"),
    };
    let mut config = GraphConfig::new(TENANT, credential).unwrap();
    config.graph_root = simulator.url().parse().unwrap();
    config.authority = simulator.url().parse().unwrap();
    config.limits = Limits {
        max_concurrency: 8,
        requests_per_second: 1000,
    };
    config.retry = RetryLimits {
        max_attempts: 3,
        max_elapsed: Duration::from_secs(5),
        base_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(5),
    };
    config
}

pub fn client(simulator: &Simulator) -> GraphClient {
    GraphClient::new(config(simulator)).unwrap()
}

/// A request about Alice's membership in payments-ops.
/// Membership of payments-ops.
pub fn payments_ops() -> ScheduleTarget {
    ScheduleTarget::Group {
        access_id: AccessId::Member,
        group_id: PAYMENTS_OPS.to_owned(),
    }
}

pub fn request(action: RequestAction, window: Option<&str>) -> NewRequest {
    NewRequest {
        action,
        target: payments_ops(),
        principal_id: ALICE.to_owned(),
        justification: Some("a test of the client".to_owned()),
        schedule_info: window.map(|duration| ScheduleInfo {
            start_date_time: None,
            expiration: Expiration::after(duration),
        }),
        ticket_info: None,
        is_validation_only: false,
    }
}

pub async fn file(client: &GraphClient, body: &NewRequest) -> Result<ScheduleRequest, GraphError> {
    client
        .create_request(ScheduleKind::Eligibility, body, Uuid::new_v4())
        .await
}
