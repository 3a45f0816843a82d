//! Bronze: an integration is honest.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::{
    connections,
    http::Error,
    integrations::{AccountInfo, Outcome},
    metric::{Day, FailureKind, Interval, Kind, Period, State, WidgetType},
    sync::{OutcomeWord, RunStatus, RunView},
};
use serde_json::{Value as Json, json};

use crate::conformance::{
    direct::{Direct, Fetched},
    front::{Act, Asked, Front, Reply},
    stand::{Account, Fields, Provider, Stand},
    whole::Whole,
};

type Checked = Result<(), String>;

/// An emulator behind a front.
pub(super) async fn fronted(stand: &Stand, account: Account) -> Result<(Provider, Front), String> {
    let provider = (stand.start)(account).await;
    let front = Front::before(&provider.url).await.map_err(|error| error.to_string())?;
    Ok((provider, front))
}

/// An undisturbed read of the lively account.
pub(super) async fn clean(stand: &Stand, front: &Front) -> Result<Fetched, String> {
    front.behave();
    let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    fetched.is_whole(&fetched).map_err(|why| format!("even an undisturbed read: {why}"))?;
    ensure!(!fetched.facts.is_empty(), "the lively account has no values; nothing could be judged by it");
    front.take();
    Ok(fetched)
}

/// What a test says cannot be had.
fn costs(account: &AccountInfo) -> BTreeSet<String> {
    account.checks.iter().filter(|check| !check.ok).flat_map(|check| check.costs.iter().cloned()).collect()
}

async fn tested(stand: &Stand, front: &Front, fields: &Fields) -> Result<Result<AccountInfo, Error>, String> {
    Ok(Direct::open(stand, &front.url, fields)?.test().await)
}

/// C10
pub(crate) async fn tells_credentials_apart(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let valid =
        tested(stand, &front, &stand.valid).await?.map_err(|error| format!("valid ones are refused: {error}"))?;
    ensure!(!valid.id.trim().is_empty() && !valid.label.trim().is_empty(), "the account has no id or label");
    ensure!(costs(&valid).is_empty(), "with all scopes something is said to be missing: {:?}", costs(&valid));
    ensure!(!front.take().is_empty(), "it asks nobody");
    match tested(stand, &front, &stand.fake).await? {
        Ok(_) => return Err("a fake credential passes".to_owned()),
        Err(error) if error.kind() != FailureKind::Unauthorized => {
            return Err(format!("a fake credential is called {:?}: {error}", error.kind()));
        }
        Err(_) => {}
    }
    for (scope, fields) in &stand.without {
        let verdict = tested(stand, &front, fields).await?;
        let account = verdict.map_err(|error| format!("without {scope} it is refused as a whole: {error}"))?;
        let lost: BTreeSet<String> =
            Direct::open(stand, &front.url, fields)?.fetch().await.lost().into_iter().collect();
        let said = costs(&account);
        let unsaid: Vec<&String> = lost.difference(&said).collect();
        ensure!(unsaid.is_empty(), "without {scope} {unsaid:?} cannot be had, and the test does not say so");
        front.take();
    }
    Ok(())
}

