//! The configuration, and the disk that the data directory is on.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::Check;
use crate::{cli::Invocation, config::Config};

/// Less than this much room is a problem, and less than that a warning.
const TOO_LITTLE: u64 = 100 << 20;
const LITTLE: u64 = 1 << 30;
/// Kinds of file systems whose locks SQLite cannot rely on.
const NETWORKS: [&str; 12] =
    ["9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"];

/// Where settings come from, and what of them does not go together.
pub(super) fn configuration(invocation: &Invocation) -> Vec<Check> {
    let (config, loaded) = (invocation.config(), &invocation.loaded);
    let from = match &loaded.file {
        Some(file) => format!("read from {}", file.display()),
        None => "no file; defaults and environment".to_owned(),
    };
    let mut checks = match loaded.warnings.as_slice() {
        [] => vec![Check::ok("configuration", from)],
        warnings => {
            vec![Check::warning("configuration", warnings.join("; "), "`dashtray config` shows what holds and why")]
        }
    };
    let is_open = !config.listen.ip().is_loopback();
    let is_https = config.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    if is_open && !is_https {
        let message = format!("others reach {} without encryption, and passwords with it", config.listen);
        let advice = "put a reverse proxy with HTTPS in front and say in public_url how people reach it";
        checks.push(Check::warning("listen", message, advice));
    }
    if is_https && config.trusted_proxies.is_empty() {
        let message = "HTTPS comes from a proxy that is not in trusted_proxies: all people seem to be one";
        let advice = "name its address in trusted_proxies, so that wrong passwords are counted for each of them";
        checks.push(Check::warning("proxy", message, advice));
    }
    checks
}

/// Room, permissions and kind of the disk.
pub(super) fn disk(config: &Config) -> Vec<Check> {
    let directory = nearest_that_exists(&config.data_dir);
    let shown = config.data_dir.display();
    let mut checks = vec![match access(&directory, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Check::ok("data_dir", format!("{shown} can be written")),
        Err(error) => {
            let message = format!("{shown} cannot be written: {error}");
            Check::problem("data_dir", message, "make it writable for the user that Dashtray runs as, or name another")
        }
    }];
    checks.push(match statvfs(&directory) {
        Ok(found) => room(found.f_bavail.saturating_mul(found.f_frsize)),
        Err(error) => Check::warning("disk", format!("its room cannot be read: {error}"), "look with df"),
    });
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let whole = directory.canonicalize().unwrap_or(directory);
    let is_sqlite = config.database_url.expose().starts_with("sqlite:");
    if let Some(kind) = kind_of(&mounts, &whole).filter(|kind| is_sqlite && NETWORKS.contains(kind)) {
        let message = format!("{shown} is on a network file system ({kind}), where SQLite can be damaged");
        let advice = "move the data directory to a local disk, or use PostgreSQL";
        checks.push(Check::warning("file_system", message, advice));
    }
    checks
}

fn room(free: u64) -> Check {
    let message = format!("{} MiB are free", free >> 20);
    let advice = "free some space: a database that cannot grow takes no numbers any more";
    match free {
        ..TOO_LITTLE => Check::problem("disk", message, advice),
        TOO_LITTLE..LITTLE => Check::warning("disk", message, advice),
        _ => Check::ok("disk", message),
    }
}

fn nearest_that_exists(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|one| one.is_dir()).filter(|one| !one.as_os_str().is_empty());
    found.unwrap_or(Path::new(".")).to_owned()
}

/// The kind of file system that a path is on, of the kernel's table:
/// `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw`.
fn kind_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounted = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        // Blanks in names are written as \040.
        let point = place.split(' ').nth(4)?.replace("\\040", " ");
        path.starts_with(&point).then_some((point.len(), kind.split(' ').next()?))
    });
    // Of two at the same place the later one lies on top.
    mounted.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::{super::Finding, *};

    #[test]
    fn the_kind_of_a_disk_is_that_of_the_nearest_mount() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
                      40 22 0:44 / /srv rw shared:2 - nfs4 server:/x rw\n\
                      41 40 0:45 / /srv/my\\040data rw - cifs //server/y rw\n\
                      42 22 0:46 / /data rw - ext4 /dev/sdb1 rw\n\
                      43 22 0:47 / /data rw - fuse.sshfs host:/z rw\nnonsense\n";
        let kind = |path: &str| kind_of(mounts, Path::new(path));
        assert_eq!(kind("/var/lib/dashtray"), Some("ext4"));
        assert_eq!(kind("/srv/dashtray"), Some("nfs4"));
        assert_eq!(kind("/srv/my data/x"), Some("cifs"));
        assert_eq!(kind("/srvx"), Some("ext4"));
        assert_eq!(kind("/data/x"), Some("fuse.sshfs"));
        assert_eq!(kind_of("", Path::new("/x")), None);
    }

    #[test]
    fn little_room_is_said_before_it_is_none() {
        let found = |megabytes: u64| room(megabytes << 20).status;
        assert_eq!(
            (found(99), found(100), found(1023), found(1024)),
            (Finding::Problem, Finding::Warning, Finding::Warning, Finding::Ok)
        );
    }
}
