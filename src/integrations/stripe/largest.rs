//! The largest of many amounts, kept up while amounts come and go.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use crate::metric::Exact;

/// More than a receipt names, so that some may go before the largest are not known any more.
const KEPT: usize = 100;

/// An amount and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) amount: Amount,
    pub(super) id: String,
    pub(super) label: String,
}

/// The largest amounts, largest first, among equals by id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Largest {
    entries: Vec<Entry>,
    /// The first that had no place. Whatever is not among the entries comes after it or is it.
    left_out: Option<(Amount, String)>,
}

impl Entry {
    fn is_before(&self, amount: &Exact, id: &str) -> bool {
        self.amount.0 > *amount || (self.amount.0 == *amount && self.id.as_str() < id)
    }
}

impl Largest {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there are others.
    pub(super) fn is_part(&self) -> bool {
        self.left_out.is_some()
    }

    /// Adds an amount. Ids are unique.
    pub(super) fn put(&mut self, id: &str, label: &str, amount: &Exact) {
        let is_after = |(least, last): &(Amount, String)| (&least.0, id) >= (amount, last.as_str());
        if self.left_out.as_ref().is_some_and(is_after) {
            return;
        }
        let entry = Entry { amount: Amount(amount.clone()), id: id.to_owned(), label: label.to_owned() };
        let place = self.entries.partition_point(|known| known.is_before(amount, id));
        self.entries.insert(place, entry);
        if self.entries.len() > KEPT {
            self.left_out = self.entries.pop().map(|last| (last.amount, last.id));
        }
    }

    /// Takes an amount away again.
    pub(super) fn remove(&mut self, id: &str) {
        self.entries.retain(|entry| entry.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::exact;

    fn amount(n: u32) -> i64 {
        i64::from(n * 7919 % 40)
    }

    fn filled(ids: impl Iterator<Item = u32>) -> Largest {
        let mut largest = Largest::default();
        ids.for_each(|n| largest.put(&format!("{n:03}"), "", &exact::from_int(amount(n))));
        largest
    }

    #[test]
    fn names_the_largest_whatever_came_and_went() {
        let mut all: Vec<(i64, String)> = (0..400).map(|n| (-amount(n), format!("{n:03}"))).collect();
        all.sort();
        let mut largest = filled(0..400);
        // Every other one of the fifty largest goes, and some come back.
        let gone: Vec<String> = all.iter().take(50).step_by(2).map(|(_, id)| id.clone()).collect();
        gone.iter().for_each(|id| largest.remove(id));
        let left: Vec<&String> = all.iter().map(|(_, id)| id).filter(|id| !gone.contains(id)).collect();
        let named: Vec<&String> = largest.entries().iter().map(|entry| &entry.id).collect();
        assert_eq!(named.len(), 75);
        assert_eq!(named, left[..75]);
        assert!(largest.is_part());
        for id in &gone {
            let n: u32 = id.parse().unwrap();
            largest.put(id, "", &exact::from_int(amount(n)));
        }
        assert_eq!(largest.entries(), filled(0..400).entries());
    }

    #[test]
    fn few_are_all_named() {
        assert!(!filled(0..50).is_part());
        assert_eq!(filled(0..50).entries().len(), 50);
    }
}
