//! One control plane: start, restart of the API server, and everything a test asks of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::pki::Pki;
use crate::process::Supervised;
use crate::workdir::{Workdir, free_port};
use crate::{AuditEvent, Binaries, Error, Release, WriteCounts, audit, count_writes, flags};

const READY_DEADLINE: Duration = Duration::from_mins(1);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// What to start besides etcd and the API server.
#[derive(Debug, Clone, Default)]
pub struct ControlPlaneOptions {
    /// Also run kube-controller-manager. Without it no namespace is ever deleted for good, owned objects
    /// are not garbage-collected, and `ClusterRoles` are not aggregated.
    pub controller_manager: bool,
}

/// A running control plane. Dropping it kills its processes and removes its folder; so does the death of
/// this process, in whatever way.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields drop in this order: first the processes, then the folder they write to.
    processes: Mutex<Processes>,
    binaries: Binaries,
    pki: Pki,
    port: u16,
    etcd_port: u16,
    url: String,
    kubeconfig: PathBuf,
    dir: Workdir,
}

#[derive(Debug)]
struct Processes {
    controller_manager: Option<Supervised>,
    /// `None` while it is stopped.
    apiserver: Option<Supervised>,
    etcd: Supervised,
}

impl ControlPlane {
    /// The control plane of this process, started on first use and shared by all tests in it.
    ///
    /// Tests run side by side in it: give each its own namespace and names, and do not stop the API
    /// server. It has no controller manager.
    ///
    /// # Errors
    /// As [`ControlPlane::start`]; the next caller tries again.
    pub async fn shared() -> Result<&'static Self, Error> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED
            .get_or_try_init(|| Self::start(ControlPlaneOptions::default()))
            .await
    }

    /// Starts a control plane of one's own and waits until it is ready: a few seconds, or minutes where
    /// the programs must be built first (see [`Binaries::locate_or_build`]).
    ///
    /// # Errors
    /// If the programs are missing and cannot be built, or a process fails to start or to become ready.
    pub async fn start(options: ControlPlaneOptions) -> Result<Self, Error> {
        Self::start_release(Release::Newest, options).await
    }

    /// The same with the API server of a release. With the oldest there is no controller manager: it may not be newer than the
    /// API server.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_release(
        release: Release,
        options: ControlPlaneOptions,
    ) -> Result<Self, Error> {
        const ATTEMPTS: usize = 5;
        let binaries = Binaries::of(release).await?;
        let mut attempt = 1;
        loop {
            match Self::launch(&binaries, &options, (free_port()?, free_port()?)).await {
                Err(error) if lost_port_race(&error) && attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    async fn launch(
        binaries: &Binaries,
        options: &ControlPlaneOptions,
        (port, etcd_port): (u16, u16),
    ) -> Result<Self, Error> {
        let dir = Workdir::create()?;
        let pki = Pki::generate()?;
        let url = format!("https://127.0.0.1:{port}");
        flags::write_files(&dir, &pki, &url)?;

        let etcd = spawn(&dir, "etcd", &flags::etcd(&binaries.etcd, &dir, etcd_port))?;
        let control_plane = Self {
            processes: Mutex::new(Processes {
                controller_manager: None,
                apiserver: None,
                etcd,
            }),
            binaries: binaries.clone(),
            pki,
            port,
            etcd_port,
            url,
            kubeconfig: dir.join(flags::KUBECONFIG),
            dir,
        };
        control_plane.spawn_apiserver()?;
        control_plane.wait_for("/readyz").await?;
        if options.controller_manager {
            control_plane.spawn_controller_manager()?;
            // The first thing that it visibly does.
            control_plane
                .wait_for("/api/v1/namespaces/default/serviceaccounts/default")
                .await?;
        }
        Ok(control_plane)
    }

    /// Kills the API server, as a crash would; it is gone when this returns. etcd and the data stay.
    pub async fn stop_apiserver(&self) {
        let stopped = self.processes().apiserver.take();
        // Waiting for its end blocks. The task cannot fail: a kill and a wait.
        let _ = tokio::task::spawn_blocking(move || drop(stopped)).await;
    }

    /// Starts the API server again, on the same port and the same data, and waits until it is ready.
    /// Does nothing but wait if it is running.
    ///
    /// # Errors
    /// If it fails to start or to become ready.
    pub async fn start_apiserver(&self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            if !self.processes().apiserver_runs()? {
                self.spawn_apiserver()?;
            }
            match self.wait_for("/readyz").await {
                // Somebody else has our port for a moment. Clients know it, so that we insist on it.
                Err(error) if lost_port_race(&error) && start.elapsed() < READY_DEADLINE => {}
                result => return result,
            }
        }
    }

    /// The API server's process id, while it is running.
    pub fn apiserver_pid(&self) -> Option<u32> {
        self.processes().apiserver.as_ref().map(Supervised::pid)
    }

    /// The folder with everything of this control plane: logs, certificates, kubeconfig.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// A kubeconfig for an administrator (`system:masters`).
    pub fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The content of that kubeconfig, with certificates inline.
    pub fn kubeconfig_yaml(&self) -> String {
        self.pki.kubeconfig(&self.url)
    }

    /// The API server's address, `https://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority that signed the API server's certificate, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.pki.ca
    }

    /// The administrator's certificate, in PEM.
    pub fn client_cert_pem(&self) -> &str {
        &self.pki.admin_cert
    }

    /// The administrator's key, in PEM.
    pub fn client_key_pem(&self) -> &str {
        &self.pki.admin_key
    }

    /// A `kubectl` that talks to this control plane as administrator and leaves the user's own kubectl
    /// files alone. It is killed if its future is dropped.
    pub fn kubectl(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.binaries.kubectl);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.dir.join("kubectl-cache"))
            .env("KUBERC", "off")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// All writes so far to the kinds of `entrapim.dev`, Events and Leases, in the API server's order.
    ///
    /// A write is here before its client has the whole answer, unless the answer is larger than a few
    /// KiB: then it may trail by a moment.
    ///
    /// # Errors
    /// If the audit log cannot be read.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>, Error> {
        self.audit_since(0)
    }

    /// A position in the audit log: now.
    ///
    /// # Errors
    /// If the audit log cannot be read.
    pub fn audit_mark(&self) -> Result<u64, Error> {
        let path = self.dir.join(flags::AUDIT_LOG);
        Ok(path.metadata().map_err(Error::io("reading", &path))?.len())
    }

    /// The writes since `mark`; costs no more than those.
    ///
    /// # Errors
    /// If the audit log cannot be read.
    pub fn audit_since(&self, mark: u64) -> Result<Vec<AuditEvent>, Error> {
        let mut events = audit::read_since(&self.dir.join(flags::AUDIT_LOG), mark)?;
        events.retain(AuditEvent::is_counted);
        Ok(events)
    }

    /// The requests of a service account, reads included, in the API server's order: those since an earlier call, whose second
    /// answer is `from`, or all of them since 0. The second answer is where to go on.
    ///
    /// # Errors
    /// If the audit log cannot be read.
    pub fn requests_of(
        &self,
        namespace: &str,
        name: &str,
        from: u64,
    ) -> Result<(Vec<AuditEvent>, u64), Error> {
        let user = format!("system:serviceaccount:{namespace}:{name}");
        audit::of_user_since(&self.dir.join(flags::AUDIT_LOG), &user, from)
    }

    /// Counts all writes so far of the clients with that user agent (see [`count_writes`]).
    ///
    /// # Errors
    /// If the audit log cannot be read.
    pub fn kubernetes_writes(
        &self,
        user_agent_prefix: &str,
    ) -> Result<BTreeMap<String, WriteCounts>, Error> {
        Ok(count_writes(&self.audit_events()?, user_agent_prefix))
    }

    fn spawn_apiserver(&self) -> Result<(), Error> {
        let program = &self.binaries.kube_apiserver;
        let command = flags::kube_apiserver(program, &self.dir, self.port, self.etcd_port);
        self.processes().apiserver = Some(spawn(&self.dir, "kube-apiserver", &command)?);
        Ok(())
    }

    fn spawn_controller_manager(&self) -> Result<(), Error> {
        let name = "kube-controller-manager";
        let program = self
            .binaries
            .kube_controller_manager
            .as_ref()
            .ok_or_else(|| {
                let folder = self
                    .binaries
                    .etcd
                    .parent()
                    .unwrap_or(Path::new(""))
                    .to_owned();
                Error::IncompleteAssets {
                    folder,
                    program: name,
                }
            })?;
        let command = flags::kube_controller_manager(program, &self.dir);
        self.processes().controller_manager = Some(spawn(&self.dir, name, &command)?);
        Ok(())
    }

    /// Polls until a GET of `path` succeeds with all processes alive.
    async fn wait_for(&self, path: &str) -> Result<(), Error> {
        let client = self.probe_client()?;
        let start = Instant::now();
        loop {
            // A new connection each time: a dead API server's one would be no answer.
            let answer = match client.get(format!("{}{path}", self.url)).send().await {
                Ok(response) => response.error_for_status(),
                Err(error) => Err(error),
            };
            self.processes().expect_running()?;
            let Err(error) = answer else { return Ok(()) };
            if start.elapsed() > READY_DEADLINE {
                return Err(self.processes().not_ready(&error));
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// An HTTP client of its own, with its TLS provider given: the process-wide one is the test's choice.
    fn probe_client(&self) -> Result<reqwest::Client, Error> {
        let (ca, certificate, key) = &self.pki.probe_der;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.clone())?;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key().into())?;
        Ok(reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()?)
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Processes {
    fn apiserver_runs(&mut self) -> Result<bool, Error> {
        match &mut self.apiserver {
            Some(apiserver) => Ok(apiserver.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    fn expect_running(&mut self) -> Result<(), Error> {
        let Self {
            controller_manager,
            apiserver,
            etcd,
        } = self;
        [controller_manager.as_mut(), apiserver.as_mut(), Some(etcd)]
            .into_iter()
            .flatten()
            .try_for_each(Supervised::expect_running)
    }

    /// Blames the process that was started last.
    fn not_ready(&self, last: &reqwest::Error) -> Error {
        let blamed = self
            .controller_manager
            .as_ref()
            .or(self.apiserver.as_ref())
            .unwrap_or(&self.etcd);
        Error::NotReady {
            program: blamed.program(),
            waited: READY_DEADLINE,
            last: last.to_string(),
            tail: blamed.log_tail(),
        }
    }
}

fn spawn(
    dir: &Workdir,
    name: &'static str,
    command: &std::process::Command,
) -> Result<Supervised, Error> {
    Supervised::spawn(
        name,
        command,
        &dir.join(&format!("{name}.log")),
        Some(dir.path()),
    )
}

fn lost_port_race(error: &Error) -> bool {
    matches!(error, Error::Exited { tail, .. } if tail.contains("address already in use"))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a failed set-up step should fail the test"
    )]

    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_lost_race_for_a_port_is_recognised() {
        let occupant = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = occupant.local_addr().unwrap().port();
        let binaries = Binaries::locate_or_build().await.unwrap();
        let options = ControlPlaneOptions::default();
        for ports in [(taken, free_port().unwrap()), (free_port().unwrap(), taken)] {
            let error = ControlPlane::launch(&binaries, &options, ports)
                .await
                .unwrap_err();
            assert!(lost_port_race(&error), "{error}");
        }
    }
}
