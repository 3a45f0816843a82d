//! The token endpoint: asking it, and what its answer means.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Method,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::time::{Instant, timeout};
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{Grant, OAuthClient};
use crate::{
    http::{
        Client, Error, Retry, Service, body,
        error::cut,
        redact::Redactor,
        retry::{LONGEST_SLEEP, backoff, until},
        retry_after::{date, retry_after},
        send::pause,
        target::{actual_of, is_safe},
        trouble::Trouble,
    },
    metric::FailureKind,
    secret::Secret,
    telemetry,
};

/// One answer takes no longer.
const LONGEST_ANSWER: Duration = Duration::from_secs(10);
/// Tries of a renewal, all of them over before the lease on it is. What got no answer may count already: only a fault
/// that says so is worth another try.
const ATTEMPTS: u32 = 2;
/// An answer of a token endpoint is small.
const LARGEST_ANSWER: u64 = 256 << 10;
/// No access token is believed to last longer.
const LONGEST_LIFE: i64 = 10 * 365 * 86_400;

/// A question to a token endpoint.
pub(super) struct Question<'a> {
    pub(super) client: &'a Client,
    pub(super) service: &'a Service,
    /// As the descriptor says.
    pub(super) url: &'a str,
    pub(super) form: Vec<(&'static str, Zeroizing<String>)>,
    /// Whether it may be asked again where the answer is a fault. A code counts once.
    pub(super) may_repeat: bool,
    /// Counts what is sent.
    pub(super) sent: &'a AtomicU64,
}

/// Why there is no token.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) meaning: Meaning,
    pub(super) error: Error,
    /// What the provider said, redacted.
    pub(super) said: Option<String>,
    /// How far the provider's clock is ahead of ours, if it says.
    pub(super) ahead: Option<SignedDuration>,
}

/// What a refusal says of the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `invalid_grant`: what was given is not worth anything any more.
    Dead,
    /// It was refused for another reason, and nothing has changed.
    Refused,
    /// Nobody knows whether the provider renewed it: no answer, a fault, or something that is no answer.
    Unsure,
}

/// A good answer (RFC 6749, 5.1).
#[derive(Deserialize)]
pub(super) struct Tokens {
    access_token: Option<String>,
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Json,
    refresh_token: Option<String>,
    #[serde(default)]
    refresh_token_expires_in: Json,
    scope: Option<String>,
}

impl Tokens {
    /// The grant that they are, asked for at an instant. What is not said stays as in `before`.
    pub(super) fn into_grant(self, asked_at: Timestamp, before: Option<&Grant>) -> Grant {
        let until = |said: &Json| {
            let seconds = said.as_i64().or_else(|| said.as_str()?.trim().parse().ok());
            let seconds = seconds.filter(|seconds| (1..=LONGEST_LIFE).contains(seconds))?;
            asked_at.checked_add(SignedDuration::from_secs(seconds)).ok()
        };
        let new_refresh_token = self.refresh_token.filter(|token| !token.is_empty()).map(Secret::new);
        let scopes: BTreeSet<String> =
            self.scope.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect();
        Grant {
            id: before.map_or_else(new_id, |grant| grant.id.clone()),
            access_token: Secret::new(self.access_token.unwrap_or_default()),
            issued_at: asked_at,
            expires_at: until(&self.expires_in),
            refresh_expires_at: until(&self.refresh_token_expires_in)
                .or_else(|| before.filter(|_| new_refresh_token.is_none())?.refresh_expires_at),
            refresh_token: new_refresh_token.or_else(|| before?.refresh_token.clone()),
            consented_at: before.and_then(|grant| grant.consented_at),
            scopes: match before {
                Some(grant) if scopes.is_empty() => grant.scopes.clone(),
                _ => scopes,
            },
        }
    }
}

fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What an error says (RFC 6749, 5.2). Some providers send it with status 200.
#[derive(Deserialize)]
struct Said {
    error: String,
    error_description: Option<String>,
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

impl Question<'_> {
    /// The client's own id and secret, as part of the form.
    pub(super) fn of_client(client: &OAuthClient) -> Vec<(&'static str, Zeroizing<String>)> {
        let mut form = vec![("client_id", Zeroizing::new(client.id.clone()))];
        form.extend(client.secret.as_ref().map(|secret| ("client_secret", Zeroizing::new(secret.expose().to_owned()))));
        form
    }

