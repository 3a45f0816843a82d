//! Every route, asked by everybody. The list of routes is the routers' own, so a new route without a line fails; what each
//! asker is to get stands in `matrix.txt`, and the threat model shows the same table.

use std::collections::BTreeMap;

use dashtray::{
    connections::ConnectRequest,
    metric::Currency,
    secret::Secret,
    store::{AuditQuery, NewDashboard, NewProject, NewUser, Project, Role, Scope, User},
    web,
};
use serde_json::json;

use super::{
    connecting::{KEY, site},
    visitor::{FORM, Visitor, form},
};
use crate::support::{fake::Script, site::Site};

/// What each gets: a status, or `login` for who is sent to the sign-in.
const TABLE: &str = include_str!("matrix.txt");
const MODEL: &str = "docs/threat-model.md";

/// Who asks. All of them want what belongs to the first project.
const ASKERS: [&str; 9] =
    ["visitor", "viewer", "editor", "owner", "outsider", "read-key", "write-key", "other-key", "revoked-key"];

/// What changes nothing that others would ask about afterwards, so that the audit log says nothing of it.
const UNNOTED: [&str; 6] = [
    "POST /connections/{id}/test",
    "POST /settings/projects/choose",
    "POST /settings/appearance",
    "POST /api/v1/metrics",
    "POST /api/v1/connections/{connection_id}/test",
    "POST /settings/sessions/others",
];

/// The lines of the table: method and path, and what each asker gets.
fn lines() -> Vec<(String, Vec<&'static str>)> {
    let rows = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words[..2].join(" "), words[2..].to_vec())
    })
    .collect()
}

struct World {
    site: Site,
    ours: Project,
    theirs: Project,
    keys: BTreeMap<&'static str, String>,
    /// The widest open page of each that is signed in.
    browsers: BTreeMap<&'static str, Visitor>,
    stylesheet: String,
    count: usize,
}

/// What one request is about.
struct Subjects {
    connection: String,
    slug: String,
    member: User,
    invitation: String,
    api_key: String,
}

impl World {
    async fn new() -> Self {
        let site = site(&Script::named("example-service")).await;
        let (store, now) = (&site.app.store, site.app.now());
        let ours = store.project("default").await.unwrap().unwrap();
        let new = NewProject { slug: "other".into(), zone: "UTC".into(), currency: Currency::USD };
        let theirs = store.insert_project(&new, now).await.unwrap();
        let mut keys = BTreeMap::new();
        for (asker, project, scope) in [
            ("read-key", &ours, Scope::Read),
            ("write-key", &ours, Scope::Write),
            ("other-key", &theirs, Scope::Write),
            ("revoked-key", &ours, Scope::Write),
        ] {
            let made = site.app.users.make_api_key(project, asker, scope).await.unwrap();
            keys.insert(asker, made.secret.expose().to_owned());
        }
        site.app.users.revoke_api_key(&ours, "revoked-key").await.unwrap();
        let login = Visitor::stranger(&site).get("/login").await.body;
        let stylesheet = login.split("/static/app.").nth(1).unwrap().split('"').next().unwrap();
        let stylesheet = format!("app.{stylesheet}");
        let mut world = Self { site, ours, theirs, keys, browsers: BTreeMap::new(), stylesheet, count: 0 };
        for asker in ["viewer", "editor", "owner", "outsider"] {
            let (_, browser) = world.somebody(asker).await;
            world.browsers.insert(asker, browser);
        }
        world
    }

    fn next(&mut self) -> usize {
        self.count += 1;
        self.count
    }

    async fn member(&mut self, project: &Project, role: Role) -> User {
        let new = NewUser { email: format!("p{}@example.com", self.next()), name: "P".into(), password_hash: None };
        self.site.app.store.insert_user(&new, project.id, role, self.site.app.now()).await.unwrap()
    }

    /// Somebody new, signed in: what they do to themselves concerns nobody else.
    async fn somebody(&mut self, asker: &str) -> (User, Visitor) {
        let (project, role) = match asker {
            "viewer" => (self.ours.clone(), Role::Viewer),
            "editor" => (self.ours.clone(), Role::Editor),
            "owner" => (self.ours.clone(), Role::Owner),
            _ => (self.theirs.clone(), Role::Owner),
        };
        let user = self.member(&project, role).await;
        let browser = Visitor::signed_in(&self.site, &user.email).await;
        (user, browser)
    }

