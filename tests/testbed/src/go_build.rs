//! Builds the control plane's programs, and tools for tests, from the Go modules pinned in `go/`, once per machine and
//! version.
//!
//! Kubernetes, etcd and Helm publish their source as Go modules, so `go build` is all it takes, on any machine
//! with Go and access to its module proxy. A module of our own, such as `go/gitops`, brings its source along.
//! The result is kept in the user's cache folder.
//!
//! To move to another version, change it in `go/*/go.mod` (for Kubernetes also in the `replace` lines: one
//! for each module that its own `go.mod` replaces), run `go mod tidy` there, and change the constants below.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Error;
use crate::process::{Supervised, log_tail};

/// Without its version stamped in, the API server takes itself for v0.0 and gates its features by that.
const KUBERNETES_LDFLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36";
/// The same for the oldest release.
const OLDEST_KUBERNETES_LDFLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.34.4 \
    -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=34";
/// Nothing stamped in.
const LDFLAGS: &str = "-s -w";

/// A pinned Go module and how to link its programs. The module files travel inside this library, so that
/// a built program does not depend on where the sources were.
struct Module {
    folder: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    ldflags: &'static str,
    /// Build tags.
    tags: &'static str,
    /// Source files, of a module that is our own; what the others hold is pinned by their `go.sum`.
    sources: &'static [(&'static str, &'static str)],
}

const ETCD: Module = Module {
    folder: "etcd",
    go_mod: include_str!("../go/etcd/go.mod"),
    go_sum: include_str!("../go/etcd/go.sum"),
    ldflags: LDFLAGS,
    tags: "",
    sources: &[],
};
const KUBERNETES: Module = Module {
    folder: "kubernetes",
    go_mod: include_str!("../go/kubernetes/go.mod"),
    go_sum: include_str!("../go/kubernetes/go.sum"),
    ldflags: KUBERNETES_LDFLAGS,
    tags: "",
    sources: &[],
};

const OLDEST_KUBERNETES: Module = Module {
    folder: "kubernetes-1.34",
    go_mod: include_str!("../go/kubernetes-1.34/go.mod"),
    go_sum: include_str!("../go/kubernetes-1.34/go.sum"),
    ldflags: OLDEST_KUBERNETES_LDFLAGS,
    tags: "",
    sources: &[],
};

const HELM: Module = Module {
    folder: "helm",
    go_mod: include_str!("../go/helm/go.mod"),
    go_sum: include_str!("../go/helm/go.sum"),
    ldflags: LDFLAGS,
    tags: "",
    sources: &[],
};

const PROMETHEUS: Module = Module {
    folder: "prometheus",
    go_mod: include_str!("../go/prometheus/go.mod"),
    go_sum: include_str!("../go/prometheus/go.sum"),
    ldflags: LDFLAGS,
    // Without the discovery of clouds, which is most of what Prometheus is made of.
    tags: "remove_all_sd",
    sources: &[],
};

const GITOPS: Module = Module {
    folder: "gitops",
    go_mod: include_str!("../go/gitops/go.mod"),
    go_sum: include_str!("../go/gitops/go.sum"),
    ldflags: LDFLAGS,
    tags: "",
    sources: &[
        ("main.go", include_str!("../go/gitops/main.go")),
        ("argo.go", include_str!("../go/gitops/argo.go")),
    ],
};

