//! Pages that change while somebody looks. A page says how far it knows the connections that it shows; a stream of events
//! tells it when one of them has changed since, whichever process changed it; the page then fetches what is concerned.
//!
//! All streams of a process share one look at the database, twice a second and only while somebody listens.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::{Query, State},
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Error, auth::Viewer, pages::connection::found};
use crate::{
    app::App,
    store::{ChangeRow, Project, Store},
    users::{Session, Users},
};

/// How often is looked, while anybody listens.
const LOOK: Duration = Duration::from_millis(500);
/// How long a stream lasts. Then the browser asks anew, and is asked anew who it is.
const LONGEST: Duration = Duration::from_secs(600);

/// What a page's template says of its stream.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Where the stream is.
    pub(super) address: String,
    /// How far the page knows what it shows.
    pub(super) seen: String,
}

impl Stage {
    /// Of all connections of some integrations.
    pub(super) fn of<'a>(integrations: impl Iterator<Item = &'a str>, changes: &[ChangeRow]) -> Self {
        let ids: Vec<&str> = integrations.collect();
        let seen = Seen::of(changes.iter().filter(|row| ids.contains(&row.integration_id.as_str())));
        Self { address: format!("/live?of={}", ids.join(",")), seen: seen.to_string() }
    }

    /// Of one connection.
    pub(super) fn of_one(public_id: &str, connection_id: i64, changes: &[ChangeRow]) -> Self {
        let seen = Seen::of(changes.iter().filter(|row| row.key.connection_id == connection_id));
        Self { address: format!("/live?connection={public_id}"), seen: seen.to_string() }
    }
}

/// How far a page knows its connections: of each by its number both counts, written `3.17.4-5.2.0`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen(BTreeMap<i64, (i64, i64)>);

impl Seen {
    fn of<'a>(rows: impl Iterator<Item = &'a ChangeRow>) -> Self {
        Self(rows.map(|row| (row.key.connection_id, (row.numbers, row.steps))).collect())
    }

    /// What is new in these rows. A page may know more than the last look: that is no news.
    fn news(&self, rows: &[&ChangeRow]) -> Option<News> {
        let numbers = |row: &&&ChangeRow| self.0.get(&row.key.connection_id).is_none_or(|seen| row.numbers > seen.0);
        let steps = |row: &&&ChangeRow| self.0.get(&row.key.connection_id).is_some_and(|seen| row.steps > seen.1);
        let mut of: Vec<&str> = rows.iter().filter(numbers).map(|row| row.integration_id.as_str()).collect();
        of.dedup();
        let is_gone = |id: &i64| rows.iter().all(|row| row.key.connection_id != *id);
        if self.0.keys().any(is_gone) {
            // Of what is gone nobody knows any more which cards it had.
            return Some(News { name: "numbers", of: String::new() });
        }
        if !of.is_empty() {
            return Some(News { name: "numbers", of: of.join(",") });
        }
        rows.iter().any(|row| steps(&row)).then(|| News { name: "steps", of: String::new() })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (id, (numbers, steps))) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "-" };
            write!(f, "{between}{id}.{numbers}.{steps}")?;
        }
        Ok(())
    }
}

impl FromStr for Seen {
    type Err = Infallible;

    /// What cannot be read was not seen.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let one = |part: &str| {
            let mut numbers = part.splitn(3, '.').map(|number| number.parse::<i64>().ok());
            Some((numbers.next()??, (numbers.next()??, numbers.next()??)))
        };
        Ok(Self(text.split('-').filter_map(one).collect()))
    }
}

/// What is told.
#[derive(Debug, PartialEq, Eq)]
struct News {
    /// `numbers`, or `steps` where only the connection's own page has something to show.
    name: &'static str,
    /// The integrations that it concerns; empty for all.
    of: String,
}

/// What a stream is about.
enum Subject {
    Integrations(Vec<String>),
    Connection(i64),
}

