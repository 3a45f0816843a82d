//! A secret through each door of the program, and then looked for in all that comes out of it: what commands print, what
//! they and a server log, pages, answers of the API, diagnostics, exports, the database as it lies and its backup.
//!
//! A secret is never tried as the name of a field or setting of ours: an unknown name is told to whoever sent it, so that
//! they can mend it, and to nobody else.
//!
//! What integrations do with a secret, and what a provider may do with it, is tried for each of them in
//! `conformance/checks/canary.rs`.

use std::{collections::BTreeMap, fs, process::Stdio};

use axum::http::header::AUTHORIZATION;
use dashtray::demo::{
    GOOGLE_PROPERTY, GOOGLE_READER, GOOGLE_USER, GithubToken, GoogleAccount, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET,
    Options, PLAUSIBLE_SITE, PlausibleKey, StripeKey, VercelToken, authorization::service_account_key,
};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use super::{
    provider::{Scripted, answer},
    sandbox::{Sandbox, company},
    sign_in::Waiting,
    text,
};
use crate::{
    pages::visitor::{Answer, FORM, Visitor, form},
    support::{
        canary::{Seen, forms},
        database::Database,
        summary::tell,
    },
};

/// Everything of ours, and what libraries say when somebody looks for a fault.
const LOG: &str = "debug,dashtray=trace";
const EMAIL: &str = "ada@example.com";

