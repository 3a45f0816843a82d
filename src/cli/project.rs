//! `dashtray project`

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
    output::{table, text},
};
use crate::{
    connections::ProjectView,
    metric::{Currency, Zone},
    store::{NewProject, Project},
    users::valid_slug,
};

/// Show, make or change a project
///
/// Without SLUG and options it lists the projects. A project that does not exist is made. Zone and currency are the defaults of
/// connections whose account says neither; connections that exist keep the zone they were made with.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray project\n  \
    dashtray project --zone Europe/Berlin --currency EUR\n  \
    dashtray project shop --currency USD")]
pub(super) struct Args {
    /// The project: small letters, digits and hyphens [default: default]
    #[arg(value_name = "SLUG", value_parser = valid_slug)]
    slug: Option<String>,
    /// Whose midnight ends a day, such as Europe/Berlin
    #[arg(long, value_name = "Z")]
    zone: Option<Zone>,
    /// Currency of the project, such as EUR
    #[arg(long, value_name = "C")]
    currency: Option<Currency>,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    if args.slug.is_none() && args.zone.is_none() && args.currency.is_none() {
        let projects = app.store.projects().await?;
        let view = json!({"projects": projects.iter().map(ProjectView::from).collect::<Vec<_>>()});
        invocation.out.show(&view, |_| human(&projects))?;
        return Ok(Done::All);
    }
    let slug = args.slug.unwrap_or_else(|| "default".to_owned());
    let project = match app.store.project(&slug).await? {
        None => {
            let zone = args.zone.map_or_else(|| "UTC".to_owned(), |zone| zone.name().to_owned());
            let new = NewProject { slug, zone, currency: args.currency.unwrap_or(Currency::USD) };
            let made = app.store.insert_project(&new, invocation.config().clock().now()).await?;
            invocation.out.note(&format!("made the project \"{}\"", made.slug));
            made
        }
        Some(mut project) if args.zone.is_some() || args.currency.is_some() => {
            project.zone = args.zone.unwrap_or(project.zone);
            project.currency = args.currency.unwrap_or(project.currency);
            app.store.update_project(project.id, project.zone.name(), project.currency).await?;
            project
        }
        Some(project) => project,
    };
    invocation.out.show(&ProjectView::from(&project), |_| human(std::slice::from_ref(&project)))?;
    Ok(Done::All)
}

fn human(projects: &[Project]) -> String {
    let mut rows = table(&["slug", "zone", "currency"]);
    for project in projects {
        rows.add_row([&project.slug, project.zone.name(), project.currency.code()]);
    }
    text(&rows)
}
