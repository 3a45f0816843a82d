//! Whom we talk to, and who gets to see the credentials.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use super::{
    KEY, client, http,
    provider::{Authority, Provider, Reply, reply},
    service, service_at, session,
};
use crate::{
    http::{ClientConfig, Error, Forgetful, Http, Service},
    metric::FailureKind,
};

/// Trusts the authority alone and finds the names at the providers.
fn config(authority: &Authority, names: &[(&str, &Provider)]) -> ClientConfig {
    ClientConfig {
        extra_ca: vec![authority.pem.clone()],
        only_extra_ca: true,
        resolve: names.iter().map(|(name, provider)| ((*name).to_owned(), provider.at)).collect(),
        ..ClientConfig::default()
    }
}

fn over_tls(config: ClientConfig, service: Service) -> Http {
    client(config, Arc::new(Forgetful)).session(session(service))
}

async fn secure(authority: &Authority, name: &str, replies: Vec<Reply>) -> Provider {
    Provider::start(Some(authority.server(name, 2090)), move |_, at| replies[at.min(replies.len() - 1)].clone()).await
}

async fn ask(http: &Http) -> Result<Value, Error> {
    http.get("/x").json::<Value>().await.map(|answer| answer.body)
}

#[tokio::test(start_paused = true)]
async fn talks_to_servers_that_prove_their_name() {
    let authority = Authority::new("ours");
    let provider = secure(&authority, "api.acme.example", vec![reply(200, "1")]).await;
    let http = over_tls(config(&authority, &[("api.acme.example", &provider)]), service_at("https://api.acme.example"));
    assert_eq!(ask(&http).await.unwrap(), 1);
    assert_eq!(provider.asked()[0].header("authorization"), Some("Bearer sk_live_canary_8154Zq7x"));
}

