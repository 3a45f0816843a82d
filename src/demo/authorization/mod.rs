//! An authorisation server: sign-ins with PKCE, refresh tokens, and assertions of service accounts.
//!
//! It is as strict as the standards let one be (RFC 6749, 7009, 7523, 7636), so that what passes here passes anywhere. It
//! answers what any HTTP server hands it, so that an emulator of a service can have it under its own address:
//! [`AuthorizationServer::answer`] takes the paths of [`Rules`] and leaves all others, [`AuthorizationServer::bearer`]
//! says whose a token is.

mod assertion;
mod page;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use self::assertion::service_account_key;
use super::{random::Dice, server::lock};

/// A sign-in has to be ended within so many seconds.
const CODE_SECONDS: i64 = 600;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Path of the page where users say yes.
    pub authorise_path: &'static str,
    /// Path of the token endpoint.
    pub token_path: &'static str,
    /// Path where tokens are taken back.
    pub revoke_path: &'static str,
    /// Who may ask.
    pub clients: Vec<RegisteredClient>,
    /// What can be granted.
    pub scopes: BTreeSet<String>,
    /// Parameters of the page besides those of the standards.
    pub parameters: BTreeSet<&'static str>,
    /// For how many seconds an access token is good.
    pub access_seconds: i64,
    /// For how many seconds a refresh token is good, where it ends by itself.
    pub refresh_seconds: Option<i64>,
    /// Whether a refresh gives a new refresh token and ends the old one. An old one that comes back ends them all.
    pub rotates: bool,
    /// Whether no refresh token is given unless `access_type=offline` and `prompt=consent` are asked for.
    pub offline_on_request: bool,
    /// Addresses of service accounts.
    pub service_accounts: BTreeSet<String>,
    /// Whom assertions must address.
    pub audience: String,
    /// By how many seconds the clocks of those who assert may differ. `None`: nobody looks.
    pub skew_seconds: Option<i64>,
}

impl Default for Rules {
    /// Google's paths and lifetimes, and one client, [`RegisteredClient::demo`].
    fn default() -> Self {
        Self {
            authorise_path: "/o/oauth2/v2/auth",
            token_path: "/token",
            revoke_path: "/revoke",
            clients: vec![RegisteredClient::demo()],
            scopes: BTreeSet::new(),
            parameters: ["access_type", "prompt", "include_granted_scopes", "login_hint"].into(),
            access_seconds: 3_599,
            refresh_seconds: None,
            rotates: false,
            offline_on_request: true,
            service_accounts: BTreeSet::new(),
            audience: "https://oauth2.googleapis.com/token".to_owned(),
            skew_seconds: Some(300),
        }
    }
}

/// An application that is known.
#[derive(Debug, Clone)]
pub struct RegisteredClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Option<String>,
    /// Where users may be sent back to, to the letter.
    pub redirect_uris: Vec<String>,
}

impl RegisteredClient {
    /// The client of the simulated company's Dashtray.
    pub fn demo() -> Self {
        Self {
            id: super::OAUTH_CLIENT_ID.to_owned(),
            secret: Some(super::OAUTH_CLIENT_SECRET.to_owned()),
            redirect_uris: vec!["http://127.0.0.1:8573/oauth/callback".to_owned()],
        }
    }
}

/// What the user does who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Sees a page with two links.
    Asked,
    /// Allows all of it.
    Allow,
    /// Leaves some boxes empty.
    Only(BTreeSet<String>),
    /// Says no.
    Deny,
}

/// What goes wrong at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status, and nothing is done.
    Status(u16),
    /// It is done, and the answer is lost: 503.
    Lost,
    /// A web page with status 200, and nothing is done.
    Html,
    /// Status 200 and no body, and nothing is done.
    Empty,
    /// `invalid_grant` with status 200.
    ErrorWith200,
}

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// Without `?`.
    pub query: &'a str,
    /// The header, if it was sent.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// The present instant.
    pub now: Timestamp,
}

/// What it is answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Whose an access token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The user or the service account.
    pub subject: String,
    /// What it may do.
    pub scopes: BTreeSet<String>,
}

/// Why an access token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// There is none, or nobody knows it.
    Unknown,
    /// It is over, or was taken back.
    Over,
}

/// How often what was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sign-ins that gave tokens.
    pub sign_ins: u64,
    /// Refreshes that gave tokens.
    pub refreshes: u64,
    /// Assertions that gave tokens.
    pub assertions: u64,
    /// Questions to the token endpoint that were refused.
    pub refused: u64,
    /// Grants that were taken back or ended because an old token came back.
    pub ended: u64,
}

/// The server, without a socket.
#[derive(Debug)]
pub struct AuthorizationServer {
    rules: Mutex<Rules>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    consent: Consent,
    /// Whom the page signs in.
    user: String,
    faults: Vec<Fault>,
    counts: Counts,
    dice: Dice,
    states: BTreeSet<String>,
    codes: BTreeMap<String, Code>,
    families: Vec<Family>,
    refresh: BTreeMap<String, RefreshToken>,
    access: BTreeMap<String, AccessToken>,
}

#[derive(Debug)]
struct Code {
    client: String,
    redirect_uri: String,
    challenge: String,
    scopes: BTreeSet<String>,
    is_offline: bool,
    user: String,
    ends_at: Timestamp,
    /// The grant that it was exchanged for.
    family: Option<usize>,
}

/// All tokens of one yes.
#[derive(Debug)]
struct Family {
    client: String,
    user: String,
    scopes: BTreeSet<String>,
    is_alive: bool,
}

