//! Grants: access that a provider gives for a while and that renews itself, by a user's sign-in (OAuth 2) or by a
//! signed assertion (service accounts).
//!
//! What is particular to a provider is data here ([`OAuth`], [`ServiceAccount`]). `keeper` is the machine that renews:
//! one renewal at a time for a grant, also among processes, and what it brings is on disk before it is used.
//! `token` talks to the token endpoint and decides what its answer means; `sign_in` begins and ends a sign-in;
//! `assertion` signs.

mod assertion;
mod keeper;
mod sign_in;
mod token;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{When, retry::holds};
use crate::secret::Secret;

pub(super) use assertion::{address as address_of, check as check_key};
pub(super) use keeper::{Keeper, Keepers};
pub use sign_in::{SignIn, random};

/// What a connection says whose grant is gone for good.
pub(super) const EXPIRED: &str = "OAuth token expired. Please reconnect.";
/// Renewed so long before its end, or a tenth of its life if that is less.
const EARLY: SignedDuration = SignedDuration::from_secs(300);

/// How a provider lets users sign in: authorisation code, refresh tokens where it gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OAuth {
    /// The page where the user says yes.
    pub authorise_url: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: String,
    /// Where access is given back, if the provider has such a place.
    pub revoke_url: Option<String>,
    /// What must be granted. A sign-in without one of them is refused.
    pub scopes: Vec<String>,
    /// What is asked for and may be missing.
    pub optional_scopes: Vec<String>,
    /// Further parameters of the page, such as `prompt`.
    pub parameters: Vec<(String, String)>,
    /// Whether the provider knows PKCE (S256).
    pub pkce: bool,
    /// How it shows that an access token is over, besides 401.
    pub expiry: Vec<Expiry>,
    /// The age at which it ends some grants, if it does.
    pub short_lived: Option<ShortLived>,
}

/// How a service account gets its access: RS256-signed assertions (RFC 7523) by a key of which the user pastes the JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceAccount {
    /// Key of the credential field with the JSON.
    pub field: String,
    /// Where assertions are exchanged. The key's own `token_uri` is never called.
    pub token_url: String,
    /// Hosts that a key's `token_uri` may name besides that of `token_url`, from former days.
    pub former_hosts: Vec<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How the provider shows that an access token is over, besides 401.
    pub expiry: Vec<Expiry>,
}

/// A sign in an answer that the access token is over: also in answers that look like successes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expiry {
    /// The status it applies to.
    pub status: u16,
    /// And what else must hold.
    pub when: When,
}

/// Grants that a provider ends at an age, unless the user does something about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShortLived {
    /// The age.
    pub days: u32,
    /// Why it ended, and what to do: whole sentences.
    pub hint: String,
}

/// The client by which the provider knows this installation. The operator registers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// Its public id.
    pub id: String,
    /// Its secret, where it has one.
    pub secret: Option<Secret>,
}

/// The variables that hold the OAuth client of an integration.
pub fn client_variables(integration_id: &str) -> [String; 2] {
    let name = integration_id.to_uppercase().replace('-', "_");
    [format!("DASHTRAY_{name}_CLIENT_ID"), format!("DASHTRAY_{name}_CLIENT_SECRET")]
}

/// What a provider granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Stays the same over all renewals. Ours, and no secret.
    pub id: String,
    /// Signs requests.
    pub access_token: Secret,
    /// When the access token was asked for.
    pub issued_at: Timestamp,
    /// When the access token ends, if the provider says.
    pub expires_at: Option<Timestamp>,
    /// Renews it.
    pub refresh_token: Option<Secret>,
    /// When the refresh token ends, if the provider says.
    pub refresh_expires_at: Option<Timestamp>,
    /// When a user said yes. `None` for a service account.
    pub consented_at: Option<Timestamp>,
    /// What was granted, if the provider says.
    pub scopes: BTreeSet<String>,
}

/// A grant as it is sealed. Read by later versions too: fields are added, never changed.
#[derive(Serialize, Deserialize)]
struct Plain {
    id: String,
    access_token: String,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    refresh_token: Option<String>,
    refresh_expires_at: Option<Timestamp>,
    consented_at: Option<Timestamp>,
    scopes: BTreeSet<String>,
}

impl Grant {
    /// The grant as a text, for the vault alone.
    pub fn to_text(&self) -> Zeroizing<String> {
        let plain = Plain {
            id: self.id.clone(),
            access_token: self.access_token.expose().to_owned(),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            refresh_token: self.refresh_token.as_ref().map(|token| token.expose().to_owned()),
            refresh_expires_at: self.refresh_expires_at,
            consented_at: self.consented_at,
            scopes: self.scopes.clone(),
        };
        Zeroizing::new(serde_json::to_string(&plain).unwrap_or_default())
    }

    /// Reads it back.
    pub fn from_text(text: &str) -> Option<Self> {
        let plain: Plain = serde_json::from_str(text).ok()?;
        Some(Self {
            id: plain.id,
            access_token: Secret::new(plain.access_token),
            issued_at: plain.issued_at,
            expires_at: plain.expires_at,
            refresh_token: plain.refresh_token.map(Secret::new),
            refresh_expires_at: plain.refresh_expires_at,
            consented_at: plain.consented_at,
            scopes: plain.scopes,
        })
    }

    /// Whether the access token is over.
    fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether it is time to renew it, which is a little earlier.
    fn is_due(&self, now: Timestamp) -> bool {
        let Some(at) = self.expires_at else { return false };
        let margin = (at.duration_since(self.issued_at) / 10).min(EARLY);
        at.checked_sub(margin).is_ok_and(|at| at <= now)
    }
}

/// Whether an answer shows that the access token is over.
pub(super) fn shows_expiry(signs: &[Expiry], status: u16, headers: &HeaderMap, head: &[u8]) -> bool {
    status == 401 || signs.iter().any(|sign| sign.status == status && holds(&sign.when, headers, head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(seconds: i64) -> Grant {
        let issued_at: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        Grant {
            id: "7".into(),
            access_token: Secret::new("at\"\n"),
            issued_at,
            expires_at: Some(issued_at + SignedDuration::from_secs(seconds)),
            refresh_token: Some(Secret::new("rt")),
            refresh_expires_at: None,
            consented_at: Some(issued_at),
            scopes: ["a b".to_owned()].into(),
        }
    }

    #[test]
    fn what_is_sealed_is_read_again() {
        let grant = grant(3_600);
        assert_eq!(Grant::from_text(&grant.to_text()), Some(grant.clone()));
        assert_eq!(Grant::from_text("{}"), None);
        assert!(!format!("{grant:?}").contains("rt\""));
    }

    #[test]
    fn is_due_a_little_before_it_is_over() {
        for (life, after, is_due) in [
            (3_600, 3_299, false),
            (3_600, 3_300, true),
            (3, 2, false),
            (3, 3, true),
            (600, 539, false),
            (600, 541, true),
        ] {
            let grant = grant(life);
            let now = grant.issued_at + SignedDuration::from_secs(after);
            assert_eq!(grant.is_due(now), is_due, "{life} {after}");
        }
        let endless = Grant { expires_at: None, ..grant(1) };
        assert!(!endless.is_due(Timestamp::MAX) && !endless.is_over(Timestamp::MAX));
    }

    #[test]
    fn a_variable_is_named_after_the_integration() {
        assert_eq!(
            client_variables("acme-visits"),
            ["DASHTRAY_ACME_VISITS_CLIENT_ID", "DASHTRAY_ACME_VISITS_CLIENT_SECRET"]
        );
    }
}
