//! The folder and the ports that one control plane has to itself.

use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// A private folder below the system's temporary one; dropping it removes it.
#[derive(Debug)]
pub(crate) struct Workdir(PathBuf);

impl Workdir {
    pub(crate) fn create() -> Result<Self, Error> {
        let name = format!("pim-testbed-{}-{:016x}", std::process::id(), random());
        let path = std::env::temp_dir().join(name);
        // It holds keys of an administrator: nobody else may look in.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(Error::io("creating", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only the user can read: some clients warn about any other kubeconfig.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<PathBuf, Error> {
        let path = self.join(name);
        File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(Error::io("writing", &path))?;
        Ok(path)
    }
}

impl Drop for Workdir {
    fn drop(&mut self) {
        // Nothing to be done about a failure here, and a left-over folder does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A loopback port that is free now. Another process can take it before its user does, so that a start
/// must survive that; it is chosen below the range from which systems pick ports for outgoing
/// connections, so that a restart on the same port does not meet one of those.
pub(crate) fn free_port() -> Result<u16, Error> {
    const FIRST: u16 = 12_000;
    const COUNT: u64 = 20_000;
    let mut attempt = 0;
    loop {
        let offset = u16::try_from(random() % COUNT).unwrap_or_default();
        match TcpListener::bind(("127.0.0.1", FIRST + offset)) {
            Ok(_) => return Ok(FIRST + offset),
            Err(error) if attempt == 100 => {
                return Err(Error::io("finding a free port on", Path::new("127.0.0.1"))(
                    error,
                ));
            }
            Err(_) => attempt += 1,
        }
    }
}

/// A random number: std seeds each hasher state anew.
fn random() -> u64 {
    RandomState::new().hash_one(std::time::Instant::now())
}
