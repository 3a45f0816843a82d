//! Progress bars: on stderr, and only when somebody watches.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::sync::Progress;

/// A bar for each connection that is being read.
pub(super) struct Bars {
    // A std mutex: held for a moment, never over an await.
    bars: Mutex<BTreeMap<String, ProgressBar>>,
    screen: MultiProgress,
}

impl Bars {
    /// Nothing is drawn where stderr is no terminal.
    pub(super) fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self { bars: Mutex::default(), screen }
    }

    /// Moves a connection's bar.
    pub(super) fn update(&self, progress: &Progress) {
        let Ok(mut bars) = self.bars.lock() else { return };
        let bar = bars.entry(progress.connection_name.clone()).or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new(0));
            let style = ProgressStyle::with_template("{spinner} {prefix:20!} {bar:30} {pos}/{len} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(progress.connection_name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.label.clone());
    }

    /// Takes the bars off the screen.
    pub(super) fn clear(&self) {
        if let Ok(bars) = self.bars.lock() {
            bars.values().for_each(ProgressBar::finish_and_clear);
        }
    }
}
