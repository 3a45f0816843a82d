//! A small integration that is right, and wrong in exactly one way where a flaw is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use dashtray::{
    http::{Auth, Exception, Limits, Meaning, OAuth, When, Window, WindowScope},
    integrations::{
        AccountInfo, BaseUrl, Batch, Category, Check, Context, CredentialField, Descriptor, Error, FetchReport,
        FieldKind, Integration, Outcome, Shape, Stream, ZonePolicy,
    },
    metric::{
        Answer, Day, Definition, FailureKind, Interval, Kind, Period, Polarity, Sample, Unit, ValidRange, Value,
        WidgetType,
    },
};
use serde::{Deserialize, de::IgnoredAny};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    flaw::Flaw,
    sales::{ORDERS, SALES, refunds},
};

pub(super) const EVENTS: &str = "toy_events";
pub(super) const SHARE: &str = "toy_share";
pub(super) const USERS: &str = "toy_users";
pub(super) const VISITORS: &str = "toy_visitors";

/// The integration.
#[derive(Debug)]
pub(super) struct Twin(pub(super) Flaw);

#[derive(Debug, Deserialize)]
struct Account {
    id: String,
    name: String,
    #[serde(default)]
    token: String,
    mirror: Option<url::Url>,
}

#[derive(Debug, Deserialize)]
struct Checks {
    days: Vec<CheckDay>,
}

#[derive(Debug, Deserialize)]
struct CheckDay {
    days_ago: i32,
    good: i64,
    all: i64,
}

#[derive(Debug, Deserialize)]
struct Visits {
    visits: Vec<Visit>,
}

#[derive(Debug, Deserialize)]
struct Visit {
    days_ago: i32,
    visitor: i64,
}

#[derive(Debug, Deserialize)]
struct Users {
    users: i64,
}

impl Twin {
    fn is(&self, flaw: Flaw) -> bool {
        self.0 == flaw
    }

    fn definition(&self, id: &str, kind: Kind, unit: Unit, stream: &str) -> Definition {
        let unit = if self.is(Flaw::RatioOfCounts) && kind == Kind::Ratio { Unit::Count } else { unit };
        Definition {
            id: id.to_owned(),
            name: format!("The {}", id.trim_start_matches("toy_")),
            description: "What happened to toys on a day.".to_owned(),
            unit,
            category: "toys".to_owned(),
            widget_type: WidgetType::Metric,
            kind,
            polarity: Polarity::UpIsGood,
            valid: if kind == Kind::Ratio { ValidRange::Share } else { ValidRange::NotNegative },
            settles_after_days: u16::from(kind != Kind::Level),
            retention_days: (kind == Kind::Level).then_some(1),
            definition: 1,
            dimension: None,
            stream: stream.to_owned(),
            source: "`GET /stats`".to_owned(),
            differs: None,
            explained: id == SALES,
            of_money: false,
            exchange_effect: None,
        }
    }

    fn metrics(&self) -> Vec<Definition> {
        let events = match self.0 {
            Flaw::NoPrefix => "events",
            Flaw::SameIdTwice => USERS,
            _ => EVENTS,
        };
        let stream = if self.is(Flaw::UnknownStream) { "elsewhere" } else { "things" };
        let metrics = [
            self.definition(events, Kind::Flow, Unit::Count, stream),
            self.definition(SHARE, Kind::Ratio, Unit::Percent, "checks"),
            self.definition(USERS, Kind::Level, Unit::Count, "users"),
            self.definition(VISITORS, Kind::Distinct, Unit::Count, "visits"),
            self.definition(SALES, Kind::Flow, Unit::Currency, "sales"),
            self.definition(ORDERS, Kind::Flow, Unit::Count, "sales"),
        ];
        metrics.map(|definition| self.misdefine(definition)).to_vec()
    }
}

