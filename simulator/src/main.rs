//! `pim-simulator`: Microsoft Graph's PIM for groups and roles, in memory, on a port of your choice.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use pim_simulator::{Behaviour, Estate, Simulator, SimulatorConfig, TlsFiles};

/// An in-memory Microsoft Graph PIM server.
#[derive(Debug, Parser)]
#[command(name = "pim-simulator", version)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Certificate chain (PEM); with it, only HTTPS is served.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key (PEM).
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Estate to start with (YAML); default: the built-in contoso story.
    #[arg(long, conflicts_with = "generate")]
    estate: Option<PathBuf>,
    /// Generate an estate instead, such as 50x1000 for 50 groups and 1,000 people.
    #[arg(long, value_name = "GROUPSxPEOPLE", value_parser = parse_size)]
    generate: Option<(u32, u32)>,
    /// Traffic log to write (JSON lines).
    #[arg(long)]
    traffic_log: Option<PathBuf>,
    /// Keep the last exchanges in memory for /_simulator/traffic.
    #[arg(long)]
    keep_traffic: bool,
    /// The replication delays of a live tenant, unless the estate says otherwise.
    #[arg(long)]
    realistic: bool,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let parts = text
        .split_once('x')
        .and_then(|(groups, people)| Some((groups.parse().ok()?, people.parse().ok()?)));
    parts.ok_or_else(|| "write GROUPSxPEOPLE, such as 50x1000".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            let _ = writeln!(std::io::stderr(), "pim-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let estate = match (&arguments.estate, arguments.generate) {
        (Some(path), _) => Estate::from_file(path)?,
        (None, Some((groups, people))) => Estate::generate(groups, people),
        (None, None) => Estate::contoso(),
    };
    let fallback = if arguments.realistic {
        Behaviour::realistic()
    } else {
        Behaviour::default()
    };
    let behaviour = estate.behaviour.clone().unwrap_or(fallback);
    let tls = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate_pem: std::fs::read_to_string(certificate)?,
            key_pem: std::fs::read_to_string(key)?,
        }),
        _ => None,
    };
    let config = SimulatorConfig {
        listen: arguments.listen,
        tls,
        traffic_log: arguments.traffic_log,
        keep_traffic: arguments.keep_traffic,
        behaviour,
        ..SimulatorConfig::new(estate)
    };
    let simulator = Simulator::start(config).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", simulator.url())?;
    out.flush()?;
    stopped().await;
    simulator.stop().await;
    Ok(())
}

/// Waits for an interrupt or, on Unix, a request to terminate.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
