//! Service accounts: the key file that a user pastes, and the assertions that it signs.

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::ServiceAccount;
use crate::{
    http::{Error, Service, target::is_same_origin},
    metric::FailureKind,
    secret::Secret,
};

/// An assertion is good for as long as the provider allows.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// What a key file must hold.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<Secret>,
    client_email: Option<String>,
    token_uri: Option<String>,
}

/// A key that can sign.
struct Key {
    pair: KeyPair,
    id: Option<String>,
    email: String,
    audience: String,
}

/// Says what is wrong with a pasted key file, without a word of it.
pub(in crate::http) fn check(account: &ServiceAccount, service: &Service, text: &str) -> Result<(), String> {
    Key::read(account, service, text).map(drop)
}

/// The address of the service account, which is no secret: whoever owns what is to be read adds it there.
pub(in crate::http) fn address(text: &str) -> Option<String> {
    serde_json::from_str::<KeyFile>(text).ok()?.client_email
}

/// An assertion that is good from an instant on.
pub(super) fn sign(
    account: &ServiceAccount,
    service: &Service,
    text: &str,
    now: Timestamp,
) -> Result<Zeroizing<String>, Error> {
    let refused = |why: String| Error::new(FailureKind::Unauthorized, why).context("field", &account.field);
    let key = Key::read(account, service, text).map_err(refused)?;
    let ends_at = now.checked_add(LIFE).unwrap_or(now);
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(id) = &key.id {
        header["kid"] = json!(id);
    }
    let claims = json!({
        "iss": key.email,
        "scope": account.scopes.join(" "),
        "aud": key.audience,
        "iat": now.as_second(),
        "exp": ends_at.as_second(),
    });
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let mut signature = vec![0; key.pair.public_modulus_len()];
    key.pair
        .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| Error::internal("the service account's key does not sign"))?;
    Ok(Zeroizing::new(format!("{signed}.{}", encode(&signature))))
}

impl Key {
    fn read(account: &ServiceAccount, service: &Service, text: &str) -> Result<Self, String> {
        let file: KeyFile = serde_json::from_str(text).map_err(|error| {
            if error.is_eof() {
                "the JSON is cut off; paste the whole key file, from { to }".to_owned()
            } else if error.is_data() {
                "a field of the key file is not a text; paste the file as it was downloaded".to_owned()
            } else {
                format!("this is not JSON (line {}); paste the whole key file, from {{ to }}", error.line())
            }
        })?;
        match file.kind.as_deref() {
            Some("service_account") => {}
            Some("authorized_user") => {
                return Err("this is a user's credential and not a service account's key; make a key of a service \
                            account, of type JSON"
                    .to_owned());
            }
            Some(_) => {
                return Err("its \"type\" is not \"service_account\"; make a key of a service account".to_owned());
            }
            None if looks_like_client(text) => {
                return Err("this is an OAuth client and not a service account's key; make a key of a service \
                            account, of type JSON"
                    .to_owned());
            }
            None => return Err("it has no \"type\"; paste the whole key file of a service account".to_owned()),
        }
        let missing = |field: &str| format!("it has no \"{field}\"; paste the whole key file as it was downloaded");
        let pem = file.private_key.ok_or_else(|| missing("private_key"))?;
        let email = file.client_email.filter(|email| email.contains('@')).ok_or_else(|| missing("client_email"))?;
        let audience = audience(account, service, file.token_uri.as_deref())?;
        Ok(Self { pair: pair(pem.expose())?, id: file.private_key_id, email, audience })
    }
}

fn pair(pem: &str) -> Result<KeyPair, String> {
    let damaged = || {
        "its \"private_key\" cannot be read; paste the key file as it was downloaded, with every \\n in it".to_owned()
    };
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| damaged())? {
        PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| damaged()),
        PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| damaged()),
        _ => Err("its \"private_key\" is not an RSA key; make a new key of type JSON".to_owned()),
    }
}

/// The OAuth clients that Google lets people download have one of these on the outside.
fn looks_like_client(text: &str) -> bool {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    ["installed", "web"].iter().any(|key| json.get(key).is_some_and(|inner| inner.get("client_id").is_some()))
}

/// Who is addressed. A key that names a foreign endpoint was made by somebody who wants to have the assertion.
fn audience(account: &ServiceAccount, service: &Service, named: Option<&str>) -> Result<String, String> {
    let ours = || account.token_url.clone();
    let Some(named) = named.filter(|uri| !uri.is_empty()) else { return Ok(ours()) };
    let foreign = || {
        "its \"token_uri\" names an address that is not the provider's; the key was made by somebody else and is not \
         used"
            .to_owned()
    };
    let url = Url::parse(named).map_err(|_| foreign())?;
    let is_override = service.override_url.as_ref().is_some_and(|to| is_same_origin(to, &url));
    let is_declared = Url::parse(&account.token_url).is_ok_and(|declared| is_same_origin(&declared, &url));
    if is_override || is_declared {
        return Ok(named.to_owned());
    }
    let is_former = |host: &String| url.host_str() == Some(host.as_str());
    if url.scheme() == "https" && account.former_hosts.iter().any(is_former) { Ok(ours()) } else { Err(foreign()) }
}
