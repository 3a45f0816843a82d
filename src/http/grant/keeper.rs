//! The machine that renews a grant.
//!
//! ```text
//! due, or refused -> lease and intent, one transaction -> token endpoint -> new grant sealed, on disk -> used
//! ```
//!
//! In a process all who use a connection share one [`Keeper`], and its renewal runs in a task of its own: whoever is
//! dropped while he waits does not take the provider's answer with him. Among processes a lease in the [`Memory`]
//! decides; who does not get it waits and reads what the other one brought. The intent stays until an answer is kept, so
//! that a grant which is dead after a kill in between can be told from one that a user took back.
//!
//! Nothing here ever deletes a grant. No answer, a fault and nonsense say nothing of it; only `invalid_grant` does, and
//! then what lies in the memory is read once more before anybody is told to reconnect.
//!
//! [`Memory`]: crate::http::Memory

use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{
    EXPIRED, Grant, assertion, client_variables,
    token::{Meaning, Question, Refusal},
};
use crate::{
    fail_point,
    http::{
        Auth, Client, Credentials, Error, KeptGrant, MemoryError, Place, Renewal, RenewalWish, Service, send::pause,
    },
    metric::FailureKind,
};

/// Longer than a renewal takes with all its tries, and short enough that a dead process is not waited for.
const LEASE: SignedDuration = SignedDuration::from_secs(25);
/// A renewal, with a wait for another process's. Only what hangs takes so long.
const LONGEST_RENEWAL: Duration = Duration::from_secs(120);
/// How often is looked whether another process is done.
const POLL: Duration = Duration::from_millis(50);
/// How often, and how fast, keeping an answer is tried where the database fails.
const KEEP_TRIES: u32 = 20;
const KEEP_PAUSE: Duration = Duration::from_millis(250);
/// After a renewal that failed while the old access token is still good, so long nobody tries again.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// Clocks that differ by more are worth telling.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// The fail point around the call of the token endpoint.
const ASKING: &str = "answer of a token endpoint";

/// The keepers of the process, one for each connection.
#[derive(Default)]
pub(in crate::http) struct Keepers(Mutex<HashMap<String, Weak<Keeper>>>);

/// Holds the grant of one connection and renews it.
pub(in crate::http) struct Keeper {
    client: Client,
    service: Arc<Service>,
    /// How it is renewed.
    way: Auth,
    credentials: Credentials,
    /// Names this keeper among those who want the lease.
    owner: String,
    state: Mutex<State>,
    /// Calls of the token endpoint so far.
    pub(in crate::http) sent: AtomicU64,
}

type Renewed = Result<Arc<Grant>, Error>;

#[derive(Default)]
struct State {
    held: Option<Arc<Grant>>,
    /// The version of what lies in the memory, as far as is known here.
    version: i64,
    running: Option<Shared<BoxFuture<'static, Renewed>>>,
    /// What a provider gave and the memory did not take.
    unsaved: Option<Arc<Grant>>,
    /// Nobody renews early before this instant.
    not_before: Option<Timestamp>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keepers {
    /// The keeper of these credentials; `None` where they are of a kind that does not renew itself.
    pub(in crate::http) fn of(
        &self,
        client: &Client,
        service: &Arc<Service>,
        credentials: &Credentials,
    ) -> Option<Arc<Keeper>> {
        let way = service.auth.active(credentials);
        if !matches!(way, Auth::OAuth(_) | Auth::ServiceAccount(_)) {
            return None;
        }
        let make = || Arc::new(Keeper::new(client.clone(), service.clone(), way.clone(), credentials.clone()));
        let Some(place) = credentials.place() else { return Some(make()) };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, keeper| keeper.strong_count() > 0);
        let shared = known.get(&place.connection_id).and_then(Weak::upgrade);
        // A newer version may be of other credentials altogether.
        if let Some(keeper) = shared.filter(|keeper| keeper.state().version >= place.version) {
            return Some(keeper);
        }
        let keeper = make();
        known.insert(place.connection_id.clone(), Arc::downgrade(&keeper));
        Some(keeper)
    }
}

