//! `/dashboards`: all of them, and a further one.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};

use crate::{
    app::App,
    store::{self, Dashboard, NewDashboard},
    users::Permission,
    web::{
        Error,
        auth::{Posted, Viewer},
        board::{
            dates::{Tab, tabs},
            read::Board,
        },
        frame::{Bars, Frame, Section, framed, render},
    },
};

/// Letters that a name has at most.
pub(super) const LONGEST_NAME: usize = 60;
/// Dashboards that a project has at most.
const MOST: usize = 50;

#[derive(Template)]
#[template(path = "dashboards.html")]
struct Page {
    frame: Frame,
    bars: Bars,
    tabs: Vec<Tab>,
    dashboards: Vec<Dashboard>,
    may_change: bool,
    name: String,
    error: String,
}

async fn page(app: &App, viewer: &Viewer) -> Result<Page, Error> {
    let board = Board::open(app, viewer, &BTreeMap::new()).await?;
    let dashboards = board.dashboards(app).await?;
    let (frame, bars) = framed(viewer, Section::Overview, "Dashboards");
    Ok(Page {
        frame,
        bars,
        tabs: tabs(&dashboards, None, ""),
        dashboards,
        may_change: viewer.can(Permission::EditDashboards),
        name: String::new(),
        error: String::new(),
    })
}

pub(super) async fn show(State(app): State<App>, viewer: Viewer) -> Result<Html<String>, Error> {
    render(&page(&app, &viewer).await?)
}

pub(super) async fn make(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::EditDashboards)?;
    let typed = fields.text("name");
    let refuse = async |error: String| {
        let name = typed.chars().take(200).collect();
        let page = Page { name, error, ..page(&app, &viewer).await? };
        Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
    };
    let name = match checked_name(typed) {
        Ok(name) => name,
        Err(error) => return refuse(error).await,
    };
    if app.store.dashboards(viewer.project.id).await?.len() >= MOST {
        return refuse(format!("A project has at most {MOST} dashboards. Remove one first.")).await;
    }
    let slug = slug_of(&name, &app);
    let new = NewDashboard { slug: slug.clone(), name: name.clone(), integration_id: None, widgets: Vec::new() };
    match app.store.insert_dashboard(viewer.project.id, &new, app.now()).await {
        Ok(_) => Ok(Redirect::to(&format!("/d/{slug}/edit")).into_response()),
        Err(store::Error::Conflict(_)) => refuse("There is a dashboard of that name. Choose another one.".into()).await,
        Err(error) => Err(error.into()),
    }
}

/// A name without blanks around it, or what is wrong with it.
pub(super) fn checked_name(typed: &str) -> Result<String, String> {
    let name = typed.trim();
    if name.is_empty() {
        return Err("Give it a name.".to_owned());
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(format!("Use at most {LONGEST_NAME} letters."));
    }
    if name.chars().any(char::is_control) {
        return Err("Use letters, digits and signs alone.".to_owned());
    }
    Ok(name.to_owned())
}

/// What it is called in addresses: never as an integration's own dashboard.
fn slug_of(name: &str, app: &App) -> String {
    let letters = name.to_lowercase();
    let words: Vec<&str> =
        letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let slug = words.join("-");
    let is_taken = app.registry.descriptors().any(|descriptor| descriptor.id == slug);
    if slug.is_empty() || is_taken { format!("own-{slug}").trim_end_matches('-').to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_say_something() {
        assert_eq!(checked_name("  Board <b> ").unwrap(), "Board <b>");
        for bad in ["", "  ", "a\u{0}b", &"x".repeat(61)] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
    }
}