    /// Asks for tokens.
    pub(super) async fn tokens(&self) -> Result<Tokens, Refusal> {
        let mut attempt = 1;
        loop {
            let answered = self.ask().await?;
            let refusal = match answered {
                Ok(answered) => match self.judge(answered) {
                    Ok(tokens) => return Ok(tokens),
                    Err(refusal) => refusal,
                },
                Err(trouble) => of_trouble(trouble),
            };
            let passes = refusal.error.kind() == FailureKind::Unavailable
                && (refusal.error.status().is_some() || refusal.error.message() == NO_CONNECTION);
            if !passes || !self.may_repeat || attempt >= ATTEMPTS || refusal.error.retry_at().is_some() {
                return Err(refusal);
            }
            pause(backoff(attempt)).await;
            attempt += 1;
        }
    }

    /// Sends the form and wants nothing but a good status.
    pub(super) async fn done(&self) -> Result<(), Error> {
        let refused = |refusal: Refusal| refusal.error;
        let answered = self.ask().await.map_err(refused)?.map_err(|trouble| of_trouble(trouble).error)?;
        match answered.status {
            200..=299 => Ok(()),
            _ => Err(self.judge(answered).map_or_else(refused, |_| no_token(0))),
        }
    }

    /// The outer error is ours: nothing was sent.
    async fn ask(&self) -> Result<Result<Answered, Trouble>, Refusal> {
        let ours = |error: Error| Refusal { meaning: Meaning::Refused, error, said: None, ahead: None };
        let logical = Url::parse(self.url).ok().filter(|url| url.host().is_some());
        let logical = logical.ok_or_else(|| ours(Error::internal("the descriptor's token endpoint is no URL")))?;
        let url = actual_of(self.service, &logical);
        if !is_safe(&url) {
            return Err(ours(Error::internal("the descriptor's token endpoint is not an https URL")));
        }
        // The address is the descriptor's, so it is not judged.
        let connections = self.client.connections(false).map_err(ours)?;
        let pairs = self.form.iter().map(|(key, value)| (key, value.as_str()));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let mut request = reqwest::Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        *request.body_mut() = Some(form.into());
        self.sent.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let exchange = async {
            let mut response = connections.execute(request).await.map_err(|error| Trouble::of(&error))?;
            let status = response.status().as_u16();
            let bytes = AtomicU64::new(0);
            let read = body::read(&mut response, LARGEST_ANSWER, LARGEST_ANSWER, &bytes).await;
            let body = if status >= 400 { read.unwrap_or_default() } else { read? };
            let headers = std::mem::take(response.headers_mut());
            Ok(Answered { status, headers, body: Zeroizing::new(body) })
        };
        let answered = timeout(LONGEST_ANSWER, exchange).await.unwrap_or(Err(Trouble::Timeout));
        let status = answered.as_ref().ok().map(|answered| answered.status);
        telemetry::ours().called(&self.service.id, status, started.elapsed());
        tracing::debug!(
            integration.id = self.service.id,
            method = "POST",
            host = logical.host_str().unwrap_or_default(),
            endpoint = logical.path(),
            status = status.unwrap_or(0),
            trouble = answered.as_ref().err().map(tracing::field::debug),
            duration_ms = started.elapsed().as_millis() as u64,
            "called a token endpoint"
        );
        Ok(answered)
    }

