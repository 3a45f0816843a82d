//! The pipeline that every request goes through.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use reqwest::{
    Method,
    header::{
        ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
        LAST_MODIFIED, LINK, LOCATION,
    },
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use url::Url;

use super::{
    Auth, Error, Grant, Http, Kept, Request, body,
    budget::{Claim, Taken, claims},
    grant::{EXPIRED, shows_expiry},
    redact::{Redactor, provider_message},
    retry::{HEAD_BYTES, LONGEST_SLEEP, Outcome, Rules, Verdict, decide, is_past, until},
    retry_after::said,
    target::{Target, is_same_origin},
    trouble::Trouble,
};
use crate::{fail_point, metric::FailureKind, telemetry};

const MOST_REDIRECTS: u32 = 5;
/// The fail point of a wait.
const WAIT: &str = "end of a wait";

/// An answer that was judged and taken.
pub(super) struct Fetched {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The logical URL that answered.
    pub(super) url: Url,
    pub(super) not_modified: bool,
    /// What to keep beside the body.
    pub(super) keep: Option<Keep>,
}

/// The names and validators of an answer to keep.
pub(super) struct Keep {
    request_key: String,
    etag: Option<String>,
    last_modified: Option<String>,
    link: Option<String>,
}

/// Where a request stands: it changes with redirects.
struct Call {
    url: Url,
    method: Method,
    headers: HeaderMap,
    body: Option<bytes::Bytes>,
}

/// The header that signs, where anything does.
type Signature = Option<(HeaderName, HeaderValue)>;

struct Arrived {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Request {
    /// Sends it until there is an answer or an error.
    pub(super) async fn fetch(&self) -> Result<Fetched, Error> {
        let _under_way = self.http.inner.pulse.beat();
        let fetched = self.fetch_plainly().await.map_err(|error| error.context("endpoint", self.template));
        // Whoever this woke has his turn first: behind a caller that never waits again he would have none.
        yield_now().await;
        fetched
    }

    async fn fetch_plainly(&self) -> Result<Fetched, Error> {
        let inner = &*self.http.inner;
        let service = &*inner.session.service;
        let target = inner.target.as_ref().map_err(Clone::clone)?;
        let url = self.url(target)?;
        let (mut signature, mut access) = self.http.signature(None).await?;
        let mut headers = self.headers(&service.headers)?;
        let request_key = request_key(&self.method, &url, &headers);
        let kept = self.recall(&request_key).await?;
        if let Some(kept) = &kept {
            set(&mut headers, IF_NONE_MATCH, kept.etag.as_deref());
            set(&mut headers, IF_MODIFIED_SINCE, kept.last_modified.as_deref());
        }
        let claims = claims(&service.limits, self.template, self.resource, inner.session.quota_share_permille);
        let signed_for = url.clone();
        let mut call = Call { url, method: self.method.clone(), headers, body: self.body.clone() };
        let (mut attempt, mut redirects, mut is_renewed) = (1, 0, false);
        loop {
            let sent = signature.as_ref().filter(|_| is_same_origin(&signed_for, &call.url));
            let arrived = self.call_once(&call, target, sent, &claims, attempt).await?;
            if self.is_over(&arrived) && sent.is_some() {
                if is_renewed {
                    return Err(self.http.refused_after_renewal(&arrived));
                }
                (signature, access) = self.http.signature(access.as_ref()).await?;
                is_renewed = true;
                continue;
            }
            let redactor = self.http.redactor();
            let verdict = {
                let outcome = match &arrived {
                    Ok(Arrived { status, headers, body }) => {
                        Outcome::Answer { status: *status, headers, head: body.get(..HEAD_BYTES).unwrap_or(body) }
                    }
                    Err(trouble) => Outcome::Trouble(*trouble),
                };
                let rules = Rules {
                    exceptions: &service.exceptions,
                    limits: &service.limits,
                    allow: &self.allow,
                    redactor: &redactor,
                    is_redirected: redirects > 0,
                    deadline: inner.session.deadline,
                    now: inner.client.now(),
                };
                decide(&outcome, attempt, &rules)
            };
            match (verdict, arrived) {
                (Verdict::Fail(error), _) => {
                    if let (FailureKind::RateLimited, Some(at)) = (error.kind(), error.retry_at()) {
                        inner.budget.block(&claims, at).await?;
                    }
                    return Err(error);
                }
                (Verdict::Again(wait, limited_until), _) => {
                    if let Some(at) = limited_until {
                        inner.budget.block(&claims, at).await?;
                    }
                    self.http.wait(wait).await;
                    attempt += 1;
                }
                (Verdict::Redirect, Ok(arrived)) => {
                    redirects += 1;
                    call = redirected(call, &arrived, target, redirects)?;
                }
                (Verdict::NotModified, Ok(arrived)) => return unchanged(arrived, kept, call.url),
                (Verdict::Take, Ok(arrived)) => {
                    let keep = (self.is_kept() && arrived.status == 200).then(|| keep(&arrived.headers, request_key));
                    let Arrived { status, headers, body } = arrived;
                    let keep = keep.flatten();
                    return Ok(Fetched { status, headers, body, url: call.url, not_modified: false, keep });
                }
                (_, Err(_)) => return Err(Error::internal("a call without an answer was taken for one")),
            }
        }
    }

