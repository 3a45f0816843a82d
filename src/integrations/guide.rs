//! The tables of a guide, drawn from the descriptor.
//!
//! They stand in `guide.md` between the comments `<!-- metrics -->` or `<!-- differences -->` and `<!-- end -->`, so that
//! the file can be read where it lies. `tests/architecture/guides.rs` fails where they are stale and can write them.

use super::Descriptor;
use crate::metric::{Definition, Kind};

/// A table of a guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Each metric: what it is, its unit, how it goes on over weeks and months and into the past, where it is read.
    Metrics,
    /// What the provider's own screens show instead, for the metrics of which that is known.
    Differences,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Metrics, Self::Differences];

    /// The comment before it. `<!-- end -->` follows it.
    fn mark(self) -> &'static str {
        match self {
            Self::Metrics => "<!-- metrics -->",
            Self::Differences => "<!-- differences -->",
        }
    }

    /// What its columns are called.
    pub fn head(self, descriptor: &Descriptor) -> Vec<String> {
        let screens = format!("on {}'s own screens", descriptor.name);
        match self {
            Self::Metrics => {
                ["metric", "what it is", "unit", "of a week or month", "past", "read from"].map(str::to_owned).to_vec()
            }
            Self::Differences => vec!["metric".to_owned(), screens],
        }
    }

    /// Its rows, in the order of the catalogue. Metrics that differ for one reason share a row.
    pub fn rows(self, descriptor: &Descriptor) -> Vec<Vec<String>> {
        match self {
            Self::Metrics => descriptor.metrics.iter().map(|metric| metric_row(descriptor, metric)).collect(),
            Self::Differences => {
                let mut rows: Vec<Vec<String>> = Vec::new();
                let differing = descriptor.metrics.iter().filter_map(|metric| Some((metric, metric.differs.as_ref()?)));
                for (metric, text) in differing {
                    let id = format!("`{}`", metric.id);
                    match rows.iter_mut().find(|row| row.last() == Some(text)) {
                        Some(row) => row[0] = format!("{}, {id}", row[0]),
                        None => rows.push(vec![id, text.clone()]),
                    }
                }
                rows
            }
        }
    }

    /// The table in Markdown.
    fn markdown(self, descriptor: &Descriptor) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let head = self.head(descriptor);
        let rule = format!("|{}\n", " --- |".repeat(head.len()));
        let rows: String = self.rows(descriptor).iter().map(|row| line(row)).collect();
        format!("{}{rule}{rows}", line(&head))
    }
}

fn metric_row(descriptor: &Descriptor, metric: &Definition) -> Vec<String> {
    let joined = match metric.kind {
        Kind::Flow => "its days added up",
        Kind::Level => "its last day",
        Kind::Ratio => "both parts of its days added up",
        Kind::Distinct | Kind::Statistic if descriptor.grains(metric).len() > 1 => "measured as a whole",
        Kind::Distinct | Kind::Statistic => "none",
    };
    let past = match metric.retention_days {
        None => "all".to_owned(),
        Some(1) => "none".to_owned(),
        Some(days) => format!("{days} days"),
    };
    vec![
        format!("`{}`", metric.id),
        format!("{}. {}", metric.name, metric.description),
        metric.unit.name().to_owned(),
        joined.to_owned(),
        past,
        metric.source.clone(),
    ]
}

/// The guide with its tables as `draw` makes them; the error says which of them has no place in it.
pub fn fill(descriptor: &Descriptor, draw: impl Fn(Table) -> String) -> Result<String, String> {
    let mut guide = descriptor.guide.clone();
    for table in Table::ALL {
        let mark = format!("{}\n", table.mark());
        let Some((before, rest)) = guide.split_once(&mark) else {
            if table.rows(descriptor).is_empty() {
                continue;
            }
            return Err(format!("it has no line {}", table.mark()));
        };
        let Some((_, after)) = rest.split_once("<!-- end -->") else {
            return Err(format!("no <!-- end --> follows {}", table.mark()));
        };
        guide = format!("{before}{mark}{}<!-- end -->{after}", draw(table));
    }
    Ok(guide)
}

/// The guide as it has to be.
pub fn written(descriptor: &Descriptor) -> Result<String, String> {
    fill(descriptor, |table| table.markdown(descriptor))
}

/// The guide without the comments about its tables, which `draw` makes.
pub fn shown(descriptor: &Descriptor, draw: impl Fn(Table) -> String) -> String {
    let filled = fill(descriptor, draw).unwrap_or_else(|_| descriptor.guide.clone());
    let is_text = |line: &&str| !line.starts_with("<!-- ");
    filled.lines().filter(is_text).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrations::Registry;

    fn descriptor(guide: &str) -> Descriptor {
        let registry = Registry::builtin();
        let mut descriptor = (*registry.get("github").unwrap().descriptor()).clone();
        descriptor.guide = guide.to_owned();
        descriptor.metrics.truncate(3);
        for (metric, differs) in descriptor.metrics.iter_mut().zip([Some("a | b"), None, Some("a | b")]) {
            metric.differs = differs.map(str::to_owned);
        }
        descriptor
    }

    #[test]
    fn what_stands_between_the_comments_is_drawn_anew_and_nothing_else() {
        let old = "# A\n<!-- metrics -->\nstale\n<!-- end -->\nprose\n<!-- differences -->\n<!-- end -->\nlast\n";
        let descriptor = descriptor(old);
        let written = written(&descriptor).unwrap();
        assert!(written.starts_with("# A\n<!-- metrics -->\n| metric | what it is |"), "{written}");
        assert!(written.contains("| `github_stars` | Stars. ") && !written.contains("stale"), "{written}");
        assert!(written.contains("<!-- end -->\nprose\n<!-- differences -->\n| metric | on GitHub's own screens |"));
        assert!(written.contains("\n| `github_stars`, `github_forks` | a \\| b |\n<!-- end -->\nlast\n"), "{written}");
        let again = Descriptor { guide: written.clone(), ..descriptor };
        assert_eq!(super::written(&again), Ok(written));
    }

    #[test]
    fn a_table_without_a_place_is_missed() {
        let error = |guide| written(&descriptor(guide)).unwrap_err();
        assert!(error("# A\n").contains("<!-- metrics -->"));
        assert!(error("<!-- metrics -->\n").contains("<!-- end -->"));
        assert!(error("<!-- metrics -->\n<!-- end -->\n").contains("<!-- differences -->"));
    }
}
