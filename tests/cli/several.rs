//! Several processes on one PostgreSQL: what one of them begins another goes on with, and no two do the same.

use std::{collections::BTreeSet, future::Future, time::Duration};

use dashtray::{
    clock::Clock,
    demo::{
        GITHUB_TOKEN, GOOGLE_PROPERTY, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, Options, PLAUSIBLE_KEY, PLAUSIBLE_SITE,
        STRIPE_KEY, browser,
    },
};
use jiff::SignedDuration;
use serde_json::json;
use url::Url;

use super::{
    list,
    sandbox::{NEW_KEY, OLD_KEY, Sandbox, company, stripe_file},
    serve::Running,
    text,
};
use crate::{
    pages::visitor::{Answer, Visitor},
    support::database::Database,
};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
/// Under which all serves are reached, by whichever the balancer picks.
const PUBLIC: &str = "http://metrics.example.com";
/// What comes comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sandbox whose commands all work on one PostgreSQL.
async fn shared(options: Options) -> (Sandbox, Database) {
    let database = Database::postgres().await;
    let mut sandbox = Sandbox::with(company(), options).await;
    for service in ["plausible", "google-analytics"] {
        sandbox.provider(service, &sandbox.emulators.url(service));
    }
    sandbox.set("DASHTRAY_DATABASE_URL", &database.url);
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    (sandbox, database)
}

/// Answers that take a while, so that a run is met in its middle.
fn slow() -> Options {
    Options { latency: Duration::from_millis(40), ..Options::default() }
}

/// Starts a process with a data directory of its own.
fn start(sandbox: &Sandbox, database: &Database, command: &str, name: &str, key: &str) -> Running {
    let mut command = sandbox.command(&format!("{command} --data-dir {name}"));
    command.env("DASHTRAY_DATABASE_URL", &database.url).env("DASHTRAY_MASTER_KEY", key);
    Running::start(command)
}

/// A serve, and its host and port.
async fn serving(sandbox: &Sandbox, database: &Database, name: &str, key: &str) -> (Running, String) {
    let mut running = start(sandbox, database, "serve --listen 127.0.0.1:0 --json", name, key);
    let line = running.until("http://").await.pop().unwrap();
    let url = line.split('"').find(|word| word.starts_with("http://")).unwrap();
    (running, url.strip_prefix("http://").unwrap().to_owned())
}

/// A worker that has opened the database.
async fn working(sandbox: &Sandbox, database: &Database, name: &str, key: &str) -> Running {
    let mut running = start(sandbox, database, "worker --listen 127.0.0.1:0", name, key);
    // It says where it can be asked when it has.
    running.until("http://").await;
    running
}

