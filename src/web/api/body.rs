//! Reading a document: JSON without doubt, and nothing in it that a route does not know.

use std::{cell::Cell, collections::BTreeSet, fmt};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::json;

use super::refusal::Refusal;
use crate::http::path_to;

/// A batch of a thousand metrics with all that they may carry.
const LARGEST: usize = 4 << 20;
/// Levels that a document may have; ours have five.
const DEEPEST: u8 = 32;

/// Takes in what a request carries.
pub(super) async fn receive(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bytes = to_bytes(body, LARGEST).await.map_err(|_| {
        let message = format!("the body is larger than {LARGEST} bytes, or did not arrive whole; send less at once");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    })?;
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !bytes.is_empty() && !is_json {
        let message = "send JSON, and say so: Content-Type: application/json";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    Ok(bytes)
}

/// Reads a document into a type.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::bad("invalid_json", "the body is not UTF-8"))?;
    check(text)?;
    if !text.trim_start().starts_with('{') {
        let message = "the body must be an object, {…}";
        return Err(Refusal::bad("invalid_field", message).with(json!({"field": ""})));
    }
    serde_json::from_str(text).map_err(|error| {
        let path = path_to(bytes, error.line(), error.column());
        let sentence = sentence(&error);
        let code = match sentence.split(' ').next() {
            Some("unknown") => "unknown_field",
            Some("missing") => "missing_field",
            _ => "invalid_field",
        };
        let place = if path.is_empty() { "the body".to_owned() } else { path.clone() };
        Refusal::bad(code, format!("{place}: {sentence}")).with(json!({"field": path}))
    })
}

/// What the parser says, without the place: the path names that better.
fn sentence(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let sentence = said.rsplit_once(" at line ").map_or(said.as_str(), |(sentence, _)| sentence);
    // The text itself is not repeated: it may be a secret in the wrong place.
    for kind in ["invalid type: string ", "invalid value: string "] {
        if let Some((_, expected)) = sentence.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            return format!("{}, expected {expected}", kind.trim_end());
        }
    }
    sentence.to_owned()
}

/// What no parser may decide for others: a key that stands twice, and how deep is too deep.
enum Doubt {
    Twice(String),
    TooDeep,
}

fn check(text: &str) -> Result<(), Refusal> {
    let doubt = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Whole { depth: 0, doubt: &doubt }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let Err(error) = read else { return Ok(()) };
    let place = format!("line {}, column {}", error.line(), error.column());
    Err(match doubt.take() {
        Some(Doubt::Twice(key)) => {
            let message = format!("the key \"{key}\" stands twice in one object ({place}); which one counts?");
            Refusal::bad("duplicate_key", message).with(json!({"field": key}))
        }
        Some(Doubt::TooDeep) => Refusal::bad("too_deep", format!("the body has more than {DEEPEST} levels ({place})")),
        None if sentence(&error).starts_with("number out of range") => {
            Refusal::bad("number_out_of_range", format!("a number is too large for any use ({place})"))
        }
        None => Refusal::bad("invalid_json", format!("the body is not JSON: {} ({place})", sentence(&error))),
    })
}

/// Goes through a document and keeps nothing.
struct Whole<'a> {
    depth: u8,
    doubt: &'a Cell<Option<Doubt>>,
}

impl Whole<'_> {
    fn inside<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= DEEPEST {
            self.doubt.set(Some(Doubt::TooDeep));
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, doubt: self.doubt })
    }
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    // What a number comes to is nobody's business here: whoever takes one reads its text.
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_element_seed(self.inside()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            fields.next_value_seed(self.inside()?)?;
            if !keys.insert(key.clone()) {
                self.doubt.set(Some(Doubt::Twice(key.chars().filter(|c| !c.is_control()).take(60).collect())));
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(())
    }
}

/// A credential: a text, or a document that people paste as it is.
#[derive(Debug)]
pub(super) struct Credential(pub(super) crate::secret::Secret);

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use crate::secret::Secret;
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Secret::new(text))),
            document @ serde_json::Value::Object(_) => Ok(Self(Secret::new(document.to_string()))),
            // No message repeats the value: it may be the secret.
            _ => Err(D::Error::custom("a credential must be a text, or an object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> &'static str {
        check(text).err().map_or("ok", |refusal| refusal.code)
    }

    #[test]
    fn doubtful_documents_are_refused() {
        assert_eq!(code(r#"{"a":[1,{"b":null}],"c":12345678901234567890123.5}"#), "ok");
        for bad in ["", "{", "NaN", "[Infinity]", "{'a':1}", "[1,]", "{} {}", "\u{1}", "[01]"] {
            assert_eq!(code(bad), "invalid_json", "{bad:?}");
        }
        assert_eq!(code(r#"{"a":{"b":1,"b":2}}"#), "duplicate_key");
        assert_eq!(code("[1e400]"), "number_out_of_range");
        assert_eq!(code(&format!("{}{}", "[".repeat(32), "]".repeat(32))), "ok");
        assert_eq!(code(&format!("{}{}", "[".repeat(33), "]".repeat(33))), "too_deep");
        assert_eq!(code(&"[".repeat(1_000_000)), "too_deep");
        assert_eq!(parse::<()>(b"\xff").unwrap_err().code, "invalid_json");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its form counts")]
        struct Given {
            list: Vec<Inner>,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its form counts")]
        struct Inner {
            number: Box<serde_json::value::RawValue>,
        }
        let refused = |text: &str| parse::<Given>(text.as_bytes()).unwrap_err();
        let refusal = refused(r#"{"list":[{"number":1},{"number":1,"nmber":2}]}"#);
        assert_eq!((refusal.code, &refusal.details["field"]), ("unknown_field", &json!("list[1].nmber")));
        let refusal = refused(r#"{"list":[{}]}"#);
        assert_eq!((refusal.code, &refusal.details["field"]), ("missing_field", &json!("list[0]")));
        let refusal = refused(r#"{"list":"sk_live_hunter2, expected fun"}"#);
        assert_eq!(refusal.message, "list: invalid type: string, expected a sequence");
        let refusal = refused(r#"{"list":7}"#);
        assert_eq!((refusal.code, &refusal.details["field"]), ("invalid_field", &json!("list")));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\":,0-9eE.a-z -]{0,80}") {
            let _ = parse::<serde_json::Value>(text.as_bytes());
        }
    }
}
