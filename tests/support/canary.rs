//! Looking for a secret in whatever came out, in every form that it may have taken.

use std::{
    collections::BTreeSet,
    fmt::{Debug, Display, Write as _},
    io,
    path::Path,
};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde_json::json;

/// So many characters of a secret in a row are a part of it and no accident.
const PIECE: usize = 12;

/// Every form in which a secret or a piece of it may come out, in small letters.
pub(crate) fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for start in 0..secret.len().saturating_sub(PIECE).max(1) {
        // The first characters are the same for all keys of a provider.
        let piece = secret.get(start.max(8)..start.max(8) + PIECE).unwrap_or(secret);
        forms.insert(piece.to_owned());
    }
    let hex: String = secret.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let percent: String = secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    });
    let escaped: String = secret.chars().fold(String::new(), |mut text, c| {
        let _ = write!(text, "\\u{:04x}", u32::from(c));
        text
    });
    forms.extend([hex, percent, escaped]);
    // In base64 it looks otherwise in each of three places; what is around it changes the ends.
    for before in ["", "x", "xx"] {
        let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{before}{secret}"));
        let inner = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or_default().to_owned();
        forms.insert(inner.replace('+', "-").replace('/', "_"));
        forms.insert(inner);
    }
    forms.into_iter().filter(|form| form.len() >= PIECE).map(|form| form.to_lowercase()).collect()
}

/// What came out, and where.
#[derive(Default)]
pub(crate) struct Seen(Vec<(String, String)>);

impl Seen {
    /// Keeps what came out at a place.
    pub(crate) fn note(&mut self, place: &str, text: impl Into<String>) {
        self.0.push((place.to_owned(), text.into()));
    }

    /// The same of a call's answer.
    pub(crate) fn result<T: Debug + serde::Serialize, E: Display + Debug>(
        &mut self,
        place: &str,
        result: &Result<T, E>,
    ) {
        match result {
            Ok(value) => self.note(place, format!("{} {value:?}", json!(value))),
            Err(error) => self.note(place, format!("{error} {error:?}")),
        }
    }

    /// The same of all files of a directory.
    pub(crate) fn files(&mut self, directory: &Path) -> io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let bytes = std::fs::read(&path)?;
            self.note(&format!("the file {}", path.display()), String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(())
    }

    /// How many places there were.
    pub(crate) fn places(&self) -> usize {
        self.0.len()
    }

    /// Fails with the place where one of these is.
    pub(crate) fn holds_none_of(&self, forms: &BTreeSet<String>) -> Result<(), String> {
        for (place, text) in &self.0 {
            let text = text.to_lowercase();
            if let Some(at) = forms.iter().find_map(|form| text.find(form.as_str())) {
                let mut start = at.saturating_sub(120);
                while !text.is_char_boundary(start) {
                    start -= 1;
                }
                let around: String = text[start..].chars().take(200).collect();
                return Err(format!("a secret is in {place}: … {} …", around.escape_debug()));
            }
        }
        Ok(())
    }
}
