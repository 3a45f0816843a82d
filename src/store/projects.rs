//! Projects: what connections and their data belong to.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::{
    Act, Action, Error, Store,
    db::{Row, Tx, args},
};
use crate::metric::{Currency, Zone};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The small number that all its data is keyed by.
    pub id: i64,
    /// What people call it in commands and addresses.
    pub slug: String,
    /// The zone of connections that name none.
    pub zone: Zone,
    /// Reporting currency.
    pub currency: Currency,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A project to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// Unique.
    pub slug: String,
    /// Name of the zone.
    pub zone: String,
    /// As in [`Project::currency`].
    pub currency: Currency,
}

impl Store {
    /// The project of that slug.
    pub async fn project(&self, slug: &str) -> Result<Option<Project>, Error> {
        let row = self.db.first("SELECT * FROM projects WHERE slug = $1", args![slug]).await?;
        row.as_ref().map(project).transpose()
    }

    /// All projects, oldest first.
    pub async fn projects(&self) -> Result<Vec<Project>, Error> {
        let rows = self.db.all("SELECT * FROM projects ORDER BY project_id", args![]).await?;
        rows.iter().map(project).collect()
    }

    /// Makes a project. [`Error::Conflict`] when there is one of that slug, also when another process was faster.
    pub async fn insert_project(&self, new: &NewProject, now: Timestamp) -> Result<Project, Error> {
        let mut tx = self.db.begin().await?;
        let project = insert(&mut tx, new, now).await?;
        self.noted(&mut tx, Act::of(project.id, Action::ProjectMade, &project.slug)).await?;
        tx.commit("new project").await?;
        Ok(project)
    }

    /// The names of all zones that days are cut in, also of those that are none.
    pub async fn zone_names(&self) -> Result<BTreeSet<String>, Error> {
        let rows = self.db.all("SELECT zone FROM projects UNION SELECT zone FROM connections", args![]).await?;
        rows.iter().map(|row| row.get("zone")).collect()
    }

    /// Changes a project's defaults. Connections that exist keep the zone they were made with.
    pub async fn update_project(&self, id: i64, zone: &str, currency: Currency) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE projects SET zone = $2, currency = $3 WHERE project_id = $1 RETURNING slug";
        let row = tx.first(sql, args![id, zone, currency]).await?;
        let row = row.ok_or_else(|| Error::NotFound(format!("there is no project with number {id}")))?;
        let act = Act::of(id, Action::ProjectChanged, row.get::<String>("slug")?);
        self.noted(&mut tx, act.with(json!({"zone": zone, "currency": currency.code()}))).await?;
        tx.commit("change of a project").await
    }
}

pub(super) async fn insert(tx: &mut Tx, new: &NewProject, now: Timestamp) -> Result<Project, Error> {
    let sql = "INSERT INTO projects (slug, zone, currency, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (slug) DO NOTHING RETURNING *";
    let row = tx.first(sql, args![&new.slug, &new.zone, new.currency, now]).await?;
    project(&row.ok_or_else(|| Error::Conflict(format!("there is a project \"{}\" already", new.slug)))?)
}

pub(super) fn project(row: &Row) -> Result<Project, Error> {
    Ok(Project {
        id: row.get("project_id")?,
        slug: row.get("slug")?,
        zone: row.get("zone")?,
        currency: row.get("currency")?,
        created_at: row.get("created_at")?,
    })
}
