//! Keys that programs sign requests with: `dk_` and 256 random bits, of which only the hash is kept.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Error, FieldError, Users, hash, new_token, printable};
use crate::{
    secret::Secret,
    store::{ApiKey, NewApiKey, Project, Scope},
};

/// What every key begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "dk_";
/// How exactly the time of the last use is kept: a request does not cost a write.
const USED_WITHIN: SignedDuration = SignedDuration::from_mins(1);

/// When this process last took it upon itself to note the use of a key: while the database is busy, requests would else pile
/// up notes of the same.
#[derive(Debug, Default)]
pub(super) struct Uses(Mutex<HashMap<Uuid, Timestamp>>);

/// A key that was just made. This is the only time that it is shown.
#[derive(Debug)]
pub struct MadeKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// The key itself.
    pub secret: Secret,
}

impl Users {
    /// Makes a key of a project.
    pub async fn make_api_key(&self, project: &Project, name: &str, scope: Scope) -> Result<MadeKey, Error> {
        let name = printable(name.trim(), 81);
        if name.is_empty() || name.chars().count() > 80 {
            return Err(FieldError::of("name", "say in at most 80 characters what the key is for").into());
        }
        let secret = Secret::new(format!("{PREFIX}{}", new_token().expose()));
        let last_four = secret.expose().chars().skip(secret.expose().len().saturating_sub(4)).collect();
        let new = NewApiKey { name, scope, key_hash: hash(&secret), last_four };
        let key = self.store.insert_api_key(project.id, &new, self.clock.now()).await?;
        Ok(MadeKey { key, secret })
    }

    /// A project's keys, the newest first.
    pub async fn api_keys(&self, project: &Project) -> Result<Vec<ApiKey>, Error> {
        Ok(self.store.api_keys(project.id).await?)
    }

    /// Takes a key's power away, by its id or by a name that no other key with power has.
    pub async fn revoke_api_key(&self, project: &Project, id_or_name: &str) -> Result<ApiKey, Error> {
        let keys = self.store.api_keys(project.id).await?;
        let given = id_or_name.trim();
        let by_id = given.parse::<Uuid>().ok().and_then(|id| keys.iter().find(|key| key.id == id));
        let by_name: Vec<&ApiKey> =
            keys.iter().filter(|key| key.revoked_at.is_none() && key.name.eq_ignore_ascii_case(given)).collect();
        let found = match (by_id, by_name.as_slice()) {
            (Some(key), _) => key,
            (None, [key]) => key,
            (None, []) => return Err(Error::UnknownKey(given.chars().take(80).collect())),
            (None, _) => {
                return Err(FieldError::of("api_key", "several keys have that name; give the id of one").into());
            }
        };
        let now = self.clock.now();
        self.store.revoke_api_key(project.id, found.id, now).await?;
        Ok(ApiKey { revoked_at: found.revoked_at.or(Some(now)), ..found.clone() })
    }

    /// The key that a program shows, revoked or not, and the project that it opens. `None` where it never was one.
    pub async fn api_key(&self, shown: &Secret) -> Result<Option<(ApiKey, Project)>, Error> {
        if !shown.expose().starts_with(PREFIX) {
            return Ok(None);
        }
        Ok(self.store.api_key(&hash(shown)).await?)
    }

    /// Whether it is time to note that a key was used. Says so once a minute, however many ask.
    pub fn is_worth_noting(&self, key: &ApiKey) -> bool {
        let now = self.clock.now();
        let is_old = |at: &Timestamp| now.duration_since(*at) > USED_WITHIN;
        if key.last_used_at.is_some_and(|at| !is_old(&at)) {
            return false;
        }
        let mut uses = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if uses.get(&key.id).is_some_and(|at| !is_old(at)) {
            return false;
        }
        uses.insert(key.id, now);
        true
    }

    /// Notes that a key was used, once a minute at most.
    pub async fn note_use(&self, project: &Project, key: &ApiKey) -> Result<(), Error> {
        let now = self.clock.now();
        let before = now.checked_sub(USED_WITHIN).unwrap_or(now);
        Ok(self.store.touch_api_key(project.id, key.id, now, before).await?)
    }
}
