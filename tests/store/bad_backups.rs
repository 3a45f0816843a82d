//! What is no backup, or no longer one, or of another time: refused with a sentence, and nothing is touched.

use std::{fs, path::Path};

use dashtray::store::{BackupError, Rate, Staged, Store};
use serde_json::json;
use sqlx::{Connection, SqliteConnection, migrate::Migrator};

use super::{currency, day};
use crate::support::{
    backup::{LATER, Shelf, forged, manifest},
    database::Database,
};

/// A shelf with one backup.
async fn shelf() -> Shelf {
    let shelf = Shelf::new();
    let db = Database::sqlite().await;
    let store = db.open().await;
    super::claimed(&store).await;
    let rates: Vec<Rate> = (0..400)
        .map(|number| Rate {
            day: day("2000-01-01").plus(number),
            base: currency("EUR"),
            quote: currency("USD"),
            rate: "1.5".into(),
        })
        .collect();
    store.load_rates(&rates).await.unwrap();
    shelf.make(&store, "good").await;
    shelf
}

/// Why a file of the shelf is not restored, over a database that stays as it is.
async fn refusal(shelf: &Shelf, name: &str) -> String {
    let target = Database::sqlite().await;
    fs::write(target.file(), b"").unwrap();
    let error = shelf.restore(name, &target, true).await.unwrap_err();
    assert!(matches!(error, BackupError::Invalid(_)), "{name}: {error:?}");
    assert_eq!(fs::read(target.file()).unwrap(), b"", "{name}: the database is as it was");
    let beside: Vec<_> = fs::read_dir(target.file().parent().unwrap()).unwrap().collect();
    assert_eq!(beside.len(), 1, "{name}: {beside:?}");
    error.to_string()
}

#[tokio::test]
async fn what_is_no_backup_is_called_so() {
    let shelf = shelf().await;
    let files: [(&str, &[u8]); 4] =
        [("empty", b""), ("text", b"hello\n"), ("json", b"{\"dashtray_backup\":{}}\n"), ("zeros", &[0; 100_000])];
    for (name, content) in files {
        fs::write(shelf.path(name), content).unwrap();
        assert!(refusal(&shelf, name).await.contains("is no backup of dashtray"), "{name}");
    }
    let db = Database::sqlite().await;
    db.open().await.close().await;
    fs::copy(db.file(), shelf.path("bare")).unwrap();
    let sentence = refusal(&shelf, "bare").await;
    assert!(sentence.contains("a database that was copied by hand"), "{sentence}");
    let missing = Staged::read(&shelf.path("missing"), &db.url, Path::new(".")).await.unwrap_err();
    assert!(matches!(missing, BackupError::File { .. }) && missing.to_string().contains("missing"), "{missing}");
}

#[tokio::test]
async fn a_backup_that_is_cut_off_or_damaged_anywhere_is_refused() {
    let shelf = shelf().await;
    let whole = fs::read(shelf.path("good")).unwrap();
    let database = manifest(&shelf.path("good"))["bytes"].as_u64().unwrap() as usize;
    for length in [1, 100, 4096, database / 2, database - 1, database, database + 1, whole.len() - 40, whole.len() - 1]
    {
        fs::write(shelf.path("cut"), &whole[..length]).unwrap();
        refusal(&shelf, "cut").await;
    }
    for extra in [&b"\n"[..], b"x", &whole[database..]] {
        fs::write(shelf.path("longer"), [&whole, extra].concat()).unwrap();
        refusal(&shelf, "longer").await;
    }
    for at in (0..database).step_by(database / 60) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(shelf.path("damaged"), bytes).unwrap();
        let sentence = refusal(&shelf, "damaged").await;
        assert!(sentence.contains("is damaged") || (at < 16 && sentence.contains("no backup")), "{at}: {sentence}");
    }
}

