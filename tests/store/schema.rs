//! Both databases have one schema.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use dashtray::metric::Interval;

use super::{claimed, currency, march, point};
use crate::support::database::{Database, on_both};

/// The newest migration.
const NEWEST: u32 = 13;

#[tokio::test]
async fn both_databases_have_the_same_tables_and_columns() {
    let (sqlite, postgres) = (Database::sqlite().await, Database::postgres().await);
    sqlite.open().await.close().await;
    postgres.open().await.close().await;
    let columns = sqlite.columns().await;
    assert!(columns.contains(&"points.denominator".to_owned()), "{columns:?}");
    assert_eq!(columns, postgres.columns().await);
}

#[test]
fn migrations_have_the_same_names_for_both_databases() {
    let names = |database: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

#[tokio::test]
async fn every_table_of_a_project_has_the_project_first_in_its_key() {
    let db = Database::sqlite().await;
    db.open().await.close().await;
    let tables =
        db.texts("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\'").await;
    let of_nobody = ["budgets", "guesses", "one_time_links", "rates", "users", "web_sessions"];
    for table in tables.iter().filter(|table| !of_nobody.contains(&table.as_str())) {
        let first = db.texts(&format!("SELECT name FROM pragma_table_info('{table}') WHERE pk = 1")).await;
        assert_eq!(first, ["project_id"], "{table}");
    }
}

on_both! {
    the_form_before_the_newest_is_brought_up_to_date_with_all_that_it_holds,
}

async fn the_form_before_the_newest_is_brought_up_to_date_with_all_that_it_holds(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let gold = write.ensure_series("stripe_mrr", Interval::Day, "gold", Some(currency("EUR")), 3).await.unwrap();
    write.upsert_points(&[point(gold, "2026-03-01", 7)]).await.unwrap();
    write.commit().await.unwrap();
    let before = store.series(connection.key, Interval::Day, None).await.unwrap();
    store.close().await;
    db.execute(&format!(
        "DROP TABLE guesses;
         ALTER TABLE budgets DROP COLUMN recent;
         DELETE FROM _sqlx_migrations WHERE version = {NEWEST}"
    ))
    .await;
    let store = db.open().await;
    assert_eq!(store.series(connection.key, Interval::Day, None).await.unwrap(), before);
    assert_eq!(db.row_counts().await["guesses"], "0");
    let kept = store.points(connection.key.project_id, &[gold], march()).await.unwrap();
    assert_eq!(kept, [point(gold, "2026-03-01", 7)]);
}

#[tokio::test]
async fn an_older_file_is_copied_before_it_is_migrated() {
    let db = Database::sqlite().await;
    // A file from before the first migration.
    db.execute("CREATE TABLE old (body TEXT); INSERT INTO old VALUES ('precious')").await;
    db.open().await.close().await;
    let copy = db.file().with_file_name(format!("dashtray.db.before-{NEWEST}"));
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let old = Database::at(copy.clone());
    assert_eq!(old.texts("SELECT body FROM old").await, ["precious"]);
    assert_eq!(old.texts("SELECT name FROM sqlite_schema WHERE name = 'projects'").await, Vec::<String>::new());
    assert_eq!(db.texts("SELECT body FROM old").await, ["precious"]);
    // Up to date, it is not copied again.
    fs::remove_file(&copy).unwrap();
    db.open().await.close().await;
    assert!(!copy.exists());
}
