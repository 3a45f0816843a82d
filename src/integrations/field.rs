//! What may be missing from an answer. `Option` alone takes a field that is not there for null, so that one that the
//! provider has given up would count as nothing.

use serde::{Deserialize, Deserializer};

/// A field that is always there and may be null: `#[serde(deserialize_with = "nullable")]`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// A field that may be missing and is never null: `#[serde(default, deserialize_with = "not_null")]`.
pub(crate) fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Answer {
        #[serde(deserialize_with = "nullable")]
        closed_at: Option<i64>,
        #[serde(default, deserialize_with = "not_null")]
        id: Option<i64>,
    }

    #[test]
    fn what_is_missing_and_what_is_null_differ() {
        let read = |json: &str| serde_json::from_str::<Answer>(json).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"closed_at":1,"id":2}"#), Ok(Answer { closed_at: Some(1), id: Some(2) }));
        assert_eq!(read(r#"{"closed_at":null}"#), Ok(Answer { closed_at: None, id: None }));
        assert!(read(r#"{"id":2}"#).unwrap_err().starts_with("missing field `closed_at`"));
        assert!(read(r#"{"closed_at":1,"id":null}"#).is_err());
    }
}