    /// New ones for each request that may remove them.
    async fn subjects(&mut self) -> Subjects {
        let flavour = format!("flavour-{}", self.next());
        let request = ConnectRequest {
            project: self.ours.slug.clone(),
            integration_id: "example-service".into(),
            name: Some(flavour.clone()),
            credentials: BTreeMap::from([("api_key".to_owned(), Secret::new(KEY))]),
            settings: json!({"flavour": flavour}).as_object().cloned().unwrap(),
        };
        let connection = self.site.app.connections.connect(request).await.unwrap().connection_id.to_string();
        let slug = format!("board-{}", self.next());
        let board = NewDashboard { slug: slug.clone(), name: slug.clone(), integration_id: None, widgets: Vec::new() };
        self.site.app.store.insert_dashboard(self.ours.id, &board, self.site.app.now()).await.unwrap();
        let ours = self.ours.clone();
        let member = self.member(&ours, Role::Viewer).await;
        let invitation = self.site.app.users.invite(&ours, Role::Viewer, "").await.unwrap();
        let api_key = self.site.app.users.make_api_key(&ours, &slug, Scope::Read).await.unwrap();
        Subjects {
            connection,
            slug,
            member,
            invitation: invitation.invitation.id.to_string(),
            api_key: api_key.key.id.to_string(),
        }
    }

    /// The path, of what belongs to the first project.
    fn path(&self, path: &str, subjects: &Subjects) -> String {
        let id = if path.starts_with("/connect/") { "example-service" } else { subjects.connection.as_str() };
        let path = path.replace("/integrations/{integration_id}", "/integrations/example-service");
        let path = path.replace("/dashboards/{dashboard_id}", &format!("/dashboards/{}", subjects.slug));
        let path = path.replace("{connection_id}", &subjects.connection).replace("{id}", id);
        let path = path.replace("{slug}", &subjects.slug).replace("{metric_id}", "fake_events");
        let path = path.replace("{name}", &self.stylesheet);
        assert!(!path.contains('{'), "{path}: say what stands there");
        if path == "/live" { format!("/live?connection={}&seen=", subjects.connection) } else { path }
    }

