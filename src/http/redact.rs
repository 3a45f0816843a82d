//! What a provider said, without anything secret.

use std::collections::BTreeSet;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::Value;
use url::form_urlencoded;

use super::{Auth, Credentials, auth::basic_pair};
use crate::secret::Secret;

/// Shorter values are no secrets worth the name, and taking them out would shred the sentence.
const SHORTEST: usize = 4;
/// A word this long that occurs in a credential is taken for a piece of it.
const PIECE: usize = 10;
const HIDDEN: &str = "[redacted]";

/// Takes a connection's credentials out of texts.
pub(super) struct Redactor {
    plain: Vec<Secret>,
    /// Every form in which a credential may come back, longest first.
    forms: Vec<Secret>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// For these credentials.
    pub(super) fn new(credentials: &Credentials, auth: &Auth) -> Self {
        let mut plain: Vec<String> = credentials.secrets().map(|value| value.expose().to_owned()).collect();
        if let Auth::Basic { user, password } = auth {
            let field = |key: &str| credentials.get(key).map_or("", Secret::expose);
            plain.push(basic_pair(field(user), password.as_deref().map_or("", field)).to_string());
        }
        Self::of(plain)
    }

    /// For these secrets.
    pub(super) fn of(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut plain: Vec<String> = secrets.into_iter().collect();
        plain.retain(|value| value.len() >= SHORTEST);
        let mut forms = BTreeSet::new();
        for value in &plain {
            forms.insert(value.trim().to_owned());
            forms.insert(form_urlencoded::byte_serialize(value.as_bytes()).collect());
            forms.insert(percent_encoded(value));
            forms.insert(wholly_percent_encoded(value));
            for engine in [BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD] {
                forms.insert(engine.encode(value));
                // Behind something else it looks otherwise, but for its ends.
                for before in ["", "x", "xx"] {
                    let encoded = engine.encode(format!("{before}{value}"));
                    forms.extend(encoded.get(4..encoded.len().saturating_sub(4)).map(str::to_owned));
                }
            }
            forms.insert(value.bytes().map(|byte| format!("{byte:02x}")).collect());
        }
        let mut forms: Vec<Secret> = forms.into_iter().filter(|form| form.len() >= SHORTEST).map(Secret::new).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.expose().len()));
        Self { plain: plain.into_iter().map(Secret::new).collect(), forms }
    }

    /// The text without credentials, their encodings, their pieces and their masked echoes (`sk_live_****abcd`).
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.forms {
            text = replace_ignoring_case(&text, form.expose());
        }
        let is_edge = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '(' | ')' | '<' | '>');
        let mut redacted = String::with_capacity(text.len());
        for piece in text.split_inclusive(is_edge) {
            let word = piece.trim_end_matches(is_edge);
            let bare = word.trim_end_matches(['.', ':', '!', '?']);
            if !bare.is_empty() && (self.holds(bare) || self.is_masked_echo(word)) {
                redacted.push_str(HIDDEN);
                redacted.push_str(piece.get(word.len()..).unwrap_or_default());
            } else {
                redacted.push_str(piece);
            }
        }
        redacted
    }

    /// Whether a text holds a credential in any form, or a word of it that is a piece of one. For what would be of no use
    /// with a part taken out.
    pub(super) fn finds(&self, text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        let is_edge = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_');
        self.forms.iter().any(|form| lower.contains(&form.expose().to_ascii_lowercase()))
            || text.split(is_edge).any(|word| self.holds(word))
    }

    fn holds(&self, word: &str) -> bool {
        word.len() >= PIECE && self.plain.iter().any(|secret| secret.expose().contains(word))
    }

    fn is_masked_echo(&self, word: &str) -> bool {
        let is_mask = |c: char| matches!(c, '*' | '•' | '…' | '.' | 'x' | 'X' | '#');
        let Some(start) = mask_start(word) else { return false };
        if word.contains("**") || word.contains('•') {
            return true;
        }
        let (head, masked) = word.split_at(start);
        let tail = masked.trim_start_matches(is_mask);
        self.plain.iter().map(Secret::expose).any(|secret| {
            head.len() >= SHORTEST && secret.starts_with(head) || tail.len() >= SHORTEST && secret.ends_with(tail)
        })
    }
}

