//! Silver: how an integration waits, and how much of anything it takes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::Write as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use dashtray::{
    clock::Clock,
    http::{Allowance, ClientConfig, Error, Kept, Learned, Memory, MemoryError, Reservation},
    integrations::Outcome,
    metric::FailureKind,
};
use flate2::{Compression, write::GzEncoder};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::bronze::{clean, fronted, spoil};
use crate::conformance::{
    direct::{Direct, Fetched, Options},
    front::{Act, Asked, Form, Front, Reply},
    stand::{Account, Stand},
};

type Checked = Result<(), String>;

/// The wait that no worker sleeps on.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Tries of one request, the first included.
const ATTEMPTS: usize = 4;

/// Answers the first request to the stand's endpoint in a way of its own.
fn spoil_once(stand: &Stand, front: &Front, reply: impl Fn() -> Reply + Send + Sync + 'static) {
    let (is, done) = (stand.endpoint.is, AtomicUsize::new(0));
    front.rule(move |asked| match is(&asked.path) && done.fetch_add(1, Ordering::Relaxed) == 0 {
        true => Act::Reply(reply()),
        false => Act::Forward,
    });
}

/// When each try of the request that the endpoint got first came.
fn tries(stand: &Stand, asked: &[Asked]) -> Vec<Instant> {
    let of_endpoint: Vec<&Asked> = asked.iter().filter(|asked| (stand.endpoint.is)(&asked.path)).collect();
    let first = of_endpoint.first().map(|asked| asked.line());
    of_endpoint.iter().filter(|asked| Some(asked.line()) == first).map(|asked| asked.at).collect()
}

pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The error of the metrics that the endpoint feeds, wherever it was said.
fn error_of<'a>(stand: &Stand, fetched: &'a Fetched) -> Option<&'a Error> {
    let of_metric = stand.endpoint.feeds.iter().find_map(|id| match fetched.outcomes.get(*id) {
        Some(Outcome::Failed(error)) => Some(error),
        _ => None,
    });
    fetched.fatal.as_ref().or(of_metric)
}

/// What a provider says of waiting, at an instant.
type Said = fn(Timestamp) -> Option<String>;

/// C20
pub(crate) async fn obeys_retry_after(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    let unsaid = stand.integration.descriptor().limits.wait_unless_said;
    let cases: [(&str, Said, Duration); 8] = [
        ("seconds", |_| Some("7".to_owned()), Duration::from_secs(7)),
        ("none", |_| Some("0".to_owned()), Duration::ZERO),
        ("a date", |now| Some(http_date(now + SignedDuration::from_secs(31))), Duration::from_secs(30)),
        ("a past date", |now| Some(http_date(now - SignedDuration::from_hours(1))), unsaid),
        ("absent", |_| None, unsaid),
        ("garbage", |_| Some("soon".to_owned()), unsaid),
        ("negative", |_| Some("-5".to_owned()), unsaid),
        ("absurd", |_| Some("99999999999999999999".to_owned()), unsaid),
    ];
    for (what, said, at_least) in cases {
        let direct = Direct::open(stand, &front.url, &stand.valid)?;
        let clock = Clock::ticking_from(stand.now);
        spoil_once(stand, &front, move || {
            let limit = Reply::json(429, "{}");
            said(clock.now()).iter().fold(limit, |reply, said| reply.header("retry-after", said))
        });
        let fetched = direct.fetch().await;
        // To wait for no time at all is not said either.
        let at_least = if at_least.is_zero() && unsaid > LONGEST_SLEEP { unsaid } else { at_least };
        if at_least > LONGEST_SLEEP {
            is_handed_back(stand, &front, &fetched, at_least).map_err(|why| format!("Retry-After {what}: {why}"))?;
            fetched.is_honest(&undisturbed)?;
            continue;
        }
        let tries = tries(stand, &front.take());
        let [first, second, ..] = tries.as_slice() else {
            return Err(format!("Retry-After {what}: it gave up: {:?}", error_of(stand, &fetched)));
        };
        let waited = *second - *first;
        ensure!(waited >= at_least, "Retry-After {what}: it waited {waited:?} and not {at_least:?}");
        ensure!(waited <= LONGEST_SLEEP + Duration::from_secs(1), "Retry-After {what}: it slept {waited:?}");
        fetched.is_whole(&undisturbed).map_err(|why| format!("Retry-After {what}: {why}"))?;
    }
    for seconds in [61_u64, 86_400] {
        spoil(stand, &front, Reply::json(429, "{}").header("retry-after", seconds));
        let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
        let handed_back = is_handed_back(stand, &front, &fetched, Duration::from_secs(seconds));
        handed_back.map_err(|why| format!("Retry-After {seconds}: {why}"))?;
        fetched.is_honest(&undisturbed)?;
    }
    Ok(())
}

