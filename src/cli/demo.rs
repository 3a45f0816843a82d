//! `dashtray demo`

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::json;
use tokio::net::TcpListener;

use super::{
    Invocation,
    dates::Dates,
    failure::{Done, Failure},
    output::{number, table, text},
    serve, sign_in, sync, user,
};
use crate::{
    app::{App, DEFAULT_PROJECT},
    clock::Clock,
    config::Config,
    connections::{ConnectRequest, ConnectedView, SignInFor, SignInRequest},
    demo::{Account, Company, Emulators, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, Options, Truth, browser},
    http::{OAuthClient, grant::client_variables},
    metric::{Definition, Exact, Interval, Kind, Period, Unit, Zone, exact},
    secret::Secret,
    series::{self, GetRequest, Number, PointView, SeriesView},
    web::{CALLBACK_PATH, Callbacks},
};

/// Try everything with a simulated company
///
/// Starts stand-ins of the services on this machine, with 400 days of a company that does not exist, connects them through
/// the real integrations, one of them by a sign-in, reads them, compares the numbers with what the generator knows, and serves until it is stopped.
/// All of it is in a directory of its own that is removed at the end.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dashtray demo --listen 127.0.0.1:9000")]
pub(super) struct Args {
    /// Address and port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

/// Any would do; always the same one, so that two people see the same company.
const SEED: u64 = 7;
/// Who looks at the demo.
const VISITOR: &str = "visitor@example.com";

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let listener = serve::bind(args.listen).await?;
    let directory = tempfile::Builder::new().prefix("dashtray-demo-").tempdir()?;
    let company = Arc::new(Company::generate(SEED, Clock::System.now()));
    let emulators = Emulators::start(company.clone(), Options::default()).await?;
    let app = invocation.open_with(config(invocation, &company, &emulators, directory.path())?).await?;

    let ended = tokio::select! {
        ended = show(invocation, &app, &company, &emulators) => ended,
        () = serve::asked_to_stop() => return Ok(Done::All),
    };
    ended?;
    if !invocation.out.json {
        let address = listener.local_addr()?.to_string();
        let project = app.connections.project(DEFAULT_PROJECT).await?;
        let visitor = app.users.add_without_password(VISITOR, "Visitor", &project).await?;
        let link = user::sign_in_url(&app, &visitor, &format!("http://{address}")).await?;
        invocation.out.print(&instructions(&app, &address, &link))?;
    }
    serve::serve(invocation, app, listener).await
}

/// The operator's configuration with all that is the demo's own put in its place.
fn config(
    invocation: &Invocation,
    company: &Company,
    emulators: &Emulators,
    directory: &Path,
) -> Result<Config, Failure> {
    let mut config = invocation.config().clone();
    config.data_dir = directory.to_owned();
    config.database_url = Config::sqlite_url(directory);
    (config.master_key, config.master_key_file) = (None, None);
    (config.public_url, config.now) = (None, None);
    config.provider_urls.clear();
    config.oauth_clients.clear();
    for account in company.accounts() {
        let id = account.integration_id;
        let url =
            emulators.url(id).parse().map_err(|_| Failure::failed("internal", format!("no stand-in for {id}")))?;
        config.provider_urls.insert(id.to_owned(), url);
        if account.credentials.is_none() {
            let secret = Some(Secret::new(OAUTH_CLIENT_SECRET));
            config.oauth_clients.insert(id.to_owned(), OAuthClient { id: OAUTH_CLIENT_ID.to_owned(), secret });
        }
    }
    Ok(config)
}

/// Connects, reads and shows what came of it.
async fn show(invocation: &Invocation, app: &App, company: &Company, emulators: &Emulators) -> Result<(), Failure> {
    for account in company.accounts() {
        let how = if account.credentials.is_some() { "" } else { ", by a sign-in" };
        let connected = connect(invocation, app, account, emulators).await?;
        invocation.out.note(&format!("connected {} ({}){how}", connected.account.label, connected.integration_id));
    }
    let runs = sync::sync(app, DEFAULT_PROJECT, &[], Dates::default()).await?;
    let rows = compare(app, company).await?;
    let view = json!({"data_dir": app.config.data_dir, "runs": runs, "metrics": rows.iter().map(Row::to_json).collect::<Vec<_>>()});
    invocation.out.show(&view, |_| human(&rows))
}