/// Where the first run of masking characters begins.
fn mask_start(word: &str) -> Option<usize> {
    ["**", "•", "…", "...", "xxxx", "XXXX", "####"].iter().filter_map(|mask| word.find(mask)).min()
}

fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len() * 3);
    super::request::encode_segment(value, &mut encoded);
    encoded
}

/// As those write it who encode every byte.
fn wholly_percent_encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Replaces a credential, also where percent-encoding or the provider changed its case.
fn replace_ignoring_case(text: &str, secret: &str) -> String {
    let (lower_text, lower_secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    if !lower_text.contains(&lower_secret) {
        return text.to_owned();
    }
    let mut replaced = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower_text.match_indices(&lower_secret) {
        replaced.push_str(text.get(from..at).unwrap_or_default());
        replaced.push_str(HIDDEN);
        from = at + secret.len();
    }
    replaced.push_str(text.get(from..).unwrap_or_default());
    replaced
}

/// The provider's own sentence in a JSON body of one of the usual shapes. Anything else, such as a web page, has none.
pub(super) fn provider_message(head: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(head).ok()?;
    let said = body
        .pointer("/error/message")
        .or_else(|| body.get("error_description"))
        .or_else(|| body.get("message"))
        .or_else(|| body.get("error"))?;
    said.as_str().map(str::to_owned).filter(|said| !said.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let fields = [("key", "sk_live_51H+s/ecretAbCd"), ("user", "ann")];
        let fields = fields.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
        let auth = Auth::Basic { user: "key".into(), password: None };
        Redactor::new(&Credentials::new(fields), &auth)
    }

    #[test]
    fn takes_out_every_form_of_a_credential() {
        for (said, expected) in [
            ("Invalid key: sk_live_51H+s/ecretAbCd.", "Invalid key: [redacted]."),
            ("Invalid key: SK_LIVE_51H+S/ECRETABCD", "Invalid key: [redacted]"),
            ("?key=sk_live_51H%2Bs%2FecretAbCd&x", "?key=[redacted]&x"),
            ("?key=sk_live_51H%2bs%2fecretAbCd&x", "?key=[redacted]&x"),
            ("got %73%6b%5f%6c%69%76%65%5f%35%31%48%2b%73%2f%65%63%72%65%74%41%62%43%64", "got [redacted]"),
            ("got Basic c2tfbGl2ZV81MUgrcy9lY3JldEFiQ2Q6", "got Basic [redacted]"),
            ("got c2tfbGl2ZV81MUgrcy9lY3JldEFiQ2Q", "got [redacted]"),
            ("Invalid API Key provided: sk_live_*********AbCd", "Invalid API Key provided: [redacted]"),
            ("key sk_live_51H... is expired", "key [redacted] is expired"),
            ("key …AbCd is expired", "key [redacted] is expired"),
            ("key xxxxxxxxAbCd, sir", "key [redacted], sir"),
            ("key 'sk_live_51H+s/ecre' was cut", "key '[redacted]' was cut"),
            ("ann may not read charges...", "ann may not read charges..."),
            ("größer als 3 Éléments", "größer als 3 Éléments"),
        ] {
            assert_eq!(redactor().redact(said), expected);
        }
    }

    #[test]
    fn takes_out_base64_also_where_the_request_was_not_signed_so() {
        let fields = [("key".to_owned(), Secret::new("sk_live_51H+s/ecretAbCd"))].into_iter().collect();
        let redactor = Redactor::new(&Credentials::new(fields), &Auth::Bearer { field: "key".into() });
        assert_eq!(redactor.redact("got c2tfbGl2ZV81MUgrcy9lY3JldEFiQ2Q="), "got [redacted]");
    }

    #[test]
    fn finds_the_message_in_the_usual_shapes() {
        for (body, expected) in [
            (r#"{"error":{"message":"No such charge","type":"x"}}"#, Some("No such charge")),
            (r#"{"error":"bad site"}"#, Some("bad site")),
            (r#"{"message":"Not Found","documentation_url":"x"}"#, Some("Not Found")),
            (r#"{"error":"invalid_grant","error_description":"Token is gone"}"#, Some("Token is gone")),
            (r#"{"error":{"code":3}}"#, None),
            (r#"{"message":7}"#, None),
            ("<html><body>Bad gateway</body></html>", None),
            (r#"["message"]"#, None),
            ("", None),
        ] {
            assert_eq!(provider_message(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