/// A wait that no worker sleeps on ends the run, which says until when, after one try.
fn is_handed_back(stand: &Stand, front: &Front, fetched: &Fetched, wait: Duration) -> Checked {
    let error = error_of(stand, fetched);
    let until = error.filter(|error| error.kind() == FailureKind::RateLimited).and_then(Error::retry_at);
    let asked = until.and_then(|at| Duration::try_from(at.duration_since(stand.now)).ok());
    let is_right = asked.is_some_and(|asked| asked >= wait && asked < wait + Duration::from_secs(600));
    ensure!(is_right, "handed back as {error:?}");
    let tries = tries(stand, &front.take()).len();
    ensure!(tries == 1, "it was tried {tries} times");
    Ok(())
}

/// C21
pub(crate) async fn retries_within_bounds(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    let mut waits = BTreeSet::new();
    for _ in 0..4 {
        spoil(stand, &front, Reply::json(500, "{}"));
        let began = Instant::now();
        let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
        let spent = began.elapsed();
        fetched.is_honest(&undisturbed)?;
        for id in stand.endpoint.feeds {
            let outcome = fetched.outcomes.get(*id);
            let is_right = matches!(outcome, Some(Outcome::Failed(e)) if e.kind() == FailureKind::Unavailable);
            ensure!(is_right, "{id} is {outcome:?} when its endpoint is down");
        }
        let asked = front.take();
        let of_endpoint: Vec<&Asked> = asked.iter().filter(|asked| (stand.endpoint.is)(&asked.path)).collect();
        let mut times: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
        for one in &of_endpoint {
            times.entry(one.line()).or_default().push(one.at);
        }
        for (line, at) in &times {
            ensure!(at.len() == ATTEMPTS, "{line} was tried {} times", at.len());
            waits.extend(at.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()));
        }
        let most = Duration::from_secs(60 + 15 * times.len() as u64);
        ensure!(spent <= most, "with one endpoint down it took {spent:?}");
    }
    ensure!(waits.len() >= 4, "the waits are always the same, {waits:?} ms: no jitter");
    let (is, done) = (stand.endpoint.is, AtomicUsize::new(0));
    front.rule(move |asked| match is(&asked.path) && done.fetch_add(1, Ordering::Relaxed) < 2 {
        true => Act::Reply(Reply::json(503, "{}")),
        false => Act::Forward,
    });
    let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    fetched.is_whole(&undisturbed).map_err(|why| format!("503 twice and then an answer: {why}"))
}

/// C22
pub(crate) async fn sees_disguised_limits(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    for reply in &stand.throttles {
        let shown = format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
        spoil(stand, &front, reply.clone());
        let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
        let kind = error_of(stand, &fetched).map(Error::kind);
        ensure!(kind == Some(FailureKind::RateLimited), "{shown} is taken for {kind:?}");
        fetched.is_honest(&undisturbed)?;
        front.take();
    }
    // A disguise that nobody knows is at least no answer.
    for body in [r#"{"error":{"message":"rate limit exceeded"}}"#, r#"{"message":"Too many requests"}"#, "{}", "null"] {
        spoil(stand, &front, Reply::json(200, body));
        let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
        fetched.is_honest(&undisturbed).map_err(|why| format!("200 with {body}: {why}"))?;
        for id in stand.endpoint.feeds {
            let is_lost = fetched.fatal.is_some() || fetched.outcomes.get(*id) != Some(&Outcome::Ok);
            ensure!(is_lost, "200 with {body} is taken for an answer of {id}");
        }
        front.take();
    }
    Ok(())
}

/// Keeps windows as the store does.
#[derive(Default)]
struct Windows {
    /// By window: its end, and what is left.
    held: Mutex<HashMap<String, (Timestamp, i64)>>,
}

#[async_trait]
impl Memory for Windows {
    async fn reserve(&self, wish: &Reservation) -> Result<Allowance, MemoryError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = wish.now + SignedDuration::from_millis(wish.window_ms);
        let window = held.entry(wish.window.clone()).or_insert((ends, wish.capacity));
        if wish.now >= window.0 {
            *window = (ends, wish.capacity);
        }
        let granted = wish.wanted.min(window.1).max(0);
        window.1 -= granted;
        Ok(Allowance { granted, resets_at: window.0 })
    }

    async fn learn(&self, _: &Learned) -> Result<(), MemoryError> {
        Ok(())
    }

    async fn recall(&self, _: &str, _: &str) -> Result<Option<Kept>, MemoryError> {
        Ok(None)
    }
}

