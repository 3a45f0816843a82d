//! `/settings/audit`: who did what in the project, for its owners.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Html,
};
use serde::Deserialize;
use serde_json::Value as Json;
use url::form_urlencoded;

use crate::{
    app::App,
    series::format,
    store::{Action, ActionGroup, AuditQuery, AuditRow},
    users::Permission,
    web::{
        Error,
        auth::Viewer,
        frame::{Bars, Frame, Section, framed, render},
    },
};

/// Entries of a page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "settings/audit.html")]
struct Audit {
    frame: Frame,
    bars: Bars,
    rows: Vec<Row>,
    groups: [(ActionGroup, &'static str); 6],
    what: Option<ActionGroup>,
    who: String,
    is_filtered: bool,
    /// Where the page is that goes on; empty on the last one.
    older: String,
    /// Where the newest are, from a later page.
    newest: String,
}

impl Audit {
    fn is_chosen(&self, group: &ActionGroup) -> bool {
        self.what == Some(*group)
    }
}

struct Row {
    label: String,
    subject: String,
    details: String,
    who: String,
    address: String,
    at: String,
    age: String,
    is_bad: bool,
}

#[derive(Deserialize)]
pub(in crate::web) struct Asked {
    #[serde(default)]
    what: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    before: String,
}

pub(in crate::web) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    viewer.may(Permission::Audit)?;
    let who: String = asked.who.trim().chars().take(100).collect();
    let what = ActionGroup::ALL.into_iter().find(|group| group.name() == asked.what);
    let query = AuditQuery {
        project_id: Some(viewer.project.id),
        group: what,
        text: who.clone(),
        // What is no place begins at the newest.
        before: asked.before.parse().ok(),
        limit: u32::try_from(PAGE + 1).unwrap_or(u32::MAX),
    };
    let mut found = app.users.audit(&query).await?;
    let is_more = found.len() > PAGE;
    found.truncate(PAGE);
    let address = |before: Option<&AuditRow>| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("what", &asked.what).append_pair("who", &query.text);
        if let Some(before) = before {
            pairs.append_pair("before", &before.id.to_string());
        }
        format!("/settings/audit?{}", pairs.finish())
    };
    let (frame, bars) = framed(&viewer, Section::Settings, "Audit log");
    let now = app.now();
    let row = |one: &AuditRow| Row {
        label: label(&one.action),
        subject: one.subject.clone(),
        details: details(&one.details),
        who: who_of(one),
        address: one.address.clone(),
        at: format::instant(one.at),
        age: format::age(one.at, now),
        is_bad: one.action == Action::SignInFailed.name(),
    };
    render(&Audit {
        frame,
        bars,
        rows: found.iter().map(row).collect(),
        groups: [
            (ActionGroup::SignIns, "Sign-ins and passwords"),
            (ActionGroup::People, "People"),
            (ActionGroup::ApiKeys, "API keys"),
            (ActionGroup::Connections, "Connections"),
            (ActionGroup::Dashboards, "Dashboards"),
            (ActionGroup::Project, "Project"),
        ],
        what,
        is_filtered: what.is_some() || !who.is_empty(),
        who,
        older: found.last().filter(|_| is_more).map(|last| address(Some(last))).unwrap_or_default(),
        newest: if query.before.is_some() { address(None) } else { String::new() },
    })
}

/// What was done, in words; the word itself where a newer version has written it.
fn label(action: &str) -> String {
    let known = Action::ALL.iter().find(|known| known.name() == action);
    known.map_or_else(|| action.to_owned(), |known| known.label().to_owned())
}

fn who_of(row: &AuditRow) -> String {
    match row.actor_kind.as_str() {
        "api_key" => format!("API key {}", row.actor),
        "visitor" => "Somebody who was not signed in".to_owned(),
        "command_line" => "The command line".to_owned(),
        _ => row.actor.clone(),
    }
}

/// `{"from": "viewer", "to": "editor"}` as people say it: "from viewer, to editor".
fn details(details: &Json) -> String {
    let word = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Array(list) => list.iter().map(|one| one.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" and "),
        other => other.to_string(),
    };
    let pairs = details.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{} {}", name.replace('_', " "), word(value))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_read_like_a_sentence() {
        assert_eq!(details(&json!({"from": "viewer", "to": "editor"})), "from viewer, to editor");
        assert_eq!(details(&json!({"settings": ["discounts", "past_due"]})), "settings discounts and past_due");
        assert_eq!(details(&json!({"browsers": 2})), "browsers 2");
        assert_eq!((details(&json!({})), details(&json!(null))), (String::new(), String::new()));
        assert_eq!((label("signed_in").as_str(), label("of_tomorrow").as_str()), ("Signed in", "of_tomorrow"));
    }
}
