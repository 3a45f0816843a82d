//! `/invitation`: into a project, for whoever holds the link that an owner made. Looking at it uses nothing up.

use askama::Template;
use axum::{
    extract::{FromRequestParts, Query, State},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
};
use url::form_urlencoded;

use super::{
    login::{Link, signed_in},
    set_up::{Errors, account},
};
use crate::{
    app::App,
    secret::Secret,
    store::{Actor, Invitation, Project},
    users::{self, Session},
    web::{
        Error,
        auth::{Asking, Fields, Person, Posted},
        cookies::Theme,
        frame::{Frame, render},
    },
};

#[derive(Template)]
#[template(path = "invitation.html")]
struct Page {
    frame: Frame,
    project: String,
    role: &'static str,
    sentence: &'static str,
    token: String,
    /// The address that it is for alone; empty for whoever has the link.
    only: String,
    reader: Reader,
    /// Where a sign-in leads to that leads back here.
    sign_in: String,
    name: String,
    email: String,
    errors: Errors,
}

/// Who looks at it.
enum Reader {
    /// Nobody is signed in.
    Stranger,
    /// Somebody who may come in.
    Invited { name: String, csrf: String },
    /// It is for somebody else.
    Another { email: String, csrf: String },
    /// Somebody who is in already.
    Member,
}

impl Reader {
    fn of(session: &Session, invitation: &Invitation, project: &Project) -> Self {
        let (user, csrf) = (&session.user, session.session.csrf.clone());
        if session.memberships.iter().any(|one| one.project.id == project.id) {
            return Self::Member;
        }
        match &invitation.email {
            Some(email) if *email != user.email => Self::Another { email: user.email.clone(), csrf },
            _ => Self::Invited { name: user.name.clone(), csrf },
        }
    }
}

/// Who is signed in, if anybody is.
pub(in crate::web) struct MaybePerson(Option<Person>);

impl FromRequestParts<App> for MaybePerson {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Ok(Self(Person::of(parts, app).await.map_err(IntoResponse::into_response)?))
    }
}

async fn page(app: &App, headers: &HeaderMap, token: &Secret, session: Option<&Session>) -> Result<Page, Error> {
    let (invitation, project) = app.users.invitation(token).await?;
    let back: String = form_urlencoded::Serializer::new(String::new()).append_pair("token", token.expose()).finish();
    let next: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("next", &format!("/invitation?{back}")).finish();
    Ok(Page {
        frame: Frame::bare(Theme::chosen(headers), format!("Join {}", project.slug)),
        role: invitation.role.name(),
        sentence: invitation.role.sentence(),
        token: token.expose().to_owned(),
        reader: session.map_or(Reader::Stranger, |session| Reader::of(session, &invitation, &project)),
        only: invitation.email.unwrap_or_default(),
        sign_in: format!("/login?{next}"),
        project: project.slug,
        name: String::new(),
        email: String::new(),
        errors: Errors::default(),
    })
}

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    MaybePerson(person): MaybePerson,
    Query(link): Query<Link>,
) -> Result<Html<String>, Error> {
    let session = person.as_ref().map(|person| &person.session);
    render(&page(&app, &headers, &link.token(), session).await?)
}

/// Makes an account for it.
pub(super) async fn make(
    State(app): State<App>,
    headers: HeaderMap,
    Asking(browser): Asking,
    fields: Fields,
) -> Result<Response, Error> {
    let app = app.acting(Actor::Visitor { address: browser.address.clone() });
    let token = fields.secret("token");
    let account = account(&fields);
    match app.users.accept_as(&token, account, browser).await {
        Ok(session) => Ok(signed_in(&app, &session, "/")),
        Err(error) => {
            let typed = |name: &str| fields.text(name).chars().take(254).collect::<String>();
            let (name, email, errors) = (typed("name"), typed("email"), Errors::from(error)?);
            let page = Page { name, email, errors, ..page(&app, &headers, &token, None).await? };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}

/// Lets somebody in who has an account.
pub(super) async fn join(headers: HeaderMap, posted: Posted<Person>) -> Result<Response, Error> {
    let Posted { app, viewer: Person { session, .. }, fields } = posted;
    let token = fields.secret("token");
    match app.users.accept(&token, &session).await {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        // The page says it in words.
        Err(users::Error::MemberAlready(_) | users::Error::InvitationOfAnother(_)) => {
            let page = page(&app, &headers, &token, Some(&session)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}
