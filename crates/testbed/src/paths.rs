//! Where everything is in the directory of one control plane.

use std::fs;
use std::path::{Path, PathBuf};

use crate::certificates::{Authority, TokenKeys};
use crate::{Error, audit};

/// Names the files of a control plane. Only their owner can read them, as only the owner may enter
/// the directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paths<'a>(pub(crate) &'a Path);

impl Paths<'_> {
    /// A file of this name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A socket in our own directory: no other process can take it or connect to it by mistake, as
    /// with a port.
    pub(crate) fn etcd_socket(&self) -> PathBuf {
        self.file("etcd.sock")
    }

    pub(crate) fn etcd_url(&self) -> String {
        format!("unix://{}", self.etcd_socket().display())
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.file("ca.crt")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.file("kube-apiserver.crt")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.file("kube-apiserver.key")
    }

    pub(crate) fn token_key(&self) -> PathBuf {
        self.file("tokens.key")
    }

    pub(crate) fn token_public_key(&self) -> PathBuf {
        self.file("tokens.pub")
    }

    pub(crate) fn audit_policy(&self) -> PathBuf {
        self.file("audit-policy.json")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.file("audit.log")
    }

    /// Writes what the programs read when they start. The certificate is good for any port of
    /// loopback, and so for several API servers.
    pub(crate) fn prepare(&self, authority: &Authority) -> Result<(), Error> {
        let server = authority.server("kube-apiserver")?;
        let tokens = TokenKeys::new()?;
        write(&self.authority(), authority.certificate())?;
        write(&self.server_certificate(), &server.certificate)?;
        write(&self.server_key(), &server.key)?;
        write(&self.token_key(), &tokens.private)?;
        write(&self.token_public_key(), &tokens.public)?;
        write(&self.audit_policy(), audit::POLICY)
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}
