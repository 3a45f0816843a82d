//! The committed table of tiers, which the catalogue reads: written by the suite where `DASHTRAY_WRITE_TIERS` is set, and
//! held by it everywhere else.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use dashtray::integrations::{Registry, Tier as Rating};

use super::{ITEMS, Tier};

const TIERS: [(Tier, Rating); 4] = [
    (Tier::T0, Rating::T0),
    (Tier::Bronze, Rating::Bronze),
    (Tier::Silver, Rating::Silver),
    (Tier::Gold, Rating::Gold),
];
const ADVICE: &str = "DASHTRAY_WRITE_TIERS=1 cargo test --test all -- conformance::t0 conformance::stand";
/// The count of a tier that was not judged.
const UNKNOWN: &str = "-";
/// Tests judge side by side.
static WRITING: Mutex<()> = Mutex::new(());

/// By integration: how many items of each tier it passes.
type Table = BTreeMap<String, [String; 4]>;

/// Holds what was found against what is committed, or commits it. Who is in no row claims nothing; that is enough for T0,
/// which needs no stand.
pub(super) fn hold(id: &str, tier: Tier, passed: usize) -> Result<(), String> {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut table = read()?;
    let found = format!("{passed} of {}", count(tier));
    if std::env::var_os("DASHTRAY_WRITE_TIERS").is_some() {
        let row = table.entry(id.to_owned()).or_insert_with(|| [UNKNOWN; 4].map(str::to_owned));
        row[place(tier)] = found;
        return fs::write(path(), render(&table)).map_err(|error| error.to_string());
    }
    match table.get(id) {
        None if tier == Tier::T0 => Ok(()),
        Some(row) if row[place(tier)] == found => Ok(()),
        row => {
            let said = row.map_or(UNKNOWN, |row| row[place(tier)].as_str());
            Err(format!("{id} passes {found} items of {tier:?} and the table says {said}; write it with {ADVICE}"))
        }
    }
}

fn place(tier: Tier) -> usize {
    TIERS.iter().position(|(of, _)| *of == tier).unwrap_or_default()
}

fn count(tier: Tier) -> usize {
    ITEMS.iter().filter(|item| item.tier == tier).count()
}

/// The highest tier that is passed whole, as are all below.
fn rating(row: &[String; 4]) -> Rating {
    let is_whole = |tier: Tier| row[place(tier)] == format!("{0} of {0}", count(tier));
    TIERS.iter().take_while(|(tier, _)| is_whole(*tier)).last().map_or(Rating::Unrated, |(_, rating)| *rating)
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/integrations/conformance.md")
}

fn read() -> Result<Table, String> {
    let text = fs::read_to_string(path()).map_err(|error| error.to_string())?;
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            [id, _, counts @ ..] => {
                let counts: Vec<String> = counts.iter().map(|count| (*count).to_owned()).collect();
                Ok(((*id).to_owned(), counts.try_into().map_err(|_| format!("no row of the table: {line}"))?))
            }
            _ => Err(format!("no row of the table: {line}")),
        }
    })
    .collect()
}

fn render(table: &Table) -> String {
    let mut text = "# Conformance\n\nWhat the suite in `tests/conformance` says of each integration: how many items of each \
                    tier it passes. Its tier is the\nhighest that it passes whole, with all below. The suite writes this \
                    file (`DASHTRAY_WRITE_TIERS=1`) and fails where it\nis not what it finds.\n\n\
                    | integration | tier | T0 | Bronze | Silver | Gold |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for (id, row) in table {
        text.push_str(&format!("| {id} | {} | {} |\n", rating(row).name(), row.join(" | ")));
    }
    text
}

#[test]
fn each_integration_claims_what_the_table_counts() {
    let table = read().unwrap();
    assert_eq!(
        fs::read_to_string(path()).unwrap(),
        render(&table),
        "the table is not the suite's; write it with {ADVICE}"
    );
    let known: Vec<String> = Registry::builtin().descriptors().map(|descriptor| descriptor.id.clone()).collect();
    for (id, row) in &table {
        assert!(known.contains(id), "{id} is in the table and not in the registry");
        assert_eq!(Rating::of(id), rating(row), "{id}");
    }
}

#[test]
fn one_item_less_is_a_tier_less() {
    let whole = TIERS.map(|(tier, _)| format!("{0} of {0}", count(tier)));
    assert_eq!(rating(&whole), Rating::Gold);
    for (number, (tier, _)) in TIERS.into_iter().enumerate() {
        let mut less = whole.clone();
        less[number] = format!("{} of {}", count(tier) - 1, count(tier));
        assert_eq!(rating(&less), Rating::ALL[number], "{tier:?}");
        less[number] = UNKNOWN.to_owned();
        assert_eq!(rating(&less), Rating::ALL[number], "{tier:?}");
    }
}
