//! A database that goes away, before an answer or in the middle of one.

use std::{fs, path::PathBuf};

use dashtray::{integrations::Registry, secret::Secret, store::Scope};
use serde_json::{Value as Json, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use super::{export::filled, program::Program};
use crate::{
    pages::visitor::Visitor,
    support::{
        database::{Database, on_both},
        site::{EMAIL, Site},
    },
};

on_both! {
    an_export_whose_database_goes_away_breaks_off,
    every_question_to_a_database_that_is_gone_gets_a_code,
    the_character_nul_is_found_nowhere_and_breaks_nothing,
}

async fn site_over(db: &Database) -> Site {
    Site::start_over(Registry::builtin(), |config| config.database_url = Secret::new(db.url.as_str())).await
}

/// Takes the database away: the file is overwritten, or it is dropped under all connections.
async fn take_away(db: &Database) -> Vec<(PathBuf, Vec<u8>)> {
    if !db.url.starts_with("sqlite:") {
        let (name, server) = (db.url.rsplit("/test_").next().unwrap(), db.url.split("/test_").next().unwrap());
        let (number, place) = name.split_once('?').unwrap();
        let mut connection = PgConnection::connect(&format!("{server}/postgres?{place}")).await.unwrap();
        let sql = format!("DROP DATABASE test_{number} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        return Vec::new();
    }
    // What readers remember of the file counts no more.
    db.execute("UPDATE projects SET zone = zone").await;
    let files = ["", "-wal"].map(|ending| PathBuf::from(format!("{}{ending}", db.file().display())));
    let files = files.into_iter().filter(|file| file.exists());
    let kept: Vec<(PathBuf, Vec<u8>)> = files.map(|file| (file.clone(), fs::read(file).unwrap())).collect();
    for (file, bytes) in &kept {
        fs::write(file, vec![0x5a; bytes.len()]).unwrap();
    }
    kept
}

async fn an_export_whose_database_goes_away_breaks_off(db: Database) {
    let site = site_over(&db).await;
    let program = Program::with_key(&site, Scope::Read).await;
    // More than is on the way at once; with little room there the server cannot be far ahead of who reads.
    filled(&site, 90, 400).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(site.host.parse().unwrap()).await.unwrap();
    let request = format!(
        "GET /api/v1/export HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        site.host, program.key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut got = vec![0; 2000];
    stream.read_exact(&mut got).await.unwrap();
    take_away(&db).await;
    // It may end or be reset; what was sent is all there is.
    let _ = stream.read_to_end(&mut got).await;
    let text = String::from_utf8_lossy(&got);
    assert!(text.starts_with("HTTP/1.1 200"), "it had begun");
    assert!(!text.ends_with("0\r\n\r\n"), "a clean end after {} bytes of an answer that is not whole", got.len());
    assert!(!text.contains("]}}"), "nor does it end as a document");
}

async fn every_question_to_a_database_that_is_gone_gets_a_code(db: Database) {
    let site = site_over(&db).await.joined_by_ada().await;
    let program = Program::with_key(&site, Scope::Write).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    filled(&site, 2, 20).await;
    let figures = db.figures().await;
    let kept = take_away(&db).await;
    let push = json!({"metrics": [{"metric_id": "m0", "value": 1, "dimension": "lost"}]});
    let body = json!({});
    for (method, path, body) in [
        ("GET", "/api/v1/projects", &Json::Null),
        ("GET", "/api/v1/connections", &Json::Null),
        ("GET", "/api/v1/metrics", &Json::Null),
        ("GET", "/api/v1/export", &Json::Null),
        ("GET", "/api/v1/metrics/m0/timeseries", &Json::Null),
        ("GET", "/api/v1/dashboards", &Json::Null),
        ("POST", "/api/v1/metrics", &push),
        ("POST", "/api/v1/connections", &json!({"integration_id": "stripe", "credentials": {"api_key": "rk_test_1"}})),
        ("POST", "/api/v1/connections/nobody/sync", &body),
        ("DELETE", "/api/v1/connections/nobody", &body),
    ] {
        let told = match method {
            "POST" => program.send(method, path, body).await,
            _ => program.ask(method, path, &[], "").await,
        };
        assert_eq!((told.status, told.code()), (503, "database"), "{method} {path}: {}", told.answer.body);
        assert!(told.message().contains("nothing was changed"), "{told:?}");
        for word in ["sqlite", "postgres", "test_", ".db", "panicked", "src/", "at column"] {
            assert!(!told.answer.body.contains(word), "{method} {path} says {word}: {}", told.answer.body);
        }
    }
    for path in ["/", "/integrations", "/settings/account", "/d/custom"] {
        let page = ada.get(path).await;
        assert!(matches!(page.status, 500 | 503) && page.body.contains("<html"), "{path}: {page:?}");
        assert!(!page.body.contains(".db") && !page.body.contains("test_"), "{path}: {}", page.body);
    }
    assert_eq!(program.get("/healthz").await.status, 200, "the process is well");
    assert_eq!(program.get("/readyz").await.status, 503);
    if !kept.is_empty() {
        site.app.store.close().await;
        for (file, bytes) in kept {
            fs::write(file, bytes).unwrap();
        }
        assert_eq!(db.figures().await, figures, "nothing is half written");
    }
}

async fn the_character_nul_is_found_nowhere_and_breaks_nothing(db: Database) {
    let site = site_over(&db).await.joined_by_ada().await;
    let program = Program::with_key(&site, Scope::Write).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    for path in [
        "/api/v1/connections/%00",
        "/api/v1/connections/%00/runs",
        "/api/v1/dashboards/%00",
        "/api/v1/metrics/%00/timeseries",
        "/api/v1/metrics/m%00/explain",
        "/api/v1/metrics?metric_id=%00",
        "/api/v1/metrics?connection_id=%00",
        "/api/v1/export?connection_id=a%00b",
        "/api/v1/integrations/%00",
        "/api/v1/metrics?cursor=AA",
    ] {
        let told = program.get(path).await;
        assert!((400..500).contains(&told.status), "{path}: {told:?}");
    }
    for path in ["/d/%00", "/m/%00", "/connections/%00", "/connect/%00", "/?range=%00", "/d/a%00b/edit"] {
        let page = ada.get(path).await;
        assert!(page.status < 500, "{path}: {page:?}");
    }
    let refused = Visitor::stranger(&site).post("/login", &[("email", "a\0b@example.com"), ("password", "\0")]).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let csrf = ada.get("/settings/projects").await.csrf();
    for (path, field) in [("/dashboards", "name"), ("/settings/projects/new", "slug"), ("/settings/keys", "name")] {
        let answer = ada
            .post(path, &[("csrf", &csrf), (field, "a\0b"), ("scope", "read"), ("zone", "UTC"), ("currency", "EUR")])
            .await;
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
}