#[tokio::test(start_paused = true)]
async fn a_bad_certificate_is_said_and_not_tried_again() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let name = "api.acme.example";
    for (certificate, expected) in [
        (ours.server(name, 2001), "it has expired"),
        (ours.server("other.example", 2090), "it is for another name"),
        (theirs.server(name, 2090), "its issuer is not known here"),
    ] {
        let provider = Provider::start(Some(certificate), |_, _| reply(200, "1")).await;
        let http = over_tls(config(&ours, &[(name, &provider)]), service_at("https://api.acme.example"));
        let error = ask(&http).await.unwrap_err();
        assert_eq!((error.kind(), http.counters().requests), (FailureKind::Unavailable, 1));
        assert!(error.message().contains("certificate") && error.message().contains(expected), "{error}");
        assert!(provider.asked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_is_no_certificate_is_refused() {
    for pem in ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config = ClientConfig { extra_ca: vec![pem.into()], ..ClientConfig::default() };
        let clock = crate::clock::Clock::System;
        assert!(crate::http::Client::new(config, Arc::new(Forgetful), clock).is_err(), "{pem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_another_host_gets_no_credential() {
    let authority = Authority::new("ours");
    let evil = secure(&authority, "evil.example", vec![reply(200, "1")]).await;
    let files = secure(&authority, "files.acme.example", vec![reply(200, "2")]).await;
    for (to, expected) in [
        ("https://evil.example/x", None),
        ("https://api.acme.example.evil.example/x", None),
        ("http://api.acme.example/x", None),
        ("https://api.acme.example:444/x", None),
        ("https://me@api.acme.example/x", None),
        ("ftp://api.acme.example/x", None),
        ("//evil.example/x", None),
        ("https://files.acme.example/x", Some(2)),
        ("/elsewhere", Some(3)),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let replies = vec![reply(status, "").header("Location", to), reply(200, "3")];
            let api = secure(&authority, "api.acme.example", replies).await;
            let names = [("api.acme.example", &api), ("files.acme.example", &files), ("evil.example", &evil)];
            let http = over_tls(config(&authority, &names), service_at("https://api.acme.example"));
            match (ask(&http).await, expected) {
                (Ok(answer), Some(expected)) => assert_eq!(answer, expected, "{to}"),
                (Err(error), None) => {
                    assert_eq!((error.kind(), error.status()), (FailureKind::InvalidResponse, Some(status)), "{to}");
                    assert!(error.message().starts_with("a redirect was not followed: "), "{error}");
                    assert_eq!(http.counters().requests, 1);
                }
                (outcome, _) => panic!("{to}: {outcome:?}"),
            }
            let signed: Vec<bool> = api.asked().iter().map(|asked| asked.header("authorization").is_some()).collect();
            assert!(signed.iter().all(|signed| *signed), "the provider's own host is signed for");
        }
    }
    assert!(evil.asked().is_empty());
    assert!(files.asked().iter().all(|asked| asked.header("authorization").is_none()));
    assert_eq!(files.asked().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn redirects_come_to_an_end() {
    let provider = Provider::answering(|_, at| reply(302, "").header("Location", format!("/{at}"))).await;
    let error = ask(&http(service(&provider))).await.unwrap_err();
    assert_eq!(error.message(), "a redirect was not followed: there were too many in a row");
    assert_eq!(provider.asked().len(), 6);
    let nowhere = Provider::scripted(vec![reply(302, "")]).await;
    let error = ask(&http(service(&nowhere))).await.unwrap_err();
    assert_eq!(error.message(), "a redirect was not followed: it does not say where to");
}

#[tokio::test(start_paused = true)]
async fn a_redirected_query_stays_a_query_unless_it_is_told_otherwise() {
    for (status, expected) in [(301, "POST"), (302, "POST"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let provider = Provider::scripted(vec![reply(status, "").header("Location", "/y"), reply(200, "1")]).await;
        http(service(&provider)).query("/x", &[1]).json::<Value>().await.unwrap();
        let asked = provider.asked()[1].clone();
        assert_eq!((asked.method.as_str(), asked.body.as_str()), (expected, if status == 303 { "" } else { "[1]" }));
        assert_eq!(asked.header("content-type").is_some(), status != 303);
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_for_this_machine_alone() {
    let provider = Provider::scripted(vec![reply(200, "1")]).await;
    let config = ClientConfig {
        allow_private_hosts: true,
        resolve: vec![("api.acme.example".into(), provider.at)],
        ..ClientConfig::default()
    };
    let base = format!("http://api.acme.example:{}", provider.at.port());
    let error = ask(&over_tls(config.clone(), service_at(&base))).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::InvalidSettings);
    assert!(provider.asked().is_empty());
    for base in [provider.url(), format!("http://localhost:{}", provider.at.port())] {
        assert_eq!(ask(&over_tls(config.clone(), service_at(&base))).await.unwrap(), 1, "{base}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_users_url_does_not_lead_inside() {
    let authority = Authority::new("ours");
    let provider = secure(&authority, "stats.example", vec![reply(200, "1")]).await;
    let plain = Provider::scripted(vec![reply(200, "1")]).await;
    let port = plain.at.port();
    let decimal = format!("http://2130706433:{port}");
    let mapped = format!("https://[::ffff:127.0.0.1]:{port}");
    let local = format!("http://localhost:{port}");
    let bases = ["https://stats.example", &decimal, &mapped, &local, &plain.url(), "https://169.254.169.254"];
    for base in bases {
        let given = Service { user_given_url: true, ..service_at(base) };
        let config = config(&authority, &[("stats.example", &provider)]);
        let http = over_tls(config, given);
        let error = ask(&http).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::InvalidSettings, "{base}: {error}");
        assert!(error.message().contains("allow_private_hosts"), "{error}");
        assert!(http.counters().requests <= 1, "{base} was tried again");
    }
    assert!(provider.asked().is_empty() && plain.asked().is_empty());

    let lifted = ClientConfig { allow_private_hosts: true, ..config(&authority, &[("stats.example", &provider)]) };
    for base in ["https://stats.example", &plain.url()] {
        let given = Service { user_given_url: true, ..service_at(base) };
        assert_eq!(ask(&over_tls(lifted.clone(), given)).await.unwrap(), 1);
    }
    // The override of tests and sandboxes is exempt.
    let overridden = Service { user_given_url: true, ..service(&plain) };
    assert_eq!(ask(&http(overridden)).await.unwrap(), 1);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_shows_nowhere() {
    let log = Log::default();
    // With a single dispatcher alive, a line first reached by a test without one would be switched off for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let mut seen = String::new();
    let masked = "Invalid key: sk_live_****Zq7x";
    for answer in [
        reply(401, &format!(r#"{{"error":{{"message":"Invalid key: {KEY}"}}}}"#)),
        reply(403, &format!(r#"{{"error":"{masked}"}}"#)),
        reply(400, &format!(r#"{{"message":"header was 'Bearer {KEY}'"}}"#)),
        reply(200, &format!(r#"{{"items":"{KEY}"}}"#)),
        reply(302, "").header("Location", format!("https://evil.example/?key={KEY}")),
        reply(500, KEY),
        Reply::closed(),
    ] {
        let provider = Provider::scripted(vec![answer]).await;
        let http = http(service(&provider));
        let request = http.get("/x").query("secret_query", "hidden");
        seen.push_str(&format!("{http:?} {request:?} {:?} ", http.inner.session));
        let error = request.json::<Vec<u32>>().await.unwrap_err();
        assert!(provider.asked()[0].header("authorization").unwrap().contains(KEY));
        seen.push_str(&format!("{error} {error:?} "));
    }
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = lines.lines().filter(|line| line.contains("called a provider")).collect();
    assert_eq!(ours.len(), 5 + 4 + 4, "each call is logged once:\n{lines}");
    assert!(
        ours[0].contains(r#"method="GET" host="api.acme.example" endpoint="/x" status=401 attempt=1"#),
        "{}",
        ours[0]
    );
    assert!(!lines.contains("hidden"), "a query was logged");
    for text in [&seen, &lines] {
        assert!(!text.contains(KEY) && !text.contains("sk_live") && !text.contains("Zq7x"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_host_is_asked_if_the_descriptor_names_it_and_never_else() {
    let authority = Authority::new("ours");
    let files = secure(&authority, "files.acme.example", vec![reply(200, "1")]).await;
    let config = config(&authority, &[("files.acme.example", &files)]);
    let http = over_tls(config, service_at("https://api.acme.example/v1"));
    let asked = http.get("/list").host("files.acme.example").json::<Value>().await.unwrap();
    assert_eq!(asked.body, 1);
    let seen = files.asked();
    assert_eq!((seen[0].path.as_str(), seen[0].header("authorization").is_some()), ("/list", true));
    let error = http.get("/list").host("evil.example").json::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Internal);
    assert_eq!(http.counters().requests, 1);
}
