//! `/login`: in and out.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    app::App,
    secret::Secret,
    users,
    web::{
        Error,
        auth::{Asking, Fields, Person, Posted},
        cookies::{self, Theme},
        frame::{Frame, render},
    },
};

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    frame: Frame,
    email: String,
    next: String,
    error: String,
    /// There is no account yet.
    needs_set_up: bool,
}

#[derive(Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// The page of a link that signs in. Looking at it uses nothing up: programs look at links before people do.
#[derive(Template)]
#[template(path = "login_link.html")]
struct LinkPage {
    frame: Frame,
    token: String,
}

/// What a link that works once holds.
#[derive(Deserialize)]
pub(super) struct Link {
    token: Option<Secret>,
}

impl Link {
    /// Empty, and good for nothing, where there is none.
    pub(super) fn token(self) -> Secret {
        self.token.unwrap_or_else(|| Secret::new(""))
    }
}

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Query(asked): Query<Next>,
) -> Result<Response, Error> {
    let next = own_page(asked.next.as_deref().unwrap_or_default());
    if let Some(token) = cookies::session(&headers, &app.config)
        && app.users.session(&token).await?.is_some()
    {
        return Ok(Redirect::to(next).into_response());
    }
    let page = Login {
        frame: Frame::bare(Theme::chosen(&headers), "Sign in"),
        email: String::new(),
        next: next.to_owned(),
        error: String::new(),
        needs_set_up: app.users.needs_set_up().await?,
    };
    Ok(render(&page)?.into_response())
}

pub(super) async fn sign_in(
    State(app): State<App>,
    headers: HeaderMap,
    Asking(browser): Asking,
    fields: Fields,
) -> Result<Response, Error> {
    let (email, next) = (fields.text("email"), own_page(fields.text("next")));
    let refused = match app.users.sign_in(email, &fields.secret("password"), browser).await {
        Ok(session) => return Ok(signed_in(&app, &session, next)),
        Err(refused @ (users::Error::WrongPassword | users::Error::TooMany(_))) => refused,
        Err(error) => return Err(error.into()),
    };
    let page = Login {
        frame: Frame::bare(Theme::chosen(&headers), "Sign in"),
        email: email.chars().take(254).collect(),
        next: next.to_owned(),
        error: refused.to_string(),
        needs_set_up: false,
    };
    let page = render(&page)?;
    Ok(match refused {
        users::Error::TooMany(wait) => {
            let wait = [(header::RETRY_AFTER, wait.as_secs().max(1).to_string())];
            (StatusCode::TOO_MANY_REQUESTS, wait, page).into_response()
        }
        _ => (StatusCode::UNAUTHORIZED, page).into_response(),
    })
}

pub(super) async fn link(
    State(app): State<App>,
    headers: HeaderMap,
    Query(link): Query<Link>,
) -> Result<Html<String>, Error> {
    let token = link.token();
    if !app.users.sign_in_link_is_open(&token).await? {
        return Err(users::Error::LinkUsed.into());
    }
    let frame = Frame::bare(Theme::chosen(&headers), "Sign in");
    render(&LinkPage { frame, token: token.expose().to_owned() })
}

pub(super) async fn by_link(
    State(app): State<App>,
    Asking(browser): Asking,
    fields: Fields,
) -> Result<Response, Error> {
    let session = app.users.sign_in_by_link(&fields.secret("token"), browser).await?;
    Ok(signed_in(&app, &session, "/"))
}

pub(super) async fn sign_out(posted: Posted<Person>) -> Result<Response, Error> {
    let (app, session) = (&posted.app, &posted.viewer.session);
    app.users.end(&session.user, session.session.id).await?;
    let mut answer = Redirect::to("/login").into_response();
    answer.headers_mut().extend(cookies::clear_session(&app.config).map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(answer)
}

/// On to a page, with the cookie.
pub(super) fn signed_in(app: &App, session: &Secret, next: &str) -> Response {
    let mut answer = Redirect::to(next).into_response();
    answer.headers_mut().extend(cookies::set_session(session, &app.config).map(|cookie| (header::SET_COOKIE, cookie)));
    answer
}

/// Only a page of ours: `//evil.example.com` and `/\evil` are addresses elsewhere.
fn own_page(next: &str) -> &str {
    let rest = next.strip_prefix('/').unwrap_or("//");
    let is_own =
        !rest.starts_with(['/', '\\']) && !next.contains(|c: char| c.is_control() || c == '\\' || !c.is_ascii());
    if is_own && next.len() < 2000 { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_follow_a_sign_in() {
        assert_eq!(own_page("/m/stripe_mrr?range=30d"), "/m/stripe_mrr?range=30d");
        for foreign in ["", "https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "/a\r\nx: y", "/ä"]
        {
            assert_eq!(own_page(foreign), "/", "{foreign}");
        }
    }
}