/// C23
pub(crate) async fn keeps_its_quota(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    let limits = &stand.integration.descriptor().limits;
    ensure!(!limits.windows.is_empty(), "no window is declared");

    // A user's share of the narrowest window, with a restart in the middle. Every request is paid for.
    let memory = Arc::new(Windows::default());
    let narrowest = limits.windows.iter().map(|window| window.calls).min().unwrap_or(1);
    let share_permille = (4000 / narrowest.max(1)).clamp(1, 1000);
    let clock = Clock::ticking_from(stand.now);
    // What the provider says of its windows counts for more than what was declared.
    let told = Arc::new(AtomicU64::new(0));
    let (name, noted) = (limits.headers.clone().map(|names| names.limit), told.clone());
    front.rule(move |asked| {
        let (name, noted) = (name.clone(), noted.clone());
        let note = move |reply: &mut Reply| {
            let said = reply.headers.iter().find(|(known, _)| name.as_deref() == Some(known));
            noted.fetch_max(said.and_then(|(_, limit)| limit.parse().ok()).unwrap_or(0), Ordering::Relaxed);
        };
        Act::Edit(asked.target(), Box::new(note))
    });
    for _ in 0..2 {
        let options = Options { share_permille, memory: memory.clone(), clock: Some(clock), ..Options::default() };
        let fetched = Direct::open_with(stand, &front.url, &stand.valid, options)?.fetch().await;
        fetched.is_honest(&undisturbed)?;
        let kind = fetched.fatal.as_ref().map(Error::kind);
        ensure!(kind.is_none_or(|kind| kind == FailureKind::RateLimited), "used up, it says {kind:?}");
    }
    let asked = front.take();
    for window in &limits.windows {
        let calls = u64::from(window.calls).max(told.load(Ordering::Relaxed));
        let share = (calls * u64::from(share_permille) / 1000).max(1) as usize;
        // Two windows that touch may be in any one length of time.
        let most = busiest(&asked, window.per, &window.scope);
        ensure!(most <= 2 * share, "{most} calls in {:?}, of which its share is {share}", window.per);
    }

    // Headers that say nothing that can be true do not stop it.
    let names = limits.headers.clone();
    let own = names.map(|names| vec![names.limit, names.remaining, names.reset]);
    let names = own.unwrap_or_else(|| {
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"].map(str::to_owned).to_vec()
    });
    for said in [["0", "0", "0"], ["0", "0", "-1"], ["-1", "-1", "99999999999999"], ["10", "11", "never"], ["", "", ""]]
    {
        let names = names.clone();
        front.rule(move |asked| {
            let headers: Vec<(String, String)> =
                names.iter().cloned().zip(said.iter().map(|value| (*value).to_owned())).collect();
            let say = move |reply: &mut Reply| {
                for (name, value) in headers {
                    reply.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
                    reply.headers.push((name, value));
                }
            };
            Act::Edit(asked.target(), Box::new(say))
        });
        let began = Instant::now();
        let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
        fetched.is_whole(&undisturbed).map_err(|why| format!("limit headers {said:?}: {why}"))?;
        ensure!(began.elapsed() < Duration::from_secs(600), "limit headers {said:?}: it stalled");
        front.take();
    }
    Ok(())
}

/// The most requests that came in any length of time; for a window of each endpoint, at one path.
fn busiest(asked: &[Asked], per: Duration, scope: &dashtray::http::WindowScope) -> usize {
    let by_path = matches!(scope, dashtray::http::WindowScope::Endpoint);
    let within = |first: &Asked| {
        let same = |other: &&Asked| !by_path || other.path == first.path;
        asked.iter().filter(same).filter(|other| other.at >= first.at && other.at - first.at < per).count()
    };
    asked.iter().map(within).max().unwrap_or(0)
}

/// C28
pub(crate) async fn bounds_bad_answers(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    let config = ClientConfig::default();
    let bounded = config.max_answer_bytes <= 256 << 20 && config.max_decoded_bytes <= 512 << 20;
    ensure!(bounded && config.total_timeout <= Duration::from_secs(600), "the host's own bounds are none");
    // Small bounds, so that a test need not send what would break large ones.
    let config = || ClientConfig { max_answer_bytes: 4 << 20, max_decoded_bytes: 8 << 20, ..ClientConfig::default() };
    let zeros = vec![b' '; 16 << 20];
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    bomb.write_all(&zeros).map_err(|error| error.to_string())?;
    let bomb = bomb.finish().map_err(|error| error.to_string())?;
    let body = "[".repeat(4096);
    let json = |body: &str| Reply::json(200, body);
    for (what, reply) in [
        ("a slow drip", json(&body).form(Form::Drip(Duration::from_secs(20)))),
        ("silence", json("").form(Form::Silence)),
        ("a bomb", Reply { body: bomb, ..json("") }.header("content-encoding", "gzip")),
        ("two gigabytes announced", json(&body).form(Form::Announced(2 << 30))),
        ("more than it takes", Reply { body: vec![b' '; 5 << 20], ..json("") }),
    ] {
        spoil(stand, &front, reply);
        let options = Options { config: config(), ..Options::default() };
        let began = Instant::now();
        let fetched = Direct::open_with(stand, &front.url, &stand.valid, options)?.fetch().await;
        let spent = began.elapsed();
        fetched.is_honest(&undisturbed).map_err(|why| format!("{what}: {why}"))?;
        for id in stand.endpoint.feeds {
            let is_lost = fetched.fatal.is_some() || fetched.outcomes.get(*id) != Some(&Outcome::Ok);
            ensure!(is_lost, "{what} is taken for an answer of {id}");
        }
        let asked = front.take();
        let requests = asked.iter().filter(|asked| (stand.endpoint.is)(&asked.path)).count() as u32;
        let most = Duration::from_secs(130) * requests.max(1) + Duration::from_secs(120);
        ensure!(spent <= most, "{what} held it for {spent:?} in {requests} requests");
    }
    Ok(())
}