impl Subject {
    fn has(&self, row: &ChangeRow) -> bool {
        match self {
            Self::Integrations(ids) => ids.contains(&row.integration_id),
            Self::Connection(id) => row.key.connection_id == *id,
        }
    }
}

/// `/live?of=ID,ID&seen=…` or `/live?connection=ID&seen=…`: events `numbers` and `steps`, each with the integrations that it
/// concerns, and how far the page knows what it shows once it has fetched that.
pub(super) async fn events(
    State(app): State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    Query(asked): Query<BTreeMap<String, String>>,
    Extension(live): Extension<Live>,
    Extension(stop): Extension<CancellationToken>,
) -> Result<Response, Error> {
    let text = |name: &str| asked.get(name).map_or("", String::as_str);
    let subject = match text("connection") {
        "" => Subject::Integrations(text("of").split(',').map(str::to_owned).collect()),
        id => Subject::Connection(found(&app, &viewer, id).await?.key.connection_id),
    };
    // A browser that comes back by itself says what it heard last.
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let Ok(seen) = last.unwrap_or(text("seen")).parse();
    let listener = live.listen(viewer.project.id);
    let Viewer { session, project, .. } = viewer;
    let guest = Guest { users: app.users.clone(), session, project };
    let stream = Stream { subject, seen, listener, guest, stop, until: Instant::now() + LONGEST };
    let events = stream::unfold(stream, |mut stream| async move {
        let news = stream.next().await?;
        let event = Event::default().event(news.name).id(stream.seen.to_string());
        // An event without data is none to a browser.
        Some((Ok::<Event, Infallible>(event.data(if news.of.is_empty() { "*" } else { &news.of })), stream))
    });
    // A proxy that gathers an answer before it hands it on would hold events back.
    Ok(([("x-accel-buffering", "no")], Sse::new(events).keep_alive(KeepAlive::default())).into_response())
}

struct Stream {
    subject: Subject,
    seen: Seen,
    listener: Listener,
    guest: Guest,
    stop: CancellationToken,
    until: Instant,
}

/// Who listens. They may be signed out or removed from the project at any time.
struct Guest {
    users: Users,
    session: Session,
    project: Project,
}

impl Guest {
    /// Whether they may hear it still. Where the database does not say, the browser is to ask anew.
    async fn is_welcome(&self) -> bool {
        self.users.still_sees(&self.session, &self.project).await.unwrap_or(false)
    }
}

impl Stream {
    /// What comes next; `None` when the stream ends.
    async fn next(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.look() {
                return if self.guest.is_welcome().await { Some(news) } else { None };
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                changed = self.listener.told.changed() => changed.ok()?,
            }
        }
    }

    fn look(&mut self) -> Option<News> {
        let told = self.listener.told.borrow_and_update().clone();
        let rows: Vec<&ChangeRow> =
            told.get(&self.listener.project)?.iter().filter(|row| self.subject.has(row)).collect();
        let news = self.seen.news(&rows)?;
        self.seen = Seen::of(rows.into_iter());
        Some(news)
    }
}

/// How often the connections of each project changed that somebody listens to.
type Told = Arc<BTreeMap<i64, Vec<ChangeRow>>>;

/// What all streams of a process share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    listeners: Mutex<Listeners>,
    told: watch::Sender<Told>,
    /// Somebody listens to a further project.
    further: Notify,
}

#[derive(Debug, Default)]
struct Listeners {
    /// How many there are, by project.
    of: BTreeMap<i64, usize>,
    is_looked: bool,
}

/// Hears of a project's connections as long as it lives.
struct Listener {
    live: Live,
    project: i64,
    told: watch::Receiver<Told>,
}

impl Live {
    /// Over a database.
    pub(super) fn new(store: Store) -> Self {
        let (told, _) = watch::channel(Told::default());
        Self(Arc::new(Shared { store, listeners: Mutex::default(), told, further: Notify::new() }))
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, project: i64) -> Listener {
        let mut listeners = self.listeners();
        *listeners.of.entry(project).or_default() += 1;
        if !listeners.is_looked {
            listeners.is_looked = true;
            tokio::spawn(self.clone().look());
        } else if listeners.of.get(&project) == Some(&1) {
            self.0.further.notify_one();
        }
        Listener { live: self.clone(), project, told: self.0.told.subscribe() }
    }

