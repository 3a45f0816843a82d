//! Which projects are measured, and what their series are called.
//!
//! A project is its id. Its series keep the name under which it was first seen, so that a new name does not begin a new
//! history; a new project that takes an old name gets its id behind it.

use serde::{Deserialize, Serialize};

use super::{
    api::{self, ListedProject},
    metrics::Reading,
    series::Buckets,
    settings::{Measured, Team},
};
use crate::{
    integrations::{Batch, Context, Error, Why},
    metric::{Day, Interval},
};

/// The stream in whose checkpoint the projects are kept. Its own reading asks for them, the others of the run do not.
const STREAM: &str = "deployments";

/// What is kept of the projects from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shelf {
    /// The instant of the run that asked for them last, in milliseconds.
    seen_at_ms: i64,
    /// The days whose deployments that run has read: first day and the day after the last.
    read: Option<(i32, i32)>,
    projects: Vec<Project>,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Project {
    /// Never changes.
    pub(super) id: String,
    /// What its series are called.
    pub(super) name: String,
    /// What it is called now.
    called: String,
    /// The team or user that it belongs to.
    pub(super) owner: Option<String>,
    /// The day since which visitors are counted; `None` where they are not.
    pub(super) counts_since: Option<i32>,
    /// It is there no more; what was read of it stands.
    pub(super) gone: bool,
}

/// The projects of a run.
#[derive(Debug)]
pub(super) struct Projects {
    pub(super) team: Option<Team>,
    /// What the setting names; nothing where all are measured.
    named: Vec<String>,
    shelf: Shelf,
    before: Shelf,
}

impl Projects {
    /// Finds out which projects there are. That is asked once a run: by the newest days of the deployments, or by whoever
    /// comes first.
    pub(super) async fn resolve(ctx: &Context, reading: Reading, buckets: &Buckets) -> Result<Self, Error> {
        let Measured { team, projects: named } = Measured::parse(&ctx.settings)?;
        let kept = ctx.checkpoint(STREAM).await?;
        // What cannot be read any more is asked for again.
        let before: Shelf = kept.and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default();
        let mut projects = Self { team, named, shelf: before.clone(), before };
        let now = ctx.now.as_millisecond();
        let is_newest = reading == Reading::Builds && buckets.days.contains(ctx.today());
        let is_first = is_newest && buckets.grain == Interval::Day;
        if is_first || projects.shelf.seen_at_ms != now {
            let mut pages = api::projects(&ctx.http, projects.team.as_ref());
            let mut listed: Vec<ListedProject> = Vec::new();
            while let Some(page) = pages.next().await? {
                listed.extend(page.body.projects);
            }
            projects.shelf.take(listed);
            (projects.shelf.seen_at_ms, projects.shelf.read) = (now, None);
            ctx.commit(projects.keep(Batch::new())?).await?;
        }
        Ok(projects)
    }

    /// Adds what is to be kept to a batch, unless it is kept already.
    pub(super) fn keep(&mut self, batch: Batch) -> Result<Batch, Error> {
        if self.shelf == self.before {
            return Ok(batch);
        }
        let bytes = postcard::to_allocvec(&self.shelf)
            .map_err(|error| Error::internal(format!("writing a checkpoint: {error}")))?;
        self.before = self.shelf.clone();
        Ok(batch.checkpoint(STREAM, bytes))
    }

    /// Notes that this run has read the deployments of all days from one up to another. It goes from the newest to the
    /// oldest, and what it passes over has settled.
    pub(super) fn note_read(&mut self, first: Day, end: Day) {
        let (first, end) = (first.number(), end.number());
        let before = self.shelf.read.unwrap_or((first, end));
        self.shelf.read = Some((first.min(before.0), end.max(before.1)));
    }

    /// Whether this run has read the deployments of a day.
    pub(super) fn is_read(&self, day: Day) -> bool {
        self.shelf.read.is_some_and(|(first, end)| (first..end).contains(&day.number()))
    }

    /// The projects that are measured and there.
    pub(super) fn present(&self) -> impl Iterator<Item = &Project> {
        self.shelf.projects.iter().filter(|project| !project.gone && self.is_named(project))
    }

    /// The same, and those that are there no more.
    pub(super) fn ever(&self) -> impl Iterator<Item = &Project> {
        self.shelf.projects.iter().filter(|project| self.is_named(project))
    }

    /// Ids to ask for; none where all are measured.
    pub(super) fn ids(&self) -> Vec<&str> {
        if self.named.is_empty() { Vec::new() } else { self.present().map(|project| project.id.as_str()).collect() }
    }

    /// What the setting names and is not there, each with the reason.
    pub(super) fn missing(&self) -> Vec<(&str, Why)> {
        let missing = self.named.iter().filter(|name| self.shelf.find(name).is_none_or(|project| project.gone));
        missing.map(|name| (name.as_str(), Why::Failed(Error::not_found(not_found(name))))).collect()
    }

