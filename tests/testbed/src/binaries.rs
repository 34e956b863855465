//! Where the programs of the control plane come from: the developer's own folder, or our cache.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::{Error, go_build, monitoring};

/// The programs of a control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The store behind the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// The command-line client.
    pub kubectl: PathBuf,
    /// Namespace deletion, garbage collection and more; a folder of `setup-envtest` lacks it.
    pub kube_controller_manager: Option<PathBuf>,
}

/// The parts of the process environment that decide; a value, so that tests need not change the real one.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `KUBEBUILDER_ASSETS`
    pub(crate) assets: Option<PathBuf>,
    /// The user's cache folder.
    pub(crate) cache: Option<PathBuf>,
    /// `PATH`
    pub(crate) path: OsString,
}

impl Environment {
    fn current() -> Self {
        let folder = |name: &str| {
            env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        Self {
            assets: folder("KUBEBUILDER_ASSETS"),
            cache: folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache"))),
            path: env::var_os("PATH").unwrap_or_default(),
        }
    }
}

/// Which Kubernetes an API server is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// The newest that tests run on, 1.36.
    #[default]
    Newest,
    /// The oldest that tests run on, 1.34: the API server only, with the newest's other programs beside it. They are further
    /// apart than Kubernetes supports, which none of the requests of these tests notices.
    Oldest,
}

impl Binaries {
    /// The programs for a release. The API server of the oldest is built when it is first asked for, whatever
    /// `KUBEBUILDER_ASSETS` says: that names a folder of one release.
    ///
    /// # Errors
    /// As [`Binaries::locate_or_build`].
    pub async fn of(release: Release) -> Result<Self, Error> {
        let mut binaries = Self::locate_or_build().await?;
        if release == Release::Oldest {
            let folder = build(&Environment::current(), &go_build::OLDEST_API_SERVER).await?;
            binaries.kube_apiserver = folder.join("kube-apiserver");
        }
        Ok(binaries)
    }

    /// The programs in the folder that `KUBEBUILDER_ASSETS` names, or else our own: built once from
    /// source into the user's cache folder, which takes minutes and reports its progress on stderr.
    ///
    /// # Errors
    /// If that folder is incomplete, if a tool for the build is missing, or if the build fails.
    pub async fn locate_or_build() -> Result<Self, Error> {
        Self::locate_or_build_in(&Environment::current()).await
    }

    pub(crate) async fn locate_or_build_in(environment: &Environment) -> Result<Self, Error> {
        if let Some(folder) = &environment.assets {
            return Self::in_folder(folder);
        }
        Self::in_folder(&build(environment, &go_build::CONTROL_PLANE).await?)
    }

    fn in_folder(folder: &Path) -> Result<Self, Error> {
        let find = |program| Some(folder.join(program)).filter(|path| path.is_file());
        let require = |program| {
            find(program).ok_or_else(|| Error::IncompleteAssets {
                folder: folder.to_owned(),
                program,
            })
        };
        Ok(Self {
            etcd: require("etcd")?,
            kube_apiserver: require("kube-apiserver")?,
            kubectl: require("kubectl")?,
            kube_controller_manager: find("kube-controller-manager"),
        })
    }
}

/// The `helm` in the folder that `KUBEBUILDER_ASSETS` names, if there is one, or else our own, built once from source like the
/// control plane's programs.
///
/// # Errors
/// If a tool for the build is missing, or if the build fails.
pub async fn helm() -> Result<PathBuf, Error> {
    tool("helm", &go_build::CHART_TOOLS).await
}

/// The `promtool` in the folder that `KUBEBUILDER_ASSETS` names, if there is one, or else our own.
///
/// # Errors
/// If a tool for the build is missing, or if the build fails.
pub async fn promtool() -> Result<PathBuf, Error> {
    tool("promtool", &go_build::RULE_TOOLS).await
}

/// The definitions of prometheus-operator's `ServiceMonitor` and `PrometheusRule`, from its Go module.
///
/// # Errors
/// If Go is missing, or the module cannot be had.
pub async fn monitoring_crds() -> Result<Vec<String>, Error> {
    tokio::task::spawn_blocking(|| {
        let environment = Environment::current();
        let cache = environment.cache.ok_or(Error::NoCacheFolder)?;
        monitoring::crds(&cache.join("pim-operator/testbed"), &environment.path)
    })
    .await
    .unwrap_or(Err(Error::NoCacheFolder))
}

async fn tool(program: &str, family: &go_build::Family) -> Result<PathBuf, Error> {
    let environment = Environment::current();
    let given = environment
        .assets
        .as_ref()
        .map(|folder| folder.join(program));
    if let Some(given) = given.filter(|program| program.is_file()) {
        return Ok(given);
    }
    Ok(build(&environment, family).await?.join(program))
}

/// The program that says of an object what Argo CD's health and Flux's kstatus say of it: built once from source, since it is ours.
///
/// # Errors
/// If a tool for the build is missing, or if the build fails.
pub async fn gitops_verdicts() -> Result<PathBuf, Error> {
    let environment = Environment::current();
    let folder = build(&environment, &go_build::GITOPS_VERDICTS).await?;
    Ok(folder.join("gitops-verdicts"))
}

/// The folder with a family's programs, in the user's cache.
async fn build(environment: &Environment, family: &go_build::Family) -> Result<PathBuf, Error> {
    let cache = environment.cache.as_ref().ok_or(Error::NoCacheFolder)?;
    go_build::ensure_built(
        &cache.join("pim-operator/testbed"),
        &environment.path,
        family,
    )
    .await
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a failed set-up step should fail the test"
    )]

    use super::*;

    #[tokio::test]
    async fn a_missing_go_is_reported_in_one_line() {
        let cache = env::temp_dir().join(format!("pim-testbed-no-go-{}", std::process::id()));
        let environment = Environment {
            cache: Some(cache.clone()),
            path: OsString::from("/nonexistent"),
            assets: None,
        };
        let error = Binaries::locate_or_build_in(&environment)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("`go` is not on the PATH: install Go"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
        assert!(!cache.exists(), "nothing was begun");
    }

    #[tokio::test]
    async fn an_incomplete_assets_folder_is_named() {
        let environment = Environment {
            assets: Some(PathBuf::from("/nonexistent")),
            ..Environment::default()
        };
        let error = Binaries::locate_or_build_in(&environment)
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "KUBEBUILDER_ASSETS is /nonexistent, which holds no `etcd`"
        );
    }
}
