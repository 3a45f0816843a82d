//! `/settings/people`: who is in the project, as what, and who is invited.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{super::set_up::Errors, Done};
use crate::{
    app::App,
    series::format,
    store::{Invitation, Member, Project, Role},
    users::{self, MadeInvitation, Permission},
    web::{
        Error,
        auth::{Posted, Viewer},
        frame::{Bars, Frame, Section, base, framed, render},
    },
};

#[derive(Template)]
#[template(path = "settings/people.html")]
struct People {
    frame: Frame,
    bars: Bars,
    members: Vec<Row>,
    invitations: Vec<Open>,
    may_manage: bool,
    /// The link that was just made; shown this once.
    made: Option<Made>,
    /// Why something was not done.
    refusal: String,
    roles: [Role; 3],
    role: Role,
    email: String,
    errors: Errors,
}

struct Row {
    id: i64,
    name: String,
    email: String,
    role: Role,
    is_self: bool,
    is_last_owner: bool,
}

struct Open {
    id: String,
    role: &'static str,
    email: Option<String>,
    made: String,
    by: Option<String>,
    until: String,
}

struct Made {
    link: String,
    email: Option<String>,
    until: String,
}

async fn page(app: &App, viewer: &Viewer) -> Result<People, Error> {
    let (frame, bars) = framed(viewer, Section::Settings, "People");
    let members = app.users.members(&viewer.project).await?;
    let owners = members.iter().filter(|member| member.role == Role::Owner).count();
    let may_manage = viewer.can(Permission::ManagePeople);
    // An invitation says whom an owner has in mind: the others need not know.
    let invitations = if may_manage { app.users.invitations(&viewer.project).await? } else { Vec::new() };
    let row = |Member { user, role }: Member| Row {
        id: user.id,
        is_self: user.id == viewer.session.user.id,
        is_last_owner: role == Role::Owner && owners == 1,
        name: user.name,
        email: user.email,
        role,
    };
    let now = app.now();
    let open = |one: Invitation| Open {
        id: one.id.to_string(),
        role: one.role.name(),
        email: one.email,
        made: format::age(one.created_at, now),
        by: one.by,
        until: format::instant(one.expires_at),
    };
    Ok(People {
        frame,
        bars,
        members: members.into_iter().map(row).collect(),
        invitations: invitations.into_iter().map(open).collect(),
        may_manage,
        made: None,
        refusal: String::new(),
        roles: Role::ALL,
        role: Role::Viewer,
        email: String::new(),
        errors: Errors::default(),
    })
}

pub(in crate::web) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(done): Query<Done>,
) -> Result<Html<String>, Error> {
    viewer.may(Permission::Look)?;
    let notice = match done.word() {
        "role" => Some("They have another role from now on."),
        "removed" => Some("They see nothing of this project any more."),
        "revoked" => Some("The invitation lets nobody in any more."),
        _ => None,
    };
    let page = page(&app, &viewer).await?;
    let bars = page.bars.clone().with_notice(notice);
    render(&People { bars, ..page })
}

/// The link is in this one answer and in no address of ours: it must not lie in a browser's history before it is used.
pub(in crate::web) async fn invite(headers: HeaderMap, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManagePeople)?;
    let role = fields.text("role").parse().map_err(|message: &str| Error::BadRequest(message.to_owned()))?;
    match app.users.invite(&viewer.project, role, fields.text("email")).await {
        Ok(MadeInvitation { invitation, token }) => {
            let link = format!("{}/invitation?token={}", base(&app.config, &headers), token.expose());
            let until = format::instant(invitation.expires_at);
            let made = Some(Made { link, email: invitation.email, until });
            Ok(render(&People { made, ..page(&app, &viewer).await? })?.into_response())
        }
        Err(error) => {
            let email = fields.text("email").chars().take(200).collect();
            let page = People { errors: Errors::from(error)?, role, email, ..page(&app, &viewer).await? };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}

pub(in crate::web) async fn revoke(posted: Posted) -> Result<Redirect, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManagePeople)?;
    app.users.revoke_invitation(&viewer.project, fields.text("invitation")).await?;
    Ok(Redirect::to("/settings/people?done=revoked"))
}

pub(in crate::web) async fn set_role(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManagePeople)?;
    let role = fields.text("role").parse().map_err(|message: &str| Error::BadRequest(message.to_owned()))?;
    let changed = app.users.set_role(&viewer.project, number(fields.text("user"))?, role).await;
    settled(&app, &viewer, changed, "/settings/people?done=role").await
}

pub(in crate::web) async fn remove(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManagePeople)?;
    let removed = app.users.remove(&viewer.project, number(fields.text("user"))?).await;
    settled(&app, &viewer, removed, "/settings/people?done=removed").await
}

/// Everybody may go. The project that they leave is named, since another tab may have turned to another one.
pub(in crate::web) async fn leave(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::Look)?;
    let Project { slug, .. } = &viewer.project;
    if fields.text("project") != slug {
        return Err(Error::Conflict(format!("{slug} is shown now. Look at the page again before you leave.")));
    }
    let left = app.users.remove(&viewer.project, viewer.session.user.id).await;
    settled(&app, &viewer, left, "/").await
}

/// On to a page; or the same page with the reason why a project keeps its last owner.
async fn settled(app: &App, viewer: &Viewer, result: Result<(), users::Error>, next: &str) -> Result<Response, Error> {
    match result {
        Ok(()) => Ok(Redirect::to(next).into_response()),
        Err(error @ users::Error::LastOwner) => {
            let page = People { refusal: error.to_string(), ..page(app, viewer).await? };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn number(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::NotFound)
}