    /// The id of the project that is called so now.
    pub(super) fn called(&self, name: &str) -> Option<&str> {
        let mut present = self.shelf.projects.iter().filter(|project| !project.gone);
        present.rfind(|project| project.called == name).map(|project| project.id.as_str())
    }

    /// A project that a deployment names, also if the list of projects did not show it.
    pub(super) fn note(&mut self, id: &str, called: &str) {
        if self.shelf.projects.iter().all(|project| project.id != id) {
            let name = self.shelf.new_name(id, called);
            let (id, called) = (id.to_owned(), called.to_owned());
            self.shelf.projects.push(Project { id, name, called, owner: None, counts_since: None, gone: false });
        }
    }

    fn is_named(&self, project: &Project) -> bool {
        let is_it = |name: &String| self.shelf.find(name).is_some_and(|found| found.id == project.id);
        self.named.is_empty() || self.named.iter().any(is_it)
    }
}

/// The sentence for a project that is named and not there.
pub(super) fn not_found(name: &str) -> String {
    format!("projects: there is no project {name} that this token can see; correct the setting, or leave it out")
}

impl Shelf {
    /// The project that a user means. Whoever took the name of another does not go on with its series.
    fn find(&self, text: &str) -> Option<&Project> {
        let by = |is: fn(&Project, &str) -> bool| self.projects.iter().find(|project| is(project, text));
        by(|project, text| project.id == text || project.name == text)
            .or_else(|| by(|project, text| project.called == text))
    }

    /// Takes the present list over what was known.
    fn take(&mut self, listed: Vec<ListedProject>) {
        self.projects.iter_mut().for_each(|project| project.gone = true);
        for one in listed {
            let counts_since = counts_since(&one);
            let known = self.projects.iter().position(|project| project.id == one.id);
            let name = known.map_or_else(|| self.new_name(&one.id, &one.name), |at| self.projects[at].name.clone());
            let ListedProject { id, name: called, account_id: owner, .. } = one;
            let project = Project { id, name, called, owner, counts_since, gone: false };
            match known {
                Some(at) => self.projects[at] = project,
                None => self.projects.push(project),
            }
        }
        self.projects.sort_by(|one, other| one.id.cmp(&other.id));
    }

    fn new_name(&self, id: &str, called: &str) -> String {
        match self.projects.iter().any(|project| project.name == called) {
            true => format!("{called} ({id})"),
            false => called.to_owned(),
        }
    }
}

/// The day since which a project's visitors are counted, if they are.
pub(super) fn counts_since(project: &ListedProject) -> Option<i32> {
    let analytics = project.web_analytics.as_ref()?;
    let ended = analytics.disabled_at.max(analytics.canceled_at);
    let is_on = ended.is_none_or(|ended| analytics.enabled_at.is_some_and(|enabled| enabled > ended));
    let since = analytics.enabled_at.unwrap_or_default().div_euclid(86_400_000);
    is_on.then(|| i32::try_from(since).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(id: &str, name: &str, more: serde_json::Value) -> ListedProject {
        let mut json = json!({ "id": id, "name": name, "accountId": "team_1" });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    fn names(shelf: &Shelf) -> Vec<(&str, bool)> {
        shelf.projects.iter().map(|one| (one.name.as_str(), one.gone)).collect()
    }

    #[test]
    fn a_project_keeps_the_name_of_its_series_and_whoever_takes_that_name_gets_another() {
        let mut shelf = Shelf::default();
        shelf.take(vec![listed("prj_1", "site", json!({})), listed("prj_2", "app", json!({}))]);
        shelf.take(vec![listed("prj_1", "site-old", json!({})), listed("prj_3", "site", json!({}))]);
        assert_eq!(names(&shelf), [("site", false), ("app", true), ("site (prj_3)", false)]);
        assert_eq!(shelf.find("site").unwrap().id, "prj_1");
        assert_eq!(shelf.find("site-old").unwrap().id, "prj_1");
        assert_eq!(shelf.find("prj_3").unwrap().id, "prj_3");
        shelf.take(vec![listed("prj_2", "app", json!({}))]);
        assert_eq!(names(&shelf), [("site", true), ("app", false), ("site (prj_3)", true)]);
    }

    #[test]
    fn visitors_are_counted_until_that_is_switched_off() {
        let since = |more: serde_json::Value| counts_since(&listed("prj_1", "site", json!({ "webAnalytics": more })));
        assert_eq!(counts_since(&listed("prj_1", "site", json!({}))), None);
        assert_eq!(since(json!({ "id": "x", "enabledAt": 1_774_000_000_000_i64 })), Some(20_532));
        assert_eq!(since(json!({ "enabledAt": 1_774_000_000_000_i64, "disabledAt": 1_775_000_000_000_i64 })), None);
        assert_eq!(
            since(json!({ "enabledAt": 1_774_000_000_000_i64, "disabledAt": 1_773_000_000_000_i64 })),
            Some(20_532)
        );
        assert_eq!(since(json!({ "enabledAt": 5, "canceledAt": 1_775_000_000_000_i64 })), None);
        assert_eq!(since(json!({ "id": "x" })), Some(0));
    }
}
