//! How many calls a credential may still make, agreed on with all runs and processes through the [`Memory`].
//!
//! Calls are taken out of the memory in small chunks and used up here, so that a window of thousands does not cost a
//! database call for each request and a crash loses little of it.

use std::{
    collections::{HashMap, VecDeque},
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Credentials, Error, Learned, Limits, Memory, MemoryError, Reservation, Service, Window, WindowScope, retry::after,
    retry_after::Said,
};
use crate::clock::Clock;

/// A chunk is at most this part of a window.
const CHUNKS: i64 = 10;
/// Windows up to this long may be counted by the provider from any instant on, not from the one at which ours begin: of
/// two of ours that follow each other, the end of one and the beginning of the other are a window too.
const LONGEST_SLIDING: Duration = Duration::from_secs(60);
/// Calls do not arrive as evenly as they are made: a sliding window is this part longer for us.
const JITTER: u32 = 50;
/// Slept at least where a window says no, so that a memory that names the present instant is not asked in a circle.
const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// The budgets of the process, one for each provider and credential.
pub(super) struct Budgets {
    memory: Arc<dyn Memory>,
    clock: Clock,
    known: Mutex<HashMap<String, Arc<Budget>>>,
}

/// What one credential may do at one provider.
pub(super) struct Budget {
    key: String,
    concurrent: usize,
    gate: Arc<Semaphore>,
    windows: tokio::sync::Mutex<HashMap<String, Held>>,
    memory: Arc<dyn Memory>,
    clock: Clock,
}

/// A window as a request sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    name: String,
    scope: WindowScope,
    calls: i64,
    per: Duration,
    share_permille: u32,
}

/// What this process holds of a window.
#[derive(Debug, Default)]
struct Held {
    /// Taken out of the memory and not used yet.
    left: i64,
    /// What this process took so far. A chunk is no larger, so that a command that makes three calls and ends does not
    /// take hundreds with it.
    used: i64,
    /// When `left` and `expected` lapse.
    resets_at: Timestamp,
    /// What the provider should report as remaining if nobody but us calls; `None` before it said anything.
    expected: Option<i64>,
    /// The window's calls as the provider says.
    limit: Option<i64>,
    /// Nobody may call before this.
    blocked_until: Option<Timestamp>,
    /// When this process made its last calls, oldest first, in a window that may slide.
    made: VecDeque<Timestamp>,
    /// When `left` lapses in a window that slides for several processes: there a call counts from when it was taken.
    fresh_until: Option<Timestamp>,
    /// Until when others have used such a window up.
    full_until: Option<Timestamp>,
}

/// Whether a call may be made now.
pub(super) enum Taken {
    /// Yes. The permit is one of the calls at once; hold it until the answer is read.
    Call(OwnedSemaphorePermit),
    /// Not before this instant.
    Wait(Timestamp),
}

impl Budgets {
    pub(super) fn new(memory: Arc<dyn Memory>, clock: Clock) -> Self {
        Self { memory, clock, known: Mutex::default() }
    }

    /// The budget of a service and its credentials.
    pub(super) fn of(&self, service: &Service, credentials: &Credentials) -> Arc<Budget> {
        let key = key(&service.id, service.base_url.as_str(), credentials);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = known.entry(key.clone()).or_insert_with(|| {
            let concurrent = service.limits.concurrent.max(1) as usize;
            Arc::new(Budget {
                key,
                concurrent,
                gate: Arc::new(Semaphore::new(concurrent)),
                windows: tokio::sync::Mutex::default(),
                memory: self.memory.clone(),
                clock: self.clock,
            })
        });
        budget.clone()
    }
}

