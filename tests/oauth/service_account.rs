//! Service accounts: what users paste, and what is signed with it.

use dashtray::{
    connections::{ConnectRequest, ConnectedView, Error},
    demo::authorization::service_account_key,
};
use serde_json::{Map, Value as Json, json};

use super::{
    acme::{Acme, READER, TOKEN_URL},
    *,
};
use crate::support::database::{Database, on_both};

on_both! {
    a_key_connects_and_its_access_is_kept,
}

/// The key file of a service account of the service.
fn key(email: &str) -> String {
    let mut key: Json = serde_json::from_str(&service_account_key(email)).unwrap();
    key["token_uri"] = json!(TOKEN_URL);
    key.to_string()
}

async fn connect(process: &Process, key: &str) -> Result<ConnectedView, Error> {
    let request = ConnectRequest {
        project: "default".to_owned(),
        integration_id: "acme-visits".to_owned(),
        name: Some("main".to_owned()),
        credentials: BTreeMap::from([("service_account".to_owned(), Secret::new(key))]),
        settings: Map::new(),
    };
    process.connections.connect(request).await
}

async fn a_key_connects_and_its_access_is_kept(db: Database) {
    let acme = Acme::start().await;
    let process = process(&db, &acme, acme.clock()).await;
    let connected = connect(&process, &key(READER)).await.unwrap();
    assert_eq!(connected.account.id, READER);
    let other = super::process(&db, &acme, acme.clock()).await;
    assert!(test(&process).await.success && test(&other).await.success);
    assert_eq!(acme.auth.counts().assertions, 1, "access is kept sealed, for every process");
    acme.auth.end_access();
    let views = all((0..20).map(|number| {
        let process = if number % 2 == 0 { process.clone() } else { other.clone() };
        async move { test(&process).await }
    }))
    .await;
    assert!(views.iter().all(|view| view.success && !view.refreshed));
    assert_eq!(acme.auth.counts().assertions, 2);
    // Early, by the clock.
    assert!(test(&super::process(&db, &acme, acme.later(3_400)).await).await.success);
    assert_eq!(acme.auth.counts().assertions, 3);
    // A service account is nobody's sign-in: nothing is given back.
    process.connections.disconnect("default", "main").await.unwrap();
    assert_eq!(acme.asked("/revoke"), 0);
}

/// The key file with a field changed.
fn with(field: &str, value: Json) -> String {
    let mut key: Json = serde_json::from_str(&key(READER)).unwrap();
    key[field] = value;
    key.to_string()
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_said_of_the_field_before_anybody_is_asked() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    let process = process(&db, &acme, acme.clock()).await;
    let good = key(READER);
    let pem = serde_json::from_str::<Json>(&good).unwrap()["private_key"].as_str().unwrap().to_owned();
    for (key, says) in [
        (good[..good.len() / 2].to_owned(), "cut off"),
        ("not json".to_owned(), "not JSON (line 1)"),
        (pem.clone(), "not JSON"),
        (with("type", json!("authorized_user")), "a user's credential"),
        (with("type", json!("other")), "\"type\" is not"),
        (json!({ "installed": { "client_id": "x" } }).to_string(), "an OAuth client"),
        ("{}".to_owned(), "no \"type\""),
        (with("private_key", json!(null)), "no \"private_key\""),
        (with("private_key", json!(7)), "not a text"),
        (with("private_key", json!(pem[..200])), "\"private_key\" cannot be read"),
        (with("private_key", json!(pem.replace('\n', " "))), "\"private_key\" cannot be read"),
        (with("client_email", json!(null)), "no \"client_email\""),
        (with("token_uri", json!("https://evil.example/token")), "not the provider's"),
        (with("token_uri", json!("https://oauth2.acme.example.evil.example/token")), "not the provider's"),
        (with("token_uri", json!("http://oauth2.acme.example/token")), "not the provider's"),
        (String::new(), "or sign in with `dashtray connect acme-visits --oauth`"),
    ] {
        let error = connect(&process, &key).await.unwrap_err();
        let Error::InvalidFields { fields } = &error else { panic!("{error}") };
        assert_eq!(fields[0].field, "service_account");
        assert!(fields[0].message.contains(says), "{says}: {error}");
        assert!(!error.to_string().contains(&pem[40..60]), "{error}");
    }
    assert_eq!(acme.asked("/token"), 0);
    // Of former days, and never called.
    let former = with("token_uri", json!("https://accounts.acme.example/o/oauth2/token"));
    connect(&process, &former).await.unwrap();
    assert_eq!(acme.auth.counts().assertions, 1);
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_refused_with_the_next_step() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    let process = process(&db, &acme, acme.clock()).await;
    let error = connect(&process, &key("stranger@acme-demo.iam.example")).await.unwrap_err();
    assert!(matches!(&error, Error::Provider(error) if error.kind().name() == "unauthorized"), "{error}");
    let message = error.to_string();
    assert!(message.contains("make a new key") && message.contains("account not found"), "{message}");
    assert!(process.connections.list("default").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_made_up_for_or_said() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    let wrong = process(&db, &acme, acme.later(-1_800)).await;
    connect(&wrong, &key(READER)).await.unwrap();
    assert_eq!(acme.auth.counts().assertions, 1, "signed again by the provider's clock");
    // By no clock it is good.
    acme.auth.change(|rules| rules.skew_seconds = Some(-86_400));
    acme.auth.end_access();
    let (kind, message) = failure(&wrong).await;
    assert_eq!(kind, "unauthorized");
    assert!(message.contains("The clock of this machine is 18") && message.contains("seconds behind"), "{message}");
}
