//! Printing: JSON or tables on stdout, sentences on stderr.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;
use serde::Serialize;

use super::failure::Failure;

/// Where a command prints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows a view: as JSON, or as `human` makes of it.
    pub(super) fn show<T: Serialize>(self, view: &T, human: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json {
            let text =
                serde_json::to_string_pretty(view).map_err(|error| Failure::failed("internal", error.to_string()))?;
            self.print(&text)
        } else {
            self.print(&human(view))
        }
    }

    /// Text on stdout.
    pub(super) fn print(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            writeln!(stdout, "{text}")?;
        }
        stdout.flush()?;
        Ok(())
    }

    /// A sentence on stderr. That stderr is closed is no reason to fail.
    pub(super) fn note(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Shows a failure where the user looks for it.
    pub(super) fn fail(self, failure: &Failure) -> ExitCode {
        if !failure.is_silent() {
            if self.json {
                let _ = self.print(&failure.to_json().to_string());
            } else {
                self.note(&format!("error: {}", failure.message));
            }
        }
        ExitCode::from(failure.exit)
    }
}

/// Whether a person sits at the keyboard and sees what is asked.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A table in plain columns that is as easy to read as to cut.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    table
}

/// A cell whose digits stand below each other.
pub(super) fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// The table as text, without the padding behind the last column.
pub(super) fn text(table: &Table) -> String {
    let lines = table.lines();
    lines.map(|line| format!("{}\n", line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()))).collect()
}

/// A table, and below it what needs a sentence.
pub(super) fn with_lines(table: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { table.to_owned() } else { format!("{table}\n{}\n", lines.join("\n")) }
}

/// An instant for people: to the minute, in UTC.
pub(super) fn instant(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_trailing_blanks_and_aligned_numbers() {
        let mut table = table(&["date", "value"]);
        table.add_row([Cell::new("2026-01-01"), number(5)]);
        table.add_row([Cell::new("2026-01-02"), number(1234)]);
        assert_eq!(text(&table), "DATE        VALUE\n2026-01-01      5\n2026-01-02   1234\n");
    }

    #[test]
    fn an_instant_is_shown_to_the_minute() {
        assert_eq!(instant("2026-03-31T12:05:59Z".parse().ok()), "2026-03-31 12:05 UTC");
        assert_eq!(instant(None), "-");
    }
}
