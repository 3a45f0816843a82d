//! `dashtray user`

use std::path::PathBuf;

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    credentials::read_password,
    failure::{Done, Failure},
    output::{instant, table, text},
};
use crate::{
    app::App,
    store::{Invitation, Membership, Role, User},
    users::Account,
};

/// The people who may sign in
///
/// The first account is made in the browser, with the link that `dashtray serve` prints. Passwords are asked for at the
/// terminal, or read from a file or from stdin (-); never from arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray user list\n  \
    dashtray user add ada@example.com --name Ada\n  \
    dashtray user add ada@example.com --project shop --role viewer\n  \
    dashtray user invite --role editor\n  \
    dashtray user role ada@example.com owner --project shop\n  \
    dashtray user remove ada@example.com --project shop\n  \
    dashtray user reset-password ada@example.com\n  \
    dashtray user link ada@example.com")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show all of them
    List,
    /// Add somebody, or let somebody who has an account see a further project
    Add {
        /// Their e-mail address
        #[arg(value_name = "EMAIL")]
        email: String,
        /// What pages call them
        #[arg(long, value_name = "NAME", default_value = "")]
        name: String,
        /// owner, editor or viewer
        #[arg(long, value_name = "ROLE", default_value = "owner")]
        role: Role,
        #[command(flatten)]
        project: ProjectArg,
        #[command(flatten)]
        password: PasswordArg,
    },
    /// Print a link that lets one person into a project, within seven days
    ///
    /// Whoever opens it signs in or makes an account. Dashtray sends no mail: hand the link on yourself.
    Invite {
        /// owner, editor or viewer
        #[arg(long, value_name = "ROLE", default_value = "viewer")]
        role: Role,
        /// For this address alone [default: for whoever opens the link first]
        #[arg(long, value_name = "EMAIL", default_value = "", hide_default_value = true)]
        email: String,
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Show the invitations that still work, or revoke one
    Invitations {
        /// Make this one useless
        #[arg(long, value_name = "ID")]
        revoke: Option<String>,
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Give somebody another role in a project
    ///
    /// A viewer looks; an editor connects services and makes dashboards, too; an owner does everything.
    Role {
        /// Their e-mail address
        #[arg(value_name = "EMAIL")]
        email: String,
        /// owner, editor or viewer
        #[arg(value_name = "ROLE")]
        role: Role,
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Take somebody out of a project, at once and everywhere
    ///
    /// Their account stays, and so do their other projects. API keys that they know go on working: revoke those.
    Remove {
        /// Their e-mail address
        #[arg(value_name = "EMAIL")]
        email: String,
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Give somebody another password and sign out all their browsers
    ResetPassword {
        /// Their e-mail address
        #[arg(value_name = "EMAIL")]
        email: String,
        #[command(flatten)]
        password: PasswordArg,
    },
    /// Print a link that signs somebody in, once, within a day
    Link {
        /// Their e-mail address
        #[arg(value_name = "EMAIL")]
        email: String,
    },
}

#[derive(Debug, clap::Args)]
struct PasswordArg {
    /// Read the password from this file, or from stdin (-)
    #[arg(long, value_name = "FILE")]
    password: Option<PathBuf>,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    match args.command {
        Command::List => {
            let mut users = Vec::new();
            for user in app.users.all().await? {
                let seen = app.users.memberships(&user).await?;
                users.push((user, seen));
            }
            let view = json!({"users": users.iter().map(listed).collect::<Vec<_>>()});
            invocation.out.show(&view, |_| human(&users))?;
        }
        Command::Add { email, name, role, project, password } => {
            let project = app.connections.project(&project.project).await?;
            if let Ok(known) = app.users.find(&email).await
                && app.users.join(&known, &project, role).await?
            {
                invocation.out.show(&view(&known), |_| format!("{} sees {} now, too.", known.email, project.slug))?;
                return Ok(Done::All);
            }
            let password = read_password(password.password.as_deref())?;
            let added = app.users.add(Account { email, name, password }, &project, role).await?;
            invocation.out.show(&view(&added), |_| format!("{} may sign in now.", added.email))?;
        }
        Command::Invite { role, email, project } => {
            let project = app.connections.project(&project.project).await?;
            let made = app.users.invite(&project, role, &email).await?;
            let url = format!("{}/invitation?token={}", address(&app).trim_end_matches('/'), made.token.expose());
            let mut view = json!(made.invitation);
            view["url"] = url.as_str().into();
            invocation.out.show(&view, |_| url.clone())?;
        }
        Command::Invitations { revoke, project } => {
            let project = app.connections.project(&project.project).await?;
            if let Some(id) = revoke {
                app.users.revoke_invitation(&project, &id).await?;
            }
            let open = app.users.invitations(&project).await?;
            invocation.out.show(&json!({"invitations": open}), |_| human_invitations(&open))?;
        }
        Command::Role { email, role, project } => {
            let project = app.connections.project(&project.project).await?;
            let user = app.users.find(&email).await?;
            app.users.set_role(&project, user.id, role).await?;
            let view = json!({"email": user.email, "project": project.slug, "role": role});
            invocation.out.show(&view, |_| format!("{} is {} of {} now.", user.email, role.name(), project.slug))?;
        }
        Command::Remove { email, project } => {
            let project = app.connections.project(&project.project).await?;
            let user = app.users.find(&email).await?;
            app.users.remove(&project, user.id).await?;
            let view = json!({"email": user.email, "project": project.slug});
            invocation.out.show(&view, |_| format!("{} sees nothing of {} any more.", user.email, project.slug))?;
        }
        Command::ResetPassword { email, password } => {
            let user = app.users.find(&email).await?;
            app.users.reset_password(&user, &read_password(password.password.as_deref())?).await?;
            let sentence = format!("{} has a new password. All their browsers are signed out.", user.email);
            invocation.out.show(&view(&user), |_| sentence)?;
        }
        Command::Link { email } => {
            let user = app.users.find(&email).await?;
            let url = sign_in_url(&app, &user, &address(&app)).await?;
            invocation.out.show(&json!({"url": url}), |_| url.clone())?;
        }
    }
    Ok(Done::All)
}

/// Where people reach Dashtray, as far as the configuration says.
fn address(app: &App) -> String {
    match &app.config.public_url {
        Some(url) => url.to_string(),
        None => format!("http://{}", app.config.listen),
    }
}

/// A link that signs somebody in, once.
pub(super) async fn sign_in_url(app: &App, user: &User, base: &str) -> Result<String, Failure> {
    let token = app.users.sign_in_token(user).await?;
    Ok(format!("{}/login/link?token={}", base.trim_end_matches('/'), token.expose()))
}

/// The link for the first account; `None` when there is one already.
pub(super) async fn set_up_url(app: &App, base: &str) -> Result<Option<String>, Failure> {
    let token = app.users.set_up_token().await?;
    Ok(token.map(|token| format!("{}/setup?token={}", base.trim_end_matches('/'), token.expose())))
}

fn view(user: &User) -> serde_json::Value {
    json!({"email": user.email, "name": user.name, "created_at": user.created_at})
}

/// The same with what they see.
fn listed((user, seen): &(User, Vec<Membership>)) -> serde_json::Value {
    let mut shown = view(user);
    shown["projects"] = seen.iter().map(|one| json!({"project": one.project.slug, "role": one.role})).collect();
    shown
}

fn human(users: &[(User, Vec<Membership>)]) -> String {
    if users.is_empty() {
        return "Nobody yet. `dashtray serve` prints the link that makes the first account.".to_owned();
    }
    let mut rows = table(&["email", "name", "since", "projects"]);
    for (user, seen) in users {
        let seen: Vec<String> = seen.iter().map(|one| format!("{} ({})", one.project.slug, one.role.name())).collect();
        let seen = if seen.is_empty() { "-".to_owned() } else { seen.join(", ") };
        rows.add_row([user.email.clone(), user.name.clone(), instant(Some(user.created_at)), seen]);
    }
    text(&rows)
}

fn human_invitations(open: &[Invitation]) -> String {
    if open.is_empty() {
        return "No open invitations. `dashtray user invite` makes one.".to_owned();
    }
    let mut rows = table(&["for", "role", "by", "works until", "id"]);
    for one in open {
        rows.add_row([
            one.email.clone().unwrap_or_else(|| "whoever has the link".to_owned()),
            one.role.name().to_owned(),
            one.by.clone().unwrap_or_else(|| "command line".to_owned()),
            instant(Some(one.expires_at)),
            one.id.to_string(),
        ]);
    }
    text(&rows)
}