impl Keeper {
    fn new(client: Client, service: Arc<Service>, way: Auth, credentials: Credentials) -> Self {
        let state = State {
            held: credentials.grant().cloned().map(Arc::new),
            version: credentials.place().map_or(0, |place| place.version),
            ..State::default()
        };
        let owner = format!("{:032x}", rand::random::<u128>());
        Self { client, service, way, credentials, owner, state: Mutex::new(state), sent: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The grant as it stands.
    pub(in crate::http) fn held(&self) -> Option<Arc<Grant>> {
        self.state().held.clone()
    }

    /// Whether a user signed in for it.
    pub(in crate::http) fn is_oauth(&self) -> bool {
        matches!(self.way, Auth::OAuth(_))
    }

    /// A grant whose access token is good, renewed early where that is due.
    pub(in crate::http) async fn valid(self: &Arc<Self>) -> Renewed {
        let now = self.client.now();
        let (held, is_paused) = {
            let state = self.state();
            (state.held.clone(), state.not_before.is_some_and(|at| at > now))
        };
        let Some(held) = held else { return self.renewed(None).await };
        let is_good = !held.is_over(now);
        if !held.is_due(now) || (is_good && is_paused) {
            return Ok(held);
        }
        match self.renewed(Some(&held)).await {
            Err(error) if is_good && !says_dead(&error) => {
                tracing::debug!(integration.id = self.service.id, %error, "access could not be renewed early");
                self.state().not_before = now.checked_add(PAUSE).ok();
                Ok(held)
            }
            renewed => renewed,
        }
    }

    /// Another grant than the one that was refused or is due. All who ask at the same time share one renewal, and what
    /// comes of it.
    pub(in crate::http) async fn renewed(self: &Arc<Self>, used: Option<&Arc<Grant>>) -> Renewed {
        let renewal = {
            let mut state = self.state();
            if let Some(held) = &state.held
                && used.is_none_or(|used| !Arc::ptr_eq(used, held))
            {
                return Ok(held.clone());
            }
            match &state.running {
                Some(running) => running.clone(),
                None => {
                    let begun = self.begin();
                    state.running = Some(begun.clone());
                    begun
                }
            }
        };
        renewal.await
    }

    fn begin(self: &Arc<Self>) -> Shared<BoxFuture<'static, Renewed>> {
        let keeper = self.clone();
        let renewal = async move {
            let renewal = AssertUnwindSafe(timeout(LONGEST_RENEWAL, keeper.renew())).catch_unwind().await;
            let renewed = match renewal {
                Ok(Ok(renewed)) => renewed,
                Ok(Err(_)) => Err(Error::new(FailureKind::Unavailable, "renewing access took too long")),
                Err(_) => Err(Error::internal("renewing access panicked; the log says where; please report it")),
            };
            keeper.state().running = None;
            renewed
        };
        let task = self.client.renewals().spawn(fail_point::carried(renewal.in_current_span()));
        let ended = |ended: Result<Renewed, _>| {
            ended.unwrap_or_else(|_| Err(Error::new(FailureKind::Unavailable, "the program is stopping")))
        };
        task.map(ended).boxed().shared()
    }

    async fn renew(&self) -> Renewed {
        let Some(place) = self.credentials.place() else {
            // Credentials that are only tried: nothing is kept of them yet.
            let held = self.held();
            let asked = self.ask(held.as_deref()).await;
            return match asked {
                Ok(grant) => Ok(self.adopt(grant, 0)),
                Err(refusal) => Err(self.explain(refusal, held.as_deref(), None)),
            };
        };
        let version = self.state().version;
        let interrupted_at = loop {
            match self.wish(place, version).await? {
                Renewal::Begun { interrupted_at } => break interrupted_at,
                Renewal::Busy => pause(POLL).await,
                Renewal::Newer(kept) => return self.take_over(kept),
            }
        };
        let unsaved = self.state().unsaved.clone();
        if let Some(unsaved) = unsaved {
            return self.keep(place, version, (*unsaved).clone()).await;
        }
        let held = self.held();
        match self.ask(held.as_deref()).await {
            Ok(grant) => self.keep(place, version, grant).await,
            Err(refusal) => self.refused(place, version, refusal, held.as_deref(), interrupted_at).await,
        }
    }

    async fn wish(&self, place: &Place, version: i64) -> Result<Renewal, Error> {
        let now = self.client.now();
        let wish = RenewalWish {
            connection_id: place.connection_id.clone(),
            version,
            owner: self.owner.clone(),
            now,
            until: now.checked_add(LEASE).unwrap_or(now),
        };
        self.client.memory().begin_renewal(&wish).await.map_err(|error| forgotten(&error))
    }

    /// What another process brought, or a user who reconnected.
    fn take_over(&self, kept: KeptGrant) -> Renewed {
        match kept.grant {
            Some(grant) if self.is_oauth() == grant.consented_at.is_some() => Ok(self.adopt(grant, kept.version)),
            _ => {
                Err(Error::new(FailureKind::Unavailable, "the connection was just given other credentials; try again"))
            }
        }
    }

    fn adopt(&self, grant: Grant, version: i64) -> Arc<Grant> {
        let grant = Arc::new(grant);
        let mut state = self.state();
        state.held = Some(grant.clone());
        state.version = version;
        state.unsaved = None;
        state.not_before = None;
        grant
    }

    /// Seals what the provider gave and has it on disk before anybody uses it.
    async fn keep(&self, place: &Place, version: i64, grant: Grant) -> Renewed {
        // Should the database fail for long, this is the only copy.
        self.state().unsaved = Some(Arc::new(grant.clone()));
        let mut tries = 0;
        loop {
            match self.client.memory().keep_grant(&place.connection_id, version, &grant).await {
                Ok(Some(version)) => return Ok(self.adopt(grant, version)),
                // Whoever raised the version has brought a newer one.
                Ok(None) => {
                    self.state().unsaved = None;
                    let kept = self.recall(place).await?;
                    return self.take_over(kept);
                }
                Err(error) if tries >= KEEP_TRIES => return Err(forgotten(&error)),
                Err(_) => {
                    tries += 1;
                    pause(KEEP_PAUSE).await;
                }
            }
        }
    }

    async fn recall(&self, place: &Place) -> Result<KeptGrant, Error> {
        let kept = self.client.memory().grant(&place.connection_id).await.map_err(|error| forgotten(&error))?;
        kept.ok_or_else(|| Error::new(FailureKind::Unavailable, "the connection was just removed"))
    }

    async fn refused(
        &self,
        place: &Place,
        version: i64,
        refusal: Refusal,
        held: Option<&Grant>,
        interrupted_at: Option<Timestamp>,
    ) -> Renewed {
        if refusal.meaning == Meaning::Dead {
            let kept = self.recall(place).await?;
            if kept.version != version {
                return self.take_over(kept);
            }
        }
        let still_open = match refusal.meaning {
            Meaning::Unsure => Some(interrupted_at.unwrap_or_else(|| self.client.now())),
            Meaning::Dead | Meaning::Refused => interrupted_at,
        };
        // That it is not noted costs the others a wait until the lease is over.
        if let Err(error) = self.client.memory().end_renewal(&place.connection_id, &self.owner, still_open).await {
            tracing::debug!(%error, "a lease could not be given back");
        }
        Err(self.explain(refusal, held, interrupted_at))
    }

    async fn ask(&self, held: Option<&Grant>) -> Result<Grant, Refusal> {
        let ours = |error: Error| Refusal { meaning: Meaning::Refused, error, said: None, ahead: None };
        let asking = async {
            match &self.way {
                Auth::OAuth(oauth) => {
                    let refresh_token = held.and_then(|grant| grant.refresh_token.as_ref());
                    let refresh_token =
                        refresh_token.ok_or_else(|| ours(Error::new(FailureKind::Unauthorized, EXPIRED)))?;
                    let client = self.credentials.client().ok_or_else(|| ours(no_client(&self.service.id)))?;
                    let mut form = Question::of_client(client);
                    form.push(("grant_type", Zeroizing::new("refresh_token".to_owned())));
                    form.push(("refresh_token", Zeroizing::new(refresh_token.expose().to_owned())));
                    self.question(&oauth.token_url, form, held).await
                }
                Auth::ServiceAccount(account) => {
                    let key = self.credentials.get(&account.field).map_or("", |secret| secret.expose());
                    let assertion = assertion::sign(account, &self.service, key, self.client.now()).map_err(ours)?;
                    let refusal = match self.question(&account.token_url, by_assertion(assertion), held).await {
                        Err(refusal) if refusal.meaning == Meaning::Dead => refusal,
                        answered => return answered,
                    };
                    // By our clock it is refused; it may be good by the provider's.
                    let Some(ahead) = refusal.ahead.filter(|ahead| ahead.abs() > SKEW) else { return Err(refusal) };
                    let now = self.client.now();
                    let theirs = now.checked_add(ahead).unwrap_or(now);
                    let assertion = assertion::sign(account, &self.service, key, theirs).map_err(ours)?;
                    self.question(&account.token_url, by_assertion(assertion), held).await
                }
                _ => Err(ours(Error::internal("these credentials do not renew themselves"))),
            }
        };
        fail_point::before(ASKING).await;
        let asked = asking.await;
        fail_point::after(ASKING).await;
        asked
    }

    async fn question(
        &self,
        url: &str,
        form: Vec<(&'static str, Zeroizing<String>)>,
        held: Option<&Grant>,
    ) -> Result<Grant, Refusal> {
        let asked_at = self.client.now();
        let (client, service) = (&self.client, &*self.service);
        let question = Question { client, service, url, form, may_repeat: true, sent: &self.sent };
        Ok(question.tokens().await?.into_grant(asked_at, held))
    }

    /// What a user is told.
    fn explain(&self, refusal: Refusal, held: Option<&Grant>, interrupted_at: Option<Timestamp>) -> Error {
        if refusal.meaning != Meaning::Dead {
            return refusal.error;
        }
        let mut sentences = Vec::new();
        match &self.way {
            Auth::OAuth(oauth) => {
                sentences.push(EXPIRED.to_owned());
                let now = self.client.now();
                if let Some(short_lived) = &oauth.short_lived
                    && held.is_some_and(|grant| ended_at_age(grant, short_lived.days, now))
                {
                    sentences.push(short_lived.hint.clone());
                }
                if let Some(at) = interrupted_at {
                    let at = at.round(jiff::Unit::Second).unwrap_or(at);
                    sentences.push(format!(
                        "A renewal that began at {at} ended before its answer was kept; the provider may have replaced \
                         the token then."
                    ));
                }
            }
            _ => {
                sentences.push(
                    "The provider does not accept the service account's key: it was deleted, or the clock of this \
                     machine is wrong. Check the clock, else make a new key and reconnect."
                        .to_owned(),
                );
                if let Some(ahead) = refusal.ahead.filter(|ahead| ahead.abs() > SKEW) {
                    let side = if ahead.is_positive() { "behind" } else { "ahead of" };
                    let by = ahead.abs().as_secs();
                    sentences.push(format!("The clock of this machine is {by} seconds {side} the provider's."));
                }
            }
        }
        if let Some(said) = refusal.said {
            sentences.push(format!("The provider says: {said}"));
        }
        let error = Error::new(FailureKind::Unauthorized, sentences.join(" "));
        refusal.error.status().map_or(error.clone(), |status| error.with_status(status))
    }
}

fn by_assertion(assertion: Zeroizing<String>) -> Vec<(&'static str, Zeroizing<String>)> {
    let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    vec![("grant_type", Zeroizing::new(kind.to_owned())), ("assertion", assertion)]
}

/// Whether an error is the grant's own end, so that the old access token is of no use either.
fn says_dead(error: &Error) -> bool {
    error.kind() == FailureKind::Unauthorized
}

/// Whether a grant is about as old as the provider lets some become, or has passed the end that the provider named.
fn ended_at_age(grant: &Grant, days: u32, now: Timestamp) -> bool {
    let day = SignedDuration::from_hours(24);
    let about = |at: Timestamp| now.duration_since(at) >= day * i32::try_from(days).unwrap_or(i32::MAX) - day / 2;
    let young = |at: Timestamp| now.duration_since(at) <= day * i32::try_from(days).unwrap_or(i32::MAX) * 2;
    let at_age = grant.consented_at.is_some_and(|at| about(at) && young(at));
    at_age || grant.refresh_expires_at.is_some_and(|at| at <= now)
}

fn no_client(integration_id: &str) -> Error {
    let [id, secret] = client_variables(integration_id);
    Error::invalid_settings(format!("access cannot be renewed without the OAuth client; set {id} and {secret}"))
}

fn forgotten(error: &MemoryError) -> Error {
    Error::internal(format!("access could not be renewed: {error}"))
}
