//! The container image, as `make image` makes it, and the Dockerfile that makes the same.
//!
//! - `inside.rs`: the program at work in the image's root, with nothing of this machine but its network.

mod inside;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::helm::{read, repository};

/// What a registry's users have to transfer at the most.
const MAX_BYTES: u64 = 30 * 1024 * 1024;

/// A folder that is removed when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("image-{}", uuid::Uuid::new_v4());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

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

/// Makes the image of the program under test, and its SBOM, in a folder.
fn make(folder: &Path) {
    run(Command::new(repository("hack/image"))
        .arg(env!("CARGO_BIN_EXE_pim-operator"))
        .arg(folder)
        .current_dir(repository("")));
}

/// The folder with the image and its SBOM, made once.
fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        make(&folder);
        folder
    })
}

/// The files below a folder, as they are called from there.
fn files(folder: &Path) -> Vec<String> {
    let found = run(Command::new("find")
        .args([".", "-type", "f", "-printf", "/%P\n"])
        .current_dir(folder));
    let mut files: Vec<String> = found.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn the_image_is_small_and_whole_and_the_same_each_time() {
    let scratch = Scratch::new();
    make(&scratch.0);
    for name in ["pim-operator.oci.tar", "pim-operator.spdx"] {
        let file = |folder: &Path| fs::read(folder.join(name)).unwrap();
        assert!(file(&scratch.0) == file(made()), "{name} differs");
    }
    let archive = made().join("pim-operator.oci.tar");
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
    holds_nothing_needless(&root);

    let sbom = fs::read_to_string(made().join("pim-operator.spdx")).unwrap();
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

fn holds_nothing_needless(root: &Path) {
    let files = files(root);
    let (libraries, others): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.contains(".so"));
    assert_eq!(
        others,
        [
            "/etc/group",
            "/etc/nsswitch.conf",
            "/etc/passwd",
            "/etc/ssl/certs/ca-certificates.crt",
            "/pim-operator"
        ]
    );
    // What distroless/cc has, and no more.
    let known = ["ld-linux", "libc.so.6", "libm.so.6", "libgcc_s.so.1"];
    for library in libraries {
        let name = library.rsplit('/').next().unwrap();
        assert!(
            known.iter().any(|known| name.starts_with(known)),
            "{library}"
        );
    }
    let text = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    assert!(text("etc/ssl/certs/ca-certificates.crt").contains("BEGIN CERTIFICATE"));
    assert_eq!(text("etc/nsswitch.conf"), "hosts: files dns\n");
    assert_eq!(
        text("etc/passwd"),
        "nonroot:x:65532:65532::/:/sbin/nologin\n"
    );
}

/// A container engine is not needed for tests: this is what can be said without one.
#[test]
fn the_dockerfile_makes_what_hack_image_makes() {
    let dockerfile = read("Dockerfile");
    let instructions = |name: &str| -> Vec<&str> {
        let lines = dockerfile.lines();
        lines
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .collect()
    };
    let bases = instructions("FROM");
    let (last, builders) = bases.split_last().unwrap();
    assert_eq!(*last, "scratch");
    for base in builders {
        // A whole version, which is not moved to other contents as `1` or `latest` are.
        let image = base.split(' ').next().unwrap();
        let tag = image.split_once(':').map_or("", |(_, tag)| tag);
        let version = tag.split('-').next().unwrap();
        assert_eq!(version.split('.').count(), 3, "{base}");
    }
    // Both lay out the root by the same script, which the engine is given.
    assert!(dockerfile.contains("hack/image-root target/release/pim-operator /image\n"));
    assert!(read("hack/image").contains("/image-root\" \"$program\" \"$root\""));
    assert!(read(".dockerignore").contains("\n!hack/image-root\n"));
    assert_eq!(instructions("COPY"), [". .", "--from=build /image /"]);
    // And run it in the same way.
    let config = read("hack/image");
    for (instruction, field) in [
        ("USER", "User"),
        ("ENTRYPOINT", "Entrypoint"),
        ("CMD", "Cmd"),
    ] {
        let stated = instructions(instruction);
        assert_eq!(stated.len(), 1, "{instruction}");
        let wanted = stated[0].replace(", ", ",");
        let wanted = match field {
            "User" => format!("\"{field}\":\"{wanted}\""),
            _ => format!("\"{field}\":{wanted}"),
        };
        assert!(config.contains(&wanted), "{wanted}");
    }
    assert!(!instructions("USER")[0].starts_with('0'), "never as root");
}