/// A program, its module and its package.
type Program = (&'static str, &'static Module, &'static str);

/// Programs that are built together and share a folder.
pub(crate) struct Family {
    /// What is built, with its version.
    title: &'static str,
    /// What the cache folder is named after, besides the machine and everything that goes into the build.
    name: &'static str,
    modules: &'static [Module],
    programs: &'static [Program],
    /// What the first build costs.
    cost: &'static str,
}

/// etcd and Kubernetes.
pub(crate) const CONTROL_PLANE: Family = Family {
    title: "Kubernetes v1.36.3 and etcd v3.6.16",
    name: "kubernetes-v1.36.3-etcd-v3.6.16",
    modules: &[ETCD, KUBERNETES],
    programs: &[
        ("etcd", &ETCD, "go.etcd.io/etcd/server/v3"),
        (
            "kube-apiserver",
            &KUBERNETES,
            "k8s.io/kubernetes/cmd/kube-apiserver",
        ),
        (
            "kube-controller-manager",
            &KUBERNETES,
            "k8s.io/kubernetes/cmd/kube-controller-manager",
        ),
        ("kubectl", &KUBERNETES, "k8s.io/kubernetes/cmd/kubectl"),
    ],
    cost: "all: 6 minutes on 2 cores, 3 GB in Go's caches",
};

/// The API server of the oldest release that tests run on; all else is as for the newest.
pub(crate) const OLDEST_API_SERVER: Family = Family {
    title: "Kubernetes v1.34.4",
    name: "kubernetes-v1.34.4",
    modules: &[OLDEST_KUBERNETES],
    programs: &[(
        "kube-apiserver",
        &OLDEST_KUBERNETES,
        "k8s.io/kubernetes/cmd/kube-apiserver",
    )],
    cost: "4 minutes on 2 cores, 2 GB in Go's caches",
};

/// What renders and installs the chart.
pub(crate) const CHART_TOOLS: Family = Family {
    title: "Helm v4.3.1",
    name: "helm-v4.3.1",
    modules: &[HELM],
    programs: &[("helm", &HELM, "helm.sh/helm/v4/cmd/helm")],
    cost: "2 minutes on 2 cores, 1 GB in Go's caches",
};

/// What checks and tests alert rules.
pub(crate) const RULE_TOOLS: Family = Family {
    title: "promtool of Prometheus v3.13.5",
    name: "prometheus-v0.313.5",
    modules: &[PROMETHEUS],
    programs: &[(
        "promtool",
        &PROMETHEUS,
        "github.com/prometheus/prometheus/cmd/promtool",
    )],
    cost: "2 minutes on 2 cores, 2 GB in Go's caches",
};

/// What says of an object what GitOps tools say of it.
pub(crate) const GITOPS_VERDICTS: Family = Family {
    title: "the verdicts of Argo CD and Flux",
    name: "gitops-verdicts",
    modules: &[GITOPS],
    programs: &[("gitops-verdicts", &GITOPS, ".")],
    cost: "1 minute on 2 cores, 0.2 GB in Go's caches",
};

/// What to say where Go is missing.
pub(crate) const GO: Error = Error::MissingTool {
    program: "go",
    remedy: "install Go 1.26 or newer (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder that holds etcd, kube-apiserver, kubectl, helm and promtool",
};

/// How often a long step says that it is alive.
const REPORT_EVERY: Duration = Duration::from_secs(10);
const POLL_EVERY: Duration = Duration::from_millis(200);

/// The folder with the built programs of a family, below `cache`; builds what is missing.
pub(crate) async fn ensure_built(
    cache: &Path,
    path: &OsStr,
    family: &Family,
) -> Result<PathBuf, Error> {
    let home = cache.join(cache_key(family));
    let bin = home.join("bin");
    let missing = || {
        let programs = family.programs.iter();
        programs
            .filter(|(program, ..)| !bin.join(program).is_file())
            .count()
    };
    if missing() == 0 {
        return Ok(bin);
    }
    // A C compiler is not needed: CGO is off.
    let go = find_program(path, "go").ok_or(GO)?;
    fs::create_dir_all(&bin).map_err(Error::io("creating", &bin))?;
    let _lock = lock(&home.join("lock")).await?;
    // Another process may have built them while this one waited.
    let count = missing();
    if count > 0 {
        eprintln!(
            "testbed: building {count} programs of {} from source, once, into {} ({})",
            family.title,
            bin.display(),
            family.cost
        );
    }
    let mut number = 0;
    for (program, module, package) in family.programs {
        if !bin.join(program).is_file() {
            number += 1;
            let step = format!("{program} ({number} of {count})");
            build(&go, &home, program, module, package, &step).await?;
        }
    }
    Ok(bin)
}

/// Runs one `go build`; the program gets its final name only when it is whole.
async fn build(
    go: &Path,
    home: &Path,
    program: &'static str,
    module: &Module,
    package: &str,
    step: &str,
) -> Result<(), Error> {
    let source = home.join(module.folder);
    fs::create_dir_all(&source).map_err(Error::io("creating", &source))?;
    let pinned = [("go.mod", module.go_mod), ("go.sum", module.go_sum)];
    for (name, content) in pinned.iter().chain(module.sources) {
        let file = source.join(name);
        fs::write(&file, content).map_err(Error::io("writing", &file))?;
    }
    let target = home.join("bin").join(program);
    let partial = target.with_extension("partial");
    let log = home.join(format!("{program}.log"));
    fs::write(&log, "").map_err(Error::io("writing", &log))?;
    let mut command = Command::new(go);
    command
        .args([
            "build",
            "-mod=readonly",
            "-buildvcs=false",
            "-trimpath",
            "-v",
        ])
        .args(["-tags", module.tags, "-ldflags", module.ldflags, "-o"])
        .arg(&partial)
        .arg(package)
        .current_dir(&source)
        // One mode for all programs, or Go compiles the packages they share once per mode.
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOOS")
        .env_remove("GOARCH");

    let start = Instant::now();
    let mut reported = Duration::ZERO;
    eprintln!("testbed: {step}: started");
    let mut go_build = Supervised::spawn(program, &command, &log, None)?;
    let status = loop {
        if let Some(status) = go_build.try_wait()? {
            break status;
        }
        if start.elapsed() >= reported + REPORT_EVERY {
            reported = start.elapsed();
            // `go build -v` prints one line per package that it compiles, and others begin with "go: ".
            let output = fs::read_to_string(&log).unwrap_or_default();
            let packages = output
                .lines()
                .filter(|line| !line.starts_with("go: "))
                .count();
            eprintln!(
                "testbed: {step}: {packages} packages compiled, {} s",
                reported.as_secs()
            );
        }
        tokio::time::sleep(POLL_EVERY).await;
    };
    if !status.success() {
        return Err(Error::Build {
            program,
            tail: log_tail(&log),
            log,
        });
    }
    fs::rename(&partial, &target).map_err(Error::io("renaming", &partial))?;
    eprintln!("testbed: {step}: done in {} s", start.elapsed().as_secs());
    Ok(())
}

/// Waits until no other process builds into the same folder; dropping the file gives the lock up.
async fn lock(path: &Path) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::io("creating", path))?;
    let start = Instant::now();
    let mut next_report = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(Error::io("locking", path)(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if start.elapsed() >= next_report {
            eprintln!(
                "testbed: another process is building, waiting: {} s",
                start.elapsed().as_secs()
            );
            next_report += REPORT_EVERY;
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Names the cache folder: a change of a version, a dependency or a flag means another folder.
fn cache_key(family: &Family) -> String {
    let inputs: String = family
        .modules
        .iter()
        .map(|module| {
            let pinned = [module.go_mod, module.go_sum, module.ldflags, module.tags];
            let own = module.sources.iter().map(|(_, content)| *content);
            pinned.into_iter().chain(own).collect::<String>()
        })
        .collect();
    format!(
        "{}-{}-{}-{:016x}",
        family.name,
        std::env::consts::OS,
        std::env::consts::ARCH,
        fnv1a(inputs.as_bytes())
    )
}

/// FNV-1a: std's own hasher may change between Rust releases, and each change would be a rebuild.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The first executable file of that name on `path`.
pub(crate) fn find_program(path: &OsStr, name: &str) -> Option<PathBuf> {
    let executable = |file: &PathBuf| {
        fs::metadata(file)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(executable)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "a failed set-up step should fail the test"
    )]

    use super::*;

    const KUBERNETES_VERSION: &str = "v1.36.3";
    const OLDEST_KUBERNETES_VERSION: &str = "v1.34.4";
    const ETCD_VERSION: &str = "v3.6.16";
    const HELM_VERSION: &str = "v4.3.1";
    const PROMETHEUS_VERSION: &str = "v0.313.5";

    /// Its `go` only pretends to build; it lists its calls in the module's folder.
    const FAKE_GO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake-go");

    /// An empty cache folder of the test's own; removed by the test if it succeeds.
    fn empty_cache(test: &str) -> PathBuf {
        let cache = std::env::temp_dir().join(format!("pim-testbed-{test}-{}", std::process::id()));
        fs::create_dir_all(&cache).unwrap();
        cache
    }

    #[tokio::test]
    async fn two_builds_at_once_build_each_program_once() {
        let cache = empty_cache("two-builds");
        let path = OsStr::new(FAKE_GO);
        let build = || ensure_built(&cache, path, &CONTROL_PLANE);
        let (one, two) = tokio::join!(build(), build());
        let bin = one.unwrap();
        assert_eq!(bin, two.unwrap());
        for (program, ..) in CONTROL_PLANE.programs {
            assert_eq!(fs::read_to_string(bin.join(program)).unwrap(), "halfwhole");
        }
        let home = bin.parent().unwrap();
        let calls = [&ETCD, &KUBERNETES]
            .map(|m| fs::read_to_string(home.join(m.folder).join("calls")).unwrap());
        assert_eq!(
            calls.concat().lines().collect::<Vec<_>>(),
            CONTROL_PLANE
                .programs
                .iter()
                .map(|(.., package)| *package)
                .collect::<Vec<_>>()
        );
        fs::remove_dir_all(cache).unwrap();
    }

    #[tokio::test]
    async fn a_failed_build_says_why_and_the_next_one_resumes() {
        let cache = empty_cache("failed-build");
        let path = OsStr::new(FAKE_GO);
        let fail = cache.join("fail");
        fs::write(&fail, "").unwrap();
        let build = || ensure_built(&cache, path, &CONTROL_PLANE);
        let error = build().await.unwrap_err().to_string();
        assert!(error.starts_with("building kubectl failed"), "{error}");
        assert!(error.ends_with("kubectl: it does not compile"), "{error}");

        fs::remove_file(fail).unwrap();
        let bin = build().await.unwrap();
        let calls = fs::read_to_string(bin.with_file_name("etcd").join("calls")).unwrap();
        assert_eq!(calls.lines().count(), 1, "etcd was not built again");
        fs::remove_dir_all(cache).unwrap();
    }

    #[test]
    fn the_versions_agree_with_the_pinned_modules() {
        let pinned = |module: &Module, line: &str| module.go_mod.lines().any(|l| l.contains(line));
        assert!(pinned(
            &KUBERNETES,
            &format!("k8s.io/kubernetes {KUBERNETES_VERSION}")
        ));
        assert!(pinned(
            &ETCD,
            &format!("go.etcd.io/etcd/server/v3 {ETCD_VERSION}")
        ));
        assert!(pinned(&HELM, &format!("helm.sh/helm/v4 {HELM_VERSION}")));
        assert!(pinned(
            &PROMETHEUS,
            &format!("github.com/prometheus/prometheus {PROMETHEUS_VERSION}")
        ));
        assert!(RULE_TOOLS.name.contains(PROMETHEUS_VERSION));
        for version in [KUBERNETES_VERSION, ETCD_VERSION] {
            assert!(CONTROL_PLANE.title.contains(version));
            assert!(CONTROL_PLANE.name.contains(version));
        }
        assert!(pinned(
            &OLDEST_KUBERNETES,
            &format!("k8s.io/kubernetes {OLDEST_KUBERNETES_VERSION}")
        ));
        assert!(OLDEST_API_SERVER.title.contains(OLDEST_KUBERNETES_VERSION));
        assert!(OLDEST_API_SERVER.name.contains(OLDEST_KUBERNETES_VERSION));
        assert!(
            OLDEST_KUBERNETES_LDFLAGS.contains(&format!("gitVersion={OLDEST_KUBERNETES_VERSION}"))
        );
        assert!(CHART_TOOLS.title.contains(HELM_VERSION));
        assert!(CHART_TOOLS.name.contains(HELM_VERSION));
        assert!(KUBERNETES_LDFLAGS.contains(&format!("gitVersion={KUBERNETES_VERSION}")));
    }

    #[test]
    fn fnv1a_matches_its_published_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
