//! `/settings/account`: who one is, and the password.

use askama::Template;
use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{super::set_up::Errors, Done};
use crate::web::{
    Error,
    auth::{Posted, Viewer},
    frame::{Bars, Frame, Section, framed, render},
};

#[derive(Template)]
#[template(path = "settings/account.html")]
struct Account {
    frame: Frame,
    bars: Bars,
    has_password: bool,
    errors: Errors,
}

pub(in crate::web) async fn show(viewer: Viewer, Query(done): Query<Done>) -> Result<Response, Error> {
    let notice = (done.word() == "password").then_some("Your password is changed. Other browsers are signed out.");
    let (frame, bars) = framed(&viewer, Section::Settings, "Account");
    let has_password = viewer.session.user.password_hash.is_some();
    let page = Account { frame, bars: bars.with_notice(notice), has_password, errors: Errors::default() };
    Ok(render(&page)?.into_response())
}

pub(in crate::web) async fn change(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    let (old, new) = (fields.secret("password"), fields.secret("new_password"));
    match app.users.change_password(&viewer.session, &old, &new).await {
        Ok(()) => Ok(Redirect::to("/settings/account?done=password").into_response()),
        Err(error) => {
            let errors = Errors::from(error)?;
            let (frame, bars) = framed(&viewer, Section::Settings, "Account");
            let page = Account { frame, bars, has_password: viewer.session.user.password_hash.is_some(), errors };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}