/// Secrets by the doors that they go through.
#[derive(Default)]
struct Doors(BTreeMap<&'static str, String>);

impl Doors {
    /// A secret for one door that begins as such secrets do. It is the same each time, so that a finding can be followed.
    fn open(&mut self, door: &'static str, prefix: &str) -> String {
        let secret = format!("{prefix}{}", &hex(door)[..32]);
        self.know(door, &secret);
        secret
    }

    /// A secret that somebody else made.
    fn know(&mut self, door: &'static str, secret: &str) {
        assert!(self.0.insert(door, secret.to_owned()).is_none(), "{door} is one door");
    }
}

/// Byte by byte.
fn spelled(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A sandbox, and what came out of it.
struct Watched {
    sandbox: Sandbox,
    doors: Doors,
    seen: Seen,
}

impl Watched {
    /// Runs a command and keeps what it prints and logs.
    async fn run(&mut self, arguments: &str, input: &str, status: i32) -> Json {
        let ended = self.sandbox.run_with(&format!("{arguments} --json"), input).await;
        assert_eq!(ended.status, status, "{arguments}: {ended:?}");
        self.seen.note(&format!("what {arguments} prints"), &ended.stdout);
        self.seen.note(&format!("the log of {arguments}"), &ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// The same of one that tells people what they alone may know.
    async fn told_once(&mut self, arguments: &str) -> Json {
        let ended = self.sandbox.run(&format!("{arguments} --json")).await;
        self.seen.note(&format!("the log of {arguments}"), &ended.stderr);
        ended.json(0)
    }

    fn answer(&mut self, place: &str, answer: &Answer) {
        assert!(answer.status < 500, "{place}: {answer:?}");
        self.seen.note(place, format!("{:?} {}", answer.headers, answer.body));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_of_a_program_on_sqlite() {
    through_all_doors(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_of_a_program_on_postgresql() {
    through_all_doors(Some(Database::postgres().await)).await;
}

async fn through_all_doors(postgres: Option<Database>) {
    let mut doors = Doors::default();
    let stripe = doors.open("connect from a file", "rk_test_");
    let github = doors.open("connect from stdin", "github_pat_");
    let plausible = doors.open("connect by a page", "");
    let vercel = doors.open("connect by the API", "");
    let options = Options {
        stripe_keys: vec![StripeKey::full(&stripe)],
        github_tokens: vec![GithubToken::full(&github)],
        plausible_keys: vec![PlausibleKey::full(&plausible)],
        vercel_tokens: vec![VercelToken::full(&vercel[..24])],
        google_accounts: [GOOGLE_USER, GOOGLE_READER].map(GoogleAccount::full).to_vec(),
        ..Options::default()
    };
    let mut sandbox = Sandbox::with(company(), options).await;
    for service in ["google-analytics", "plausible", "vercel"] {
        sandbox.provider(service, &sandbox.emulators.url(service));
    }
    sandbox.set("DASHTRAY_LOG_FILTER", LOG);
    let master = hex("the master key");
    doors.know("the master key in the environment", &master);
    sandbox.set("DASHTRAY_MASTER_KEY", &master);
    let password = doors.open("the password of the database", "");
    if let Some(db) = &postgres {
        sandbox.set("DASHTRAY_DATABASE_URL", &db.url.replace("postgres@", &format!("postgres:{password}@")));
    }
    // Behind what the client's id, which everybody may see, has too.
    doors.know("the OAuth client's secret in the environment", &OAUTH_CLIENT_SECRET["GOCSPX-DemoFernwerk".len()..]);
    sandbox.set("DASHTRAY_GOOGLE_ANALYTICS_CLIENT_ID", OAUTH_CLIENT_ID);
    sandbox.set("DASHTRAY_GOOGLE_ANALYTICS_CLIENT_SECRET", OAUTH_CLIENT_SECRET);
    // What access and refresh tokens and codes have in common.
    doors.know("tokens of a sign-in", "DemoFernwerkNotReal-");
    let mut watched = Watched { sandbox, doors, seen: Seen::default() };

    configuration(&mut watched, &password).await;
    connections(&mut watched, &stripe, &github).await;
    let key = people(&mut watched).await;
    serving(&mut watched, &key, &plausible, &vercel).await;
    views(&mut watched).await;
    if let Some(db) = &postgres {
        let dumped = db.everything().await;
        watched.seen.note("all rows of the database", dumped);
    }

    let Watched { doors, seen, .. } = watched;
    let mut found = Vec::new();
    for (door, secret) in &doors.0 {
        let forms = forms(secret);
        found.extend(seen.holds_none_of(&forms).err().map(|place| format!("what came in through \"{door}\": {place}")));
        // That it would be found.
        for form in &forms {
            let mut planted = Seen::default();
            planted.note("planted", format!("… {form} …"));
            assert!(planted.holds_none_of(&forms).is_err(), "{door}: {form}");
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    tell(format_args!("a canary through each of {} doors, looked for in {} places", doors.0.len(), seen.places()));
}

/// Files, variables and a configuration file with secrets in them; right ones and wrong ones.
async fn configuration(watched: &mut Watched, password: &str) {
    let file_key = hex("the master key in a file");
    let toml_key = hex("the master key in config.toml");
    watched.doors.know("the master key in a file", &file_key);
    watched.doors.know("the master key in config.toml", &toml_key);
    let bad_key = watched.doors.open("a master key that is none", "");
    let bad_url = format!("postgres://dashtray:{password}@127.0.0.1:1/none");
    let sandbox = &watched.sandbox;
    sandbox.file("key", &file_key);
    sandbox.file("bad-key", &bad_key);
    sandbox.file("bad-url", &bad_url);
    sandbox.file("with-key.toml", format!("master_key = \"{toml_key}\"\ndatabase_url = \"{bad_url}\"\n"));
    sandbox.file("broken.toml", format!("master_key = \"{toml_key}\ndatabase_url = {bad_url}\n"));
    sandbox.file("odd.toml", format!("master_key = 5\nmaster_key_file = [\"{toml_key}\"]\n"));
    let commands = [
        (vec![], "config"),
        (vec![("MASTER_KEY", ""), ("MASTER_KEY_FILE", "key")], "config"),
        (vec![("MASTER_KEY", ""), ("MASTER_KEY_FILE", "bad-key")], "connections"),
        (vec![("MASTER_KEY", bad_key.as_str())], "connections"),
        (vec![("MASTER_KEY", bad_key.as_str())], "keys rotate"),
        (vec![("MASTER_KEY_FILE", "key")], "config"),
        (vec![("DATABASE_URL", bad_url.as_str())], "config"),
        (vec![("DATABASE_URL", bad_url.as_str())], "connections"),
        (vec![("DATABASE_URL", ""), ("DATABASE_URL_FILE", "bad-url")], "connections"),
        (vec![("DATABASE_URL", bad_url.as_str())], "backup nothing.backup"),
        (vec![("MASTER_KEY", ""), ("DATABASE_URL", "")], "config --config with-key.toml"),
        (vec![("MASTER_KEY", ""), ("DATABASE_URL", "")], "connections --config with-key.toml"),
        (vec![], "config --config broken.toml"),
        (vec![], "config --config odd.toml"),
    ];
    for (variables, arguments) in commands {
        for arguments in [arguments.to_owned(), format!("{arguments} --json")] {
            let mut command = watched.sandbox.command(&arguments);
            for (name, value) in &variables {
                // An empty one counts as not given.
                command.env(format!("DASHTRAY_{name}"), value);
            }
            let output = command.output().await.unwrap();
            assert!(matches!(output.status.code(), Some(0..=2)), "{arguments}: {output:?}");
            watched.seen.note(&format!("{arguments} with {}", variables.len()), format!("{output:?}"));
            watched
                .seen
                .note(&format!("{arguments}, as it stands"), String::from_utf8_lossy(&output.stdout).into_owned());
            watched.seen.note(&format!("{arguments}, its log"), String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
}

/// Credentials through the command line: good ones, wrong ones, garbled ones, and those that a provider repeats.
async fn connections(watched: &mut Watched, stripe: &str, github: &str) {
    watched.sandbox.file("stripe.json", json!({"credentials": {"api_key": stripe}, "settings": {}}).to_string());
    watched.run("connect stripe --credentials stripe.json", "", 0).await;
    let settings = json!({"repositories": ["fernwerk/ideas"]});
    let input = json!({"credentials": {"token": github}, "settings": settings}).to_string();
    watched.run("connect github --credentials -", &input, 0).await;

    let wrong = watched.doors.open("credentials that are refused", "rk_test_");
    let inputs = [
        json!({"credentials": {"api_key": wrong}}).to_string(),
        json!({"credentials": {"api_key": format!("sk_publishable {wrong}")}}).to_string(),
        json!({"credentials": {wrong.as_str(): "x"}}).to_string(),
        json!({"credentials": {"api_key": [wrong]}}).to_string(),
        json!({"credentials": wrong}).to_string(),
        format!("{{\"credentials\": {{\"api_key\": \"{wrong}"),
        wrong.clone(),
    ];
    for input in &inputs {
        for command in ["connect stripe --name other --credentials -", "reconnect stripe --credentials -"] {
            let ended = watched.sandbox.run_with(command, input).await;
            assert!(matches!(ended.status, 1 | 2), "{input}: {ended:?}");
            watched.seen.note(&format!("a refusal by {command}"), format!("{} {}", ended.stdout, ended.stderr));
        }
    }
    let repeating = Scripted::new(|request, count| {
        let sent =
            request.headers().get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let sent = sent.unwrap_or_default();
        let body = json!({"error": {"message": format!("Invalid API Key: {sent}, {}", spelled(&sent)), "type": sent}});
        let mut reply = match count % 3 {
            0 => answer(401, "application/json", body.to_string()),
            1 => answer(400, "application/json", body.to_string()),
            _ => answer(500, "text/html", format!("<html>{sent}</html>")),
        };
        reply.headers_mut().insert("x-echo", sent.parse().unwrap());
        reply
    })
    .await;
    for _ in 0..3 {
        let mut command = watched.sandbox.command("test stripe --json");
        command.env("DASHTRAY_PROVIDER_URL_STRIPE", &repeating.url);
        let output = command.output().await.unwrap();
        watched.seen.note("a provider that repeats what it got", String::from_utf8_lossy(&output.stdout).into_owned());
        watched.seen.note("the log of that", String::from_utf8_lossy(&output.stderr).into_owned());
    }

    let file = service_account_key(GOOGLE_READER);
    let key: Json = serde_json::from_str(&file).unwrap();
    let lines: Vec<&str> = text(&key["private_key"]).lines().filter(|line| !line.starts_with("-----")).collect();
    watched.doors.know("the first line of a service account's key", lines[0]);
    watched.doors.know("a line of a service account's key", lines[lines.len() / 2]);
    let settings = json!({"property": GOOGLE_PROPERTY});
    let input = json!({"credentials": {"service_account": file}, "settings": settings}).to_string();
    watched.run("connect google-analytics --name account --credentials -", &input, 0).await;
    let cut = json!({"credentials": {"service_account": &file[..file.len() / 2]}, "settings": settings}).to_string();
    watched.run("connect google-analytics --name cut --credentials -", &cut, 2).await;
    watched.run("disconnect account", "", 0).await;
    watched.sandbox.file("settings.json", json!({"settings": settings}).to_string());
    let (page, ended) =
        Waiting::begin(&watched.sandbox, "connect google-analytics --name site --oauth --credentials settings.json")
            .await
            .through()
            .await;
    assert!(page.status == 200 && ended.status == 0, "{page:?} {ended:?}");
    watched.seen.note("the end of a sign-in", page.text);
    watched.seen.note("the log of a sign-in", ended.stderr);
    watched.run("sync", "", 0).await;
    watched.sandbox.emulators.wait(std::time::Duration::from_secs(3_600));
    assert_eq!(watched.run("test site", "", 0).await["refreshed"], true);
}

/// Passwords, links and keys of people and programs. Gives a key that may write.
async fn people(watched: &mut Watched) -> String {
    let password = watched.doors.open("a password", "");
    let other = watched.doors.open("a password that was given later", "");
    watched.run(&format!("user add {EMAIL} --password -"), &password, 0).await;
    watched.run(&format!("user reset-password {EMAIL} --password -"), &other, 0).await;
    let short = watched.run("user add nobody --password -", "4711", 2).await;
    assert_eq!(short["error"]["code"], "invalid_fields");
    let made = watched.told_once("api-key create deploys --scope write").await;
    let key = text(&made["key"]).to_owned();
    watched.doors.know("a key for the API", &key);
    key
}

/// A server, and how its first words are read.
async fn start(watched: &Watched) -> (Child, String) {
    let log = fs::File::create(watched.sandbox.path("serve.log")).unwrap();
    let mut command = watched.sandbox.command("serve --listen 127.0.0.1:0");
    let mut child = command.stderr(Stdio::from(log)).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let host = line.split("http://").nth(1).unwrap().trim().to_owned();
    (child, host)
}

/// Pages and the API, with what is typed into them and sent to them; and what lies on disk meanwhile.
async fn serving(watched: &mut Watched, key: &str, plausible: &str, vercel: &str) {
    let link = text(&watched.told_once(&format!("user link {EMAIL}")).await["url"]).to_owned();
    let token = link.split("token=").nth(1).unwrap().to_owned();
    watched.doors.know("a link that signs in", &token);
    let (mut child, host) = start(watched).await;
    let mut visitor = Visitor::stranger_at(&host);
    let wrong = watched.doors.open("a wrong password", "");
    let refused = visitor.post("/login", &[("email", EMAIL), ("password", &wrong)]).await;
    watched.answer("a wrong password", &refused);
    let refused = visitor.post("/login", &[("email", &wrong), ("password", &wrong)]).await;
    // The address is shown again, so that only the password is typed anew; who types a secret there sees it.
    assert_eq!(refused.status, 401, "{refused:?}");
    let signed_in = visitor.signs_in(&token).await;
    watched.answer("a link that is used", &Answer { headers: BTreeMap::new(), ..signed_in });
    watched.doors.know("the cookie of a session", visitor.session());

    let wrong = watched.doors.open("a key that a page refuses", "");
    let csrf = visitor.get("/settings/projects").await.csrf();
    for (path, field, value, status) in [
        ("/connect/plausible", "c-api_key", plausible, 303),
        ("/connect/plausible", "c-api_key", wrong.as_str(), 422),
        ("/connect/stripe", "c-api_key", wrong.as_str(), 422),
        ("/connect/stripe", wrong.as_str(), "x", 422),
        ("/connect/github", "c-token", wrong.as_str(), 422),
        ("/connect/google-analytics", "c-service_account", wrong.as_str(), 422),
    ] {
        let fields = [("csrf", csrf.as_str()), ("action", "connect"), (field, value), ("s-site_id", PLAUSIBLE_SITE)];
        let mut answer = visitor.post(path, &fields).await;
        watched.answer(&format!("POST {path}"), &answer);
        if answer.status == 200 {
            // There is something to choose, and the key lies sealed meanwhile.
            let draft = answer.hidden("draft");
            let fields =
                [("csrf", csrf.as_str()), ("action", "finish"), ("draft", &draft), ("s-site_id", PLAUSIBLE_SITE)];
            answer = visitor.post(path, &fields).await;
            watched.answer(&format!("what is chosen at {path}"), &answer);
        }
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let stale = form(&[("csrf", &wrong), ("action", "connect"), ("c-api_key", &wrong)]);
    let answer = visitor.ask("POST", "/connect/stripe", &[&format!("Origin: http://{host}"), FORM], &stale).await;
    watched.answer("a form of another session", &answer);

    let program = Visitor::stranger_at(&host);
    let bearer = format!("Authorization: Bearer {key}");
    let bad = watched.doors.open("a credential that the API refuses", "");
    let api_key = watched.doors.open("a key for the API that is none", "dk_");
    for (bearer, body) in [
        (bearer.clone(), json!({"integration_id": "vercel", "credentials": {"token": &vercel[..24]}})),
        (bearer.clone(), json!({"integration_id": "vercel", "credentials": {"token": bad}})),
        (bearer.clone(), json!({"integration_id": "vercel", "credentials": {bad.as_str(): "x"}})),
        (bearer.clone(), json!({"integration_id": "vercel", "credentials": [bad]})),
        (format!("Authorization: Bearer {api_key}"), json!({})),
        (format!("Authorization: Basic {api_key}"), json!({})),
    ] {
        let headers = [bearer.as_str(), "Content-Type: application/json"];
        let answer = program.ask("POST", "/api/v1/connections", &headers, &body.to_string()).await;
        watched.answer("POST /api/v1/connections", &answer);
    }
    let broken = format!("{{\"integration_id\":\"vercel\",\"credentials\":{{\"token\":\"{bad}");
    let answer =
        program.ask("POST", "/api/v1/connections", &[&bearer, "Content-Type: application/json"], &broken).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    watched.answer("a broken body", &answer);
    let names = watched.run("connections", "", 0).await;
    let ids: Vec<&str> =
        names["connections"].as_array().unwrap().iter().map(|one| text(&one["connection_id"])).collect();
    assert_eq!(ids.len(), 5, "{names}");
    everything_to_see(watched, &visitor, &program, &bearer, &ids).await;

    // While it is written to: the log of the database is there.
    watched.run("backup running.backup", "", 0).await;
    if watched.sandbox.data().join("dashtray.db").exists() {
        assert!(watched.sandbox.data().join("dashtray.db-wal").exists());
    }
    let data = watched.sandbox.data();
    watched.seen.files(&data).unwrap();
    child.kill().await.unwrap();
    for file in ["running.backup", "serve.log"] {
        let bytes = fs::read(watched.sandbox.path(file)).unwrap();
        assert!(bytes.len() > 1_000, "{file}");
        watched.seen.note(file, String::from_utf8_lossy(&bytes).into_owned());
    }
}

/// Every page and every answer that can be asked for.
async fn everything_to_see(watched: &mut Watched, visitor: &Visitor, program: &Visitor, bearer: &str, ids: &[&str]) {
    let document = program.ask("GET", "/api/v1/openapi.json", &[bearer], "").await;
    let document: Json =
        serde_json::from_str(document.body.split("\r\n").find(|line| line.starts_with('{')).unwrap()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut api: Vec<String> =
        paths.iter().filter(|(_, item)| item["get"].is_object()).map(|(path, _)| path.clone()).collect();
    assert!(api.len() > 8, "{api:?}");
    api.push("/api/v1/export?format=csv".to_owned());
    let mut pages = vec!["/metrics".to_owned(), "/healthz".to_owned(), "/readyz".to_owned(), "/docs/api".to_owned()];
    for page in [
        "/",
        "/dashboards",
        "/integrations",
        "/settings/account",
        "/settings/sessions",
        "/settings/keys",
        "/settings/projects",
        "/settings/appearance",
        "/settings/people",
        "/settings/log",
        "/d/stripe",
        "/m/stripe_mrr",
        "/m/stripe_mrr/data.csv",
        "/connect/stripe",
        "/connect/github",
    ] {
        pages.push(page.to_owned());
    }
    for id in ids {
        api.extend(["", "/runs"].map(|part| format!("/api/v1/connections/{id}{part}")));
        pages.extend(["", "/now", "/diagnostics", "/reconnect"].map(|part| format!("/connections/{id}{part}")));
    }
    for path in pages {
        let answer = visitor.get(&path).await;
        watched.answer(&path, &answer);
    }
    for path in api {
        let path = path.replace("{metric_id}", "stripe_mrr").replace("{id}", "stripe");
        let answer = program.ask("GET", &path, &[bearer], "").await;
        watched.answer(&path, &answer);
    }
}

/// What commands show of it all afterwards, here and where a backup was restored.
async fn views(watched: &mut Watched) {
    for arguments in [
        "connections",
        "runs Stripe",
        "get stripe_mrr",
        "explain stripe_mrr",
        "user list",
        "api-key list",
        "project",
        "integrations",
        "config",
        "keys rotate",
    ] {
        watched.run(arguments, "", 0).await;
    }
    let restored = "--data-dir elsewhere --database-url sqlite:elsewhere/dashtray.db";
    watched.run(&format!("restore running.backup {restored}"), "", 0).await;
    watched.run(&format!("test stripe {restored}"), "", 0).await;
    let elsewhere = watched.sandbox.path("elsewhere");
    watched.seen.files(&elsewhere).unwrap();
}
