//! A table: the values of a dimension with their share and change.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    card::{self, Age, Delta},
    read::{Board, Shown},
};
use crate::{
    metric::{Currency, Exact, exact},
    series::{SeriesView, format},
};

/// By what a table is sorted, as an address has it: `value`, `-value`, `name`, `-name`, `change`, `-change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Sort {
    column: Column,
    falls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Value,
    Change,
}

impl Sort {
    /// The largest first where nothing sensible is said.
    pub(in crate::web) fn of(text: &str) -> Self {
        let (word, falls) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
        match word {
            "name" => Self { column: Column::Name, falls },
            "change" => Self { column: Column::Change, falls },
            "value" => Self { column: Column::Value, falls },
            _ => Self { column: Column::Value, falls: true },
        }
    }

    /// What a heading leads to: the other way round where it is sorted by that already.
    pub(in crate::web) fn next(self, column: &str) -> String {
        let wanted = Self::of(column);
        let falls = if self.column == wanted.column { !self.falls } else { wanted.column != Column::Name };
        format!("{}{column}", if falls { "-" } else { "" })
    }

    /// As a heading says it to those who cannot see the arrow.
    pub(in crate::web) fn said(self, column: &str) -> &'static str {
        match (self.column == Self::of(column).column, self.falls) {
            (false, _) => "none",
            (true, true) => "descending",
            (true, false) => "ascending",
        }
    }
}

/// A table, ready for its template.
pub(in crate::web) struct Rows {
    pub(in crate::web) metric_id: String,
    pub(in crate::web) name: String,
    pub(in crate::web) icon: String,
    pub(in crate::web) dimension: String,
    pub(in crate::web) rows: Vec<Row>,
    /// Values that are not shown.
    pub(in crate::web) more: usize,
    pub(in crate::web) has_share: bool,
    pub(in crate::web) has_change: bool,
    pub(in crate::web) sort: Sort,
    pub(in crate::web) age: Age,
    /// Why there is no row.
    pub(in crate::web) words: &'static str,
}

/// One value of the dimension.
pub(in crate::web) struct Row {
    pub(in crate::web) name: String,
    /// What the provider calls it, whatever people do.
    id: String,
    pub(in crate::web) value: String,
    pub(in crate::web) full: String,
    pub(in crate::web) share: String,
    /// The same as a whole number from 0 to 100, for the bar behind it.
    pub(in crate::web) hundredths: i64,
    pub(in crate::web) change: Option<Delta>,
    currency: Option<Currency>,
    amount: Option<Exact>,
    moved: Option<Exact>,
}

/// Of a table's widget.
pub(in crate::web) fn rows(shown: &Shown, board: &Board, sort: Sort, most: usize) -> Rows {
    let dimension = shown.definition.dimension.and_then(|one| serde_json::to_value(one).ok());
    let mut dimension = dimension.and_then(|one| one.as_str().map(str::to_owned)).unwrap_or_default();
    if let Some(first) = dimension.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let series: Vec<&SeriesView> = shown.current.iter().filter(|one| one.dimension.is_some()).collect();
    let has_share = matches!(shown.definition.kind, crate::metric::Kind::Flow | crate::metric::Kind::Level)
        && series.windows(2).all(|two| two[0].currency == two[1].currency);
    let mut rows: Vec<Row> = series.iter().map(|one| row(one, shown, board)).collect();
    tell_apart(&mut rows);
    rows.retain(|row| row.amount.as_ref().is_some_and(|amount| !amount.is_zero()) || row.moved.is_some());
    let sum = rows.iter().filter_map(|row| row.amount.clone()).fold(exact::from_int(0), |sum, one| &sum + &one);
    if has_share && sum.is_positive() {
        for row in &mut rows {
            let share = row.amount.as_ref().map(|amount| amount / &sum * exact::from_int(100));
            row.share = share.as_ref().map(format::percent).unwrap_or_default();
            row.hundredths = share.and_then(|share| exact::round(&share)).unwrap_or(0).clamp(0, 100);
        }
    }
    // The largest stay, whatever they are sorted by then. Amounts of different currencies are not measured by each other.
    let own = shown.main().and_then(|one| one.currency);
    let is_other = |row: &Row| row.currency != own;
    rows.sort_by(|one, other| {
        let amounts = other.amount.cmp(&one.amount);
        is_other(one).cmp(&is_other(other)).then(amounts).then_with(|| one.name.cmp(&other.name))
    });
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    match sort.column {
        Column::Name => rows.sort_by_cached_key(|row| row.name.to_lowercase()),
        // As they stand, the smallest first.
        Column::Value => rows.reverse(),
        Column::Change => rows.sort_by(|one, other| one.moved.cmp(&other.moved)),
    }
    if sort.falls {
        rows.reverse();
    }
    let has_change = rows.iter().any(|row| row.change.is_some());
    Rows {
        metric_id: shown.definition.id.clone(),
        name: shown.title(board),
        icon: shown.descriptor.icon.clone(),
        dimension,
        more,
        has_share: has_share && sum.is_positive(),
        has_change,
        sort,
        age: shown.current.first().map(|one| card::age(one, board)).unwrap_or_default(),
        words: if shown.is_unread(board) { card::WAITING } else { card::NO_DATA },
        rows,
    }
}

