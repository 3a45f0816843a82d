//! A backup as a file: a SQLite database, and behind it one line of JSON that says what it is and vouches for it.
//!
//! SQLite does not mind the line, so any of its tools opens a backup, and `tail -n 1` shows what it is.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BackupError, Manifest};

/// What the last line is.
#[derive(Serialize, Deserialize)]
struct LastLine {
    dashtray_backup: Manifest,
}

/// Far more than a manifest takes.
const LONGEST_LINE: u64 = 64 << 10;
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
const PIECE: usize = 256 << 10;

impl Manifest {
    /// Reads the last line of a backup, and checks that nothing is missing before it.
    pub(super) fn of(path: &Path) -> Result<Self, BackupError> {
        let mut file = File::open(path).map_err(|error| BackupError::file(path, error))?;
        let read = |file: &mut File| -> io::Result<_> {
            let length = file.metadata()?.len();
            let mut begin = Vec::new();
            (&*file).take(SQLITE_MAGIC.len() as u64).read_to_end(&mut begin)?;
            let mut end = Vec::new();
            file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))?;
            file.take(LONGEST_LINE).read_to_end(&mut end)?;
            Ok((length, begin == SQLITE_MAGIC, end))
        };
        let (length, is_database, end) = read(&mut file).map_err(|error| BackupError::file(path, error))?;
        if !is_database {
            return Err(BackupError::Invalid(format!("{} is no backup of dashtray", path.display())));
        }
        let Some((manifest, line)) = Self::parse_end(&end) else {
            return Err(BackupError::Invalid(format!(
                "{} does not end as a backup does: it is cut off, or it is a database that was copied by hand, which is \
                 put back by hand; take another backup",
                path.display()
            )));
        };
        if manifest.bytes.checked_add(line) != Some(length) {
            return Err(damaged(path));
        }
        Ok(manifest)
    }

    /// The manifest at the end of these bytes, and how long its line is with what parts it from the database.
    pub(super) fn parse_end(end: &[u8]) -> Option<(Self, u64)> {
        let text = end.strip_suffix(b"\n")?;
        let start = text.iter().rposition(|byte| *byte == b'\n')?;
        let line: LastLine = serde_json::from_slice(&text[start + 1..]).ok()?;
        Some((line.dashtray_backup, u64::try_from(end.len() - start).ok()?))
    }

    /// The line that stands behind the database.
    pub(super) fn line(&self) -> Result<String, BackupError> {
        let line = serde_json::to_string(&LastLine { dashtray_backup: self.clone() });
        Ok(format!("\n{}\n", line.map_err(|error| BackupError::Invalid(error.to_string()))?))
    }
}

/// Of a backup that is not as it was written.
pub(super) fn damaged(path: &Path) -> BackupError {
    BackupError::Invalid(format!("the backup {} is damaged; nothing of it was used, take another one", path.display()))
}

/// A file that is being written beside the place that it is for. Only its owner may read it; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) path: PathBuf,
    /// Held locked, so that nobody else writes to a draft of that name.
    file: File,
}

/// A draft that is found is dropped, and the next one is new.
const ATTEMPTS: usize = 3;
/// What SQLite puts beside a file.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

impl Draft {
    /// An empty file of that name with `ending` behind it; what an attempt that was killed left there is dropped.
    pub(super) fn beside(path: &Path, ending: &str) -> Result<Self, BackupError> {
        let path = with_ending(path, ending);
        let busy = || BackupError::InUse(format!("another dashtray writes {}", path.display()));
        let failed = |error| BackupError::file(&path, error);
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            let file = file.map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy()),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            // Whoever held it before may have put it into its place, where it must not be touched.
            let held = file.metadata().map_err(failed)?;
            let is_named =
                fs::symlink_metadata(&path).is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino()));
            if !is_named {
                continue;
            }
            if held.len() == 0 && held.nlink() == 1 {
                let draft = Self { path, file };
                draft.remove_beside();
                return Ok(draft);
            }
            // Only the name goes: there may be another one, of a backup that was made.
            fs::remove_file(&path).map_err(failed)?;
        }
        Err(busy())
    }

    fn remove_beside(&self) {
        for ending in BESIDE {
            let _ = fs::remove_file(with_ending(&self.path, ending));
        }
    }

    /// Copies the first bytes of a file into it, and gives their SHA-256.
    pub(super) fn copy(&self, from: &Path, bytes: u64) -> Result<String, BackupError> {
        let mut source = File::open(from).map_err(|error| BackupError::file(from, error))?.take(bytes);
        digest(&mut source, Some(&self.file)).map_err(|error| BackupError::file(&self.path, error))
    }

    /// How long it is, and the SHA-256 of what is in it.
    pub(super) fn digest(&self) -> Result<(u64, String), BackupError> {
        let read = || -> io::Result<_> {
            let mut file = File::open(&self.path)?;
            Ok((file.metadata()?.len(), digest(&mut file, None)?))
        };
        read().map_err(|error| BackupError::file(&self.path, error))
    }

    /// Writes behind what is there, and makes all of it durable.
    pub(super) fn finish(&self, line: &str) -> Result<(), BackupError> {
        let write = || -> io::Result<()> {
            (&self.file).seek(SeekFrom::End(0))?;
            (&self.file).write_all(line.as_bytes())?;
            self.file.sync_all()
        };
        write().map_err(|error| BackupError::file(&self.path, error))
    }

    /// Puts it into its place, where nothing may be.
    pub(super) fn place_new(self, path: &Path) -> Result<(), BackupError> {
        // Unlike a rename, a link never replaces a file; but not every file system has it.
        match fs::hard_link(&self.path, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(BackupError::Exists(path.to_owned())),
            Err(_) if fs::symlink_metadata(path).is_ok() => return Err(BackupError::Exists(path.to_owned())),
            Err(_) => fs::rename(&self.path, path).map_err(|error| BackupError::file(path, error))?,
            Ok(()) => {}
        }
        sync_directory(path)
    }

    /// Puts it in the place of a file, with the owner that this had.
    pub(super) fn replace(self, path: &Path) -> Result<(), BackupError> {
        let owner = fs::metadata(path).or_else(|_| fs::metadata(directory(path)));
        if let Ok(owner) = owner {
            // Only root can; for anybody else it is the owner already, or the rename fails.
            let _ = std::os::unix::fs::fchown(&self.file, Some(owner.uid()), Some(owner.gid()));
        }
        // A log of the old file would be taken for one of the new file.
        for ending in BESIDE {
            let _ = fs::remove_file(with_ending(path, ending));
        }
        fs::rename(&self.path, path).map_err(|error| BackupError::file(path, error))?;
        sync_directory(path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Unless it is in its place.
        let _ = fs::remove_file(&self.path);
        self.remove_beside();
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_directory(path: &Path) -> Result<(), BackupError> {
    let directory = directory(path);
    File::open(directory).and_then(|file| file.sync_all()).map_err(|error| BackupError::file(directory, error))
}

/// The SHA-256 of what is read, which is written on to a file.
fn digest(from: &mut impl Read, mut to: Option<&File>) -> io::Result<String> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => &piece[..read],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(read);
        if let Some(to) = &mut to {
            to.write_all(read)?;
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
