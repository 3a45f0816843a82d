//! What a broken database says, and that it loses nothing.

use std::{
    fs::{self, OpenOptions},
    io::{Seek, SeekFrom, Write as _},
    os::unix::fs::PermissionsExt,
};

use dashtray::store::{Error, Store};
use sqlx::{Connection, SqliteConnection};

use super::{at, new_connection, project};
use crate::support::database::{Database, on_both};

on_both! { a_newer_schema_is_refused_and_left_alone }

async fn a_newer_schema_is_refused_and_left_alone(db: Database) {
    db.open().await.close().await;
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'from the future', true, CAST('x' AS ";
    let bytes = if db.url.starts_with("sqlite:") { "BLOB" } else { "BYTEA" };
    db.execute(&format!("{sql}{bytes}), 0)")).await;
    let before = db.row_counts().await;
    let error = Store::open(&db.url).await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 9000, known } if known < 9000), "{error:?}");
    assert!(error.to_string().contains("restore a backup made before the upgrade"), "{error}");
    assert_eq!(db.row_counts().await, before);
}

#[tokio::test]
async fn a_server_that_refuses_writing_says_so() {
    let db = Database::postgres().await;
    db.open().await.close().await;
    let error = Store::open(&format!("{}&options=-c%20default_transaction_read_only=on", db.url)).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.starts_with("the database is read only")), "{error:?}");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let error = Store::open("sqlite:/nowhere/at/all/dashtray.db").await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable(text) if text.contains("/nowhere/at/all/dashtray.db")), "{error:?}");
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused_and_not_shown() {
    let error = Store::open("mysql://root:hunter2@localhost/x").await.unwrap_err();
    assert!(error.to_string().contains("must start with sqlite: or postgres://"), "{error}");
    let error = Store::open("postgres://me:hunter2@127.0.0.1:1/x").await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(text) if text.starts_with("no connection to the database")),
        "{error:?}"
    );
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_new_file_is_private() {
    let db = Database::sqlite().await;
    let store = db.open().await;
    project(&store, "default").await;
    for name in ["dashtray.db", "dashtray.db-wal", "dashtray.db-shm"] {
        let mode = fs::metadata(db.file().with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    let db = Database::sqlite().await;
    let content = "this is no database, it only has its name. ".repeat(100);
    fs::write(db.file(), &content).unwrap();
    let error = Store::open(&db.url).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt(text) if text.contains("dashtray restore FILE")), "{error:?}");
    assert_eq!(fs::read_to_string(db.file()).unwrap(), content);
}

#[tokio::test]
async fn a_damaged_page_is_found_when_it_is_read() {
    let db = Database::sqlite().await;
    let store = db.open().await;
    let project = project(&store, "default").await;
    for n in 0..200 {
        store.insert_connection(&new_connection(&project, &format!("connection {n}")), at(0)).await.unwrap();
    }
    store.close().await;
    // Everything but the first page, which holds the schema.
    let mut file = OpenOptions::new().write(true).open(db.file()).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(length).unwrap() - 4096]).unwrap();
    drop(file);
    let error = match Store::open(&db.url).await {
        Err(error) => error,
        Ok(store) => store.connections(project.id).await.unwrap_err(),
    };
    let expected = "the database file is damaged";
    assert!(matches!(&error, Error::Corrupt(text) if text.starts_with(expected)), "{error:?}");
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_locked_and_works_again_later() {
    let db = Database::sqlite().await;
    let store = db.open().await;
    project(&store, "default").await;
    let mut other = SqliteConnection::connect(&db.url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let new = dashtray::store::NewProject {
        slug: "second".into(),
        zone: "UTC".into(),
        currency: dashtray::metric::Currency::USD,
    };
    let error = store.insert_project(&new, at(0)).await.unwrap_err();
    let expected = "the database is locked by another program";
    assert!(matches!(&error, Error::Unavailable(text) if text.starts_with(expected)), "{error:?}");
    assert_eq!(store.projects().await.unwrap().len(), 1, "reading goes on");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    store.insert_project(&new, at(0)).await.unwrap();
}
