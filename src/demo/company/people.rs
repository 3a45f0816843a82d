//! Names that nobody bears.

use crate::demo::random::Dice;

const FIRST: [&str; 32] = [
    "Ada", "Bela", "Chidi", "Dara", "Emil", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kemal", "Lea", "Mira", "Nils",
    "Oona", "Pavel", "Quinn", "Rosa", "Sven", "Tala", "Uma", "Viggo", "Wren", "Ximena", "Yara", "Zeno", "Anouk", "Bao",
    "Caro", "Dimitri", "Elif", "Finn",
];
const LAST: [&str; 32] = [
    "Abel", "Brandt", "Costa", "Dietz", "Engel", "Falk", "Graf", "Holm", "Ivers", "Jansen", "Kraus", "Lund", "Moreau",
    "Novak", "Okafor", "Petrov", "Quist", "Ritter", "Sato", "Tanaka", "Ueda", "Vogel", "Weber", "Xu", "Yilmaz", "Zorn",
    "Arslan", "Beck", "Cano", "Duarte", "Ek", "Fuchs",
];
const TRADES: [&str; 16] = [
    "Bakery", "Studio", "Labs", "Books", "Press", "Coffee", "Works", "Media", "Garden", "Foods", "Robotics", "Travel",
    "Energy", "Design", "Health", "Music",
];

/// A person's name.
pub(super) fn person(dice: &mut Dice) -> String {
    format!("{} {}", dice.pick(&FIRST), dice.pick(&LAST))
}

/// A company's name and its domain.
pub(super) fn firm(dice: &mut Dice) -> (String, String) {
    let (last, trade) = (dice.pick(&LAST), dice.pick(&TRADES));
    let domain = format!("{}-{}.example", last.to_lowercase(), trade.to_lowercase());
    (format!("{last} {trade}"), domain)
}

/// A user name on a code host.
pub(super) fn login(dice: &mut Dice) -> String {
    let separator = *dice.pick(&["", "-"]);
    format!("{}{separator}{}{}", dice.pick(&FIRST), dice.pick(&LAST), dice.between(1, 9_999)).to_lowercase()
}