/// With a key, or by a sign-in for which the company's user sits at the browser.
async fn connect(
    invocation: &Invocation,
    app: &App,
    account: Account,
    emulators: &Emulators,
) -> Result<ConnectedView, Failure> {
    let (project, integration_id) = (DEFAULT_PROJECT.to_owned(), account.integration_id.to_owned());
    let (name, settings) = (None, account.settings.as_object().cloned().unwrap_or_default());
    if let Some(fields) = account.credentials {
        let credentials = fields.into_iter().map(|(key, value)| (key.to_owned(), Secret::new(value))).collect();
        let request = ConnectRequest { project, integration_id, name, credentials, settings };
        return Ok(app.connections.connect(request).await?);
    }
    // Not where the command line waits: somebody may be signing in there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let redirect_uri = format!("http://{}{CALLBACK_PATH}", listener.local_addr()?);
    emulators.expect_sign_in(&redirect_uri);
    let purpose = SignInFor::Connect { integration_id, name, settings };
    let begun = app.connections.begin_sign_in(SignInRequest { project, redirect_uri, purpose }).await?;
    let mut callbacks = Callbacks::on(listener);
    let browsing = async { Ok(browser::allow(&begun.url).await?) };
    let (_, signed_in) = tokio::try_join!(browsing, sign_in::wait(invocation, app, &mut callbacks, &begun.url))?;
    callbacks.close().await;
    Ok(signed_in.view)
}

/// One series of the last 30 days, and what the generator says of it.
struct Row {
    metric_id: String,
    dimension: String,
    currency: String,
    newest: String,
    days: usize,
    total: String,
    agrees: Option<bool>,
}

async fn compare(app: &App, company: &Company) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut truths: BTreeMap<String, Truth> = BTreeMap::new();
    for descriptor in app.registry.descriptors() {
        for definition in &descriptor.metrics {
            let request = GetRequest {
                project: DEFAULT_PROJECT.to_owned(),
                metric_id: definition.id.clone(),
                connection: None,
                from: None,
                to: None,
                interval: Interval::Day,
                by_dimension: false,
                now: Clock::System.now(),
            };
            for series in series::get(&app.store, &app.registry, &request).await? {
                let zone = series.zone.parse().unwrap_or_else(|_| Zone::utc());
                let truth = truths.entry(series.zone.clone()).or_insert_with(|| company.truth(&zone));
                let total = |period| {
                    let total = truth.total(&definition.id, series.currency, period);
                    total.or_else(|| company.analytics_total(&definition.id, period, &zone))
                };
                rows.push(row(definition, &series, total));
            }
        }
    }
    Ok(rows)
}

fn row(definition: &Definition, series: &SeriesView, total: impl Fn(Period) -> Option<i64>) -> Row {
    let known: Vec<&PointView> = series.points.iter().filter(|point| point.value.is_some()).collect();
    let newest = known.last().and_then(|point| point.value.as_ref());
    let period = match definition.kind {
        Kind::Distinct | Kind::Ratio | Kind::Statistic => known.last().map(|last| Period::single(last.date)),
        _ => known.first().zip(series.points.last()).map(|(first, last)| Period::inclusive(first.date, last.date)),
    };
    let got = match definition.kind {
        Kind::Flow => known.iter().filter_map(|point| exact_of(point.value.as_ref()?)).sum::<Exact>().into(),
        _ => newest.and_then(exact_of),
    };
    let expected = period
        .filter(|_| series.dimension.is_none())
        .and_then(total)
        .and_then(|total| exact::fraction(total, 10_i64.pow(u32::from(digits(definition.unit, series)))));
    Row {
        metric_id: definition.id.clone(),
        dimension: series.dimension.clone().unwrap_or_default(),
        currency: series.currency.map(|code| code.to_string()).unwrap_or_default(),
        newest: newest.map_or_else(|| "-".to_owned(), ToString::to_string),
        days: known.len(),
        total: match (definition.kind, &got) {
            (Kind::Flow, Some(got)) => exact::to_decimal(got, digits(definition.unit, series)).unwrap_or_default(),
            _ => String::new(),
        },
        agrees: got.zip(expected).map(|(got, expected)| got == expected),
    }
}

