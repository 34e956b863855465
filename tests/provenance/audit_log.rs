//! The audit log: one JSON line for each request, as the process writes it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock},
};

use kube::ResourceExt;
use pim_operator::api::group_grant::GroupEligibility;
use serde_json::Value;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::{
    suffix::last_provenance,
    support::{bed, eligible, start, status},
};

/// What the operators of this process log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The log of the process; tests tell their lines by their namespace.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("pim_operator::audit=info"))
            .json()
            .flatten_event(true)
            .with_writer(log.clone())
            .init();
        log
    })
}

/// The lines about a namespace's objects.
pub fn lines_of(namespace: &str) -> Vec<Value> {
    let text = String::from_utf8(log().0.lock().unwrap().clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["namespace"] == namespace)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_for_each_request_says_who_got_what_and_which_request_did_it() {
    log();
    let bed = bed("audit_log", |_| {}).await;
    let operator = start(&bed).await;
    eligible("alice").apply(&bed).await;
    let alice: GroupEligibility = bed.until_reason("alice", "Provisioned").await;
    bed.delete::<GroupEligibility>("alice").await.unwrap();
    bed.until_gone::<GroupEligibility>("alice").await;
    operator.stop().await;
    let lines = lines_of(&bed.namespace);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let granted = &lines[0];
    let last = status(&alice).last_request.as_ref().unwrap();
    let uid = alice.uid().unwrap();
    let expected = [
        ("kind", "GroupEligibility"),
        ("name", "alice"),
        ("uid", uid.as_str()),
        ("tenant", bed.tenant.as_str()),
        ("group", "payments-ops"),
        ("principal", "alice@contoso.com"),
        ("access_id", "Member"),
        ("action", "adminAssign"),
        ("why", "not-granted"),
        ("outcome", "Provisioned"),
        ("client_request_id", last.client_request_id.as_str()),
        ("request_id", last.id.as_deref().unwrap()),
        ("message", "request sent"),
    ];
    for (field, value) in expected {
        assert_eq!(granted[field], value, "{field} of {granted:#}");
    }
    assert_eq!(granted["generation"], 1);
    let cluster = last_provenance(&bed).cluster.unwrap();
    assert_eq!(granted["cluster"], cluster.as_str());
    assert_eq!(lines[1]["action"], "adminRemove");
    assert_eq!(lines[1]["why"], "deleted");
    assert!(granted["end"].is_string() && lines[1].get("end").is_none());
}
