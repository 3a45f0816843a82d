//! Windows of calls, shared through a memory.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    NOW, client,
    memory::Remembering,
    provider::{Asked, Provider, Reply, reply},
    service, session,
};
use crate::{
    clock::Clock,
    http::{Client, ClientConfig, Error, Http, LimitHeaders, Reset, ResetForm, Service, Session, Window, WindowScope},
    metric::FailureKind,
};

fn window(scope: WindowScope, calls: u32, seconds: u64) -> Window {
    Window { scope, calls, per: Duration::from_secs(seconds) }
}

fn limited(provider: &Provider, windows: Vec<Window>) -> Service {
    let mut service = service(provider);
    service.limits.windows = windows;
    service.limits.headers = Some(LimitHeaders {
        limit: "x-limit".into(),
        remaining: "x-left".into(),
        reset: "x-reset".into(),
        reset_form: ResetForm::DeltaSeconds,
        resource: Some("x-resource".into()),
    });
    service
}

fn run(memory: &Arc<Remembering>, service: &Service, quota_share_permille: u32) -> Http {
    let client = client(ClientConfig::default(), memory.clone());
    client.session(Session { quota_share_permille, ..session(service.clone()) })
}

async fn ask(http: &Http) -> Result<(), Error> {
    http.get("/x").json::<Value>().await.map(|_| ())
}