    /// Looks until nobody listens any more.
    async fn look(self) {
        loop {
            let projects: Vec<i64> = {
                let mut listeners = self.listeners();
                listeners.is_looked = !listeners.of.is_empty();
                if !listeners.is_looked {
                    // Whoever comes next is not told of what was long ago.
                    self.0.told.send_replace(Told::default());
                    return;
                }
                listeners.of.keys().copied().collect()
            };
            match self.0.store.changes(&projects).await {
                Ok(rows) => self.tell(&projects, rows),
                // The next look may find it again; pages stay as they are meanwhile.
                Err(error) => tracing::debug!(%error, "changes could not be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.0.further.notified() => {}
            }
        }
    }

    fn tell(&self, projects: &[i64], rows: Vec<ChangeRow>) {
        let mut now: BTreeMap<i64, Vec<ChangeRow>> = projects.iter().map(|id| (*id, Vec::new())).collect();
        for row in rows {
            now.entry(row.key.project_id).or_default().push(row);
        }
        self.0.told.send_if_modified(|told| {
            let is_new = **told != now;
            if is_new {
                *told = Arc::new(now);
            }
            is_new
        });
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.live.listeners();
        if let Some(count) = listeners.of.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                listeners.of.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ConnectionKey;

    fn row(connection_id: i64, numbers: i64, steps: i64) -> ChangeRow {
        let key = ConnectionKey { project_id: 1, connection_id };
        ChangeRow { key, integration_id: format!("service-{connection_id}"), numbers, steps }
    }

    fn news(seen: &str, rows: &[ChangeRow]) -> Option<(&'static str, String)> {
        let Ok(seen) = seen.parse::<Seen>();
        seen.news(&rows.iter().collect::<Vec<_>>()).map(|news| (news.name, news.of))
    }

    #[test]
    fn news_is_what_a_page_does_not_know_yet() {
        let rows = [row(3, 17, 4), row(5, 2, 0)];
        assert_eq!(Seen::of(rows.iter()).to_string(), "3.17.4-5.2.0");
        assert_eq!(news("3.17.4-5.2.0", &rows), None);
        assert_eq!(news("3.17.3-5.2.0", &rows), Some(("steps", String::new())));
        assert_eq!(news("3.16.4-5.2.0", &rows), Some(("numbers", "service-3".to_owned())));
        assert_eq!(news("5.2.0", &rows), Some(("numbers", "service-3".to_owned())), "a further connection");
        assert_eq!(news("3.17.4-5.2.0-9.1.1", &rows), Some(("numbers", String::new())), "one that is gone");
        assert_eq!(news("3.18.4-5.2.0", &rows), None, "a look that is older than the page");
        for nonsense in ["", "x", "3.17", "<script>", "3.17.4.5-5.2.0.1"] {
            assert_eq!(news(nonsense, &rows), Some(("numbers", "service-3,service-5".to_owned())), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn nobody_looks_where_nobody_listens() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", directory.path().join("x.db").display())).await.unwrap();
        let live = Live::new(store);
        assert!(!live.listeners().is_looked);
        // Many tabs, of two projects: one look.
        let mut tabs: Vec<Listener> = (0..100).map(|tab| live.listen(tab % 2)).collect();
        let asked: Vec<(i64, usize)> = live.listeners().of.iter().map(|(project, count)| (*project, *count)).collect();
        assert_eq!(asked, [(0, 50), (1, 50)]);
        let told = &mut tabs[0].told;
        told.changed().await.unwrap();
        let now = told.borrow_and_update().clone();
        assert_eq!(now.keys().copied().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(live.0.told.receiver_count(), 100);
        drop(tabs);
        assert!(live.listeners().of.is_empty());
        let ended = async {
            while live.listeners().is_looked {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    }
}