#[async_trait]
impl Integration for Twin {
    fn descriptor(&self) -> Arc<Descriptor> {
        let flawed = |flaw, right: &str, wrong: &str| if self.is(flaw) { wrong } else { right }.to_owned();
        let cost = flawed(Flaw::NoCost, "one call", "cheap");
        let stream = |id: &str, shape| Stream {
            id: id.to_owned(),
            shape,
            version: 1,
            cost: cost.clone(),
            periods: id == "visits",
        };
        let month = Shape::ByDay { window_days: 31 };
        let window = Window { scope: WindowScope::Everything, calls: 40, per: Duration::from_secs(10) };
        let refusal = Exception { status: 401, when: When::Always, means: Meaning::Transient };
        let throttle =
            Exception { status: 400, when: When::BodyContains("slow down".to_owned()), means: Meaning::RateLimited };
        let guide = "# Toy\n\nHow to get a token: ask for one at the desk. It needs to read things, checks and users. \
                     What is read: things by day, the share of good checks by day, visitors, and the users of today. Known \
                     limits: forty calls in ten seconds, and users are known for today alone.";
        Arc::new(Descriptor {
            id: "toy".to_owned(),
            name: "Toy".to_owned(),
            category: Category::Analytics,
            icon: "<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_owned(),
            summary: flawed(Flaw::NoSummary, "Counts toys, checks and their users.", ""),
            auth: if self.is(Flaw::UntriedSignIn) { sign_in() } else { Auth::Bearer { field: "token".to_owned() } },
            credentials: vec![CredentialField {
                key: "token".to_owned(),
                label: "Token".to_owned(),
                placeholder: "toy_token_…".to_owned(),
                kind: if self.is(Flaw::SecretAsText) { FieldKind::Text } else { FieldKind::Password },
                required: true,
                help_text: flawed(Flaw::NoHelp, "Ask for it at the desk.", " "),
                pattern: Some("toy_token_[A-Za-z0-9]+".to_owned()),
                rejected_prefixes: Vec::new(),
                link: None,
            }],
            settings: vec![refunds()],
            base_url: BaseUrl::Fixed(flawed(Flaw::PlainHttp, "https://api.toy.example", "http://api.toy.example")),
            hosts: vec![flawed(Flaw::WildcardHost, "files.toy.example", "*.example")],
            headers: Vec::new(),
            limits: Limits {
                windows: match self.0 {
                    Flaw::NoLimits | Flaw::IgnoresLimits => Vec::new(),
                    _ => vec![window],
                },
                concurrent: 2,
                headers: None,
                wait_unless_said: Duration::from_secs(5),
            },
            exceptions: match self.0 {
                Flaw::RetriesRefusals => vec![refusal],
                Flaw::TakesLimitForAnswer => Vec::new(),
                Flaw::IgnoresRetryAfter => {
                    vec![Exception { status: 429, when: When::Always, means: Meaning::Transient }, throttle]
                }
                _ => vec![throttle],
            },
            streams: vec![
                stream("things", month),
                stream("checks", month),
                stream("users", Shape::WholeAccount),
                stream("visits", month),
                stream("sales", month),
            ],
            metrics: self.metrics(),
            sync_interval_minutes: 30,
            zone: ZonePolicy::Choosable,
            history_days: 30,
            guide: if self.is(Flaw::EmptyGuide) { String::new() } else { guide.to_owned() },
        })
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        static TESTS: AtomicI64 = AtomicI64::new(0);
        let account: Account = match ctx.http.get("/account").json::<Account>().await {
            Ok(answer) => answer.body,
            Err(error) if !self.is(Flaw::TakesAnyKey) => return Err(error),
            Err(_) => Account { id: "toy-1".into(), name: "Toy".into(), token: String::new(), mirror: None },
        };
        if self.is(Flaw::TestWantsMore) {
            ctx.http.get("/billing").json::<IgnoredAny>().await?;
        }
        if let Some(mirror) = account.mirror.as_ref().filter(|_| self.is(Flaw::OwnSocket)) {
            visit(mirror).await;
        }
        let users = ctx.http.get("/users").json::<IgnoredAny>().await;
        let mut message = "can be read".to_owned();
        let mut ok = true;
        match users {
            Err(error) if error.kind() == FailureKind::Forbidden => {
                ok = self.is(Flaw::HidesMissingScope);
                message = "give the token the right to read users".to_owned();
            }
            Err(error) if !self.is(Flaw::TakesAnyKey) => return Err(error),
            _ => {}
        }
        if self.is(Flaw::SecretInCheckEncoded) {
            use base64::Engine as _;
            message = format!("signed with {}", base64::prelude::BASE64_STANDARD.encode(&account.token));
        }
        let id = match self.0 {
            Flaw::AnotherAccountEachTime => format!("{}-{}", account.id, TESTS.fetch_add(1, Ordering::Relaxed)),
            _ => account.id,
        };
        Ok(AccountInfo {
            id,
            label: account.name,
            zone: None,
            currency: None,
            info: serde_json::Map::new(),
            checks: vec![Check { id: "users".to_owned(), ok, message, costs: vec![USERS.to_owned()] }],
            choices: BTreeMap::new(),
        })
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let descriptor = self.descriptor();
        let mut report = FetchReport::new(&descriptor, metrics);
        if self.is(Flaw::CallsMissingScopeUnknown) {
            // A stranger ends it all.
            if let Some(stranger) = report.outcomes.keys().next() {
                return Err(Error::invalid_settings(format!("unknown metric {stranger}")));
            }
        }
        for id in metrics {
            let read = match id.as_str() {
                EVENTS => self.events(ctx, period).await,
                SHARE => self.share(ctx, period).await,
                USERS => self.users(ctx, period).await,
                VISITORS => self.visitors(ctx, period).await,
                SALES => self.sales(ctx, period).await,
                ORDERS => self.orders(ctx, period).await,
                _ => continue,
            };
            let read = self.after_failure(read);
            match (self.0, read) {
                (Flaw::AllFailTogether, Err(error)) => return Err(error),
                (Flaw::ZerosForFailures, Err(_)) => {
                    ctx.commit(Batch::new().answer(Answer::total(id, period, Vec::new()))).await?;
                    report.set(id, Outcome::Ok);
                }
                (Flaw::Swallows401, Err(_)) => report.set(id, Outcome::Unsupported("not today".to_owned())),
                (_, read) => report.record(&[id], read)?,
            }
        }
        Ok(report)
    }
}

