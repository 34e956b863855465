//! The container image, as `make image` makes it.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::helm::repository;

/// What a registry's users have to transfer at the most.
const MAX_BYTES: u64 = 30 * 1024 * 1024;

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that stays does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn untar(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    run(Command::new("tar")
        .arg("xf")
        .arg(archive)
        .arg("-C")
        .arg(folder));
}

/// The blob that a descriptor refers to, if it is the one.
fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    let sum = digest.strip_prefix("sha256:").unwrap();
    let file = layout.join("blobs/sha256").join(sum);
    let content = fs::read(&file).unwrap();
    assert_eq!(descriptor["size"], content.len());
    assert_eq!(sha256(&content), sum);
    file
}

fn sha256(content: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    let mut text = String::new();
    for byte in digest.as_ref() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn json_of(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn the_image_is_small_whole_and_runs_by_itself() {
    let name = format!("image-{}", uuid::Uuid::new_v4());
    let scratch = Scratch(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    run(Command::new(repository("hack/image"))
        .arg(env!("CARGO_BIN_EXE_pim-operator"))
        .arg(&scratch.0)
        .current_dir(repository("")));
    let archive = scratch.0.join("pim-operator.oci.tar");
    let size = fs::metadata(&archive).unwrap().len();
    assert!(size <= MAX_BYTES, "{size} bytes");

    let layout = scratch.0.join("layout");
    untar(&archive, &layout);
    let version = json!({"imageLayoutVersion": "1.0.0"});
    assert_eq!(json_of(&layout.join("oci-layout")), version);
    let index = json_of(&layout.join("index.json"));
    let manifest = json_of(&blob(&layout, &index["manifests"][0]));
    let config = json_of(&blob(&layout, &manifest["config"]));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/pim-operator"]));
    assert_eq!(
        config["config"]["Labels"]["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );

    let layer = blob(&layout, &manifest["layers"][0]);
    let unpacked = Command::new("gzip")
        .arg("-dc")
        .arg(&layer)
        .output()
        .unwrap()
        .stdout;
    assert_eq!(
        config["rootfs"]["diff_ids"],
        json!([format!("sha256:{}", sha256(&unpacked))])
    );
    let root = scratch.0.join("root");
    untar(&layer, &root);
    assert!(root.join("etc/ssl/certs/ca-certificates.crt").is_file());
    assert!(!root.join("bin").exists(), "no shell");

    // By the loader and the libraries of the image, and none of this machine's.
    let found = run(Command::new("find")
        .arg(&root)
        .args(["-name", "*.so*", "-type", "f"]));
    let loader = found
        .lines()
        .find(|file| file.contains("/ld-linux"))
        .unwrap();
    let library = found
        .lines()
        .find(|file| file.contains("/libc.so"))
        .unwrap();
    let libraries = Path::new(library).parent().unwrap();
    let printed = run(Command::new(loader)
        .args(["--inhibit-cache", "--library-path"])
        .arg(libraries)
        .arg(root.join("pim-operator"))
        .arg("--version"));
    assert_eq!(
        printed.trim(),
        concat!("pim-operator ", env!("CARGO_PKG_VERSION"))
    );

    let sbom = fs::read_to_string(scratch.0.join("pim-operator.spdx")).unwrap();
    for part in [
        "SPDXVersion: SPDX-2.3",
        "PackageName: rustls\n",
        "PackageName: kube\n",
    ] {
        assert!(sbom.contains(part), "{part} is missing");
    }
    assert!(
        !sbom.contains("PackageName: proptest\n"),
        "what only tests need is not in the image"
    );
}
