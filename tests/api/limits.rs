//! How many requests an hour has, among all processes, and what is not sent twice.

use dashtray::{
    integrations::Registry,
    metric::Currency,
    store::{NewProject, Scope},
};
use jiff::Timestamp;

use super::program::Program;
use crate::{
    pages::visitor::Visitor,
    support::{
        database::{Database, on_both},
        site::Site,
    },
};

on_both! {
    requests_are_counted_among_processes_and_anew_each_hour,
}

async fn requests_are_counted_among_processes_and_anew_each_hour(db: Database) {
    let (one, other) = (db.open().await, db.open().await);
    let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
    let new = NewProject { slug: "default".into(), zone: "UTC".into(), currency: Currency::USD };
    let id = one.insert_project(&new, now).await.unwrap().id;
    let counts =
        futures_util::future::join_all((0..20).map(|turn| {
            if turn % 2 == 0 { one.count_api_calls(id, now, 3) } else { other.count_api_calls(id, now, 3) }
        }));
    let mut counts: Vec<i64> = counts.await.into_iter().map(Result::unwrap).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).map(|turn| turn * 3).collect::<Vec<_>>(), "no call is lost or counted twice");
    let later = now + jiff::SignedDuration::from_hours(1);
    assert_eq!(one.count_api_calls(id, later, 5).await.unwrap(), 5);
    assert_eq!(other.count_api_calls(id, now, 2).await.unwrap(), 7, "a clock that is behind counts in the newest hour");
    let wrong: Timestamp = "2036-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(one.count_api_calls(id, wrong, 9).await.unwrap(), 9);
    assert_eq!(other.count_api_calls(id, now, 2).await.unwrap(), 2, "nobody waits for an hour of a wrong clock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_request_of_an_hour_is_answered_and_the_next_told_when_to_come_back() {
    let site = Site::start_over(Registry::builtin(), |config| config.api_requests_per_hour = 3).await;
    let program = Program::with_key(&site, Scope::Read).await;
    for remaining in ["2", "1", "0"] {
        let told = program.get("/api/v1/projects").await;
        assert_eq!(told.status, 200);
        assert_eq!(told.answer.header("x-ratelimit-limit"), "3");
        assert_eq!(told.answer.header("x-ratelimit-remaining"), remaining);
    }
    for _ in 0..2 {
        let told = program.get("/api/v1/projects").await;
        assert_eq!((told.status, told.code()), (429, "too_many_requests"));
        let wait: i64 = told.answer.header("retry-after").parse().unwrap();
        let resets: i64 = told.answer.header("x-ratelimit-reset").parse().unwrap();
        assert!((1..=3600).contains(&wait) && resets % 3600 == 0, "{told:?}");
        assert!(told.message().contains("3 requests"), "{}", told.message());
    }
    // Who has another project has an hour of its own, and a refusal counts as well as an answer.
    assert_eq!(Program::showing(&site, "").get("/api/v1/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_says_how_many_requests_are_left() {
    let site = Site::start_over(Registry::builtin(), |config| config.api_requests_per_hour = 9).await;
    let program = Program::with_key(&site, Scope::Read).await;
    let asked =
        [("GET", "/api/v1/projects", 200), ("GET", "/api/v1/connections/none", 404), ("GET", "/api/v1/none", 404)];
    for (number, (method, path, status)) in asked.into_iter().enumerate() {
        let told = program.ask(method, path, &[], "").await;
        let left = (8 - number).to_string();
        assert_eq!((told.status, told.answer.header("x-ratelimit-remaining")), (status, left.as_str()), "{told:?}");
    }
    let told = program.ask("DELETE", "/api/v1/projects", &[], "").await;
    assert_eq!((told.status, told.answer.header("x-ratelimit-remaining")), (405, "5"), "{told:?}");
    // What nobody is known to have asked counts for nobody.
    let stranger = Program::showing(&site, "dk_guess");
    for (path, status) in [("/api/v1/projects", 401), ("/api/v1/none", 404), ("/api/v1/health", 200)] {
        let told = stranger.get(path).await;
        let says = ["limit", "remaining"].map(|name| told.answer.header(&format!("x-ratelimit-{name}")).to_owned());
        assert_eq!((told.status, says), (status, ["9".to_owned(), "9".to_owned()]), "{told:?}");
        assert!(told.answer.header("x-ratelimit-reset").parse::<i64>().is_ok(), "{told:?}");
    }
    for _ in 0..5 {
        assert_eq!(program.get("/api/v1/none").await.status, 404);
    }
    assert_eq!(program.get("/api/v1/none").await.status, 429, "asking for nothing counts too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portion_is_given_out_to_the_last_one() {
    let site = Site::start_over(Registry::builtin(), |config| config.api_requests_per_hour = 120).await;
    let program = Program::with_key(&site, Scope::Read).await;
    let asked = (0..130).map(|_| program.get("/api/v1/projects"));
    let told = futures_util::future::join_all(asked).await;
    assert_eq!(told.iter().filter(|told| told.status == 200).count(), 120);
    assert_eq!(told.iter().filter(|told| told.status == 429).count(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_is_not_sent_again_and_what_is_long_is_compressed() {
    let site = Site::start_over(Registry::builtin(), |config| config.api_requests_per_hour = 0).await;
    let program = Program::with_key(&site, Scope::Read).await;
    let told = program.get("/api/v1/integrations").await;
    assert_eq!(told.answer.header("x-ratelimit-limit"), "", "there is no limit");
    let tag = told.answer.header("etag").to_owned();
    let known = format!("If-None-Match: \"x\", {tag}");
    let again = program.ask("GET", "/api/v1/integrations", &[&known], "").await;
    assert_eq!((again.status, again.answer.body.as_str()), (304, ""));
    assert_eq!(again.answer.header("etag"), tag);
    let other = program.ask("GET", "/api/v1/projects", &[&known], "").await;
    assert_eq!(other.status, 200);
    let short = program.ask("GET", "/api/v1/integrations", &["Accept-Encoding: gzip"], "").await;
    assert_eq!(short.answer.header("content-encoding"), "gzip");
    assert_eq!(short.answer.header("etag"), tag, "it names the content and not how it is sent");
    assert_eq!(other.answer.header("content-encoding"), "", "what is short stays as it is");
    let export = Visitor::stranger(&site);
    let key = format!("Authorization: Bearer {}", program.key);
    let export = export.ask("GET", "/api/v1/export?format=csv", &[&key, "Accept-Encoding: gzip"], "").await;
    assert_eq!(export.header("content-encoding"), "gzip");
}