/// Opens a way out that is not the host's.
async fn visit(mirror: &url::Url) {
    let address = (mirror.host_str().unwrap_or_default(), mirror.port().unwrap_or(80));
    if let Ok(mut stream) = TcpStream::connect(address).await {
        let _ = stream.write_all(b"GET /stolen HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16]).await;
    }
}

impl Twin {
    /// What some make of it that something went wrong.
    fn after_failure(&self, read: Result<(), Error>) -> Result<(), Error> {
        static WENT_WRONG: AtomicBool = AtomicBool::new(false);
        match (self.0, &read) {
            (Flaw::LogsByItself, Err(error)) => tracing::warn!(%error, "no luck today"),
            (Flaw::StaysDown, Err(_)) => WENT_WRONG.store(true, Ordering::Relaxed),
            (Flaw::StaysDown, Ok(())) if WENT_WRONG.load(Ordering::Relaxed) => {
                return Err(Error::new(FailureKind::Unavailable, "it went wrong once"));
            }
            _ => {}
        }
        read
    }

    /// Reads the list and counts by day.
    async fn events(&self, ctx: &Context, period: Period) -> Result<(), Error> {
        static FETCHES: AtomicI64 = AtomicI64::new(0);
        let (things, token) = self.things(ctx).await?;
        let mut by_day: BTreeMap<Day, i64> = BTreeMap::new();
        for thing in &things {
            *by_day.entry(ctx.today().plus(-thing.days_ago)).or_default() += 1;
        }
        let period = self.misread(ctx, period, &mut by_day).await?;
        if self.is(Flaw::OutsideThePeriod) {
            by_day.insert(period.start().plus(-1), 1);
        } else {
            by_day.retain(|day, _| period.contains(*day));
        }
        if self.is(Flaw::AnotherTimeOtherwise) {
            let shift = FETCHES.fetch_add(1, Ordering::Relaxed);
            by_day.values_mut().for_each(|count| *count += shift);
        }
        self.leak(&token)?;
        let sample = |(day, count): (&Day, &i64)| Sample::new(*day, Value::Count(*count));
        let mut samples: Vec<Sample> = by_day.iter().map(sample).collect();
        if self.is(Flaw::AnswersTwice) {
            samples.extend(by_day.iter().map(sample));
        }
        if self.is(Flaw::SecretInMetadata) {
            samples = samples.into_iter().map(|sample| sample.with("source", token.as_str())).collect();
        }
        let answered = match self.0 {
            Flaw::LeavesADayOut => Period::new(period.start().next(), period.end()),
            _ => period,
        };
        samples.retain(|sample| !self.is(Flaw::LeavesADayOut) || answered.contains(sample.day));
        if self.is(Flaw::SaysNothing) {
            return Ok(());
        }
        ctx.commit(Batch::new().answer(Answer::total(EVENTS, answered, samples))).await
    }

    /// Lets out what the provider repeated.
    fn leak(&self, token: &str) -> Result<(), Error> {
        match self.0 {
            Flaw::SecretInError => Err(Error::invalid_response(format!("no things for {token}"))),
            Flaw::SecretInLog => {
                tracing::trace!(token, "read things");
                Ok(())
            }
            Flaw::SecretInPanic => panic!("no things for {token}"),
            _ => Ok(()),
        }
    }

    async fn share(&self, ctx: &Context, period: Period) -> Result<(), Error> {
        let checks: Checks = ctx.http.get("/checks").json().await?.body;
        let samples = checks
            .days
            .iter()
            .map(|day| Sample::new(ctx.today().plus(-day.days_ago), self.share_of(day.good, day.all)));
        let samples: Vec<Sample> = samples.filter(|sample| period.contains(sample.day)).collect();
        if self.is(Flaw::GapForNothing) && samples.is_empty() {
            let zeros = period.days().map(|day| Sample::new(day, Value::ratio(0, 1)));
            return ctx.commit(Batch::new().answer(Answer::total(SHARE, period, zeros.collect()))).await;
        }
        ctx.commit(Batch::new().answer(Answer::total(SHARE, period, samples))).await
    }

    /// Counts the different visitors of each day, week or month.
    async fn visitors(&self, ctx: &Context, period: Period) -> Result<(), Error> {
        let grain = if self.is(Flaw::DaysForWeeks) { Interval::Day } else { ctx.grain };
        let visits: Visits = ctx.http.get("/visits").json().await?.body;
        let mut who: BTreeMap<Day, BTreeSet<(i64, i32)>> = BTreeMap::new();
        for visit in &visits.visits {
            let day = ctx.today().plus(-visit.days_ago);
            // Whoever comes again is the same one.
            let once = if self.is(Flaw::SumsVisitors) { visit.days_ago } else { 0 };
            who.entry(grain.bucket(day).start()).or_default().insert((visit.visitor, once));
        }
        let answered = match self.0 {
            Flaw::LeavesAWeekOut if grain != Interval::Day => {
                Period::new(grain.bucket(period.start()).end(), period.end())
            }
            _ => period,
        };
        let counted = who.iter().filter(|(day, _)| answered.contains(**day));
        let samples = counted.map(|(day, who)| Sample::new(*day, i64::try_from(who.len()).ok().map(Value::Count)));
        ctx.commit(Batch::new().answer(Answer::total(VISITORS, answered, samples.collect()))).await
    }

    async fn users(&self, ctx: &Context, period: Period) -> Result<(), Error> {
        if self.is(Flaw::CheckpointBeforeData) {
            let day = ctx.today().to_string().into_bytes();
            if ctx.checkpoint("users").await?.as_ref() == Some(&day) {
                return Ok(());
            }
            ctx.commit(Batch::new().checkpoint("users", day)).await?;
        }
        let users: Users = ctx.http.get("/users").json().await?.body;
        let today = Period::single(ctx.today()).intersect(period);
        let samples = today.days().map(|day| Sample::new(day, Value::Count(users.users))).collect();
        let answered = match self.0 {
            Flaw::ZerosBeyondRetention => Period::new(ctx.today().plus(-7), today.end()),
            _ => today,
        };
        ctx.commit(Batch::new().answer(Answer::total(USERS, answered, samples))).await
    }
}

fn sign_in() -> Auth {
    Auth::OAuth(OAuth {
        authorise_url: "https://toys.example/authorise".to_owned(),
        token_url: "https://toys.example/token".to_owned(),
        revoke_url: None,
        scopes: vec!["toys".to_owned()],
        optional_scopes: Vec::new(),
        parameters: Vec::new(),
        pkce: true,
        expiry: Vec::new(),
        short_lived: None,
    })
}
