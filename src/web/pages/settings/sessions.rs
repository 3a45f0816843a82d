//! `/settings/sessions`: the browsers that are signed in.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::Done;
use crate::{
    app::App,
    series::format,
    store::WebSession,
    web::{
        Error,
        auth::{Person, Posted, Viewer},
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "settings/sessions.html")]
struct Sessions {
    frame: Frame,
    bars: Bars,
    rows: Vec<Row>,
}

struct Row {
    id: i64,
    browser: String,
    address: String,
    seen: String,
    seen_at: String,
    signed_in: String,
    is_this: bool,
}

pub(in crate::web) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(done): Query<Done>,
) -> Result<Html<String>, Error> {
    let notice = match done.word() {
        "one" => Some("That browser is signed out."),
        "others" => Some("All other browsers are signed out."),
        _ => None,
    };
    let now = app.now();
    let own = viewer.session.session.id;
    let rows = app.users.sessions(&viewer.session.user).await?.iter().map(|one| row(one, own, now)).collect();
    let (frame, bars) = framed(&viewer, Section::Settings, "Sessions");
    render(&Sessions { frame, bars: bars.with_notice(notice), rows })
}

fn row(session: &WebSession, own: i64, now: Timestamp) -> Row {
    Row {
        id: session.id,
        browser: browser(&session.agent),
        address: session.address.clone(),
        seen: format::age(session.last_seen_at, now),
        seen_at: format::instant(session.last_seen_at),
        signed_in: format::instant(session.created_at),
        is_this: session.id == own,
    }
}

/// What people call a browser, out of what it calls itself. Each claims to be those before it, too.
fn browser(agent: &str) -> String {
    let first =
        |known: &[(&str, &'static str)]| known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let name = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown browser".to_owned(),
    }
}

pub(in crate::web) async fn end(posted: Posted<Person>) -> Result<Response, Error> {
    let (app, session) = (&posted.app, &posted.viewer.session);
    // A number that is none, or somebody else's, ends nothing.
    let id = posted.fields.text("session").parse().map_err(|_| Error::NotFound)?;
    if !app.users.end(&session.user, id).await? {
        return Err(Error::NotFound);
    }
    let next = if id == session.session.id { "/login" } else { "/settings/sessions?done=one" };
    Ok(Redirect::to(next).into_response())
}

pub(in crate::web) async fn end_others(posted: Posted<Person>) -> Result<Redirect, Error> {
    posted.app.users.end_others(&posted.viewer.session).await?;
    Ok(Redirect::to("/settings/sessions?done=others"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_what_people_call_it() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(browser(&format!("{chrome} Edg/156.0")), "Edge on Linux");
        assert_eq!(browser("curl/8"), "curl");
        assert_eq!(browser("<b>"), "Unknown browser");
    }
}
