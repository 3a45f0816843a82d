//! An ordered collection of provider objects.

use std::collections::HashMap;

use serde_json::Value;

/// Objects of one kind, newest first, found by their `id`. Each holds only the fields that matter; the emulator adds
/// those that the provider sends besides.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: Vec<Value>,
    places: HashMap<String, usize>,
}

impl Table {
    /// The objects, newest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.rows.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The object with this id.
    pub fn get(&self, id: &str) -> Option<&Value> {
        self.places.get(id).and_then(|place| self.rows.get(*place))
    }

    /// The object with this id, to be changed in place. Its `id` and `created` must stay.
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.places.get(id).and_then(|place| self.rows.get_mut(*place))
    }

    /// Puts an object in its place by `created`, instead of one with the same id.
    pub fn insert(&mut self, object: Value) {
        self.remove(object["id"].as_str().unwrap_or_default());
        let at = self.rows.partition_point(|row| created(row) > created(&object));
        self.rows.insert(at, object);
        self.number();
    }

    /// Takes an object away.
    pub fn remove(&mut self, id: &str) -> Option<Value> {
        let place = self.places.remove(id)?;
        let object = self.rows.remove(place);
        self.number();
        Some(object)
    }

    /// Many at once, without looking for doubles. Of those of the same second the last one is the newest.
    pub(super) fn of(mut rows: Vec<Value>) -> Self {
        rows.sort_by_key(created);
        rows.reverse();
        let mut table = Self { rows, places: HashMap::new() };
        table.number();
        table
    }

    fn number(&mut self) {
        let id = |row: &Value| row["id"].as_str().unwrap_or_default().to_owned();
        self.places = self.rows.iter().enumerate().map(|(place, row)| (id(row), place)).collect();
    }
}

fn created(row: &Value) -> i64 {
    row["created"].as_i64().unwrap_or_default()
}
