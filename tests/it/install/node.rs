//! Stands in for a node: the root of a container, with an image in it and what a kubelet adds, and a program started in
//! it with no more rights than the chart asks for.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use industrydata_testbed::Account;
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

const SERVICE_ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// The root of a container.
pub struct Root {
    directory: TempDir,
    /// How the program in it finds the API server.
    cluster: [(&'static str, String); 2],
}

impl Root {
    /// The layers of an image, and what a kubelet mounts into a pod of this account.
    pub fn new(layout: &Path, account: &Account, namespace: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path();
        // Whoever runs in it is not its owner.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        let manifest = manifest(layout);
        for layer in manifest["layers"].as_array().unwrap() {
            let layer = GzDecoder::new(fs::File::open(blob(layout, layer)).unwrap());
            tar::Archive::new(layer).unpack(path).unwrap();
        }
        let kubeconfig = account.kubeconfig();
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        let authority = cluster.certificate_authority_data.as_ref().unwrap();
        let user = kubeconfig.auth_infos[0].auth_info.as_ref().unwrap();
        let token = user.token.as_ref().unwrap().expose_secret();
        let mounts: [(&str, &[u8]); 5] = [
            ("etc/hosts", b"127.0.0.1 localhost\n"),
            ("etc/resolv.conf", b""),
            (
                &format!("{SERVICE_ACCOUNT}/ca.crt"),
                &BASE64.decode(authority).unwrap(),
            ),
            (
                &format!("{SERVICE_ACCOUNT}/namespace"),
                namespace.as_bytes(),
            ),
            (&format!("{SERVICE_ACCOUNT}/token"), token.as_bytes()),
        ];
        for (name, content) in mounts {
            fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            fs::write(path.join(name), content).unwrap();
        }
        let server = cluster.server.as_ref().unwrap();
        let (host, port) = server["https://".len()..].rsplit_once(':').unwrap();
        Self {
            cluster: [
                ("KUBERNETES_SERVICE_HOST", host.to_owned()),
                ("KUBERNETES_SERVICE_PORT", port.to_owned()),
            ],
            directory,
        }
    }

    /// What is in it, but for what a kubelet mounts.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| !["etc", "var"].contains(&name.as_str()))
            .collect()
    }

    /// A command that runs a program in it, still without arguments: read-only, as user and group 65532, without
    /// capabilities, and with no way to more rights. It needs `unshare` and `setpriv` of util-linux.
    ///
    /// An ordinary user can do that as well, but in a user namespace, where the files look like the program's own.
    pub fn command(&self, program: &str) -> Command {
        let (outside, inside) = if is_root() {
            ("--mount", "chroot --userspec=65532:65532 --groups=65532")
        } else {
            (
                "--user --map-root-user --mount",
                "unshare --user --map-user=65532 --map-group=65532 --root",
            )
        };
        let script = format!(
            "mount --bind \"$1\" \"$1\"\n\
             mount -o remount,bind,ro,nosuid,nodev \"$1\"\n\
             exec setpriv --no-new-privs {inside} \"$@\"",
        );
        let mut command = Command::new("unshare");
        command
            .args(outside.split(' '))
            .args(["sh", "-euc", &script, "sh"])
            .arg(self.directory.path())
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.cluster.clone());
        command
    }
}

/// Whether we are root, so that users need no namespace to be told apart.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The manifest of the one image in a layout.
pub fn manifest(layout: &Path) -> Value {
    let index = read(&layout.join("index.json"));
    let mut manifests = index["manifests"].as_array().unwrap().iter();
    let image = manifests.find(|one| one.get("artifactType").is_none());
    read(&blob(layout, image.unwrap()))
}

/// The file of a descriptor.
pub fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    layout.join("blobs").join(digest.replace(':', "/"))
}

/// A file in JSON.
pub fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