/// C11
pub(crate) async fn test_needs_no_more_than_metrics(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    for (scope, fields) in &stand.without {
        let lost = Direct::open(stand, &front.url, fields)?.fetch().await;
        ensure!(lost.fatal.is_none(), "without {scope} nothing can be had: {:?}", lost.fatal);
        let lost: BTreeSet<String> = lost.lost().into_iter().collect();
        front.take();
        let verdict = tested(stand, &front, fields).await?;
        let account =
            verdict.map_err(|error| format!("{scope}, which no metric needs, is needed by the test: {error}"))?;
        let said = costs(&account);
        let too_many: Vec<&String> = said.difference(&lost).collect();
        ensure!(too_many.is_empty(), "without {scope} the test gives up {too_many:?}, which can be had");
        front.take();
    }
    if !stand.without.is_empty() {
        return Ok(());
    }
    // A provider whose keys know no scopes: then the test asks for nothing that the metrics do not.
    clean(stand, &front).await?;
    Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    let needed: BTreeSet<String> = front.take().iter().map(|asked| asked.path.clone()).collect();
    tested(stand, &front, &stand.valid).await?.map_err(|error| error.to_string())?;
    let asked = front.take();
    let beyond = asked.iter().find(|asked| !needed.contains(&asked.path));
    let Some(beyond) = beyond.filter(|_| asked.len() > 1) else { return Ok(()) };
    // It may look for more, such as what there is to choose from, if it goes without.
    front.rule(move |asked| match needed.contains(&asked.path) {
        true => Act::Forward,
        false => Act::Reply(Reply::json(403, r#"{"message":"no"}"#)),
    });
    let verdict = tested(stand, &front, &stand.valid).await?;
    let account = verdict.map_err(|error| {
        format!("the test asks for {:?}, which no metric needs, and fails without: {error}", beyond.line())
    })?;
    let said = costs(&account);
    ensure!(said.is_empty(), "without {:?}, which no metric needs, the test gives up {said:?}", beyond.line());
    Ok(())
}

/// C12
pub(crate) async fn knows_its_account(stand: &Stand) -> Checked {
    let whole = Whole::connected(stand, Account::Busy).await?;
    let again = whole.connect(&stand.valid).await;
    match again {
        Err(connections::Error::AlreadyConnected { .. }) => {}
        Err(error) => return Err(format!("connecting it again says: {error}")),
        Ok(view) => return Err(format!("the same account connects twice, as {}", view.account.id)),
    }
    let first = whole.connection().await?.account_id;
    let elsewhere = Whole::connected(stand, Account::Busy).await?;
    let second = elsewhere.connection().await?.account_id;
    ensure!(first == second, "the same account is called {first} and {second}");
    Ok(())
}

/// C13
pub(crate) async fn fills_the_ledger(stand: &Stand) -> Checked {
    let whole = Whole::connected(stand, Account::Busy).await?;
    let today = stand.period().end().plus(-1);
    for round in ["first", "second"] {
        let run = whole.sync().await?;
        ensure!(run.status == RunStatus::Ok, "the {round} run ends {}: {}", run.status.name(), troubles(&run));
        let descriptor = stand.integration.descriptor();
        let history = Period::inclusive(whole.connection().await?.settings.history_start, today);
        for (metric, grain) in descriptor
            .metrics
            .iter()
            .flat_map(|metric| descriptor.grains(metric).iter().map(move |grain| (metric, *grain)))
        {
            let (id, ledger) = (&metric.id, whole.ledger(metric, grain).await?);
            // The days that were asked for, and the weeks and months that hold them and begin within the history.
            let asked: BTreeSet<Day> = grain.starts(grain.whole(stand.period()).intersect(history)).collect();
            let there: BTreeSet<Day> = ledger.keys().copied().collect();
            let missing: Vec<&Day> = asked.difference(&there).collect();
            let extra: Vec<&Day> = there.difference(&asked).collect();
            let of = grain.name();
            ensure!(missing.is_empty() && extra.is_empty(), "{id} by {of}: missing {missing:?}, extra {extra:?}");
            for (day, mark) in &ledger {
                let age = u32::try_from(today.number() - day.number()).unwrap_or(u32::MAX);
                let is_beyond = metric.retention_days.is_some_and(|days| age >= days);
                let is_right = match mark.state {
                    State::Value | State::Zero | State::Empty => !is_beyond,
                    State::BeyondRetention => is_beyond,
                    State::Pending | State::Failed(_) | State::Unsupported => false,
                };
                ensure!(is_right, "{id} of the {of} of {day} is {} after the {round} run", mark.state.name());
            }
        }
    }
    Ok(())
}

/// What went wrong in a run, in words.
fn troubles(run: &RunView) -> String {
    let metrics = run.metrics.iter().filter_map(|metric| Some((&metric.metric_id, metric.error.as_ref()?)));
    let first: Vec<String> = metrics.take(3).map(|(id, error)| format!("{id}: {}", error.message)).collect();
    let error = run.error.as_ref().map(|error| error.message.clone());
    error.into_iter().chain(first).collect::<Vec<_>>().join("; ")
}

/// Answers the stand's endpoint in a way of its own and forwards the rest.
pub(super) fn spoil(stand: &Stand, front: &Front, reply: Reply) {
    let is = stand.endpoint.is;
    front.rule(move |asked| if is(&asked.path) { Act::Reply(reply.clone()) } else { Act::Forward });
}

/// C14
pub(crate) async fn fails_alone(stand: &Stand) -> Checked {
    let whole = Whole::connected(stand, Account::Busy).await?;
    spoil(stand, &whole.front, Reply::html());
    let run = whole.sync().await?;
    let fed = stand.endpoint.feeds;
    let all = stand.integration.descriptor().metrics.len();
    ensure!(!fed.is_empty() && fed.len() < all, "the stand's endpoint feeds all or nothing; name one that feeds some");
    for metric in &run.metrics {
        let is_fed = fed.contains(&metric.metric_id.as_str());
        let failed = !matches!(metric.outcome, OutcomeWord::Ok | OutcomeWord::Unchanged);
        let kind = metric.error.as_ref().map(|error| error.kind);
        ensure!(is_fed == failed, "{}: {} ({kind:?}), with {fed:?} disturbed", metric.metric_id, metric.outcome.name());
        let is_named = !failed || kind == Some(FailureKind::InvalidResponse);
        ensure!(is_named, "{} fails for a web page and calls it {kind:?}", metric.metric_id);
    }
    ensure!(run.metrics.len() == all, "the run speaks of {} of {all} metrics", run.metrics.len());
    ensure!(run.status == RunStatus::Partial, "the run ends {}: {}", run.status.name(), troubles(&run));
    for metric in &stand.integration.descriptor().metrics {
        let is_fed = fed.contains(&metric.id.as_str());
        for (day, mark) in whole.ledger(metric, Interval::Day).await? {
            let is_failed = matches!(mark.state, State::Failed(_));
            let is_right = if is_fed { is_failed || mark.state == State::BeyondRetention } else { !is_failed };
            ensure!(is_right, "{} of {day} is {} with {fed:?} disturbed", metric.id, mark.state.name());
        }
    }
    knows_no_other_metric(stand, &whole.front).await
}

/// An id that nobody declared is its own outcome, and the others go on.
async fn knows_no_other_metric(stand: &Stand, front: &Front) -> Checked {
    front.behave();
    let stranger = "nobody_declared_this".to_owned();
    let known = stand.integration.descriptor().metrics.first().map(|metric| metric.id.clone()).unwrap_or_default();
    let direct = Direct::open(stand, &front.url, &stand.valid)?;
    let outcomes = direct.fetch_only(&[stranger.clone(), known.clone()]).await;
    let outcomes = outcomes.map_err(|error| format!("an unknown metric ends it all: {error}"))?;
    ensure!(outcomes.get(&stranger) == Some(&Outcome::Unknown), "an unknown metric is {:?}", outcomes.get(&stranger));
    ensure!(
        outcomes.get(&known) == Some(&Outcome::Ok),
        "beside an unknown metric {known} is {:?}",
        outcomes.get(&known)
    );
    Ok(())
}

/// C15
pub(crate) async fn tells_nothing_from_zero(stand: &Stand) -> Checked {
    let quiet = Whole::connected(stand, Account::Quiet).await?;
    let run = quiet.sync().await?;
    ensure!(run.status == RunStatus::Ok, "a quiet account ends {}: {}", run.status.name(), troubles(&run));
    for metric in &stand.integration.descriptor().metrics {
        let nothing = match metric.kind {
            _ if metric.widget_type == WidgetType::Table => State::Zero,
            Kind::Flow | Kind::Level | Kind::Distinct => State::Zero,
            Kind::Ratio | Kind::Statistic => State::Empty,
        };
        for (day, mark) in quiet.ledger(metric, Interval::Day).await? {
            let is_right = mark.state == nothing || mark.state == State::BeyondRetention;
            ensure!(is_right, "where nothing happened {} of {day} is {}", metric.id, mark.state.name());
        }
    }
    let broken = Whole::connected(stand, Account::Quiet).await?;
    spoil(stand, &broken.front, Reply::html());
    broken.sync().await?;
    let fed = |id: &str| stand.endpoint.feeds.contains(&id);
    for metric in stand.integration.descriptor().metrics.iter().filter(|metric| fed(&metric.id)) {
        for view in broken.series(metric).await? {
            let wrong = view.points.iter().find(|point| {
                let is_failed = matches!(point.state, State::Failed(_)) || point.state == State::BeyondRetention;
                !is_failed || point.value.is_some()
            });
            let found = wrong.map(|point| (point.date, point.state.name(), &point.value));
            ensure!(found.is_none(), "{} could not be read and is {found:?}", metric.id);
        }
    }
    let busy = Whole::connected(stand, Account::Busy).await?;
    busy.sync().await?;
    let mut values = 0;
    for metric in &stand.integration.descriptor().metrics {
        values += busy.ledger(metric, Interval::Day).await?.values().filter(|mark| mark.state == State::Value).count();
    }
    ensure!(values > 0, "a lively account has no value");
    Ok(())
}

/// How often each thing was asked for.
fn counted(asked: &[Asked]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for one in asked {
        *times.entry(one.line()).or_default() += 1;
    }
    times
}

/// C16
pub(crate) async fn reads_refusals(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    // Who gets an access token for it asks for a new one and once more with that.
    let token_path = stand.token_path();
    let at_most = 1 + usize::from(token_path.is_some());
    front.rule(move |asked| match token_path.as_ref() == Some(&asked.path) {
        true => Act::Forward,
        false => Act::Reply(Reply::json(401, r#"{"message":"no"}"#)),
    });
    let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    let kind = fetched.fatal.as_ref().map(Error::kind);
    ensure!(kind == Some(FailureKind::Unauthorized), "401 to everything ends as {kind:?}, {:?}", fetched.outcomes);
    ensure_no_more(&front.take(), 401, at_most)?;
    let test = tested(stand, &front, &stand.valid).await?;
    ensure!(test.as_ref().is_err_and(|error| error.kind() == FailureKind::Unauthorized), "401 to the test is {test:?}");
    ensure_no_more(&front.take(), 401, at_most)?;
    for (status, expected) in [
        (403, [FailureKind::Forbidden, FailureKind::PlanRequired]),
        (404, [FailureKind::NotFound, FailureKind::InvalidSettings]),
    ] {
        spoil(stand, &front, Reply::json(status, r#"{"message":"no"}"#));
        let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
        ensure!(fetched.fatal.is_none(), "{status} to one endpoint ends it all: {:?}", fetched.fatal);
        for id in stand.endpoint.feeds {
            let outcome = fetched.outcomes.get(*id);
            let is_right = match outcome {
                Some(Outcome::Failed(error)) => expected.contains(&error.kind()),
                // A missing permission may be said in words as well.
                Some(Outcome::Unsupported(reason)) => status == 403 && !reason.is_empty(),
                _ => false,
            };
            ensure!(is_right, "{id} is {outcome:?} after {status}");
        }
        let (is, spoiled) = (stand.endpoint.is, front.take());
        let spoiled: Vec<Asked> = spoiled.into_iter().filter(|asked| is(&asked.path)).collect();
        ensure_no_more(&spoiled, status, 1)?;
    }
    Ok(())
}

/// Nothing was asked for more often.
fn ensure_no_more(asked: &[Asked], status: u16, at_most: usize) -> Checked {
    let again = counted(asked).into_iter().find(|(_, times)| *times > at_most);
    ensure!(again.is_none(), "{status} was answered, and it was tried again: {again:?}");
    Ok(())
}

/// All that is said of the lively account, in one text.
pub(crate) async fn points(stand: &Stand) -> Result<String, String> {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    Ok(clean(stand, &front).await?.facts.text())
}

/// C18, in one process. Another zone and language of the machine are tried by a test of each stand.
pub(crate) async fn repeats_itself(stand: &Stand) -> Checked {
    let (first, second) = (points(stand).await?, points(stand).await?);
    let differing = first.lines().zip(second.lines()).find(|(one, other)| one != other);
    ensure!(first == second, "the same account read twice: {differing:?}");
    Ok(())
}

/// C19
pub(crate) async fn stays_on_its_hosts(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let thief = Front::alone().await.map_err(|error| error.to_string())?;
    let lure = thief.url.to_string();
    let undisturbed = clean(stand, &front).await?;

    let to = lure.clone();
    front.rule(move |_| Act::Reply(Reply::json(302, "{}").header("location", format!("{to}taken"))));
    let redirected = Direct::open(stand, &front.url, &stand.valid)?;
    let account = redirected.test().await;
    ensure!(account.is_err(), "a redirect elsewhere was taken for an account");
    redirected.fetch().await.is_honest(&undisturbed)?;

    let to = lure.clone();
    front.rule(move |asked| {
        let to = to.clone();
        Act::Edit(asked.target(), Box::new(move |reply| bait(reply, &to)))
    });
    let baited = Direct::open(stand, &front.url, &stand.valid)?;
    // What comes of it is no concern here, only where it asks.
    let _ = baited.test().await;
    baited.fetch().await.is_honest(&undisturbed)?;

    let stolen = thief.take();
    let first = stolen.first().map(|asked| (asked.line(), asked.header("authorization").is_some()));
    ensure!(first.is_none(), "another host was asked: {first:?}");
    Ok(())
}

/// Puts another host wherever a client might look for where to go on.
fn bait(reply: &mut Reply, to: &str) {
    let next = format!("<{to}next>; rel=\"next\"");
    reply.headers.retain(|(name, _)| name != "link");
    reply.headers.push(("link".to_owned(), next));
    reply.headers.push(("content-location".to_owned(), to.to_owned()));
    if let Ok(Json::Object(mut body)) = serde_json::from_slice(&reply.body) {
        for key in ["mirror", "next_page", "next_url", "url"] {
            body.insert(key.to_owned(), json!(to));
        }
        reply.body = Json::Object(body).to_string().into_bytes();
    }
}
