//! Dashboards and what stands on them.

use dashtray::store::{Dashboard, Error, NewDashboard, Store, Widget};
use serde_json::json;

use super::{at, claimed, project};
use crate::support::database::{Database, on_both};

on_both! {
    a_dashboard_keeps_its_widgets_in_their_order,
    of_two_who_edit_the_second_is_told,
    dashboards_have_an_order_and_a_slug_of_their_own,
    what_belonged_to_a_connection_goes_with_it,
}

fn widget(metric_id: &str) -> Widget {
    Widget {
        id: 0,
        kind: "chart".into(),
        metric_id: metric_id.into(),
        connection_id: None,
        dimension: Some("gold".into()),
        size: "M".into(),
        options: json!({"z": 1, "a": [true]}),
    }
}

fn new(slug: &str, widgets: Vec<Widget>) -> NewDashboard {
    NewDashboard { slug: slug.into(), name: slug.to_uppercase(), integration_id: Some("stripe".into()), widgets }
}

async fn metrics(store: &Store, project: i64, dashboard: &Dashboard) -> Vec<String> {
    store.widgets(project, dashboard.id).await.unwrap().into_iter().map(|widget| widget.metric_id).collect()
}

async fn a_dashboard_keeps_its_widgets_in_their_order(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let made = store.insert_dashboard(project.id, &new("one", vec![widget("b"), widget("a")]), at(3)).await.unwrap();
    assert_eq!((made.name.as_str(), made.version, made.created_at), ("ONE", 0, at(3)));
    assert_eq!(store.dashboard(project.id, "one").await.unwrap(), Some(made.clone()));
    let mut widgets = store.widgets(project.id, made.id).await.unwrap();
    assert_eq!(widgets[0], Widget { id: widgets[0].id, ..widget("b") });
    widgets.reverse();
    widgets.push(widget("c"));
    assert!(store.change_dashboard(project.id, &made, "Two", &widgets).await.unwrap());
    let changed = store.widgets(project.id, made.id).await.unwrap();
    assert_eq!(changed[..2], widgets[..2], "with the ids that they had");
    assert_eq!(metrics(&store, project.id, &made).await, ["a", "b", "c"]);
    assert_eq!(store.dashboards(project.id).await.unwrap()[0].name, "Two");
}

async fn of_two_who_edit_the_second_is_told(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let made = store.insert_dashboard(project.id, &new("one", vec![widget("a")]), at(0)).await.unwrap();
    assert!(store.change_dashboard(project.id, &made, "first", &[widget("b")]).await.unwrap());
    assert!(!store.change_dashboard(project.id, &made, "second", &[]).await.unwrap());
    assert_eq!(metrics(&store, project.id, &made).await, ["b"], "nothing is lost");
    let newest = store.dashboard(project.id, "one").await.unwrap().unwrap();
    assert_eq!((newest.name.as_str(), newest.version), ("first", 1));
}

async fn dashboards_have_an_order_and_a_slug_of_their_own(db: Database) {
    let store = db.open().await;
    let (here, there) = (project(&store, "default").await, project(&store, "other").await);
    let mut ids = Vec::new();
    for slug in ["one", "two", "three"] {
        ids.push(store.insert_dashboard(here.id, &new(slug, vec![]), at(0)).await.unwrap().id);
    }
    let taken = store.insert_dashboard(here.id, &new("two", vec![]), at(0)).await;
    assert!(matches!(taken, Err(Error::Conflict(sentence)) if sentence.contains("\"two\"")));
    store.insert_dashboard(there.id, &new("two", vec![]), at(0)).await.unwrap();
    ids.reverse();
    store.order_dashboards(here.id, &ids).await.unwrap();
    let slugs = |all: Vec<Dashboard>| all.into_iter().map(|one| one.slug).collect::<Vec<_>>();
    assert_eq!(slugs(store.dashboards(here.id).await.unwrap()), ["three", "two", "one"]);
    assert!(store.delete_dashboard(here.id, ids[1]).await.unwrap());
    assert!(!store.delete_dashboard(here.id, ids[1]).await.unwrap());
    assert_eq!(slugs(store.dashboards(here.id).await.unwrap()), ["three", "one"]);
    assert_eq!(slugs(store.dashboards(there.id).await.unwrap()), ["two"]);
}

async fn what_belonged_to_a_connection_goes_with_it(db: Database) {
    let store = db.open().await;
    let (connection, _) = claimed(&store).await;
    let project = connection.key.project_id;
    let of_it = Widget { connection_id: Some(connection.key.connection_id), ..widget("a") };
    let made = store.insert_dashboard(project, &new("one", vec![of_it, widget("b")]), at(0)).await.unwrap();
    assert_eq!(metrics(&store, project, &made).await, ["a", "b"]);
    store.delete_connection(connection.key).await.unwrap();
    assert_eq!(metrics(&store, project, &made).await, ["b"]);
}
