//! Shapes that values take in many of Stripe's answers.
//!
//! Numbers with decimals stay text, so that no float stands between Stripe and the database. All of these are kept in
//! records too, where they have a shorter form.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    slice,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use super::answers::Discount;
use crate::http::Error;

/// What is an id, or the object itself where it was expanded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum Expandable<T> {
    Id(String),
    Object(T),
}

/// An id, also where the object came whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Id(pub(super) String);

/// A decimal number that came as a JSON number or as text. Written the shortest way that reads back the same, which is
/// what Stripe wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Decimal(#[serde(deserialize_with = "number_or_text")] pub(super) String);

/// Discounts in the order in which they are taken off. Not all versions tell of them; a list does.
#[derive(Debug, Clone, Default)]
pub(super) struct Discounts {
    of: Vec<Expandable<Discount>>,
    is_said: bool,
}

impl Discounts {
    /// Refuses what says nothing of them, not even that there are none.
    pub(super) fn told_of(&self, whose: &str) -> Result<(), Error> {
        if self.is_said { Ok(()) } else { Err(Error::invalid_response(format!("{whose} has no field \"discounts\""))) }
    }
}

impl Deref for Discounts {
    type Target = Vec<Expandable<Discount>>;
    fn deref(&self) -> &Self::Target {
        &self.of
    }
}

impl DerefMut for Discounts {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.of
    }
}

impl<'a> IntoIterator for &'a Discounts {
    type Item = &'a Expandable<Discount>;
    type IntoIter = slice::Iter<'a, Expandable<Discount>>;
    fn into_iter(self) -> Self::IntoIter {
        self.of.iter()
    }
}

impl<'a> IntoIterator for &'a mut Discounts {
    type Item = &'a mut Expandable<Discount>;
    type IntoIter = slice::IterMut<'a, Expandable<Discount>>;
    fn into_iter(self) -> Self::IntoIter {
        self.of.iter_mut()
    }
}

impl PartialEq for Discounts {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of
    }
}

impl Eq for Discounts {}

impl Serialize for Discounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.of.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Discounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Ok(Self { of: Vec::deserialize(deserializer)?, is_said: true });
        }
        // A list is never null where it is told.
        let said: Option<Vec<_>> = Option::deserialize(deserializer)?;
        Ok(said.map_or_else(Self::default, |of| Self { of, is_said: true }))
    }
}

/// Takes null for the default: Stripe writes both null and nothing for empty lists.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    if !deserializer.is_human_readable() {
        return T::deserialize(deserializer);
    }
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether anything but null is there.
pub(super) fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    if !deserializer.is_human_readable() {
        return bool::deserialize(deserializer);
    }
    Ok(Option::<de::IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// The digits as they were sent: a number never passes through a float on its way.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    if !deserializer.is_human_readable() {
        // Our own records, where it is text.
        return String::deserialize(deserializer);
    }
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    if text.starts_with('"') { serde_json::from_str(text).map_err(de::Error::custom) } else { Ok(text.to_owned()) }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Expandable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Expandable<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id or an object")
            }
            fn visit_str<E: de::Error>(self, id: &str) -> Result<Self::Value, E> {
                Ok(Expandable::Id(id.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Expandable::Object)
            }
        }
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(Visitor(PhantomData));
        }
        #[derive(Deserialize)]
        enum Recorded<T> {
            Id(String),
            Object(T),
        }
        Ok(match Recorded::deserialize(deserializer)? {
            Recorded::Id(id) => Self::Id(id),
            Recorded::Object(object) => Self::Object(object),
        })
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Object {
            id: String,
        }
        if !deserializer.is_human_readable() {
            return String::deserialize(deserializer).map(Self);
        }
        Ok(match Expandable::<Object>::deserialize(deserializer)? {
            Expandable::Id(id) => Self(id),
            Expandable::Object(object) => Self(object.id),
        })
    }
}
