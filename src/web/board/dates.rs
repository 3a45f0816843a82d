//! What stands around the widgets of a page: the menu of the dates, the tabs, the banner.

use super::{
    card::is_broken,
    range::{Compare, PRESETS, Range, span},
    read::Board,
    standing::standing,
};
use crate::store::Dashboard;

/// The menu of the dates, ready for its template.
pub(in crate::web) struct Dates {
    pub(in crate::web) label: String,
    pub(in crate::web) days: String,
    pub(in crate::web) against: String,
    pub(in crate::web) earlier: String,
    pub(in crate::web) later: String,
    pub(in crate::web) presets: Vec<Choice>,
    pub(in crate::web) compares: Vec<Choice>,
    pub(in crate::web) from: String,
    pub(in crate::web) to: String,
    pub(in crate::web) today: String,
    pub(in crate::web) compare: &'static str,
    /// As an address has it.
    pub(in crate::web) query: String,
    /// What addresses of this page carry besides.
    pub(in crate::web) extra: String,
}

/// Something to choose from a menu.
pub(in crate::web) struct Choice {
    pub(in crate::web) address: String,
    pub(in crate::web) label: String,
    pub(in crate::web) key: &'static str,
    pub(in crate::web) is_current: bool,
}

impl Dates {
    /// Of a range; addresses carry `extra` too.
    pub(in crate::web) fn of(range: &Range, extra: &str) -> Self {
        let address = |range: &Range| format!("{}{extra}", range.query());
        let preset = |preset: &super::range::Preset| Choice {
            address: format!("{}{extra}", range.preset_query(preset.word)),
            label: preset.label.to_owned(),
            key: preset.key,
            is_current: range.is_preset(preset.word),
        };
        let turned = if range.compare == Compare::Nothing { Compare::Previous } else { Compare::Nothing };
        let compare = |compare: &Compare| Choice {
            address: address(&range.with_compare(*compare)),
            label: compare.label().to_owned(),
            key: if *compare == turned { "x" } else { "" },
            is_current: *compare == range.compare,
        };
        Self {
            label: range.label(),
            days: range.days(),
            against: range.compared().map(|period| span(period, range.today)).unwrap_or_default(),
            earlier: address(&range.earlier()),
            later: range.later().map(|range| address(&range)).unwrap_or_default(),
            presets: PRESETS.iter().map(preset).collect(),
            compares: Compare::ALL.iter().map(compare).collect(),
            from: range.period.start().to_string(),
            to: range.last().to_string(),
            today: range.today.to_string(),
            compare: range.compare.word(),
            query: range.query(),
            extra: extra.to_owned(),
        }
    }
}

/// A dashboard among the tabs.
pub(in crate::web) struct Tab {
    pub(in crate::web) address: String,
    pub(in crate::web) name: String,
    /// Its digit on the keyboard; empty from the tenth on.
    pub(in crate::web) key: String,
    pub(in crate::web) is_current: bool,
}

/// The overview and all dashboards.
pub(in crate::web) fn tabs(dashboards: &[Dashboard], current: Option<&str>, query: &str) -> Vec<Tab> {
    let tab = |(at, one): (usize, &Dashboard)| Tab {
        address: format!("/d/{}{query}", one.slug),
        name: one.name.clone(),
        key: if at < 9 { (at + 1).to_string() } else { String::new() },
        is_current: current == Some(one.slug.as_str()),
    };
    dashboards.iter().enumerate().map(tab).collect()
}

/// What is wrong with connections, in one sentence.
pub(in crate::web) struct Banner {
    pub(in crate::web) sentence: String,
    /// What the first of them was answered.
    pub(in crate::web) detail: String,
    pub(in crate::web) address: String,
    pub(in crate::web) is_reconnect: bool,
}

/// One for all connections of these integrations that do not work.
pub(in crate::web) fn banner(board: &Board, integrations: &[&str]) -> Option<Banner> {
    let concerns = |id: &str| integrations.contains(&id);
    let broken: Vec<_> =
        board.views.iter().filter(|view| is_broken(&view.state) && concerns(&view.integration_id)).collect();
    let first = broken.first()?;
    let service = board.connected().find(|descriptor| descriptor.id == first.integration_id);
    let (_, _, meaning, _) = standing(first, service.map_or("The service", |descriptor| descriptor.name.as_str()));
    let more = match broken.len() {
        1 => String::new(),
        2 => " One more connection does not sync either.".to_owned(),
        many => format!(" {} more connections do not sync either.", many - 1),
    };
    let kept =
        first.last_synced_at.map(|at| format!(" What is shown of it is from {}.", crate::series::format::instant(at)));
    Some(Banner {
        sentence: format!("{} does not sync. {meaning}{}{more}", first.name, kept.unwrap_or_default()),
        detail: first.reason.clone().unwrap_or_default(),
        address: format!("/connections/{}", first.connection_id),
        is_reconnect: first.state == "needs_reconnect",
    })
}
