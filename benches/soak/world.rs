//! The providers, and what is wrong with them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashtray::demo::{
    Company, Emulators, GOOGLE_PROPERTY, GithubToken, GoogleAccount, Options, PLAUSIBLE_SITE, PlausibleKey, StripeKey,
    VercelToken, authorization::service_account_key,
};
use serde_json::{Value as Json, json};
use tokio::process::Command;

use crate::front::{Act, Asked, Form, Front, Reply};

/// The present of all runs: what they come to hangs on nothing but the company's books.
const NOW: &str = "2026-03-31T12:00:00Z";
/// Teams that join at most.
pub(crate) const TEAMS: usize = 40;
/// One request in so many goes wrong.
const ONE_IN: u64 = 25;
const SERVICES: [&str; 5] = ["github", "google-analytics", "plausible", "stripe", "vercel"];

/// The company's providers, each behind a front that may misbehave.
pub(crate) struct World {
    _emulators: Emulators,
    fronts: Vec<(&'static str, Front)>,
    faults: Arc<AtomicU64>,
}

impl World {
    pub(crate) async fn start() -> Self {
        let company = Arc::new(Company::generate(7, NOW.parse().unwrap()));
        let leaked = |text: String| -> &'static str { text.leak() };
        let teams = 0..=TEAMS;
        let options = Options {
            stripe_keys: teams.clone().map(|team| StripeKey::full(leaked(key("stripe", team)))).collect(),
            github_tokens: teams.clone().map(|team| GithubToken::full(leaked(key("github", team)))).collect(),
            vercel_tokens: teams.clone().map(|team| VercelToken::full(leaked(key("vercel", team)))).collect(),
            plausible_keys: teams.clone().map(|team| PlausibleKey::full(leaked(key("plausible", team)))).collect(),
            google_accounts: teams.map(|team| GoogleAccount::full(leaked(key("google-analytics", team)))).collect(),
            // Each team has its own limits with a provider, but all of them read one property.
            rate_limits: false,
            latency: std::time::Duration::from_millis(20),
            ..Options::default()
        };
        let emulators = Emulators::start(company, options).await.unwrap();
        let mut fronts = Vec::new();
        for service in SERVICES {
            fronts.push((service, Front::before(&emulators.url(service).parse().unwrap()).await.unwrap()));
        }
        Self { _emulators: emulators, fronts, faults: Arc::default() }
    }

    /// Where a program finds the providers, and which day it is.
    pub(crate) fn set(&self, command: &mut Command) {
        command.env("DASHTRAY_NOW", NOW);
        for (service, front) in &self.fronts {
            let name = format!("DASHTRAY_PROVIDER_URL_{}", service.to_uppercase().replace('-', "_"));
            command.env(name, front.url.as_str().trim_end_matches('/'));
        }
    }

    /// What a team's account of each service is connected with.
    pub(crate) fn accounts(team: usize) -> [(&'static str, Json); 5] {
        let google = service_account_key(&key("google-analytics", team));
        [
            ("github", json!({"credentials": {"token": key("github", team)}, "settings": {"owner": "fernwerk"}})),
            (
                "google-analytics",
                json!({"credentials": {"service_account": google}, "settings": {"property": GOOGLE_PROPERTY}}),
            ),
            (
                "plausible",
                json!({"credentials": {"api_key": key("plausible", team)}, "settings": {"site_id": PLAUSIBLE_SITE}}),
            ),
            ("stripe", json!({"credentials": {"api_key": key("stripe", team)}, "settings": {}})),
            ("vercel", json!({"credentials": {"token": key("vercel", team)}, "settings": {"team": "fernwerk"}})),
        ]
    }

    /// From now on some requests go wrong.
    pub(crate) fn misbehave(&self) {
        for (_, front) in &self.fronts {
            let faults = self.faults.clone();
            front.rule(move |asked| fault(asked, &faults));
        }
    }

    /// From now on none does.
    pub(crate) fn behave(&self) {
        self.fronts.iter().for_each(|(_, front)| front.behave());
    }

    /// Fronts note what they are asked, and stop answering whoever asks without end.
    pub(crate) fn forget_asked(&self) {
        self.fronts.iter().for_each(|(_, front)| drop(front.take()));
    }

    /// How many requests went wrong.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

fn key(service: &str, team: usize) -> String {
    match service {
        "stripe" => format!("rk_test_DemoFernwerkSoakNotARealKey{team:012}"),
        "github" => format!("github_pat_{:0>22}_{team:0>59}", "DemoFernwerkSoakNotRea"),
        "vercel" => format!("DemoFernwerkSoakNotARe{team:02}"),
        "plausible" => format!("DemoFernwerkSoakNotARealPlausibleKey{team:0>28}"),
        _ => format!("reader{team}@fernwerk-demo.iam.gserviceaccount.com"),
    }
}

fn fault(asked: &Asked, faults: &AtomicU64) -> Act {
    if !rand::random::<u64>().is_multiple_of(ONE_IN) {
        return Act::Forward;
    }
    faults.fetch_add(1, Ordering::Relaxed);
    let sent = |form: Form| Act::Edit(asked.target(), Box::new(move |reply: &mut Reply| reply.form = form));
    match rand::random::<u64>() % 7 {
        0 => Act::Reply(Reply::json(500, "{}")),
        1 => Act::Reply(Reply::json(503, "{}")),
        2 => Act::Reply(Reply::json(429, "{}").header("retry-after", 1)),
        3 => sent(Form::Cut),
        4 => sent(Form::Reset),
        5 => sent(Form::Split(10)),
        _ => sent(Form::Closed),
    }
}
