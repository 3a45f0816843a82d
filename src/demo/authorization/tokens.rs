//! The token endpoint, and taking tokens back.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answered, Asked, Bearer, Family, Fault, RefreshToken, Rules, State, after, assertion, pairs};

/// Why there are no tokens: status, error and description.
pub(super) type Refused = (u16, &'static str, String);

pub(super) fn token(state: &mut State, rules: &Rules, asked: &Asked<'_>) -> Answered {
    match state.faults.pop() {
        Some(Fault::Status(status)) => return Answered::html(status, "The server encountered an error"),
        Some(Fault::Html) => return Answered::html(200, "Sign in to this network"),
        Some(Fault::Empty) => return Answered { status: 200, headers: Vec::new(), body: Vec::new() },
        Some(Fault::ErrorWith200) => {
            return Answered::problem(200, "invalid_grant", "Token has been expired or revoked.");
        }
        Some(Fault::Lost) => {
            let _ = exchange(state, rules, asked);
            return Answered::html(503, "The answer was lost");
        }
        None => {}
    }
    match exchange(state, rules, asked) {
        Ok(tokens) => Answered::json(200, &tokens),
        Err((status, error, description)) => {
            state.counts.refused += 1;
            Answered::problem(status, error, &description)
        }
    }
}

fn exchange(state: &mut State, rules: &Rules, asked: &Asked<'_>) -> Result<Value, Refused> {
    let form = form(asked)?;
    let known: &[&str] = match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => &["client_id", "client_secret", "code", "redirect_uri", "code_verifier"],
        Some("refresh_token") => &["client_id", "client_secret", "refresh_token", "scope"],
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => &["assertion"],
        Some(_) => return Err((400, "unsupported_grant_type", "Invalid grant_type".to_owned())),
        None => return Err(invalid("Missing required parameter: grant_type")),
    };
    if let Some(strange) = form.keys().find(|key| *key != "grant_type" && !known.contains(&key.as_str())) {
        return Err(invalid(&format!("Parameter not allowed for this message type: {strange}")));
    }
    if known.contains(&"assertion") {
        return assertion::exchange(state, rules, get(&form, "assertion")?, asked.now);
    }
    let (id, secret) = (get(&form, "client_id")?, form.get("client_secret"));
    let client = rules.clients.iter().find(|client| client.id == id);
    let client = client.ok_or((401, "invalid_client", "The OAuth client was not found.".to_owned()))?;
    if client.secret.as_ref() != secret {
        return Err((401, "invalid_client", "Unauthorized".to_owned()));
    }
    if known.contains(&"code") { by_code(state, rules, asked, &form) } else { by_refresh(state, rules, asked, &form) }
}

fn form(asked: &Asked<'_>) -> Result<BTreeMap<String, String>, Refused> {
    let kind = asked.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind != "application/x-www-form-urlencoded" {
        return Err(invalid("The body must be form-encoded"));
    }
    pairs(asked.body).map_err(|twice| invalid(&format!("{twice} is given twice")))
}

fn get<'a>(form: &'a BTreeMap<String, String>, key: &str) -> Result<&'a str, Refused> {
    let found = form.get(key).map(String::as_str).filter(|value| !value.is_empty());
    found.ok_or_else(|| invalid(&format!("Missing required parameter: {key}")))
}

pub(super) fn invalid(what: &str) -> Refused {
    (400, "invalid_request", what.to_owned())
}

pub(super) fn dead(why: &str) -> Refused {
    (400, "invalid_grant", why.to_owned())
}

fn by_code(
    state: &mut State,
    rules: &Rules,
    asked: &Asked<'_>,
    form: &BTreeMap<String, String>,
) -> Result<Value, Refused> {
    let given = get(form, "code")?;
    let code = state.codes.get(given).ok_or_else(|| dead("Malformed auth code."))?;
    if let Some(family) = code.family {
        // A code that comes twice was stolen once: nobody keeps what it gave.
        state.end(family);
        return Err(dead("Code was already redeemed."));
    }
    if code.client != get(form, "client_id")? || code.redirect_uri != get(form, "redirect_uri")? {
        return Err((400, "redirect_uri_mismatch", "Bad Request".to_owned()));
    }
    if code.ends_at <= asked.now {
        return Err(dead("Code has expired."));
    }
    let verifier = get(form, "code_verifier")?;
    let proof = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    if !(43..=128).contains(&verifier.len()) || proof != code.challenge {
        return Err(dead("Invalid code verifier."));
    }
    let (client, user) = (code.client.clone(), code.user.clone());
    let (scopes, is_offline) = (code.scopes.clone(), code.is_offline);
    let family = state.families.len();
    if let Some(code) = state.codes.get_mut(given) {
        code.family = Some(family);
    }
    state.families.push(Family { client, user: user.clone(), scopes: scopes.clone(), is_alive: true });
    state.counts.sign_ins += 1;
    let mut tokens = state.give(rules, Some(family), Bearer { subject: user, scopes }, asked.now);
    if is_offline {
        refresh_token(state, rules, asked, family, &mut tokens);
    }
    Ok(tokens)
}

fn by_refresh(
    state: &mut State,
    rules: &Rules,
    asked: &Asked<'_>,
    form: &BTreeMap<String, String>,
) -> Result<Value, Refused> {
    let gone = || dead("Token has been expired or revoked.");
    let given = get(form, "refresh_token")?;
    let found = state.refresh.get(given).ok_or_else(gone)?;
    let (family, is_used, ends_at) = (found.family, found.is_used, found.ends_at);
    if is_used {
        state.end(family);
        return Err(gone());
    }
    let of = state.families.get(family).filter(|family| family.is_alive).ok_or_else(gone)?;
    if of.client != get(form, "client_id")? || ends_at.is_some_and(|at| at <= asked.now) {
        return Err(gone());
    }
    let bearer = Bearer { subject: of.user.clone(), scopes: of.scopes.clone() };
    state.counts.refreshes += 1;
    let mut tokens = state.give(rules, Some(family), bearer, asked.now);
    if rules.rotates {
        if let Some(old) = state.refresh.get_mut(given) {
            old.is_used = true;
        }
        refresh_token(state, rules, asked, family, &mut tokens);
    }
    Ok(tokens)
}

fn refresh_token(state: &mut State, rules: &Rules, asked: &Asked<'_>, family: usize, tokens: &mut Value) {
    let token = state.fresh("1//0");
    let ends_at = rules.refresh_seconds.map(|seconds| after(asked.now, seconds));
    state.refresh.insert(token.clone(), RefreshToken { family, is_used: false, ends_at });
    tokens["refresh_token"] = json!(token);
    if let Some(seconds) = rules.refresh_seconds {
        tokens["refresh_token_expires_in"] = json!(seconds);
    }
}

pub(super) fn revoke(state: &mut State, asked: &Asked<'_>) -> Answered {
    let token = match form(asked).and_then(|form| get(&form, "token").map(str::to_owned)) {
        Ok(token) => token,
        Err((status, error, description)) => return Answered::problem(status, error, &description),
    };
    let by_refresh = state.refresh.get(&token).map(|token| token.family);
    match by_refresh.or_else(|| state.access.get(&token)?.family) {
        Some(family) => {
            state.end(family);
            Answered::json(200, &json!({}))
        }
        None => Answered::problem(400, "invalid_token", "Token expired or revoked"),
    }
}