    /// Whether an answer shows that what signed it is over and could be renewed.
    fn is_over(&self, arrived: &Result<Arrived, Trouble>) -> bool {
        let session = &self.http.inner.session;
        let (Ok(arrived), Some(signs)) = (arrived, session.service.auth.expiry(&session.credentials)) else {
            return false;
        };
        let head = arrived.body.get(..HEAD_BYTES).unwrap_or(&arrived.body);
        shows_expiry(signs, arrived.status, &arrived.headers, head)
    }

    /// Waits for the budget, signs, sends and reads. The outer error ends the request.
    async fn call_once(
        &self,
        call: &Call,
        target: &Target,
        signature: Option<&(HeaderName, HeaderValue)>,
        claims: &[Claim],
        attempt: u32,
    ) -> Result<Result<Arrived, Trouble>, Error> {
        let inner = &*self.http.inner;
        let permit = self.permit(claims).await?;
        let now = inner.client.now();
        let limit = inner.client.config().total_timeout;
        let limit = inner.session.deadline.map_or(limit, |deadline| limit.min(until(deadline, now)));
        if limit.is_zero() {
            return Err(Error::new(FailureKind::Unavailable, "the time of this run is over"));
        }
        let connections = inner.client.connections(target.is_judged())?;
        let mut request = reqwest::Request::new(call.method.clone(), target.actual(&call.url));
        *request.headers_mut() = call.headers.clone();
        if let Some((name, value)) = signature {
            request.headers_mut().insert(name, value.clone());
        }
        *request.body_mut() = call.body.clone().map(reqwest::Body::from);
        inner.requests.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let answered = timeout(limit, self.exchange(connections, request)).await.unwrap_or(Err(Trouble::Timeout));
        let status = answered.as_ref().ok().map(|arrived| arrived.status);
        telemetry::ours().called(&inner.session.service.id, status, started.elapsed());
        tracing::debug!(
            integration.id = inner.session.service.id,
            method = call.method.as_str(),
            host = call.url.host_str().unwrap_or_default(),
            endpoint = self.template,
            status = status.unwrap_or(0),
            trouble = answered.as_ref().err().map(tracing::field::debug),
            attempt,
            duration_ms = started.elapsed().as_millis() as u64,
            "called a provider"
        );
        if let (Ok(arrived), Some(names)) = (&answered, &inner.session.service.limits.headers) {
            inner.budget.learn(claims, &said(&arrived.headers, names, inner.client.now())).await?;
        }
        drop(permit);
        Ok(answered)
    }

    async fn exchange(&self, connections: &reqwest::Client, request: reqwest::Request) -> Result<Arrived, Trouble> {
        let inner = &*self.http.inner;
        let config = inner.client.config();
        let mut response = connections.execute(request).await.map_err(|error| Trouble::of(&error))?;
        let status = response.status().as_u16();
        let read = body::read(&mut response, config.max_answer_bytes, config.max_decoded_bytes, &inner.bytes).await;
        let body = match read {
            // What is wrong with an error's body takes nothing from the error.
            Err(_) if status >= 400 => Vec::new(),
            read => read?,
        };
        Ok(Arrived { status, headers: std::mem::take(response.headers_mut()), body })
    }

    /// Waits until every window has a call left.
    async fn permit(&self, claims: &[Claim]) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
        let inner = &*self.http.inner;
        loop {
            let at = match inner.budget.take(claims).await? {
                Taken::Call(permit) => return Ok(permit),
                Taken::Wait(at) => at,
            };
            let wait = until(at, inner.client.now());
            if wait > LONGEST_SLEEP || is_past(inner.session.deadline, at) {
                return Err(Error::rate_limited(at, "the provider's limit is used up"));
            }
            self.http.wait(wait).await;
        }
    }

    fn is_kept(&self) -> bool {
        self.conditional && self.method == Method::GET
    }

    async fn recall(&self, request_key: &str) -> Result<Option<Kept>, Error> {
        let connection_id = &self.http.inner.session.connection_id;
        if !self.is_kept() || connection_id.is_empty() {
            return Ok(None);
        }
        let recalled = self.http.inner.client.memory().recall(connection_id, request_key).await;
        recalled.map_err(|error| Error::internal(format!("the kept answer could not be read: {error}")))
    }
}

