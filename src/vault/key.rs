//! Master keys: where they come from and what they look like.

use std::{
    fmt,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::Secret;

pub(super) const KEY_BYTES: usize = 32;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where the master keys are. A text or file may hold several, separated by commas or lines: the first is the newest.
#[derive(Debug, Clone)]
pub enum VaultKeys {
    /// Given as text (`DASHTRAY_MASTER_KEY`).
    Text(Secret),
    /// In a file that somebody else made (`DASHTRAY_MASTER_KEY_FILE`).
    File(PathBuf),
    /// In a file of our own in the data directory.
    OwnFile {
        /// Such as `data/master.key`.
        path: PathBuf,
        /// Whether a missing file may be made. Not when the database holds sealed credentials: a new key would not
        /// open them, and would hide that the old one is lost.
        may_create: bool,
    },
}

/// What is wrong with the master keys, and what to do. Never holds any of their text.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no key.
    #[error(
        "{source_name} holds {found}; a master key is 32 random bytes, written as 64 hexadecimal digits or as base64; \
         make one with: openssl rand -hex 32"
    )]
    Malformed {
        /// Which variable or file.
        source_name: String,
        /// What it holds instead.
        found: String,
    },
    /// The key file is gone, and a new one would be of no use.
    #[error(
        "the key file {} is missing, but the database holds credentials that were sealed with it; put the file back, or \
         give its key in DASHTRAY_MASTER_KEY; without it every connection has to be connected anew",
        .0.display()
    )]
    Missing(PathBuf),
    /// The file cannot be read or made.
    #[error("the key file {} cannot be used: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
}

/// A master key. Its memory is overwritten when it is dropped; it shows only its id.
pub(super) struct Key {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl Key {
    fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let mut id = hex(&Sha256::digest(*bytes));
        id.truncate(8);
        Self { id, bytes }
    }

    /// The first eight hexadecimal digits of its SHA-256: tells keys apart and gives nothing away.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// The newest key and the older ones.
pub(super) fn load(keys: &VaultKeys) -> Result<(Key, Vec<Key>), KeyError> {
    match keys {
        VaultKeys::Text(text) => parse(text.expose(), "DASHTRAY_MASTER_KEY"),
        VaultKeys::File(path) => match read(path)? {
            Some(text) => parse(&text, &path.display().to_string()),
            None => Err(KeyError::File(path.clone(), ErrorKind::NotFound.into())),
        },
        VaultKeys::OwnFile { path, may_create } => {
            let text = match read(path)? {
                Some(text) => text,
                None if *may_create => create(path).map_err(|error| KeyError::File(path.clone(), error))?,
                None => return Err(KeyError::Missing(path.clone())),
            };
            parse(&text, &path.display().to_string())
        }
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeyError::File(path.to_owned(), error)),
    }
}

/// Makes a key file that only its owner may read, and gives the text that is in it afterwards: that of another process
/// when it was faster. The file appears whole or not at all, so that a crash never leaves half a key.
fn create(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    rand::rng().fill_bytes(bytes.as_mut_slice());
    let text = Zeroizing::new(hex(bytes.as_slice()));
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:016x}", rand::random::<u64>()));
    let draft = PathBuf::from(draft);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // Unlike a rename, a link never replaces a file.
        fs::hard_link(&draft, path)
    })();
    // Without it the draft would stay beside the key, with the key in it.
    let removed = fs::remove_file(&draft);
    match written {
        Ok(()) => {
            removed?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(directory)?.sync_all()?;
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.exists() => {
            fs::read_to_string(path).map(Zeroizing::new)
        }
        Err(error) => Err(error),
    }
}

fn parse(text: &str, source_name: &str) -> Result<(Key, Vec<Key>), KeyError> {
    let malformed = |found: String| KeyError::Malformed { source_name: source_name.to_owned(), found };
    let mut keys = Vec::new();
    for text in text.split([',', '\n', '\r']).map(str::trim).filter(|text| !text.is_empty()) {
        keys.push(Key::new(parse_one(text).map_err(malformed)?));
    }
    let mut keys = keys.into_iter();
    let newest = keys.next().ok_or_else(|| malformed("no key".to_owned()))?;
    Ok((newest, keys.collect()))
}

/// 64 hexadecimal digits would be base64 of another length, so the two forms cannot be mistaken for each other.
fn parse_one(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, String> {
    let bytes = Zeroizing::new(match from_hex(text) {
        Some(bytes) => bytes,
        None => BASE64.decode(text).map_err(|_| "text that is neither hexadecimal nor base64".to_owned())?,
    });
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| format!("a key of {} bytes", bytes.len()))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.map(Zeroizing::new)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().filter_map(|[high, low]| u8::try_from(high << 4 | low).ok()).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
