//! `dashtray user`

use std::path::PathBuf;

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    credentials::read_password,
    failure::{Done, Failure},
    output::{instant, table, text},
};
use crate::{app::App, store::User, users::Account};

/// The people who may sign in
///
/// The first account is made in the browser, with the link that `dashtray serve` prints. Passwords are asked for at the
/// terminal, or read from a file or from stdin (-); never from arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray user list\n  \
    dashtray user add ada@example.com --name Ada\n  \
    dashtray user add ada@example.com --project shop\n  \
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
        #[command(flatten)]
        project: ProjectArg,
        #[command(flatten)]
        password: PasswordArg,
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
            let users = app.users.all().await?;
            let view = json!({"users": users.iter().map(view).collect::<Vec<_>>()});
            invocation.out.show(&view, |_| human(&users))?;
        }
        Command::Add { email, name, project, password } => {
            let project = app.connections.project(&project.project).await?;
            if let Ok(known) = app.users.find(&email).await
                && app.users.join(&known, &project).await?
            {
                invocation.out.show(&view(&known), |_| format!("{} sees {} now, too.", known.email, project.slug))?;
                return Ok(Done::All);
            }
            let password = read_password(password.password.as_deref())?;
            let added = app.users.add(Account { email, name, password }, &project).await?;
            invocation.out.show(&view(&added), |_| format!("{} may sign in now.", added.email))?;
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

fn human(users: &[User]) -> String {
    if users.is_empty() {
        return "Nobody yet. `dashtray serve` prints the link that makes the first account.".to_owned();
    }
    let mut rows = table(&["email", "name", "since"]);
    for user in users {
        rows.add_row([user.email.clone(), user.name.clone(), instant(Some(user.created_at))]);
    }
    text(&rows)
}