    fn judge(&self, answered: Answered) -> Result<Tokens, Refusal> {
        let Answered { status, headers, body } = answered;
        let now = self.client.now();
        let ahead = date(&headers).map(|theirs| theirs.duration_since(now));
        let refusal = |meaning, error: Error, said: Option<String>| Refusal { meaning, error, said, ahead };
        let said: Option<Said> = serde_json::from_slice(&body).ok();
        let code = said.as_ref().map(|said| said.error.clone());
        let said = said.map(|said| self.redactor().redact(&said.error_description.unwrap_or(said.error)));
        let with_said = |error: Error| match &said {
            Some(said) => error.with_status(status).with_provider_message(said),
            None => error.with_status(status),
        };
        let wait = retry_after(&headers, now);
        match (status, code) {
            (429, _) => {
                let at = wait.unwrap_or_else(|| now.checked_add(SignedDuration::from_mins(1)).unwrap_or(now));
                let error = Error::rate_limited(at, "the provider's token endpoint asks to wait");
                Err(refusal(Meaning::Refused, with_said(error), None))
            }
            // Whatever a fault says of the grant, it is a fault.
            (408 | 425 | 500..=599, _) => {
                let error = Error::new(FailureKind::Unavailable, FAULT);
                let error = match wait.filter(|at| until(*at, now) > LONGEST_SLEEP) {
                    Some(at) => error.with_retry(Retry::At(at)),
                    None => error,
                };
                Err(refusal(Meaning::Unsure, with_said(error), None))
            }
            (_, Some(code)) => {
                let meaning = match code.as_str() {
                    "invalid_grant" => Meaning::Dead,
                    "server_error" | "temporarily_unavailable" => Meaning::Unsure,
                    _ => Meaning::Refused,
                };
                let error = with_said(of_code(&code, &self.service.id));
                Err(refusal(meaning, error, said.as_deref().map(cut)))
            }
            (200..=299, None) => read(&body).ok_or_else(|| refusal(Meaning::Unsure, no_token(status), None)),
            _ => Err(refusal(Meaning::Unsure, no_token(status), None)),
        }
    }

    /// Everything in the form may come back.
    fn redactor(&self) -> Redactor {
        Redactor::of(self.form.iter().filter(|(key, _)| *key != "grant_type").map(|(_, value)| value.to_string()))
    }
}

/// Tokens, if that is what it is.
fn read(body: &[u8]) -> Option<Tokens> {
    let tokens: Tokens = serde_json::from_slice(body).ok()?;
    let is_bearer = tokens.token_type.as_ref().is_none_or(|name| name.eq_ignore_ascii_case("bearer"));
    let has_token = tokens.access_token.as_ref().is_some_and(|token| !token.is_empty());
    (is_bearer && has_token).then_some(tokens)
}

const FAULT: &str = "the provider's token endpoint has a fault; try again later";
const NO_CONNECTION: &str =
    "no connection to the provider's token endpoint could be made, or it was closed; try again later";

fn of_trouble(trouble: Trouble) -> Refusal {
    let error = match trouble {
        Trouble::Connect => Error::new(FailureKind::Unavailable, NO_CONNECTION),
        Trouble::Timeout => Error::new(
            FailureKind::Unavailable,
            "the answer of the provider's token endpoint took too long; try again later",
        ),
        Trouble::Cut => Error::new(
            FailureKind::Unavailable,
            "the answer of the provider's token endpoint ended before its end; try again later",
        ),
        Trouble::Certificate(why) => {
            let why = format!("the certificate of the provider's token endpoint is not accepted: {why}");
            Error::new(FailureKind::Unavailable, why)
        }
        Trouble::Refused(_) | Trouble::TooLarge { .. } | Trouble::Garbled => no_token(0),
    };
    Refusal { meaning: Meaning::Unsure, error, said: None, ahead: None }
}

/// A web page, a redirect, nothing, or JSON that holds no token.
fn no_token(status: u16) -> Error {
    let error = Error::invalid_response(
        "the provider's token endpoint answers with something that is no token; if a proxy or a login page stands in \
         between, let it through, else try again later",
    );
    if status == 0 { error } else { error.with_status(status) }
}

fn of_code(code: &str, integration_id: &str) -> Error {
    let [id, secret] = super::client_variables(integration_id);
    match code {
        "invalid_grant" => Error::new(FailureKind::Unauthorized, "the provider does not accept the grant any more"),
        "invalid_client" | "unauthorized_client" | "deleted_client" => Error::invalid_settings(format!(
            "the provider does not accept this installation's OAuth client; check {id} and {secret}, and whether the \
             client still exists at the provider"
        )),
        "server_error" | "temporarily_unavailable" => Error::new(FailureKind::Unavailable, FAULT),
        _ => Error::new(FailureKind::Rejected, "the provider's token endpoint refuses"),
    }
}