#[derive(Debug)]
struct RefreshToken {
    family: usize,
    is_used: bool,
    ends_at: Option<Timestamp>,
}

#[derive(Debug)]
struct AccessToken {
    family: Option<usize>,
    bearer: Bearer,
    ends_at: Timestamp,
}

impl AuthorizationServer {
    /// A server of which every user allows everything.
    pub fn new(rules: Rules) -> Self {
        let state = State {
            consent: Consent::Allow,
            user: "ada@fernwerk.example".to_owned(),
            faults: Vec::new(),
            counts: Counts::default(),
            dice: Dice::new(0x0a11),
            states: BTreeSet::new(),
            codes: BTreeMap::new(),
            families: Vec::new(),
            refresh: BTreeMap::new(),
            access: BTreeMap::new(),
        };
        Self { rules: Mutex::new(rules), state: Mutex::new(state) }
    }

    /// Answers a request, if the path is one of the server's.
    pub fn answer(&self, asked: &Asked<'_>) -> Option<Answered> {
        let rules = lock(&self.rules).clone();
        let state = &mut *lock(&self.state);
        Some(match (asked.method, asked.path) {
            ("GET", path) if path == rules.authorise_path => page::authorise(state, &rules, asked),
            ("POST", path) if path == rules.token_path => tokens::token(state, &rules, asked),
            ("POST", path) if path == rules.revoke_path => tokens::revoke(state, asked),
            (_, path) if [rules.authorise_path, rules.token_path, rules.revoke_path].contains(&path) => {
                Answered::problem(405, "invalid_request", "Method not allowed")
            }
            _ => return None,
        })
    }

    /// Whose the token of an `Authorization` header is.
    pub fn bearer(&self, authorization: Option<&str>, now: Timestamp) -> Result<Bearer, Denied> {
        let token = authorization.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
        let state = lock(&self.state);
        let found = state.access.get(token).ok_or(Denied::Unknown)?;
        let is_alive = found.family.and_then(|family| state.families.get(family)).is_none_or(|family| family.is_alive);
        if is_alive && found.ends_at > now { Ok(found.bearer.clone()) } else { Err(Denied::Over) }
    }

    /// An access token that nobody asked for, for who tests what it opens.
    pub fn access(&self, subject: &str, scopes: &[&str], now: Timestamp) -> String {
        let rules = lock(&self.rules).clone();
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let given = lock(&self.state).give(&rules, None, Bearer { subject: subject.to_owned(), scopes }, now);
        given["access_token"].as_str().unwrap_or_default().to_owned()
    }

    /// What the next users do.
    pub fn consent(&self, consent: Consent) {
        lock(&self.state).consent = consent;
    }

    /// Who signs in from now on.
    pub fn user(&self, user: &str) {
        user.clone_into(&mut lock(&self.state).user);
    }

    /// Lets the next questions to the token endpoint go wrong, in this order.
    pub fn fail(&self, faults: &[Fault]) {
        lock(&self.state).faults = faults.iter().rev().copied().collect();
    }

    /// Changes the rules while it runs.
    pub fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut lock(&self.rules));
    }

    /// Ends all access tokens at once, so that whoever believes in them learns it from an answer.
    pub fn end_access(&self) {
        lock(&self.state).access.values_mut().for_each(|token| token.ends_at = Timestamp::MIN);
    }

    /// Ends all grants, as users do who remove the application from their accounts.
    pub fn end_grants(&self) {
        lock(&self.state).families.iter_mut().for_each(|family| family.is_alive = false);
    }

    /// How often what was done.
    pub fn counts(&self) -> Counts {
        lock(&self.state).counts
    }

    /// Whether any grant of a user is alive.
    pub fn is_granted(&self) -> bool {
        lock(&self.state).families.iter().any(|family| family.is_alive)
    }
}

impl State {
    /// A token that nobody has guessed. Obviously made up.
    fn fresh(&mut self, prefix: &str) -> String {
        format!("{prefix}DemoFernwerkNotReal-{}", self.dice.hex(40))
    }

    fn end(&mut self, family: usize) {
        if let Some(family) = self.families.get_mut(family).filter(|family| family.is_alive) {
            family.is_alive = false;
            self.counts.ended += 1;
        }
    }

    fn give(&mut self, rules: &Rules, family: Option<usize>, bearer: Bearer, now: Timestamp) -> Value {
        let token = self.fresh("ya29.");
        let ends_at = after(now, rules.access_seconds);
        let scope = bearer.scopes.iter().cloned().collect::<Vec<_>>().join(" ");
        self.access.insert(token.clone(), AccessToken { family, bearer, ends_at });
        json!({ "access_token": token, "expires_in": rules.access_seconds, "scope": scope, "token_type": "Bearer" })
    }
}

impl Answered {
    fn json(status: u16, body: &Value) -> Self {
        let headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status, headers, body: serde_json::to_vec_pretty(body).unwrap_or_default() }
    }

    fn html(status: u16, text: &str) -> Self {
        let page = format!("<!doctype html><html><body>{text}</body></html>");
        let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
        Self { status, headers, body: page.into_bytes() }
    }

    fn problem(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, &json!({ "error": error, "error_description": description }))
    }
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

/// The pairs of a form or a query; of a name that comes twice nobody knows what is meant.
fn pairs(encoded: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for (key, value) in url::form_urlencoded::parse(encoded) {
        if found.insert(key.to_string(), value.to_string()).is_some() {
            return Err(key.to_string());
        }
    }
    Ok(found)
}
