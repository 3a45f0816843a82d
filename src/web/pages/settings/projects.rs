//! `/settings/projects`: the project that is shown, and further ones.

use askama::Template;
use axum::{
    extract::Query,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{super::set_up::Errors, Done};
use crate::{
    users::Permission,
    web::{
        Error,
        auth::{Fields, Posted, Viewer},
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "settings/projects.html")]
struct Projects {
    frame: Frame,
    bars: Bars,
    zone: String,
    currency: String,
    is_owner: bool,
    errors: Errors,
    /// What was typed for a further project.
    new: New,
}

#[derive(Default)]
struct New {
    slug: String,
    zone: String,
    currency: String,
    errors: Errors,
}

fn page(viewer: &Viewer, notice: Option<&str>) -> Projects {
    let (frame, bars) = framed(viewer, Section::Settings, "Projects");
    Projects {
        frame,
        bars: bars.with_notice(notice),
        zone: viewer.project.zone.name().to_owned(),
        currency: viewer.project.currency.to_string(),
        is_owner: viewer.can(Permission::ManageProject),
        errors: Errors::default(),
        new: New {
            zone: viewer.project.zone.name().to_owned(),
            currency: viewer.project.currency.to_string(),
            ..New::default()
        },
    }
}

pub(in crate::web) async fn show(viewer: Viewer, Query(done): Query<Done>) -> Result<Html<String>, Error> {
    let notice = match done.word() {
        "changed" => Some("Saved. Connections that exist keep the zone they were made with."),
        "made" => Some("The project is made, and shown from now on."),
        _ => None,
    };
    render(&page(&viewer, notice))
}

pub(in crate::web) async fn change(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    let membership = viewer.session.membership().ok_or(Error::NotFound)?;
    match app.users.change_project(membership, fields.text("zone"), fields.text("currency")).await {
        Ok(()) => Ok(Redirect::to("/settings/projects?done=changed").into_response()),
        Err(error) => {
            let page = Projects {
                errors: Errors::from(error)?,
                zone: typed(&fields, "zone"),
                currency: typed(&fields, "currency"),
                ..page(&viewer, None)
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}

pub(in crate::web) async fn make(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManageProject)?;
    let (slug, zone, currency) = (fields.text("new-slug"), fields.text("new-zone"), fields.text("new-currency"));
    match app.users.make_project(&viewer.session, slug, zone, currency).await {
        Ok(()) => Ok(Redirect::to("/settings/projects?done=made").into_response()),
        Err(error) => {
            let new = New {
                slug: typed(&fields, "new-slug"),
                zone: typed(&fields, "new-zone"),
                currency: typed(&fields, "new-currency"),
                errors: Errors::from(error)?,
            };
            let page = Projects { new, ..page(&viewer, None) };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}

pub(in crate::web) async fn choose(posted: Posted) -> Result<Redirect, Error> {
    let Posted { app, viewer, fields } = posted;
    if !app.users.choose_project(&viewer.session, fields.text("project")).await? {
        return Err(Error::NotFound);
    }
    Ok(Redirect::to("/"))
}

/// What was typed, short enough to be shown again.
fn typed(fields: &Fields, name: &str) -> String {
    fields.text(name).chars().take(200).collect()
}