#[tokio::test]
async fn a_backup_that_vouches_for_something_else_is_refused() {
    let shelf = shelf().await;
    let (good, bad) = (shelf.path("good"), shelf.path("bad"));
    forged(&good, &bad, "", |_| {}).await;
    shelf.restore("bad", &Database::sqlite().await, false).await.unwrap();
    let statements = [
        "DELETE FROM rates WHERE day = 10957",
        "CREATE TRIGGER spy AFTER INSERT ON points BEGIN DELETE FROM users; END",
        "CREATE VIEW spy AS SELECT * FROM users",
        "CREATE TABLE more (a INTEGER)",
        "DROP TABLE notes",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'rates'",
        "PRAGMA foreign_keys = OFF; INSERT INTO credentials (project_id, connection_id, key_id, wrapped_key, body)
             VALUES (9, 9, 'x', x'00', x'00')",
        "UPDATE credentials SET key_id = 'ffffffff'",
    ];
    for sql in statements {
        forged(&good, &bad, sql, |_| {}).await;
        let sentence = refusal(&shelf, "bad").await;
        assert!(sentence.contains("is damaged; nothing of it was used"), "{sql}: {sentence}");
    }
    for (key, value) in [("rows", json!({})), ("schema", json!(1)), ("key_ids", json!([]))] {
        forged(&good, &bad, "", |manifest| manifest[key] = value).await;
        refusal(&shelf, "bad").await;
    }
    for value in [json!(u64::MAX), json!(-1), json!("x"), json!(null), json!(1e300)] {
        forged(&good, &bad, "", |manifest| manifest["bytes"] = value).await;
        refusal(&shelf, "bad").await;
    }
}

#[tokio::test]
async fn a_backup_of_a_newer_version_names_it() {
    let shelf = shelf().await;
    for (key, value) in [("schema", 9000), ("format", 2)] {
        let edit = |manifest: &mut serde_json::Value| {
            manifest[key] = json!(value);
            manifest["program"] = json!("7.8.9");
        };
        forged(&shelf.path("good"), &shelf.path("newer"), "", edit).await;
        let sentence = refusal(&shelf, "newer").await;
        assert!(sentence.contains("dashtray 7.8.9") && sentence.contains("with that version"), "{sentence}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_an_older_version_is_brought_up_to_date() {
    const OLD: i64 = 5;
    let shelf = shelf().await;
    // What that version had in its database, and said of it.
    let file = shelf.path("older database");
    let db = Database::at(file.clone());
    db.execute("CREATE TABLE made (a INTEGER); DROP TABLE made").await;
    let mut connection = SqliteConnection::connect(&db.url).await.unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    Migrator::new(migrations).await.unwrap().run_to(OLD, &mut connection).await.unwrap();
    connection.close().await.unwrap();
    db.execute("INSERT INTO projects VALUES (1, 'of old', 'UTC', 'USD', 0, 0)").await;
    let rows: serde_json::Map<String, serde_json::Value> =
        db.row_counts().await.into_iter().map(|(table, count)| (table, json!(count.parse::<i64>().unwrap()))).collect();
    let line = json!({"dashtray_backup": manifest(&shelf.path("good"))});
    fs::write(shelf.path("older whole"), [fs::read(&file).unwrap(), format!("\n{line}\n").into_bytes()].concat())
        .unwrap();
    let edit = |manifest: &mut serde_json::Value| {
        manifest["schema"] = json!(OLD);
        manifest["rows"] = json!(rows);
        manifest["key_ids"] = json!([]);
    };
    forged(&shelf.path("older whole"), &shelf.path("older"), "", edit).await;
    for target in [Database::sqlite().await, Database::postgres().await] {
        shelf.restore("older", &target, false).await.unwrap();
        assert_eq!(target.texts("SELECT slug FROM projects").await, ["of old"]);
        target.open().await.ping().await.unwrap();
        assert!(target.columns().await.contains(&"users.last_range".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_damaged_or_newer_is_replaced_only_by_force() {
    let shelf = shelf().await;
    let damaged = Database::sqlite().await;
    fs::write(damaged.file(), vec![0x5a; 50_000]).unwrap();
    let newer = Database::sqlite().await;
    newer.open().await.close().await;
    let row = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES";
    newer.execute(&format!("{row} (9000, 'later', true, x'00', 0); CREATE TABLE later AS SELECT 1 AS one")).await;
    for db in [damaged, newer] {
        // How SQLite may use the file is noted in its first page; the rest is what it was.
        let pages = |db: &Database| fs::read(db.file()).unwrap()[100..].to_vec();
        let before = pages(&db);
        let error = shelf.restore("good", &db, false).await.unwrap_err();
        assert!(matches!(error, BackupError::NotEmpty(_)), "{error}");
        assert!(pages(&db) == before, "not touched");
        shelf.restore("good", &db, true).await.unwrap();
        assert_eq!(Store::open(&db.url).await.unwrap().projects().await.unwrap().len(), 1);
    }
    // PostgreSQL has no file to put in its place.
    let newer = Database::postgres().await;
    newer.open().await.close().await;
    newer.execute(&format!("{row} (9000, 'later', true, '\\x00', 0)")).await;
    let staged = Staged::read(&shelf.path("good"), &newer.url, &shelf.path("")).await.unwrap();
    let error = staged.restore(true, LATER.parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("schema 9000"), "{error}");
}
