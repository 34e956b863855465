//! `pim-operator run`.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    CliError,
    logs::{LogFormat, Logs},
    traces::Traces,
};
use crate::{
    controller::{
        clock::{Clock, SystemClock},
        election::Timings,
        run::{FEDERATED_TOKEN_FILE, Operator, termination},
    },
    graph::{RetryLimits, Timeouts},
    pim::boundary::Lift,
};

/// Options of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The operator's own namespace: tenants' Secrets and the leader lease are there.
    #[arg(long, env = "POD_NAMESPACE", default_value = "pim-operator-system")]
    namespace: String,
    /// Look at grants of this namespace only; several are given as a list with commas, or one by one.
    #[arg(
        long = "watch-namespace",
        env = "WATCH_NAMESPACE",
        value_delimiter = ',',
        value_name = "NAMESPACE"
    )]
    watch_namespaces: Vec<String>,
    /// Serve this EntraTenant only.
    #[arg(long, env = "WATCH_TENANT")]
    watch_tenant: Option<String>,
    /// The token of the operator's service account, projected with the audience `api://AzureADTokenExchange`: what tenants with
    /// `workloadIdentity` are signed in to with. It is read anew for every sign-in.
    #[arg(long, env = "AZURE_FEDERATED_TOKEN_FILE", default_value = FEDERATED_TOKEN_FILE)]
    federated_token_file: PathBuf,
    /// Take an entry off the built-in deny list: `role:ID`, `group:ID` or `principal:ID`. May be given several times. Every
    /// EntraTenant says in its status what is lifted.
    #[arg(long = "lift-denial", value_name = "ENTRY")]
    lifted: Vec<Lift>,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    metrics_address: SocketAddr,
    /// Run beside other replicas: only the holder of the lease acts.
    #[arg(long)]
    leader_elect: bool,
    /// This replica's name in the lease and in events.
    #[arg(long, env = "POD_NAME", default_value = "pim-operator")]
    identity: String,
    /// How long a lease that is not renewed keeps other replicas from leading, in seconds: the longest gap after a crash.
    #[arg(long, default_value_t = 15, value_name = "SECONDS")]
    lease_duration: u32,
    /// How long after its last renewal a leader still writes, in seconds. Between the two lies what a request may take that left
    /// at the last moment.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    renew_deadline: u32,
    /// How often a leader renews its lease, in seconds.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    retry_period: u32,
    /// The namespaces whose Argo CD Applications may name the Git revision of an object, Argo CD's own first. Whoever may edit
    /// an Application there can choose the revision that requests carry.
    #[arg(long, value_delimiter = ',', default_value = "argocd")]
    argocd_namespaces: Vec<String>,
    /// How logs are written.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// What is logged, such as `info` or `pim_operator=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info,kube_runtime=warn")]
    log_filter: String,
    /// A file with such a filter, which goes before the above and is followed: a change takes effect without a restart.
    #[arg(long, env = "LOG_FILTER_FILE", value_name = "FILE")]
    log_filter_file: Option<PathBuf>,
}

impl RunArgs {
    pub(super) fn execute(self) -> Result<(), CliError> {
        self.execute_by(|| Ok(Arc::new(SystemClock)))
    }

    /// Runs the controller by a given clock: by that of the machine, or by one that a test moves.
    ///
    /// # Errors
    /// Whatever kept it from running.
    pub fn execute_by(
        self,
        clock: impl FnOnce() -> Result<Arc<dyn Clock>, CliError>,
    ) -> Result<(), CliError> {
        // reqwest and kube both leave the choice of a TLS provider to the process.
        rustls::crypto::ring::default_provider()
            .install_default()
            .map_err(|_| "a TLS provider was installed twice")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        // Traces that cannot be had are no reason not to run; there is no log yet to say so in. What the library says of it may
        // hold a password of the address.
        let traces = Traces::open(runtime.handle());
        let refused = traces.is_err();
        let traces = traces.unwrap_or_default();
        let logs = Logs::begin(
            self.log_format,
            &self.log_filter,
            self.log_filter_file.clone(),
            traces.as_ref(),
        )?;
        if refused {
            tracing::warn!(
                "no traces are exported: OTEL_EXPORTER_OTLP_ENDPOINT must be an address such as http://collector:4318, and OTEL_EXPORTER_OTLP_PROTOCOL, if it is set, http/protobuf"
            );
        }
        let clock = clock()?;
        runtime.spawn(logs.follow());
        let outcome = runtime.block_on(self.serve(clock));
        if let Some(traces) = traces {
            traces.close();
        }
        outcome
    }

    async fn serve(self, clock: Arc<dyn Clock>) -> Result<(), CliError> {
        let stop = CancellationToken::new();
        let terminated = termination()?;
        let on_signal = stop.clone();
        tokio::spawn(async move {
            terminated.await;
            tracing::info!("stopping once the passes in hand are finished");
            on_signal.cancel();
        });
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let timings = Timings {
            lease: seconds(self.lease_duration),
            renew: seconds(self.renew_deadline),
            retry: seconds(self.retry_period),
        }
        .checked()?;
        let mut config = Config::infer().await?;
        config.headers.push((
            http::header::USER_AGENT,
            http::HeaderValue::from_static(USER_AGENT),
        ));
        let operator = Operator {
            client: Client::try_from(config)?,
            namespace: self.namespace,
            watch_namespaces: distinct(self.watch_namespaces),
            watch_tenant: self.watch_tenant,
            lifted: self.lifted,
            clock,
            federated_token_file: self.federated_token_file,
            timeouts: Timeouts::default(),
            retry: RetryLimits::default(),
            listener: Some(TcpListener::bind(self.metrics_address).await?),
            argocd_namespaces: self.argocd_namespaces,
            identity: self.leader_elect.then_some(self.identity),
            timings,
        };
        Box::pin(operator.run(stop)).await?;
        Ok(())
    }
}

/// Each name once, without those that are empty: an empty variable means what a missing one does.
fn distinct(names: Vec<String>) -> Vec<String> {
    let names: BTreeSet<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    names.into_iter().collect()
}

/// What the API server's audit log calls us.
const USER_AGENT: &str = concat!("pim-operator/", env!("CARGO_PKG_VERSION"));