/// Waits for what is to come.
async fn until<F: Future<Output = bool>>(what: &str, mut is_there: impl FnMut() -> F) {
    let waited = async {
        while !is_there().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

async fn with_ada(sandbox: &Sandbox) {
    sandbox.file("password", PASSWORD);
    sandbox.json(&format!("user add {EMAIL} --password password")).await;
}

async fn send(visitor: &Visitor, path: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = visitor.get("/settings/projects").await.csrf();
    let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
    visitor.post(path, &fields).await
}

/// Where the provider sends a browser back to, after its user has said yes.
async fn allowed(page: &Answer) -> String {
    let address = page.body.split("class=\"button primary\" href=\"").nth(1).unwrap_or_else(|| panic!("{}", page.body));
    let address = address.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let mut address: Url = address.parse().unwrap();
    address.query_pairs_mut().append_pair("consent", "allow");
    let back = browser::open(&address).await.unwrap().location.expect("the browser is sent back");
    back.as_str().strip_prefix(PUBLIC).unwrap_or_else(|| panic!("{back}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_begins_at_one_serve_goes_on_at_another() {
    let (mut sandbox, database) = shared(Options::default()).await;
    sandbox.set("DASHTRAY_GOOGLE_ANALYTICS_CLIENT_ID", OAUTH_CLIENT_ID);
    sandbox.set("DASHTRAY_GOOGLE_ANALYTICS_CLIENT_SECRET", OAUTH_CLIENT_SECRET);
    sandbox.set("DASHTRAY_PUBLIC_URL", PUBLIC);
    sandbox.set("DASHTRAY_API_REQUESTS_PER_HOUR", "50");
    sandbox.emulators.expect_sign_in(&format!("{PUBLIC}/oauth/callback"));
    // Both at once, over a database that nobody has seen. They say the address under which people reach them.
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let serve = |name: &str, at: std::net::SocketAddr| {
        start(&sandbox, &database, &format!("serve --listen {at}"), name, OLD_KEY)
    };
    let mut serves = [serve("one", ports[0]), serve("two", ports[1])];
    for serve in &mut serves {
        serve.until(PUBLIC).await;
    }
    with_ada(&sandbox).await;
    let [host, other] = ports.map(|at| at.to_string());
    let ada = Visitor::by_password(&host, EMAIL, PASSWORD).await;
    let ada_there = ada.at(&other);
    assert_eq!(ada_there.get("/").await.status, 200, "signed in at one, known at the other");

    let left = send(&ada, "/connect/google-analytics", &[("action", "sign-in")]).await;
    let page = ada_there.get(&allowed(&left).await).await;
    assert!(page.status == 200 && page.body.contains("<select id=\"s-property\""), "{}", page.body);
    let draft = page.hidden("draft");
    let fields = [("action", "finish"), ("shown", "s-property"), ("s-property", GOOGLE_PROPERTY), ("draft", &draft)];
    let made = send(&ada, "/connect/google-analytics", &fields).await;
    assert_eq!((made.status, made.header("location")), (303, "/d/google-analytics?done=connected"), "{}", made.body);

    guesses_are_counted_together(&host, &other).await;
    requests_are_counted_together(&sandbox, &host, &other).await;

    assert_eq!(send(&ada, "/logout", &[]).await.status, 303);
    let page = ada_there.get("/").await;
    assert_eq!((page.status, page.header("location")), (303, "/login"), "signed out everywhere");
    for serve in serves {
        assert_eq!(serve.stop("TERM").await.code(), Some(0));
    }
}

/// Ten an account, however many processes somebody tries.
async fn guesses_are_counted_together(host: &str, other: &str) {
    let mut statuses = Vec::new();
    for guess in 0..14 {
        let stranger = Visitor::stranger_at([host, other][guess % 2]);
        let password = format!("guess {guess}");
        statuses.push(stranger.post("/login", &[("email", "bob@example.com"), ("password", &password)]).await.status);
    }
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 4]].concat());
}

/// Fifty an hour, however many processes are asked.
async fn requests_are_counted_together(sandbox: &Sandbox, host: &str, other: &str) {
    let made = sandbox.json("api-key create test").await;
    let key = format!("Authorization: Bearer {}", text(&made["key"]));
    let mut hours = std::collections::BTreeMap::<String, [usize; 2]>::new();
    for request in 0..120 {
        let stranger = Visitor::stranger_at([host, other][request % 2]);
        let answer = stranger.ask("GET", "/api/v1/projects", &[&key], "").await;
        let counts = hours.entry(answer.header("x-ratelimit-reset").to_owned()).or_default();
        counts[usize::from(answer.status == 429)] += 1;
    }
    let most = hours.values().map(|[answered, _]| *answered).max();
    assert_eq!(most, Some(50), "{hours:?}");
    assert!(hours.values().any(|[_, refused]| *refused > 0), "{hours:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_does_is_seen_in_every_serve() {
    let (sandbox, database) = shared(slow()).await;
    with_ada(&sandbox).await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    // What they cannot open serves leave to the worker, which can.
    let (one, host) = serving(&sandbox, &database, "one", NEW_KEY).await;
    let (two, other) = serving(&sandbox, &database, "two", NEW_KEY).await;
    let ada = Visitor::by_password(&host, EMAIL, PASSWORD).await;
    let ada_there = ada.at(&other);
    let address = ada.get("/integrations").await.connection("Stripe");
    let (stream, seen) = ada.get(&address).await.stage();
    let stream = format!("{stream}&seen={seen}");
    let before = sandbox.emulators.count("stripe");
    let worker = working(&sandbox, &database, "worker", OLD_KEY).await;
    let (_, _) = tokio::join!(ada.hears(&stream, &["event: steps"]), ada_there.hears(&stream, &["event: steps"]));

    // In the middle of the run, held there so that it can be looked at.
    until("a run asks the provider", async || sandbox.emulators.count("stripe") > before + 10).await;
    worker.signal("STOP").await;
    for visitor in [&ada, &ada_there] {
        let page = visitor.get(&format!("{address}/now")).await;
        assert!(page.body.contains("<progress") && page.body.contains("so far"), "{}", page.body);
    }
    worker.signal("CONT").await;
    let (_, _) = tokio::join!(ada.hears(&stream, &["event: numbers"]), ada_there.hears(&stream, &["event: numbers"]));
    until("the run ends", async || sandbox.json("runs stripe").await["runs"][0]["status"] == "ok").await;
    for visitor in [&ada, &ada_there] {
        let page = visitor.get(&format!("{address}/now")).await;
        assert!(!page.body.contains("<progress"), "{}", page.body);
    }
    for running in [one, two, worker] {
        assert_eq!(running.stop("TERM").await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_in_a_run_is_taken_over_within_thirty_seconds() {
    let (sandbox, database) = shared(slow()).await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let undisturbed = async {
        let (sandbox, database) = shared(Options::default()).await;
        sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
        sandbox.sync("stripe", 0).await;
        database.figures().await
    };
    let taken_over = async {
        let before = sandbox.emulators.count("stripe");
        let first = working(&sandbox, &database, "first", OLD_KEY).await;
        until("a run asks the provider", async || sandbox.emulators.count("stripe") > before + 10).await;
        let second = working(&sandbox, &database, "second", OLD_KEY).await;
        first.kill().await;
        let killed = Clock::System.now();
        let runs = async || list(&sandbox.json("runs stripe").await["runs"]).to_vec();
        until("it is taken over", async || runs().await[0]["status"] == "ok").await;
        let runs = runs().await;
        assert_eq!(runs.len(), 2, "{runs:?}");
        assert!(text(&runs[1]["error"]["message"]).contains("interrupted"), "it was killed in a run: {runs:?}");
        let begun: jiff::Timestamp = text(&runs[0]["started_at"]).parse().unwrap();
        let waited = begun.duration_since(killed);
        assert!(waited < SignedDuration::from_secs(30), "taken over after {waited}");
        assert_eq!(second.stop("TERM").await.code(), Some(0));
        database.figures().await
    };
    let (expected, found) = tokio::join!(undisturbed, taken_over);
    assert!(found == expected, "other figures than without a kill");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_never_run_one_connection_at_once() {
    /// Runs that each of them is to begin.
    const RUNS: usize = 8;
    let (sandbox, database) = shared(slow()).await;
    for repository in ["fern", "fern-cli", "ideas"] {
        let settings = json!({"repositories": [format!("fernwerk/{repository}")]});
        sandbox.connect("github", &json!({"credentials": {"token": GITHUB_TOKEN}, "settings": settings})).await;
    }
    let one = working(&sandbox, &database, "one", OLD_KEY).await;
    let two = working(&sandbox, &database, "two", OLD_KEY).await;
    let mut claims = BTreeSet::new();
    loop {
        // Always due, also while it runs: whoever could claim it twice would.
        database.execute("UPDATE connections SET due_at = 0").await;
        let held =
            "SELECT concat_ws(' ', lease_owner, connection_id, fence) FROM connections WHERE lease_owner IS NOT NULL";
        claims.extend(database.texts(held).await);
        let owners: Vec<&str> = claims.iter().filter_map(|claim| claim.split(' ').next()).collect();
        let distinct: BTreeSet<&str> = owners.iter().copied().collect();
        assert!(distinct.len() <= 2, "{claims:?}");
        let each = |owner: &&str| owners.iter().filter(|one| *one == owner).count() >= RUNS;
        if distinct.len() == 2 && distinct.iter().all(each) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let held = "SELECT lease_owner FROM connections WHERE lease_owner IS NOT NULL";
    until("what runs comes to its end", async || database.texts(held).await.is_empty()).await;
    for worker in [one, two] {
        assert_eq!(worker.stop("TERM").await.code(), Some(0));
    }
    let odd = "SELECT concat_ws(' ', a.connection_id, a.started_at, a.ended_at, a.status, b.started_at) FROM runs a
         LEFT JOIN runs b ON b.connection_id = a.connection_id AND b.run_id <> a.run_id
             AND b.started_at < a.ended_at AND b.ended_at > a.started_at
         WHERE a.ended_at IS NULL OR a.error IS NOT NULL OR b.run_id IS NOT NULL";
    assert_eq!(database.texts(odd).await, Vec::<String>::new(), "runs that overlap, were interrupted or never ended");
    // A claim raises the fence by one, and each claim is one run.
    let runs = "SELECT CAST(COUNT(*) AS TEXT) FROM runs UNION ALL SELECT CAST(SUM(fence) AS TEXT) FROM connections";
    let runs = database.texts(runs).await;
    assert_eq!(runs[0], runs[1], "a claim without a run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_keep_the_budget_of_one_key() {
    /// Of Plausible's 600 an hour.
    const CALLS: u64 = 30;
    let (mut sandbox, database) = shared(Options::default()).await;
    let settings = json!({"site_id": PLAUSIBLE_SITE, "max_quota_share": "0.05"});
    let file = json!({"credentials": {"api_key": PLAUSIBLE_KEY}, "settings": settings}).to_string();
    let file = sandbox.file("plausible.json", file);
    // One key in four projects, half of them sealed so that one worker can open them and half for the other.
    for (project, key) in [("a", OLD_KEY), ("b", OLD_KEY), ("c", NEW_KEY), ("d", NEW_KEY)] {
        sandbox.set("DASHTRAY_MASTER_KEY", key);
        sandbox.json(&format!("project {project}")).await;
        sandbox.json(&format!("connect plausible --project {project} --credentials {file}")).await;
    }
    let one = working(&sandbox, &database, "one", OLD_KEY).await;
    let two = working(&sandbox, &database, "two", NEW_KEY).await;
    let waiting = "SELECT public_id::text FROM connections WHERE state = 'rate_limited'";
    until("all of them wait for the limit", async || database.texts(waiting).await.len() == 4).await;
    for worker in [one, two] {
        assert_eq!(worker.stop("TERM").await.code(), Some(0));
    }
    // Those that connecting took are among them. Each process may hold a portion that it has not used.
    let calls = sandbox.emulators.count("plausible");
    assert!((CALLS - 12..=CALLS).contains(&calls), "{calls} calls of {CALLS}");
    let blocked = sandbox.emulators.requests("plausible").iter().filter(|request| request.status == 429).count();
    assert_eq!(blocked, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_makes_no_key_of_its_own() {
    let (mut sandbox, _) = shared(Options::default()).await;
    sandbox.set("DASHTRAY_MASTER_KEY", "");
    let sentence = sandbox.refused("worker", 2).await;
    assert!(sentence.starts_with("needs_master_key: ") && sentence.contains("DASHTRAY_MASTER_KEY_FILE"), "{sentence}");
    assert!(!sandbox.data().exists());
}
