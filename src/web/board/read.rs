//! Reading what the widgets of a page show, all of it at once.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

use super::range::{Range, recalled};
use crate::{
    app::App,
    connections::ConnectionView,
    custom,
    integrations::Descriptor,
    metric::{Day, Definition, Interval, Kind, WidgetType},
    series::{self, GetRequest, SeriesView},
    store::{self, ChangeRow, Connection, Dashboard, Project, Store, Widget},
    web::{Error, auth::Viewer, live::Stage},
};

/// What every widget of a page has in common.
pub(in crate::web) struct Board {
    pub(in crate::web) project: Project,
    pub(in crate::web) range: Range,
    pub(in crate::web) connections: Vec<Connection>,
    pub(in crate::web) views: Vec<ConnectionView>,
    pub(in crate::web) now: Timestamp,
    descriptors: Vec<Arc<Descriptor>>,
    /// How far what is read below is known.
    changes: Vec<ChangeRow>,
    /// The integrations that are asked for, where a page that stands fetches what has changed; else all.
    asked_of: Option<Vec<String>>,
}

/// A widget with the series that it shows.
pub(in crate::web) struct Shown {
    pub(in crate::web) widget: Widget,
    pub(in crate::web) definition: Definition,
    pub(in crate::web) descriptor: Arc<Descriptor>,
    pub(in crate::web) interval: Interval,
    pub(in crate::web) current: Vec<SeriesView>,
    pub(in crate::web) previous: Vec<SeriesView>,
}

impl Board {
    /// Of the project that is shown, and of the days that an address names; else of those that were chosen last.
    pub(in crate::web) async fn open(
        app: &App,
        viewer: &Viewer,
        asked: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let project = &viewer.project;
        // First: what changes while the rest is read is told afterwards.
        let changes = app.store.changes(&[project.id]).await?;
        let connections = app.store.connections(project.id).await?;
        let views = app.connections.views(project, &connections).await?;
        let now = connections.iter().map(|one| app.connections.now_for(&one.integration_id)).min();
        let now = now.unwrap_or_else(|| app.now());
        let today = Day::of(now, &project.zone);
        let oldest = connections.iter().map(|one| one.settings.history_start).min().unwrap_or(today);
        let last = &viewer.session.user.last_range;
        let range = Range::of(&recalled(asked, last), today, oldest)?;
        let asked_of = asked.get("of").filter(|of| *of != "*").map(|of| of.split(',').map(str::to_owned).collect());
        // A page that fetches a part of itself chooses nothing.
        let is_choice = !asked.contains_key("of") && ["range", "compare"].iter().any(|name| asked.contains_key(*name));
        if let Some(kept) = range.kept().filter(|kept| is_choice && kept != last) {
            app.users.remember_range(&viewer.session.user, &kept).await?;
        }
        let mut descriptors: Vec<_> = app.registry.descriptors().collect();
        descriptors.extend(custom::descriptor(&app.store, project.id).await?);
        Ok(Self { project: project.clone(), range, connections, views, now, descriptors, changes, asked_of })
    }

    /// The dashboards of the project. Of what is not connected any more there is nothing to see.
    pub(in crate::web) async fn dashboards(&self, app: &App) -> Result<Vec<Dashboard>, Error> {
        Ok(dashboards_of(&app.store, self.project.id, &self.connections).await?)
    }

