//! The command lines of the three processes, as far as they differ from the programs' defaults.

use std::path::Path;
use std::process::Command;

use crate::pki::Pki;
use crate::workdir::Workdir;
use crate::{Error, audit};

/// The API server's audit log, in the control plane's folder.
pub(crate) const AUDIT_LOG: &str = "audit.log";
/// The administrator's kubeconfig, in the control plane's folder.
pub(crate) const KUBECONFIG: &str = "kubeconfig";

/// Writes every file that the command lines below refer to.
pub(crate) fn write_files(dir: &Workdir, pki: &Pki, url: &str) -> Result<(), Error> {
    for (name, content) in [
        ("ca.crt", pki.ca.as_str()),
        ("server.crt", &pki.server_cert),
        ("server.key", &pki.server_key),
        ("tokens.key", &pki.token_key),
        ("tokens.pub", &pki.token_public_key),
        ("audit-policy.yaml", audit::POLICY),
        (AUDIT_LOG, ""), // so that it can be read before the first write
        (KUBECONFIG, &pki.kubeconfig(url)),
    ] {
        dir.write(name, content)?;
    }
    Ok(())
}

pub(crate) fn etcd(program: &Path, dir: &Workdir, port: u16) -> Command {
    let url = format!("http://127.0.0.1:{port}");
    let mut flags = Flags::new(program);
    flags.path("data-dir", dir, "etcd");
    flags.set("listen-client-urls", &url);
    flags.set("advertise-client-urls", &url);
    // There are no peers: any port will do.
    flags.set("listen-peer-urls", "http://127.0.0.1:0");
    // What it stores is worthless after a crash of the machine.
    flags.set("unsafe-no-fsync", "true");
    flags.0
}

pub(crate) fn kube_apiserver(program: &Path, dir: &Workdir, port: u16, etcd_port: u16) -> Command {
    let mut flags = Flags::new(program);
    flags.set("etcd-servers", &format!("http://127.0.0.1:{etcd_port}"));
    flags.set("bind-address", "127.0.0.1");
    flags.set("advertise-address", "127.0.0.1");
    // Endpoints of the `kubernetes` Service may not be on loopback, so it gets none.
    flags.set("endpoint-reconciler-type", "none");
    flags.set("secure-port", &port.to_string());
    flags.path("tls-cert-file", dir, "server.crt");
    flags.path("tls-private-key-file", dir, "server.key");
    flags.path("client-ca-file", dir, "ca.crt");
    flags.set("authorization-mode", "RBAC");
    flags.set("service-cluster-ip-range", "10.0.0.0/24");
    flags.set("service-account-issuer", "https://kubernetes.default.svc");
    flags.path("service-account-key-file", dir, "tokens.pub");
    flags.path("service-account-signing-key-file", dir, "tokens.key");
    // It refuses Pods of a namespace whose default ServiceAccount no controller manager has made.
    flags.set("disable-admission-plugins", "ServiceAccount");
    flags.path("audit-policy-file", dir, "audit-policy.yaml");
    flags.path("audit-log-path", dir, AUDIT_LOG);
    // An event is on disk before its request is done, so that a count is exact.
    flags.set("audit-log-mode", "blocking");
    // Megabytes: as good as never rotated, because marks are offsets into one file.
    flags.set("audit-log-maxsize", "100000");
    flags.0
}

pub(crate) fn kube_controller_manager(program: &Path, dir: &Workdir) -> Command {
    let mut flags = Flags::new(program);
    flags.path("kubeconfig", dir, KUBECONFIG);
    flags.set("leader-elect", "false");
    flags.set("secure-port", "0");
    flags.path("service-account-private-key-file", dir, "tokens.key");
    flags.path("root-ca-file", dir, "ca.crt");
    // What has a meaning without nodes.
    flags.set(
        "controllers",
        "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
         root-ca-certificate-publisher-controller,clusterrole-aggregation-controller,\
         validatingadmissionpolicy-status-controller",
    );
    flags.0
}

/// Builds `--name=value` arguments.
struct Flags(Command);

impl Flags {
    fn new(program: &Path) -> Self {
        Self(Command::new(program))
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.arg(format!("--{name}={value}"));
    }

    fn path(&mut self, name: &str, dir: &Workdir, file: &str) {
        let mut argument = std::ffi::OsString::from(format!("--{name}="));
        argument.push(dir.join(file));
        self.0.arg(argument);
    }
}