    /// A form that would be taken, of who may send it.
    fn fields(&self, path: &str, subjects: &Subjects, own_session: &str) -> Vec<(&'static str, String)> {
        let number = self.count.to_string();
        let fields: &[(&'static str, &str)] = match path {
            "/d/{slug}/edit" => &[("do", "rename"), ("name", &number), ("version", "0")],
            "/dashboards" => &[("name", &number)],
            "/setup" | "/invitation" | "/login/link" | "/invitation/join" => &[("token", "guess")],
            "/login" => &[("email", "nobody@example.com"), ("password", "guess")],
            "/connect/{id}" => &[("action", "connect"), ("c-api_key", KEY), ("s-flavour", &number)],
            "/connections/{id}/reconnect" => &[("action", "connect"), ("c-api_key", KEY)],
            "/connections/{id}/settings" => &[("shown", "s-sync_interval"), ("s-sync_interval", "60")],
            "/connections/{id}/disconnect" => &[("data", "delete")],
            "/settings/account" => &[("password", "guess"), ("new_password", "short")],
            "/settings/sessions" => &[("session", own_session)],
            "/settings/keys" => &[("name", &number), ("scope", "read")],
            "/settings/keys/revoke" => &[("key", &subjects.api_key)],
            "/settings/people/invite" => &[("role", "viewer")],
            "/settings/people/revoke" => &[("invitation", &subjects.invitation)],
            "/settings/people/role" => &[("user", &subjects.member.id.to_string()), ("role", "editor")],
            "/settings/people/remove" => &[("user", &subjects.member.id.to_string())],
            "/settings/people/leave" | "/settings/projects/choose" => &[("project", &self.ours.slug)],
            "/settings/projects" => &[("zone", "UTC"), ("currency", "EUR")],
            "/settings/projects/new" => {
                &[("new-slug", &format!("p-{number}")), ("new-zone", "UTC"), ("new-currency", "USD")]
            }
            "/settings/appearance" => &[("theme", "dark")],
            _ => &[],
        };
        fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    fn body(&self, method: &str, path: &str) -> String {
        let number = self.count.to_string();
        let body = match (method, path) {
            ("POST", "/api/v1/metrics") => {
                json!({"metrics": [{"metric_id": "signups", "value": 1, "date": "2026-01-01"}]})
            }
            ("POST", "/api/v1/connections") => json!({
                "integration_id": "example-service",
                "credentials": {"api_key": KEY},
                "settings": {"flavour": number}
            }),
            ("PATCH", _) => json!({"name": number}),
            _ => return String::new(),
        };
        body.to_string()
    }

    /// What an asker gets.
    async fn ask(&mut self, asker: &'static str, method: &str, path: &str, subjects: &Subjects) -> String {
        let at = self.path(path, subjects);
        let key = self.keys.get(asker).map(|key| format!("Authorization: Bearer {key}"));
        let is_signed_in = self.browsers.contains_key(asker);
        let changes = method != "GET";
        let (user, fresh) = if is_signed_in && changes {
            let (user, fresh) = self.somebody(asker).await;
            (Some(user), Some(fresh))
        } else {
            (None, None)
        };
        let stranger = Visitor::stranger(&self.site);
        let browser = fresh.as_ref().or(self.browsers.get(asker)).unwrap_or(&stranger);
        let mut headers = Vec::from_iter(key.as_deref());
        if path.starts_with("/api/") {
            headers.push("Content-Type: application/json");
            return told(&browser.ask(method, &at, &headers, &self.body(method, path)).await);
        }
        if path == "/live" {
            // It ends when somebody has heard enough.
            return told(&browser.head(&at).await);
        }
        if !changes {
            return told(&browser.ask("GET", &at, &headers, "").await);
        }
        let own = format!("Origin: http://{}", self.site.host);
        headers.extend([FORM, own.as_str()]);
        let (mut csrf, mut session) = (String::new(), String::new());
        if let Some(user) = &user {
            csrf = browser.get("/settings/appearance").await.csrf();
            session = self.site.app.users.sessions(user).await.unwrap()[0].id.to_string();
        }
        let before = self.newest().await;
        let mut fields = self.fields(path, subjects, &session);
        fields.push(("csrf", csrf));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let got = told(&browser.ask(method, &at, &headers, &form(&fields)).await);
        let is_done = ["200", "303"].contains(&got.as_str()) && user.is_some();
        if let Some(user) = user.filter(|_| is_done && !UNNOTED.contains(&format!("{method} {path}").as_str())) {
            let (id, actor) = self.newest().await;
            assert!(
                id != before.0 && actor == user.email,
                "{method} {path}: the audit log names {actor}, not {user:?}"
            );
        }
        got
    }

    /// The newest line of the audit log, and who it names.
    async fn newest(&self) -> (String, String) {
        let query = AuditQuery { limit: 1, ..AuditQuery::default() };
        let newest = self.site.app.users.audit(&query).await.unwrap().remove(0);
        (newest.id.to_string(), newest.actor)
    }
}

fn told(answer: &super::visitor::Answer) -> String {
    match (answer.status, answer.header("location")) {
        (303, to) if to.starts_with("/login") => "login".to_owned(),
        (status, _) => status.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_everybody_as_the_table_says() {
    let table: BTreeMap<String, Vec<&str>> = lines().into_iter().collect();
    let listed = web::listed();
    let mut wrong = Vec::new();
    for line in table.keys() {
        if !listed.iter().any(|(method, path)| *line == format!("{method} {path}")) {
            wrong.push(format!("{line}: there is no such route any more"));
        }
    }
    let mut world = World::new().await;
    // Enough for all: some routes remove what they are asked for, and get their own.
    let lasting = world.subjects().await;
    for (method, path) in listed {
        let mut row = Vec::new();
        for asker in ASKERS {
            let fresh = if method == "GET" { None } else { Some(world.subjects().await) };
            row.push(world.ask(asker, method, path, fresh.as_ref().unwrap_or(&lasting)).await);
        }
        let line = format!("{method} {path}");
        if table.get(&line).is_none_or(|expected| *expected != row) {
            wrong.push(written(&line, &row));
        }
    }
    assert!(
        wrong.is_empty(),
        "tests/pages/matrix.txt says otherwise, or nothing; this is what was got:\n{}",
        wrong.join("\n")
    );
}

fn written<T: AsRef<str>>(line: &str, row: &[T]) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let cells = row.iter().zip(ASKERS).map(|(cell, asker)| format!("{:<1$}", cell.as_ref(), asker.len() + 1));
    format!("{method:<6} {path:<47} {}", cells.collect::<String>()).trim_end().to_owned()
}

/// `DASHTRAY_WRITE_GUIDES=1 cargo test --test all pages::matrix` writes the table instead.
#[test]
fn the_threat_model_shows_this_table() {
    #[expect(clippy::disallowed_methods, reason = "a wish of who runs the test, not a setting of the program")]
    let is_writing = std::env::var_os("DASHTRAY_WRITE_GUIDES").is_some();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL);
    let model = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = model.split_once("<!-- matrix -->\n").unwrap();
    let (shown, tail) = rest.split_once("<!-- end of matrix -->").unwrap();
    let header = format!("| route | {} |\n|---|{}\n", ASKERS.join(" | "), "---|".repeat(ASKERS.len()));
    let rows = lines().into_iter().map(|(line, row)| format!("| `{line}` | {} |\n", row.join(" | ")));
    let table: String = std::iter::once(header).chain(rows).collect();
    if is_writing {
        std::fs::write(&path, format!("{head}<!-- matrix -->\n{table}<!-- end of matrix -->{tail}")).unwrap();
    } else {
        let command = "DASHTRAY_WRITE_GUIDES=1 cargo test --test all pages::matrix";
        assert!(shown == table, "{MODEL} shows another table than tests/pages/matrix.txt; write it anew: {command}");
    }
}