/// Adds what the provider calls it where several things go by one name, as old and new prices of a plan do.
fn tell_apart(rows: &mut [Row]) {
    let mut ids: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for row in &*rows {
        ids.entry(&row.name).or_default().insert(&row.id);
    }
    let shared: HashSet<String> =
        ids.into_iter().filter(|(_, ids)| ids.len() > 1).map(|(name, _)| name.to_owned()).collect();
    for row in rows.iter_mut().filter(|row| shared.contains(&row.name) && row.name != row.id) {
        row.name = format!("{} ({})", row.name, row.id);
    }
}

fn row(series: &SeriesView, shown: &Shown, board: &Board) -> Row {
    let total = card::total(series, card::known(series));
    let before = shown.before(series, board).and_then(|before| card::total(before, before.points.len()).figure);
    let name = series.label.clone().or_else(|| series.dimension.clone()).unwrap_or_default();
    let figure = total.figure;
    let moved = figure.as_ref().zip(before.as_ref()).map(|(now, then)| now.amount() - then.amount());
    Row {
        name: name.chars().take(200).collect(),
        id: series.dimension.clone().unwrap_or_default(),
        value: figure.as_ref().map(format::Figure::short).unwrap_or_else(|| "–".to_owned()),
        full: figure.as_ref().map(format::Figure::full).unwrap_or_default(),
        share: String::new(),
        hundredths: 0,
        change: card::delta(shown, series, board).filter(|delta| !delta.text.is_empty()),
        currency: series.currency,
        amount: figure.map(|figure| figure.amount().clone()),
        moved: moved.filter(|moved| !moved.is_zero()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_by_one_name_is_told_apart() {
        let row = |name: &str, id: &str, currency| Row {
            name: name.to_owned(),
            id: id.to_owned(),
            value: String::new(),
            full: String::new(),
            share: String::new(),
            hundredths: 0,
            change: None,
            currency,
            amount: None,
            moved: None,
        };
        let (usd, eur) = ("USD".parse().ok(), "EUR".parse().ok());
        let mut rows =
            vec![row("Pro", "p1", usd), row("Pro", "p2", usd), row("Team", "p3", usd), row("Team", "p3", eur)];
        tell_apart(&mut rows);
        assert_eq!(
            rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["Pro (p1)", "Pro (p2)", "Team", "Team"]
        );
    }

    #[test]
    fn a_heading_turns_the_order_round() {
        let usual = Sort::of("nonsense");
        assert_eq!(
            (usual.next("value"), usual.next("name"), usual.next("change")),
            ("value".into(), "name".into(), "-change".into())
        );
        assert_eq!((usual.said("value"), usual.said("name")), ("descending", "none"));
        assert_eq!(Sort::of("name").next("name"), "-name");
    }
}