/// Names provider, its address and the credential, without telling the credential.
fn key(id: &str, base_url: &str, credentials: &Credentials) -> String {
    let mut hash = Sha256::new();
    for text in [id, base_url].into_iter().chain(credentials.identity()) {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let mut name = format!("{id}:");
    for byte in hash.finalize() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// The windows that count a request.
pub(super) fn claims(limits: &Limits, endpoint: &str, resource: Option<&str>, share_permille: u32) -> Vec<Claim> {
    let resource = resource.unwrap_or("core");
    let claim = |window: &Window| Claim {
        name: match &window.scope {
            WindowScope::Everything => format!("all/{}", window.per.as_millis()),
            WindowScope::Endpoint => format!("endpoint {endpoint}/{}", window.per.as_millis()),
            WindowScope::Resource(name) => format!("resource {name}/{}", window.per.as_millis()),
        },
        scope: window.scope.clone(),
        calls: window.calls.into(),
        per: window.per,
        share_permille,
    };
    if limits.windows.is_empty() {
        // Nothing is counted, but a wait that the provider asks for still concerns everybody.
        let open = Window { scope: WindowScope::Everything, calls: u32::MAX, per: Duration::from_secs(3600) };
        return vec![claim(&open)];
    }
    let counts = |window: &&Window| match &window.scope {
        WindowScope::Resource(name) => name == resource,
        WindowScope::Everything | WindowScope::Endpoint => true,
    };
    limits.windows.iter().filter(counts).map(claim).collect()
}

impl Budget {
    /// Takes one call out of every window, or says until when to wait.
    pub(super) async fn take(&self, claims: &[Claim]) -> Result<Taken, Error> {
        let permit = self.gate.clone().acquire_owned().await.map_err(|_| Error::internal("the client was closed"))?;
        let mut windows = self.windows.lock().await;
        let now = self.clock.now();
        // Nothing is taken out of one window while another is known to be closed.
        if let Some(until) = claims.iter().filter_map(|claim| closed_until(&mut windows, claim, now)).max() {
            return Ok(Taken::Wait(until));
        }
        for (at, claim) in claims.iter().enumerate() {
            let Some(until) = self.take_one(&mut windows, claim).await? else { continue };
            for earlier in claims.iter().take(at) {
                windows.entry(earlier.name.clone()).or_default().put_back();
            }
            return Ok(Taken::Wait(until));
        }
        Ok(Taken::Call(permit))
    }

    async fn take_one(&self, windows: &mut HashMap<String, Held>, claim: &Claim) -> Result<Option<Timestamp>, Error> {
        let now = self.clock.now();
        let held = windows.entry(claim.name.clone()).or_default();
        if now >= held.resets_at {
            (held.left, held.expected) = (0, None);
        }
        if held.fresh_until.is_some_and(|until| until <= now) {
            held.left = 0;
        }
        if held.left <= 0 {
            let capacity = claim.capacity(held.limit);
            let shared = claim.slides().filter(|_| self.memory.is_shared());
            let reservation = Reservation {
                budget: self.key.clone(),
                window: claim.name.clone(),
                window_ms: i64::try_from(claim.per.as_millis()).unwrap_or(i64::MAX),
                capacity,
                wanted: if shared.is_some() { 1 } else { held.used.min(capacity / CHUNKS).max(1) },
                slides_ms: shared.and_then(|per| i64::try_from(per.as_millis()).ok()),
                now,
            };
            let grant = self.memory.reserve(&reservation).await.map_err(|error| forgot(&error))?;
            if grant.granted <= 0 {
                let until = grant.resets_at.max(after(now, SHORTEST_WAIT));
                held.full_until = shared.map(|_| until);
                return Ok(Some(until));
            }
            (held.left, held.resets_at) = (grant.granted, grant.resets_at);
            held.fresh_until = shared.map(|_| after(now, claim.per / (2 * JITTER)));
        }
        held.left -= 1;
        held.used += 1;
        if claim.slides().is_some() {
            held.made.push_back(now);
        }
        held.expected = held.expected.map(|expected| expected - 1);
        Ok(None)
    }

    /// Notes what an answer said about what is left, where that is news. `claims` are those of its request.
    pub(super) async fn learn(&self, claims: &[Claim], said: &Said) -> Result<(), Error> {
        let Some(claim) = spoken_of(claims, said.resource.as_deref()) else { return Ok(()) };
        let mut windows = self.windows.lock().await;
        let held = windows.entry(claim.name.clone()).or_default();
        // Calls under way may not be in the provider's number yet; ours, the one answered, is.
        let under_way = (self.concurrent - self.gate.available_permits()).saturating_sub(1);
        let free = said.remaining.map(|left| (left - i64::try_from(under_way).unwrap_or(0)).max(0));
        if free.zip(held.expected).is_some_and(|(free, expected)| free > expected) {
            // It did not count this call, as some do not where nothing changed.
            held.put_back();
        }
        let is_other_limit = said.limit.is_some_and(|limit| limit != held.limit.unwrap_or(claim.calls));
        let is_less =
            said.remaining.is_some_and(|left| left == 0 || held.expected.is_none_or(|expected| left < expected));
        if !is_other_limit && !is_less {
            return Ok(());
        }
        held.limit = said.limit.or(held.limit);
        if let Some(resets_at) = said.resets_at {
            held.resets_at = resets_at;
        }
        if let Some(free) = free {
            held.left = held.left.min(free);
            held.expected = Some(free);
        }
        let learned = Learned {
            budget: self.key.clone(),
            window: claim.name.clone(),
            limit: said.limit,
            remaining: free.map(|free| free - held.left),
            resets_at: said.resets_at,
            blocked_until: None,
            now: self.clock.now(),
        };
        self.memory.learn(&learned).await.map_err(|error| forgot(&error))
    }

    /// Nobody may call before an instant.
    pub(super) async fn block(&self, claims: &[Claim], until: Timestamp) -> Result<(), Error> {
        let mut windows = self.windows.lock().await;
        for claim in claims {
            let held = windows.entry(claim.name.clone()).or_default();
            held.blocked_until = held.blocked_until.max(Some(until));
            let learned = Learned {
                budget: self.key.clone(),
                window: claim.name.clone(),
                limit: None,
                remaining: None,
                resets_at: None,
                blocked_until: Some(until),
                now: self.clock.now(),
            };
            self.memory.learn(&learned).await.map_err(|error| forgot(&error))?;
        }
        Ok(())
    }
}

/// Until when a window is closed, as far as this process knows.
fn closed_until(windows: &mut HashMap<String, Held>, claim: &Claim, now: Timestamp) -> Option<Timestamp> {
    let held = windows.entry(claim.name.clone()).or_default();
    let said = held.blocked_until.max(held.full_until).filter(|until| *until > now);
    let capacity = claim.capacity(held.limit);
    said.or_else(|| claim.slides().and_then(|per| held.room_at(capacity, per, now)))
}

impl Held {
    /// When a sliding window has room for a call; `None` where it has some now.
    fn room_at(&mut self, capacity: i64, per: Duration, now: Timestamp) -> Option<Timestamp> {
        while self.made.front().is_some_and(|oldest| after(*oldest, per) <= now) {
            self.made.pop_front();
        }
        let is_full = i64::try_from(self.made.len()).is_ok_and(|made| made >= capacity);
        self.made.front().filter(|_| is_full).map(|oldest| after(*oldest, per))
    }

    fn put_back(&mut self) {
        self.made.pop_back();
        self.left += 1;
        self.used -= 1;
        self.expected = self.expected.map(|expected| expected + 1);
    }
}

impl Claim {
    /// Whether it is of a window that counts the calls of one resource.
    pub(super) fn is_of_resource(&self) -> bool {
        matches!(self.scope, WindowScope::Resource(_))
    }

    /// How long it is where the provider may count it from any instant on, and a little longer.
    fn slides(&self) -> Option<Duration> {
        (self.per <= LONGEST_SLIDING).then(|| self.per + self.per / JITTER)
    }

    /// The connection's share of the window, at least one call.
    fn capacity(&self, limit: Option<i64>) -> i64 {
        let share = i64::from(self.share_permille.min(1000));
        (limit.unwrap_or(self.calls).saturating_mul(share) / 1000).max(1)
    }
}

/// Which window a provider's numbers are about: the named resource's, else the narrowest that counted the request.
fn spoken_of<'a>(claims: &'a [Claim], resource: Option<&str>) -> Option<&'a Claim> {
    let narrowness = |claim: &&Claim| match claim.scope {
        WindowScope::Everything => 0,
        WindowScope::Endpoint => 1,
        WindowScope::Resource(_) => 2,
    };
    let fits = |claim: &&Claim| match (&claim.scope, resource) {
        (WindowScope::Resource(name), Some(resource)) => name == resource,
        _ => true,
    };
    claims.iter().filter(fits).max_by_key(narrowness)
}

fn forgot(error: &MemoryError) -> Error {
    Error::internal(format!("what is left of the provider's limit could not be read or noted: {error}"))
}
