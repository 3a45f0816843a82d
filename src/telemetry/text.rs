//! The text that Prometheus reads: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write as _};

/// What a family of samples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Is what it is now.
    Gauge,
    /// How often something was how large.
    Histogram,
}

/// A page under way: families one after the other, each with its samples.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family. The samples that follow are of it.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        // Writing to a String does not fail, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One number.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if at == 0 { "{" } else { "," });
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A time, of microseconds.
    pub fn seconds(&mut self, suffix: &str, labels: &[(&str, &str)], micros: u64) {
        self.sample(suffix, labels, seconds(micros));
    }

    /// All of it.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// Microseconds as seconds, without zeros at the end.
pub(super) fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_seconds_exact() {
        let mut page = Page::default();
        page.family("x_total", Kind::Counter, "An x.");
        page.sample("", &[("a", "q\"b\\c\nd"), ("e", "")], 1);
        assert_eq!(
            page.into_text(),
            "# HELP x_total An x.\n# TYPE x_total counter\nx_total{a=\"q\\\"b\\\\c\\nd\",e=\"\"} 1\n"
        );
        for (micros, expected) in [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (30_000_000, "30")] {
            assert_eq!(seconds(micros), expected);
        }
    }
}