fn exact_of(number: &Number) -> Option<Exact> {
    match number {
        Number::Integer(number) => Some(exact::from_int(*number)),
        Number::Decimal(text) => exact::parse_decimal(text),
    }
}

fn digits(unit: Unit, series: &SeriesView) -> u8 {
    match (unit, series.currency) {
        (Unit::Currency, Some(currency)) => currency.digits(),
        (Unit::Seconds, _) => 3,
        _ => 0,
    }
}

impl Row {
    fn to_json(&self) -> serde_json::Value {
        json!({"metric_id": self.metric_id, "dimension": self.dimension, "currency": self.currency, "newest": self.newest, "days": self.days,
            "total": self.total, "agrees": self.agrees})
    }
}

fn human(rows: &[Row]) -> String {
    let mut shown = table(&["metric", "currency", "newest", "days", "sum of 30 days", "as generated"]);
    for row in rows {
        let agrees = match row.agrees {
            Some(true) => "✓",
            Some(false) => "✗ differs",
            None => "",
        };
        shown.add_row([
            format!("{} {}", row.metric_id, row.dimension).trim_end().into(),
            row.currency.as_str().into(),
            number(&row.newest),
            number(row.days),
            number(&row.total),
            agrees.into(),
        ]);
    }
    let judged = rows.iter().filter(|row| row.agrees.is_some()).count();
    let agreeing = rows.iter().filter(|row| row.agrees == Some(true)).count();
    format!("{}\n{agreeing} of {judged} totals that the generator knows agree with what was read.\n", text(&shown))
}

/// How to look at it from another terminal, to be copied.
fn instructions(app: &App, address: &str, link: &str) -> String {
    let config = &app.config;
    let directory = config.data_dir.display();
    let descriptors: Vec<_> = app.registry.descriptors().collect();
    let metrics = || descriptors.iter().flat_map(|descriptor| &descriptor.metrics);
    let explained = metrics().find(|metric| metric.explained).map_or("METRIC", |metric| metric.id.as_str());
    let divided = metrics().find(|metric| metric.dimension.is_some()).map_or("METRIC", |metric| metric.id.as_str());
    let mut out = format!(
        "\nDashtray is at http://{address}\n\nOpen this link, which signs you in once:\n  {link}\n\nIn another terminal:\n"
    );
    let commands = [
        "connections".to_owned(),
        format!("get {explained}"),
        format!("explain {explained}"),
        format!("get {divided} --by-dimension --interval week"),
    ];
    for command in commands {
        out.push_str(&format!("  dashtray --data-dir {directory} {command}\n"));
    }
    out.push_str("\nTo sync from there as well, say where the stand-ins are, and as which client:\n");
    for (id, url) in &config.provider_urls {
        let variable = id.to_uppercase().replace('-', "_");
        out.push_str(&format!("  export DASHTRAY_PROVIDER_URL_{variable}={}\n", url.as_str().trim_end_matches('/')));
    }
    for (id, client) in &config.oauth_clients {
        let secret = client.secret.as_ref().map_or("", Secret::expose);
        for (variable, value) in client_variables(id).into_iter().zip([client.id.as_str(), secret]) {
            out.push_str(&format!("  export {variable}={value}\n"));
        }
    }
    out.push_str("\nCtrl-C stops it and removes everything.\n");
    out
}
