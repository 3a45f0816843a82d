//! The table: a figure a line, and what the project has set itself beside it.

use crate::{
    RUNS,
    process::{Figures, measured},
};

/// What a figure may be.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// Only to know.
    None,
}

pub(crate) fn head() {
    println!("medians of {RUNS} runs, alternating; CPU is user and system time\n");
    println!("{:<74} {:>16}   {:<18}", "", "measured", "bar");
}

pub(crate) fn line(what: &str, value: f64, unit: &str, bar: Bar) {
    let show = |value: f64| {
        let digits = if value.fract() == 0.0 || value >= 1000.0 {
            0
        } else if value >= 100.0 {
            1
        } else {
            3
        };
        format!("{value:.digits$} {unit}").trim_end().to_owned()
    };
    let (bar, is_met) = match bar {
        Bar::AtMost(most) => (format!("at most {}", show(most)), value <= most),
        Bar::AtLeast(least) => (format!("at least {}", show(least)), value >= least),
        Bar::None => (String::new(), true),
    };
    println!("{what:<74} {:>16}   {bar:<24}{}", show(value), if is_met { "" } else { "NOT MET" });
}

/// The same figure in so many processes, one after another.
pub(crate) async fn repeated(args: &[&str]) -> Vec<Figures> {
    let mut all = Vec::new();
    for _ in 0..RUNS {
        all.push(measured(args).await);
    }
    all
}

pub(crate) fn median(figures: &[Figures], name: &str) -> f64 {
    middle(figures.iter().map(|figures| figures[name]))
}

/// The median of what two runs that followed each other are to each other.
pub(crate) fn ratio(ours: &[Figures], theirs: &[Figures], name: &str) -> f64 {
    middle(ours.iter().zip(theirs).map(|(ours, theirs)| ours[name] / theirs[name]))
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
