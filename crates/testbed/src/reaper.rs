//! Cleans up after a process that had no chance to do it itself.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// Reads lists of process ids until whoever wrote them is gone; then kills the processes of the last
/// list and removes the directory.
///
/// A program may still be writing as it dies, which can make the first removal fail.
const SCRIPT: &str = r#"
while read -r list; do pids=$list; done
[ -z "$pids" ] || kill -KILL $pids
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

/// A shell that waits for the end of this process.
///
/// Our own programs end by themselves when we do, but a directory stays, and so do programs that
/// were built by others. Dropping the reaper dismisses it: what it guards is then left to its
/// owners.
#[derive(Debug)]
pub(crate) struct Reaper {
    child: Mutex<Child>,
}

impl Reaper {
    /// Starts to guard a directory.
    pub(crate) fn of(directory: &Path) -> Result<Self, Error> {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(directory)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| Error::Spawn {
                program: "the reaper",
                path: "sh".into(),
                source,
            })?;
        Ok(Self {
            child: Mutex::new(child),
        })
    }

    /// Guards these processes, and no longer those it was told of before: an id of a process that is
    /// gone may be given to another.
    pub(crate) fn watch(&self, pids: &[u32]) -> Result<(), Error> {
        let list: Vec<_> = pids.iter().map(u32::to_string).collect();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = child
            .stdin
            .as_mut()
            .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe));
        stdin
            .and_then(|pipe| writeln!(pipe, "{}", list.join(" ")))
            .map_err(Error::file("write to", "the reaper"))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Killed before its pipe is closed, as the end of the pipe is what it acts on.
        let _ = child.kill();
        let _ = child.wait();
    }
}