impl Http {
    /// What signs a request, and the grant that it is of. With one that was refused: that of another.
    async fn signature(&self, refused: Option<&Arc<Grant>>) -> Result<(Signature, Option<Arc<Grant>>), Error> {
        let inner = &*self.inner;
        let session = &inner.session;
        let Some(keeper) = &inner.keeper else {
            return Ok((session.service.auth.sign(&session.credentials)?, None));
        };
        let (before, sent) = (keeper.held(), keeper.sent.load(Ordering::Relaxed));
        let grant = match refused {
            Some(_) => keeper.renewed(refused).await,
            None => keeper.valid().await,
        };
        inner.requests.fetch_add(keeper.sent.load(Ordering::Relaxed).saturating_sub(sent), Ordering::Relaxed);
        let grant = grant?;
        if before.is_none_or(|before| !Arc::ptr_eq(&before, &grant)) {
            inner.renewed.fetch_or(keeper.is_oauth(), Ordering::Relaxed);
        }
        // What was granted later is as secret as what was there at the beginning.
        let old = session.credentials.secrets().map(|secret| secret.expose().to_owned());
        if session.credentials.grant() != Some(&*grant) {
            let new = [Some(&grant.access_token), grant.refresh_token.as_ref()].into_iter().flatten();
            let all = old.chain(new.map(|secret| secret.expose().to_owned()));
            *inner.redactor.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Redactor::of(all));
        }
        Ok((Some(Auth::bearer(&grant)?), Some(grant)))
    }

    fn redactor(&self) -> Arc<Redactor> {
        self.inner.redactor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Access that was renewed just now, and is refused all the same.
    fn refused_after_renewal(&self, arrived: &Result<Arrived, Trouble>) -> Error {
        let is_oauth = self.inner.keeper.as_ref().is_some_and(|keeper| keeper.is_oauth());
        let message = if is_oauth { EXPIRED } else { "the service account's access was refused" };
        let error = Error::new(FailureKind::Unauthorized, message);
        match arrived {
            Ok(Arrived { status, body, .. }) => {
                let error = error.with_status(*status);
                match provider_message(body) {
                    Some(said) => error.with_provider_message(&self.redactor().redact(&said)),
                    None => error,
                }
            }
            Err(_) => error,
        }
    }

    async fn wait(&self, wait: Duration) {
        let waited = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.inner.waited_ms.fetch_add(waited, Ordering::Relaxed);
        telemetry::ours().waited(&self.inner.session.service.id, wait);
        pause(wait).await;
    }

    /// Remembers an answer until the data made of it is committed.
    pub(super) fn keep(&self, keep: Keep, body: Vec<u8>) {
        let Keep { request_key, etag, last_modified, link } = keep;
        let kept = Kept { request_key, etag, last_modified, link, body };
        self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }
}

/// Waits.
pub(super) async fn pause(wait: Duration) {
    fail_point::before(WAIT).await;
    sleep(wait).await;
}

/// Names a request among those of a connection.
fn request_key(method: &Method, url: &Url, headers: &HeaderMap) -> String {
    let accept = text(headers, ACCEPT).unwrap_or_default();
    format!("{method} {url} {accept}")
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// What an answer says to be asked about next time; nothing without a validator.
fn keep(headers: &HeaderMap, request_key: String) -> Option<Keep> {
    let (etag, last_modified) = (text(headers, ETAG), text(headers, LAST_MODIFIED));
    if etag.is_none() && last_modified.is_none() {
        return None;
    }
    let links: Vec<&str> = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).collect();
    let link = (!links.is_empty()).then(|| links.join(", "));
    Some(Keep { request_key, etag, last_modified, link })
}

/// The kept answer in place of "not modified".
fn unchanged(arrived: Arrived, kept: Option<Kept>, url: Url) -> Result<Fetched, Error> {
    let Some(kept) = kept else {
        return Err(
            Error::invalid_response("the answer says that nothing changed, and nothing is kept").with_status(304)
        );
    };
    let mut headers = arrived.headers;
    headers.remove(CONTENT_TYPE);
    if kept.link.is_some() {
        headers.remove(LINK);
        set(&mut headers, LINK, kept.link.as_deref());
    }
    Ok(Fetched { status: 200, headers, body: kept.body, url, not_modified: true, keep: None })
}

/// The call that a redirect asks for, where that is allowed.
fn redirected(call: Call, arrived: &Arrived, target: &Target, redirects: u32) -> Result<Call, Error> {
    let refused =
        |why: &str| Error::invalid_response(format!("a redirect was not followed: {why}")).with_status(arrived.status);
    if redirects > MOST_REDIRECTS {
        return Err(refused("there were too many in a row"));
    }
    let location = text(&arrived.headers, LOCATION).ok_or_else(|| refused("it does not say where to"))?;
    let actual = target.actual(&call.url).join(&location).map_err(|_| refused("it leads to what is no URL"))?;
    let url = target.admit(actual).map_err(refused)?;
    // A query may be asked by POST again; only "see other" asks for a GET.
    let is_see_other = arrived.status == 303;
    let Call { method, mut headers, body, .. } = call;
    let (method, body) = if is_see_other { (Method::GET, None) } else { (method, body) };
    if is_see_other {
        headers.remove(CONTENT_TYPE);
    }
    Ok(Call { url, method, headers, body })
}
