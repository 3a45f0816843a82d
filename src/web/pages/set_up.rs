//! `/setup`: the first account, for whoever holds the link that `dashtray serve` printed.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};

use super::login::{Link, signed_in};
use crate::{
    app::App,
    users::{self, Account},
    web::{
        Error,
        auth::{Asking, Fields},
        cookies::Theme,
        frame::{Frame, render},
    },
};

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUp {
    frame: Frame,
    /// Empty: the link is none, and there is no form.
    token: String,
    email: String,
    name: String,
    errors: Errors,
}

/// What was wrong with which field.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<users::FieldError>);

impl Errors {
    /// The sentence on a field; empty where nothing is wrong.
    pub(super) fn of(&self, field: &str) -> &str {
        self.0.iter().find(|error| error.field == field).map_or("", |error| &error.message)
    }

    /// The fields that are wrong, or the error if it is not about fields.
    pub(super) fn from(error: users::Error) -> Result<Self, Error> {
        match error {
            users::Error::InvalidFields(fields) => Ok(Self(fields)),
            other => Err(other.into()),
        }
    }
}

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Query(link): Query<Link>,
) -> Result<Response, Error> {
    if !app.users.needs_set_up().await? {
        return Ok(Redirect::to("/login").into_response());
    }
    let token = link.token();
    let is_open = app.users.set_up_is_open(&token).await?;
    let token = if is_open { token.expose().to_owned() } else { String::new() };
    let status = if token.is_empty() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let frame = Frame::bare(Theme::chosen(&headers), "Set up Dashtray");
    let page = SetUp { frame, token, email: String::new(), name: String::new(), errors: Errors::default() };
    Ok((status, render(&page)?).into_response())
}

pub(super) async fn make(
    State(app): State<App>,
    headers: HeaderMap,
    Asking(browser): Asking,
    fields: Fields,
) -> Result<Response, Error> {
    let token = fields.secret("token");
    let account = account(&fields);
    match app.users.set_up(&token, account, browser).await {
        Ok(session) => Ok(signed_in(&app, &session, "/")),
        Err(error) => {
            let page = SetUp {
                frame: Frame::bare(Theme::chosen(&headers), "Set up Dashtray"),
                token: token.expose().to_owned(),
                email: fields.text("email").to_owned(),
                name: fields.text("name").to_owned(),
                errors: Errors::from(error)?,
            };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}

/// The account that a form asks for.
pub(super) fn account(fields: &Fields) -> Account {
    Account {
        email: fields.text("email").to_owned(),
        name: fields.text("name").to_owned(),
        password: fields.secret("password"),
    }
}
