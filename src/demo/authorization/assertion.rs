//! Service accounts: a key that was made for this process, and the assertions that it signs.

use std::{collections::BTreeSet, sync::LazyLock};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Bearer, Rules, State,
    tokens::{Refused, dead},
};

/// Names the key.
const KEY_ID: &str = "demofernwerknotarealkey000000000000000001";
/// An assertion is good for no longer.
const LONGEST: i64 = 3_600;

/// Made once; `None` on a machine that cannot make one.
static KEY: LazyLock<Option<KeyPair>> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).ok());

/// The key file of a service account, as it is downloaded.
pub fn service_account_key(email: &str) -> String {
    let der: Option<Pkcs8V1Der<'static>> = KEY.as_ref().and_then(|key| key.as_der().ok());
    let bytes: &[u8] = der.as_ref().map_or(&[], |der| (**der).as_ref());
    let encoded = BASE64_STANDARD.encode(bytes);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
    let name = "PRIVATE KEY";
    let pem = format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"));
    let file = json!({
        "type": "service_account",
        "project_id": "fernwerk-demo",
        "private_key_id": KEY_ID,
        "private_key": pem,
        "client_email": email,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    serde_json::to_string_pretty(&file).unwrap_or_default()
}

pub(super) fn exchange(state: &mut State, rules: &Rules, jwt: &str, now: Timestamp) -> Result<Value, Refused> {
    let (signed, signature) = jwt.rsplit_once('.').ok_or_else(|| dead("Invalid JWT"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| dead("Invalid JWT"))?;
    let (header, claims): (Value, Value) = (part(header)?, part(claims)?);
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| dead("Invalid JWT Signature."))?;
    let key = KEY.as_ref().ok_or_else(|| dead("Invalid JWT Signature."))?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let is_ours = header["alg"] == "RS256" && header["kid"] == KEY_ID;
    if !is_ours || public.verify(signed.as_bytes(), &signature).is_err() {
        return Err(dead("Invalid JWT Signature."));
    }
    let email = claims["iss"].as_str().unwrap_or_default();
    if !rules.service_accounts.contains(email) {
        return Err(dead("Invalid grant: account not found"));
    }
    if claims["aud"] != json!(rules.audience) {
        return Err(dead("Invalid JWT: Failed audience check."));
    }
    let (iat, exp) = (claims["iat"].as_i64().unwrap_or(0), claims["exp"].as_i64().unwrap_or(0));
    let is_in_time =
        rules.skew_seconds.is_none_or(|skew| iat <= now.as_second() + skew && exp > now.as_second() - skew);
    if exp <= iat || exp - iat > LONGEST || !is_in_time {
        return Err(dead(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat \
             and exp values in the JWT claim.",
        ));
    }
    let scopes = claims["scope"].as_str().unwrap_or_default();
    let scopes: BTreeSet<String> = scopes.split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    if scopes.is_empty() || !scopes.is_subset(&rules.scopes) {
        return Err((400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.".to_owned()));
    }
    state.counts.assertions += 1;
    let mut tokens = state.give(rules, None, Bearer { subject: email.to_owned(), scopes }, now);
    // Nothing is said of scopes here: they are what the assertion says.
    if let Some(tokens) = tokens.as_object_mut() {
        tokens.shift_remove("scope");
    }
    Ok(tokens)
}

fn part<T: DeserializeOwned>(encoded: &str) -> Result<T, Refused> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| dead("Invalid JWT"))?;
    serde_json::from_slice(&decoded).map_err(|_| dead("Invalid JWT"))
}