    /// What tells the page of changes of these integrations.
    pub(in crate::web) fn stage<'a>(&self, integrations: impl Iterator<Item = &'a str>) -> Stage {
        Stage::of(integrations, &self.changes)
    }

    /// Whether an integration's part of the page is asked for.
    pub(in crate::web) fn is_asked(&self, integration_id: &str) -> bool {
        self.asked_of.as_ref().is_none_or(|of| of.iter().any(|id| id == integration_id))
    }

    /// Without anything to read it from.
    #[cfg(test)]
    pub(super) fn of_nothing(project: Project, range: Range, views: Vec<ConnectionView>, now: Timestamp) -> Self {
        Self {
            project,
            range,
            connections: Vec::new(),
            views,
            now,
            descriptors: Vec::new(),
            changes: Vec::new(),
            asked_of: None,
        }
    }

    /// A metric and the integration that measures it.
    pub(in crate::web) fn metric(&self, id: &str) -> Option<(&Arc<Descriptor>, &Definition)> {
        self.descriptors.iter().find_map(|descriptor| Some((descriptor, descriptor.metric(id)?)))
    }

    /// How a connection stands.
    pub(in crate::web) fn view(&self, id: Uuid) -> Option<&ConnectionView> {
        self.views.iter().find(|view| view.connection_id == id)
    }

    /// The integrations that are connected.
    pub(in crate::web) fn connected(&self) -> impl Iterator<Item = &Arc<Descriptor>> {
        let is_there = |id: &str| self.connections.iter().any(|one| one.integration_id == id);
        self.descriptors.iter().filter(move |descriptor| is_there(&descriptor.id))
    }

    /// Reads the series of widgets. What no integration measures any more has none.
    pub(in crate::web) async fn read(
        &self,
        app: &App,
        widgets: &[Widget],
        interval: Option<Interval>,
    ) -> Result<Vec<Option<Shown>>, Error> {
        let mut shown: Vec<Option<Shown>> = widgets.iter().map(|widget| self.shown(widget, interval)).collect();
        let mut requests = Vec::new();
        for one in shown.iter().flatten() {
            requests.push(self.request(app, one, self.range.period.start(), self.last_of(one)));
            if let Some((period, last)) = self.range.compared().and_then(|period| Some((period, period.last()?))) {
                requests.push(self.request(app, one, period.start(), last));
            }
        }
        let mut read = series::get_each(&app.store, &app.registry, &requests).await?.into_iter();
        for one in shown.iter_mut().flatten() {
            one.current = read.next().unwrap_or_default();
            if self.range.compared().is_some_and(|period| !period.is_empty()) {
                one.previous = read.next().unwrap_or_default();
            }
        }
        Ok(shown)
    }

    /// What stands at the end of a day stands now as well: it is told before midnight. So is what is only known now.
    fn last_of(&self, shown: &Shown) -> Day {
        let is_now = shown.definition.kind == Kind::Level || shown.definition.retention_days == Some(1);
        let last = self.range.last();
        if is_now && last.next() == self.range.today { self.range.today } else { last }
    }

    fn shown(&self, widget: &Widget, interval: Option<Interval>) -> Option<Shown> {
        let (descriptor, definition) = self.metric(&widget.metric_id)?;
        // Weeks of what cannot be joined are only known where the provider was asked for them.
        let can = |interval: &Interval| definition.kind.combines() || descriptor.grains(definition).contains(interval);
        let usual = if widget.kind == "chart" { self.range.interval() } else { Interval::Day };
        Some(Shown {
            widget: widget.clone(),
            definition: definition.clone(),
            descriptor: descriptor.clone(),
            interval: Some(interval.unwrap_or(usual)).filter(can).unwrap_or(Interval::Day),
            current: Vec::new(),
            previous: Vec::new(),
        })
    }

    fn request(&self, app: &App, shown: &Shown, from: Day, to: Day) -> GetRequest {
        let one = self.connections.iter().find(|one| Some(one.key.connection_id) == shown.widget.connection_id);
        GetRequest {
            project: self.project.slug.clone(),
            metric_id: shown.definition.id.clone(),
            connection: one.map(|one| one.public_id.to_string()),
            from: Some(from),
            to: Some(to),
            interval: shown.interval,
            by_dimension: shown.is_by_dimension(),
            now: app.connections.now_for(&shown.descriptor.id),
        }
    }
}

impl Shown {
    /// What its widget is called: with the connection where it shows one alone.
    pub(in crate::web) fn title(&self, board: &Board) -> String {
        let one = |id: i64| board.connections.iter().find(|one| one.key.connection_id == id);
        match self.widget.connection_id.and_then(one) {
            Some(connection) => format!("{} · {}", self.definition.name, connection.name),
            None => self.definition.name.clone(),
        }
    }

    /// Whether each value of the dimension is shown for itself.
    pub(in crate::web) fn is_by_dimension(&self) -> bool {
        let asks = self.widget.kind == "table" || self.widget.options["by"] == "dimension";
        self.definition.dimension.is_some() && (asks || self.definition.widget_type == WidgetType::Table)
    }

    /// Whether no connection that measures it was read to its end yet.
    pub(in crate::web) fn is_unread(&self, board: &Board) -> bool {
        let mut of_it = board.views.iter().filter(|view| view.integration_id == self.descriptor.id);
        of_it.all(|view| view.last_synced_at.is_none())
    }

    /// The same series of the range before; `None` where it does not reach back to its first day.
    pub(in crate::web) fn before(&self, series: &SeriesView, board: &Board) -> Option<&SeriesView> {
        let first = board.range.compared()?.start();
        let is_same = |other: &&SeriesView| {
            (other.connection_id, other.currency, other.converted)
                == (series.connection_id, series.currency, series.converted)
                && other.dimension == series.dimension
        };
        let before = self.previous.iter().find(is_same)?;
        before.points.first().is_some_and(|point| point.date <= first).then_some(before)
    }

    /// The series that stands for all: in the reporting currency where there is one.
    pub(in crate::web) fn main(&self) -> Option<&SeriesView> {
        self.current.iter().find(|series| series.converted).or_else(|| self.current.first())
    }
}

/// The dashboards of a project. Of what is not connected any more there is nothing to see.
pub(in crate::web) async fn dashboards_of(
    store: &Store,
    project_id: i64,
    connections: &[Connection],
) -> Result<Vec<Dashboard>, store::Error> {
    let mut dashboards = store.dashboards(project_id).await?;
    let is_connected = |id: &str| connections.iter().any(|one| one.integration_id == id);
    dashboards.retain(|one| one.integration_id.as_deref().is_none_or(is_connected));
    Ok(dashboards)
}