/// How many calls each window saw, from the instants at which the memory started windows.
fn counts(asked: &[Asked], starts: &[Timestamp], zero: tokio::time::Instant) -> Vec<usize> {
    let now: Timestamp = NOW.parse().unwrap();
    let second = |at: Timestamp| at.duration_since(now).as_secs_f64();
    let ends = starts.iter().skip(1).map(|at| second(*at)).chain([f64::INFINITY]);
    let spans: Vec<(f64, f64)> = starts.iter().map(|at| second(*at)).zip(ends).collect();
    let times: Vec<f64> = asked.iter().map(|asked| (asked.at - zero).as_secs_f64()).collect();
    spans.iter().map(|(from, to)| times.iter().filter(|at| (*from..*to).contains(*at)).count()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_quota_holds_under_load_and_across_processes_and_restarts() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let service = limited(&provider, vec![window(WindowScope::Everything, 20, 10)]);
    let memory = Arc::new(Remembering::default());
    let zero = tokio::time::Instant::now();
    let clock = Clock::ticking_from(NOW.parse().unwrap());
    for _restart in 0..2 {
        let processes = [(); 2].map(|()| {
            let client = Client::new(ClientConfig::default(), memory.clone(), clock).unwrap();
            client.session(session(service.clone()))
        });
        let calls = (0..60).map(|at| {
            let http = processes[at % 2].clone();
            tokio::spawn(async move { ask(&http).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        assert!(processes[0].counters().waited_ms > 0);
    }
    let counts = counts(&provider.asked(), &memory.starts(), zero);
    assert_eq!(counts.iter().sum::<usize>(), 120);
    assert!(counts.iter().all(|count| *count <= 20), "{counts:?}");
    // Nor is much of it left unused: what a restart loses is a chunk or two.
    assert!(counts.len() <= 8, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn no_short_window_holds_more_from_whatever_instant_it_is_counted() {
    const CALLS: usize = 20;
    const SECONDS: u64 = 10;
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let service = limited(&provider, vec![window(WindowScope::Everything, 20, SECONDS)]);
    let clock = Clock::ticking_from(NOW.parse().unwrap());
    let client = Client::new(ClientConfig::default(), Arc::new(Remembering::default()), clock).unwrap();
    let http = client.session(session(service));
    // A window begins with a few calls, most come at its end, and as many are wanted right after it.
    for _ in 0..3 {
        ask(&http).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(SECONDS - 1)).await;
    let calls = (0..70).map(|_| {
        let http = http.clone();
        tokio::spawn(async move { ask(&http).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let asked = provider.asked();
    assert_eq!(asked.len(), 73);
    for (first, beyond) in asked.iter().zip(asked.iter().skip(CALLS)) {
        let apart = beyond.at - first.at;
        assert!(apart >= Duration::from_secs(SECONDS), "{} calls within {apart:?}", CALLS + 1);
    }
    // And yet what may be asked is asked: four windows and what makes them longer for us.
    let in_all = asked[72].at - asked[0].at;
    assert!(in_all <= Duration::from_secs(5 * SECONDS), "{in_all:?}");
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_that_several_processes_share() {
    const CALLS: usize = 20;
    const SECONDS: u64 = 10;
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let windows = vec![window(WindowScope::Everything, 20, SECONDS), window(WindowScope::Endpoint, 15, SECONDS)];
    let service = limited(&provider, windows);
    let (clock, memory) = (Clock::ticking_from(NOW.parse().unwrap()), Arc::new(Remembering::shared()));
    let processes = [(); 3].map(|()| {
        let client = Client::new(ClientConfig::default(), memory.clone(), clock).unwrap();
        client.session(session(service.clone()))
    });
    // One begins the window, another uses it up at its end, and all of them go on in the next.
    ask(&processes[0]).await.unwrap();
    tokio::time::advance(Duration::from_secs(SECONDS - 1)).await;
    let mut calls = Vec::new();
    for (at, http) in processes.iter().cycle().take(89).enumerate() {
        let http = if at < CALLS { &processes[1] } else { http }.clone();
        let path = if at % 2 == 0 { "/x" } else { "/y" };
        calls.push(tokio::spawn(async move { http.get(path).json::<Value>().await.map(drop) }));
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let asked = provider.asked();
    assert_eq!(asked.len(), 90);
    for (first, beyond) in asked.iter().zip(asked.iter().skip(CALLS)) {
        let apart = beyond.at - first.at;
        assert!(apart >= Duration::from_secs(SECONDS), "{} calls within {apart:?}", CALLS + 1);
    }
    let in_all = asked[89].at - asked[0].at;
    assert!(in_all <= Duration::from_secs(6 * SECONDS), "what may be asked is asked: {in_all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_large_window_is_taken_in_chunks() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let memory = Arc::new(Remembering::default());
    let http = run(&memory, &limited(&provider, vec![window(WindowScope::Everything, 500, 3600)]), 1000);
    for _ in 0..100 {
        ask(&http).await.unwrap();
    }
    let reserved = memory.reserved();
    let wanted: Vec<i64> = reserved.iter().map(|reservation| reservation.wanted).collect();
    assert_eq!((wanted, reserved[0].capacity), (vec![1, 1, 2, 4, 8, 16, 32, 50], 500));
    assert!(!reserved[0].budget.contains("canary"));
    assert!(reserved[0].budget.starts_with("acme:") && reserved[0].budget.len() == "acme:".len() + 64);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_lapses_with_its_window() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let memory = Arc::new(Remembering::default());
    let http = run(&memory, &limited(&provider, vec![window(WindowScope::Everything, 20, 10)]), 1000);
    // One of a chunk of two.
    ask(&http).await.unwrap();
    tokio::time::advance(Duration::from_secs(11)).await;
    for _ in 0..20 {
        ask(&http).await.unwrap();
    }
    assert_eq!(http.counters().waited_ms, 0);
    ask(&http).await.unwrap();
    assert!(http.counters().waited_ms > 0, "a call of the old window was made in the new one");
}

#[tokio::test(start_paused = true)]
async fn a_share_leaves_the_rest_to_others() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    for (share, calls) in [(500, 10), (1, 1), (0, 1), (5000, 20)] {
        let memory = Arc::new(Remembering::default());
        let http = run(&memory, &limited(&provider, vec![window(WindowScope::Everything, 20, 3600)]), share);
        let before = provider.asked().len();
        let error = loop {
            if let Err(error) = ask(&http).await {
                break error;
            }
        };
        assert_eq!(provider.asked().len() - before, calls, "{share}");
        assert_eq!(error.kind(), FailureKind::RateLimited);
        assert_eq!(error.retry_at().unwrap().as_second(), memory.starts()[0].as_second() + 3600);
    }
}

#[tokio::test(start_paused = true)]
async fn every_window_that_counts_a_request_holds() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let memory = Arc::new(Remembering::default());
    let windows = vec![
        window(WindowScope::Everything, 6, 3600),
        window(WindowScope::Endpoint, 2, 3600),
        window(WindowScope::Resource("core".into()), 3, 3600),
        window(WindowScope::Resource("search".into()), 2, 3600),
    ];
    let http = run(&memory, &limited(&provider, windows), 1000);
    let is_ok = async |template, resource: Option<&'static str>| {
        let request = http.get(template);
        let request = resource.map_or(request.clone(), |name| request.resource(name));
        request.json::<Value>().await.is_ok()
    };
    assert!(is_ok("/a", None).await);
    assert!(is_ok("/a", None).await);
    assert!(!is_ok("/a", None).await, "an endpoint's own window is used up");
    assert!(is_ok("/b", None).await);
    assert!(!is_ok("/b", None).await, "the window of core is used up");
    assert!(is_ok("/b", Some("search")).await);
    assert!(is_ok("/c", Some("search")).await);
    assert!(!is_ok("/c", Some("search")).await);
    assert!(is_ok("/c", Some("other")).await);
    assert!(!is_ok("/d", Some("other")).await, "everything together is used up");
    assert_eq!(provider.asked().len(), 6);
}

fn told(limit: i64, left: i64, reset: i64) -> Reply {
    reply(200, "[]").header("x-limit", limit).header("x-left", left).header("x-reset", reset)
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_says_is_learned_where_it_is_news() {
    let provider = Provider::scripted(vec![
        told(50, 49, 3000),
        told(50, 48, 3000),
        told(50, 47, 3000),
        // Somebody else calls too.
        told(50, 20, 3000),
        told(50, 19, 3000),
        told(30, 18, 3000),
        told(30, 0, 3000),
    ])
    .await;
    let memory = Arc::new(Remembering::default());
    let service = limited(&provider, vec![window(WindowScope::Everything, 50, 3600)]);
    let http = run(&memory, &service, 1000);
    for _ in 0..7 {
        ask(&http).await.unwrap();
    }
    let learned: Vec<_> = memory.learned().iter().map(|said| (said.limit, said.remaining)).collect();
    // Less what this process holds already.
    assert_eq!(learned, [(Some(50), Some(49)), (Some(50), Some(20)), (Some(30), Some(16)), (Some(30), Some(0))]);
    for http in [http, run(&memory, &service, 1000)] {
        let error = ask(&http).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::RateLimited);
        assert_eq!(error.retry_at().unwrap().as_second(), NOW.parse::<Timestamp>().unwrap().as_second() + 3000);
    }
    assert_eq!(provider.asked().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_provider_does_not_count_is_given_back() {
    let counted = told(20, 19, 3000);
    let mut replies = vec![counted.clone(); 50];
    // From here on each call counts.
    replies.extend((0..19).rev().map(|left| told(20, left, 3000)));
    let provider = Provider::scripted(replies).await;
    let memory = Arc::new(Remembering::default());
    let windows = vec![
        window(WindowScope::Resource("core".into()), 20, 3600),
        // Of this one it says nothing.
        window(WindowScope::Everything, 69, 3600),
    ];
    let service = limited(&provider, windows);
    let http = run(&memory, &service, 1000);
    for _ in 0..50 {
        ask(&http).await.unwrap();
    }
    let of_core = memory.reserved().iter().filter(|one| one.window.contains("core")).map(|one| one.wanted).sum::<i64>();
    assert_eq!(of_core, 2, "the second call was counted for nothing, and so were those after it");
    for _ in 0..19 {
        ask(&http).await.unwrap();
    }
    for http in [http, run(&memory, &service, 1000)] {
        assert_eq!(ask(&http).await.unwrap_err().kind(), FailureKind::RateLimited);
    }
    assert_eq!(provider.asked().len(), 69);
}

#[tokio::test(start_paused = true)]
async fn numbers_belong_to_the_resource_that_they_name() {
    let provider = Provider::scripted(vec![told(30, 0, 300).header("x-resource", "search"), reply(200, "[]")]).await;
    let memory = Arc::new(Remembering::default());
    let windows = ["core", "search"].map(|name| window(WindowScope::Resource(name.into()), 30, 60)).to_vec();
    let http = run(&memory, &limited(&provider, windows), 1000);
    http.get("/x").resource("search").json::<Value>().await.unwrap();
    assert!(http.get("/x").resource("search").json::<Value>().await.is_err());
    ask(&http).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nonsense_about_limits_changes_nothing() {
    let provider = Provider::scripted(vec![told(0, 0, -1), told(-5, -5, 0), told(10, 11, 99_999_999)]).await;
    let memory = Arc::new(Remembering::default());
    let http = run(&memory, &limited(&provider, vec![window(WindowScope::Everything, 50, 3600)]), 1000);
    for _ in 0..9 {
        ask(&http).await.unwrap();
    }
    assert_eq!(memory.learned(), []);
}

#[tokio::test(start_paused = true)]
async fn failures_and_unchanged_answers_tell_about_limits_too() {
    for status in [304, 404] {
        let answer = reply(status, "").header("x-limit", 50).header("x-left", 0).header("x-reset", 3000);
        let provider = Provider::scripted(vec![answer]).await;
        let memory = Arc::new(Remembering::default());
        let http = run(&memory, &limited(&provider, vec![window(WindowScope::Everything, 50, 3600)]), 1000);
        assert!(ask(&http).await.is_err());
        assert_eq!(memory.learned().len(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_fails_is_a_fault_of_ours() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let memory = Arc::new(Remembering::default());
    memory.break_down();
    let error = ask(&run(&memory, &service(&provider), 1000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Internal);
    assert!(error.to_string().contains("the database is locked"));
    assert!(provider.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_an_answer_tells_in_its_body_holds_for_everybody_until_it_starts_anew() {
    let provider = Provider::scripted(vec![reply(200, "[]")]).await;
    let (search, all) = (WindowScope::Resource("search".to_owned()), WindowScope::Everything);
    let service = limited(&provider, vec![window(all, 100, 60), window(search, 100, 60)]);
    let memory = Arc::new(Remembering::default());
    run(&memory, &service, 1000).used_up("search", Reset::Hourly).await.unwrap();
    // Another process.
    let http = run(&memory, &service, 1000);
    let error = http.get("/x").resource("search").json::<Value>().await.unwrap_err();
    let retry_at = error.retry_at().map(|at| at.to_string());
    assert_eq!((error.kind(), retry_at.as_deref()), (FailureKind::RateLimited, Some("2026-03-01T01:00:00Z")));
    ask(&http).await.unwrap();
    assert_eq!(provider.asked().len(), 1, "other resources go on");
}
