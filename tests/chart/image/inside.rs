//! The program in the image's root: it starts by the image's own loader and libraries, resolves names by the image's `nsswitch.conf`
//! and the hosts file that a kubelet would put there, and believes the image's root certificates and no others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use kube::Api;
use pim_harness::{Bed, BedOptions};
use pim_operator::api::tenant::EntraTenant;
use pim_simulator::TlsFiles;
use serde_json::json;

use super::{Scratch, made, run, untar};

/// Only in the hosts file of the image's root.
const HOST: &str = "entra.test";

/// The image's root, unpacked.
fn root(scratch: &Scratch) -> PathBuf {
    let (layout, root) = (scratch.0.join("layout"), scratch.0.join("root"));
    untar(&made().join("pim-operator.oci.tar"), &layout);
    let read = |file: PathBuf| -> serde_json::Value {
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    };
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let index = read(layout.join("index.json"));
    let manifest = read(blob(&index["manifests"][0]));
    untar(&blob(&manifest["layers"][0]), &root);
    root
}

/// A command that runs the image's program with the image's root as the root of all files. A user without rights gets a user
/// namespace of its own for that.
fn inside(root: &Path) -> Command {
    let mut command = Command::new("unshare");
    if run(Command::new("id").arg("--user")).trim() != "0" {
        command.arg("--map-root-user");
    }
    command.arg("--root").arg(root).arg("/pim-operator");
    command
}

/// Whether this machine lets a test have another root: some containers do not.
fn another_root_is_allowed(root: &Path) -> bool {
    let output = inside(root).arg("--version").output();
    let said = match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    // Whatever the program itself has to say is a failure and no reason to do without.
    assert!(
        said.contains("unshare") || said.contains("os error"),
        "{said}"
    );
    eprintln!("the image is tried by its loader only: no other root on this machine: {said}");
    false
}

#[test]
fn the_program_runs_by_the_images_loader_and_libraries() {
    let scratch = Scratch::new();
    let root = root(&scratch);
    let found = run(Command::new("find")
        .arg(&root)
        .args(["-name", "*.so*", "-type", "f"]));
    let library = |name: &str| found.lines().find(|file| file.contains(name)).unwrap();
    let libraries = Path::new(library("/libc.so")).parent().unwrap();
    let printed = run(Command::new(library("/ld-linux"))
        .args(["--inhibit-cache", "--library-path"])
        .arg(libraries)
        .arg(root.join("pim-operator"))
        .arg("--version"));
    assert_eq!(
        printed.trim(),
        concat!("pim-operator ", env!("CARGO_PKG_VERSION"))
    );
    if another_root_is_allowed(&root) {
        let kinds = run(inside(&root).arg("crds"));
        assert!(kinds.contains("groupeligibilities.entrapim.dev"), "{kinds}");
    }
}

/// A process that is killed when this is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the tenant says of itself.
async fn said(bed: &Bed) -> String {
    let tenants: Api<EntraTenant> = Api::all(bed.client.clone());
    let status = tenants.get(&bed.tenant).await.unwrap().status;
    let conditions = status.map(|status| status.conditions).unwrap_or_default();
    let ready = conditions.into_iter().find(|one| one.type_ == "Ready");
    ready.map_or_else(String::new, |ready| ready.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_certificates_are_looked_up_in_the_image() {
    let scratch = Scratch::new();
    let root = root(&scratch);
    if !another_root_is_allowed(&root) {
        return;
    }
    // Nobody but itself has signed Graph's certificate.
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let mut options = BedOptions::story("image").unwrap();
    options.simulator.tls = Some(TlsFiles {
        certificate_pem: made.cert.pem(),
        key_pem: made.signing_key.serialize_pem(),
    });
    let bed = Bed::with(options).await.unwrap();
    let port = bed.simulator.url().rsplit(':').next().unwrap().to_owned();
    let endpoint = format!("https://{HOST}:{port}");
    let endpoints = json!({"endpoints": {"graph": endpoint, "authority": endpoint}});
    bed.create_tenant(endpoints).await.unwrap();
    // As a kubelet does.
    fs::write(root.join("etc/hosts"), format!("127.0.0.1 {HOST}\n")).unwrap();
    fs::write(root.join("kubeconfig"), bed.control_plane.kubeconfig_yaml()).unwrap();

    let start = || {
        let child = inside(&root)
            .arg("run")
            .args(bed.operator_args())
            .env("KUBECONFIG", "/kubeconfig")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Killed(child.unwrap())
    };
    // Found by its name, and not believed.
    let operator = start();
    bed.eventually("a refused certificate", || async {
        said(&bed).await.contains("certificate")
    })
    .await;
    drop(operator);

    let file = root.join("etc/ssl/certs/ca-certificates.crt");
    let known = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{known}\n{}", made.cert.pem())).unwrap();
    let _operator = start();
    bed.until_tenant("Connected").await;
}
