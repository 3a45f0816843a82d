//! Dashboards and what stands on them.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    Act, Action, Error, Store,
    connections::next_id,
    db::{Row, Tx, args},
};

/// A dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dashboard {
    /// Unique in its project.
    pub id: i64,
    /// What it is called in addresses.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// The integration whose starter dashboard it is.
    pub integration_id: Option<String>,
    /// Rises with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A dashboard to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDashboard {
    /// As in [`Dashboard::slug`].
    pub slug: String,
    /// As in [`Dashboard::name`].
    pub name: String,
    /// As in [`Dashboard::integration_id`].
    pub integration_id: Option<String>,
    /// What stands on it, in this order.
    pub widgets: Vec<Widget>,
}

/// One thing on a dashboard. What the words mean is not the store's business.
#[derive(Debug, Clone, PartialEq)]
pub struct Widget {
    /// Unique in its project; 0 for one that is new.
    pub id: i64,
    /// `metric`, `chart` or `table`.
    pub kind: String,
    /// What it shows.
    pub metric_id: String,
    /// The small number of the one connection that it shows; `None` for all that have the metric.
    pub connection_id: Option<i64>,
    /// One value of the metric's dimension.
    pub dimension: Option<String>,
    /// How large it is.
    pub size: String,
    /// Whatever else was chosen.
    pub options: Json,
}

impl Store {
    /// The dashboards of a project, in their order.
    pub async fn dashboards(&self, project_id: i64) -> Result<Vec<Dashboard>, Error> {
        let sql = "SELECT * FROM dashboards WHERE project_id = $1 ORDER BY position, dashboard_id";
        self.db.all(sql, args![project_id]).await?.iter().map(dashboard).collect()
    }

    /// The dashboard of that slug.
    pub async fn dashboard(&self, project_id: i64, slug: &str) -> Result<Option<Dashboard>, Error> {
        let sql = "SELECT * FROM dashboards WHERE project_id = $1 AND slug = $2";
        self.db.first(sql, args![project_id, slug]).await?.as_ref().map(dashboard).transpose()
    }

    /// What stands on a dashboard, in its order.
    pub async fn widgets(&self, project_id: i64, dashboard_id: i64) -> Result<Vec<Widget>, Error> {
        let sql = "SELECT * FROM widgets WHERE project_id = $1 AND dashboard_id = $2 ORDER BY position, widget_id";
        self.db.all(sql, args![project_id, dashboard_id]).await?.iter().map(widget).collect()
    }

    /// Makes a dashboard behind the others. [`Error::Conflict`] when there is one of that slug.
    pub async fn insert_dashboard(
        &self,
        project_id: i64,
        new: &NewDashboard,
        now: Timestamp,
    ) -> Result<Dashboard, Error> {
        let mut tx = self.db.begin().await?;
        let id = next_id(&mut tx, project_id).await?;
        let sql = "INSERT INTO dashboards (project_id, dashboard_id, slug, name, integration_id, created_at, position)
             VALUES ($1, $2, $3, $4, $5, $6,
                 (SELECT COALESCE(MAX(position), 0) + 1 FROM dashboards WHERE project_id = $1))
             ON CONFLICT (project_id, slug) DO NOTHING RETURNING *";
        let values = args![project_id, id, &new.slug, &new.name, new.integration_id.clone(), now];
        let row = tx.first(sql, values).await?;
        let row = row.ok_or_else(|| Error::Conflict(format!("there is a dashboard \"{}\" already", new.slug)))?;
        place(&mut tx, project_id, id, &new.widgets).await?;
        // What an integration begins with comes with its connection, and nobody made it.
        if new.integration_id.is_none() {
            self.noted(&mut tx, Act::of(project_id, Action::DashboardMade, &new.name)).await?;
        }
        tx.commit("new dashboard").await?;
        dashboard(&row)
    }

    /// Gives a dashboard its name and what stands on it, unless it was changed since that version; says whether it did.
    pub async fn change_dashboard(
        &self,
        project_id: i64,
        of: &Dashboard,
        name: &str,
        widgets: &[Widget],
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        let sql = "UPDATE dashboards SET name = $4, version = version + 1
             WHERE project_id = $1 AND dashboard_id = $2 AND version = $3";
        if tx.execute(sql, args![project_id, of.id, of.version, name]).await? == 0 {
            return Ok(false);
        }
        let sql = "DELETE FROM widgets WHERE project_id = $1 AND dashboard_id = $2";
        tx.execute(sql, args![project_id, of.id]).await?;
        place(&mut tx, project_id, of.id, widgets).await?;
        self.noted(&mut tx, Act::of(project_id, Action::DashboardChanged, name)).await?;
        tx.commit("change of a dashboard").await?;
        Ok(true)
    }

    /// Puts dashboards into an order. Those that are not named keep their place.
    pub async fn order_dashboards(&self, project_id: i64, ids: &[i64]) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        for (position, id) in (1_i64..).zip(ids) {
            let sql = "UPDATE dashboards SET position = $3 WHERE project_id = $1 AND dashboard_id = $2";
            tx.execute(sql, args![project_id, *id, position]).await?;
        }
        tx.commit("order of dashboards").await
    }

    /// Removes a dashboard with what stands on it; says whether there was one.
    pub async fn delete_dashboard(&self, project_id: i64, id: i64) -> Result<bool, Error> {
        let sql = "DELETE FROM dashboards WHERE project_id = $1 AND dashboard_id = $2 RETURNING name";
        let mut tx = self.db.begin().await?;
        let Some(row) = tx.first(sql, args![project_id, id]).await? else { return Ok(false) };
        self.noted(&mut tx, Act::of(project_id, Action::DashboardRemoved, row.get::<String>("name")?)).await?;
        tx.commit("removal of a dashboard").await?;
        Ok(true)
    }
}

/// Puts widgets on an empty dashboard, in this order. Those that had an id keep it, so that pages find them again.
async fn place(tx: &mut Tx, project_id: i64, dashboard_id: i64, widgets: &[Widget]) -> Result<(), Error> {
    for (position, widget) in (1_i64..).zip(widgets) {
        let id = if widget.id == 0 { next_id(tx, project_id).await? } else { widget.id };
        let sql = "INSERT INTO widgets (project_id, widget_id, dashboard_id, position, kind, metric_id, connection_id,
                 dimension, size, options)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let values = args![
            project_id,
            id,
            dashboard_id,
            position,
            &widget.kind,
            &widget.metric_id,
            widget.connection_id,
            widget.dimension.clone(),
            &widget.size,
            &widget.options,
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

fn dashboard(row: &Row) -> Result<Dashboard, Error> {
    Ok(Dashboard {
        id: row.get("dashboard_id")?,
        slug: row.get("slug")?,
        name: row.get("name")?,
        integration_id: row.get("integration_id")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
    })
}

fn widget(row: &Row) -> Result<Widget, Error> {
    Ok(Widget {
        id: row.get("widget_id")?,
        kind: row.get("kind")?,
        metric_id: row.get("metric_id")?,
        connection_id: row.get("connection_id")?,
        dimension: row.get("dimension")?,
        size: row.get("size")?,
        options: row.get("options")?,
    })
}
