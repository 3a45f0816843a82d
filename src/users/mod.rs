//! People: the first account, signing in and out, sessions and passwords. Pages and the command line call these same
//! functions.
//!
//! What a browser or a link holds is random and is kept only as its hash; passwords are kept as Argon2id.

mod api_keys;
mod error;
mod password;
mod people;
mod permission;
mod projects;
mod throttle;
mod token;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::Clock,
    secret::Secret,
    store::{
        Act, Action, Actor, AuditQuery, AuditRow, Membership, NewUser, NewWebSession, Project, Role, Store, User,
        WebSession,
    },
};
pub use api_keys::MadeKey;
pub use error::{Error, FieldError};
use password::Passwords;
pub use people::{INVITATION_DAYS, MadeInvitation};
pub use permission::Permission;
pub use projects::valid_slug;
use throttle::Turn;
use token::{hash, new_token};

/// A browser that asks for nothing for so long is signed out.
pub const SESSION_DAYS: i64 = 30;
/// How exactly the time of the last request is kept: a page does not cost a write.
const SEEN_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// How long a link that signs in may be used.
const LINK_HOURS: i64 = 24;
/// A set-up link is void when the next one is printed; this is for those that nobody prints again.
const SET_UP_DAYS: i64 = 365;

/// Everything about people. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Users {
    store: Store,
    clock: Clock,
    passwords: Arc<Passwords>,
    uses: Arc<api_keys::Uses>,
}

/// An account to make.
#[derive(Debug, Clone)]
pub struct Account {
    /// Their e-mail address.
    pub email: String,
    /// What pages call them; the address where it is empty.
    pub name: String,
    /// Their password.
    pub password: Secret,
}

/// A browser, as it says itself.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// Its `User-Agent`.
    pub agent: String,
    /// Where it comes from.
    pub address: String,
}

/// A browser that is signed in.
#[derive(Debug, Clone)]
pub struct Session {
    /// The session itself.
    pub session: WebSession,
    /// Whose it is.
    pub user: User,
    /// What they may see.
    pub memberships: Vec<Membership>,
}

impl Session {
    /// Whether a form carries this session's token. Takes as long for any other.
    pub fn is_own_form(&self, csrf: &str) -> bool {
        token::same(&self.session.csrf, csrf)
    }

    /// The project that pages show: the chosen one, else the first.
    pub fn membership(&self) -> Option<&Membership> {
        let chosen = self.session.project_id;
        self.memberships.iter().find(|one| Some(one.project.id) == chosen).or_else(|| self.memberships.first())
    }
}

impl Users {
    /// Over a database.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, passwords: Arc::default(), uses: Arc::default() }
    }

    /// The same on somebody's behalf: see [`Store::acting`].
    #[must_use]
    pub fn acting(&self, actor: Actor) -> Self {
        Self { store: self.store.acting(actor), ..self.clone() }
    }

    /// What was done, the newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        Ok(self.store.audit(query).await?)
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether nobody has an account yet.
    pub async fn needs_set_up(&self) -> Result<bool, Error> {
        Ok(!self.store.has_users().await?)
    }

    /// What the set-up link holds; every earlier one is void. `None` when somebody has an account already.
    pub async fn set_up_token(&self) -> Result<Option<Secret>, Error> {
        if !self.needs_set_up().await? {
            return Ok(None);
        }
        let token = new_token();
        let expires = self.after(SignedDuration::from_hours(24 * SET_UP_DAYS));
        self.store.insert_set_up_link(&hash(&token), expires).await?;
        Ok(Some(token))
    }

    /// Whether a set-up link may still be used.
    pub async fn set_up_is_open(&self, token: &Secret) -> Result<bool, Error> {
        Ok(self.store.link_is_open("set_up", &hash(token), self.clock.now()).await? && self.needs_set_up().await?)
    }

    /// Makes the first account, in return for the set-up link, and signs its browser in.
    pub async fn set_up(&self, token: &Secret, account: Account, browser: Browser) -> Result<Secret, Error> {
        if !self.set_up_is_open(token).await? {
            return Err(Error::LinkUsed);
        }
        let new = self.checked(account).await?;
        let user = self.store.set_up(&hash(token), &new, self.clock.now()).await?.ok_or(Error::LinkUsed)?;
        self.open_session(user.id, browser).await
    }

    /// Makes an account and lets it into a project.
    pub async fn add(&self, account: Account, project: &Project, role: Role) -> Result<User, Error> {
        let new = self.checked(account).await?;
        Ok(self.store.insert_user(&new, project.id, role, self.clock.now()).await?)
    }

    /// Lets somebody who has an account into a further project; says whether they were not in before.
    pub async fn join(&self, user: &User, project: &Project, role: Role) -> Result<bool, Error> {
        Ok(self.store.insert_member(project.id, user.id, role).await?)
    }

    /// Adds somebody who has no password and is signed in by links alone.
    pub async fn add_without_password(&self, email: &str, name: &str, project: &Project) -> Result<User, Error> {
        let new = NewUser { email: valid_email(email)?, name: name.to_owned(), password_hash: None };
        Ok(self.store.insert_user(&new, project.id, Role::Owner, self.clock.now()).await?)
    }

    /// All people.
    pub async fn all(&self) -> Result<Vec<User>, Error> {
        Ok(self.store.users().await?)
    }

    /// The projects that somebody is in, and as what.
    pub async fn memberships(&self, user: &User) -> Result<Vec<Membership>, Error> {
        Ok(self.store.memberships(user.id).await?)
    }

    /// The person of that address.
    pub async fn find(&self, email: &str) -> Result<User, Error> {
        let email = normal(email);
        self.store.user(&email).await?.ok_or(Error::UnknownUser(email.chars().take(80).collect()))
    }

    /// What a link holds that signs somebody in once.
    pub async fn sign_in_token(&self, user: &User) -> Result<Secret, Error> {
        let token = new_token();
        let expires = self.after(SignedDuration::from_hours(LINK_HOURS));
        self.store.insert_sign_in_link(user.id, &hash(&token), expires).await?;
        Ok(token)
    }

    /// Signs a browser in and gives what its cookie holds. Who has guessed wrong too often waits, whoever it is.
    pub async fn sign_in(&self, email: &str, password: &Secret, browser: Browser) -> Result<Secret, Error> {
        let email = normal(email);
        let user = self.store.user(&email).await?;
        let kept = user.as_ref().and_then(|user| user.password_hash.clone());
        if !self.judge(&email, &browser.address, password, kept).await? {
            self.note_failed(user, browser);
            return Err(Error::WrongPassword);
        }
        let user = user.ok_or(Error::WrongPassword)?;
        self.open_session(user.id, browser).await
    }

    /// Of accounts that there are: those are guessed at ten times in a quarter of an hour, and names that somebody makes up
    /// could fill the database. Nobody waits for it, or the time would tell who has an account.
    fn note_failed(&self, user: Option<User>, browser: Browser) {
        let Some(user) = user else { return };
        let store = self.store.acting(Actor::Visitor { address: printable(&browser.address, 60) });
        tokio::spawn(async move {
            if let Err(error) = store.note(Act::of_user(user.id, Action::SignInFailed, user.email)).await {
                tracing::warn!(%error, "a wrong password could not be noted");
            }
        });
    }

    /// Whether a link that signs in may still be used.
    pub async fn sign_in_link_is_open(&self, token: &Secret) -> Result<bool, Error> {
        Ok(self.store.link_is_open("sign_in", &hash(token), self.clock.now()).await?)
    }

    /// Signs a browser in that uses a link.
    pub async fn sign_in_by_link(&self, token: &Secret, browser: Browser) -> Result<Secret, Error> {
        let user = self.store.take_sign_in_link(&hash(token), self.clock.now()).await?.ok_or(Error::LinkUsed)?;
        self.open_session(user, browser).await
    }

    /// The session of what a cookie holds, if it is one.
    pub async fn session(&self, token: &Secret) -> Result<Option<Session>, Error> {
        let now = self.clock.now();
        let Some((session, user)) = self.store.web_session(&hash(token), seen_since(now)).await? else {
            return Ok(None);
        };
        if now.duration_since(session.last_seen_at) > SEEN_WITHIN {
            self.store.touch_web_session(session.id, now).await?;
        }
        let memberships = self.store.memberships(user.id).await?;
        Ok(Some(Session { session, user, memberships }))
    }

    /// A user's sessions, the last seen first.
    pub async fn sessions(&self, user: &User) -> Result<Vec<WebSession>, Error> {
        Ok(self.store.web_sessions(user.id).await?)
    }

    /// Ends a session of a user; says whether there was one.
    pub async fn end(&self, user: &User, session_id: i64) -> Result<bool, Error> {
        Ok(self.store.delete_web_session(user.id, session_id).await?)
    }

    /// Ends all sessions of a user but this one; says how many.
    pub async fn end_others(&self, session: &Session) -> Result<u64, Error> {
        Ok(self.store.delete_other_web_sessions(session.user.id, session.session.id).await?)
    }

    /// Changes the password of whoever knows the old one, and ends their other sessions.
    pub async fn change_password(&self, session: &Session, old: &Secret, new: &Secret) -> Result<(), Error> {
        valid_password("new_password", new)?;
        let (user, address) = (&session.user, &session.session.address);
        if !self.judge(&user.email, address, old, user.password_hash.clone()).await? {
            return Err(FieldError::of("password", "this is not your password").into());
        }
        let hash = self.passwords.hash(new).await?;
        Ok(self.store.set_password(session.user.id, &hash, Some(session.session.id)).await?)
    }

    /// Whether a password is right, for whoever may still guess.
    async fn judge(&self, email: &str, address: &str, password: &Secret, kept: Option<String>) -> Result<bool, Error> {
        let turn = Turn::begin(&self.store, email, address, self.clock.now()).await?;
        match self.passwords.verify(password, kept).await {
            Ok(true) => turn.was_right(&self.store).await.map(|()| true),
            Ok(false) => Ok(false),
            Err(error) => {
                turn.was_not_judged(&self.store).await?;
                Err(error)
            }
        }
    }

    /// Changes a password for the operator, and ends all sessions of its user.
    pub async fn reset_password(&self, user: &User, new: &Secret) -> Result<(), Error> {
        valid_password("password", new)?;
        let hash = self.passwords.hash(new).await?;
        Ok(self.store.set_password(user.id, &hash, None).await?)
    }

    /// Keeps the days that a user chose, for pages whose address names none.
    pub async fn remember_range(&self, user: &User, range: &str) -> Result<(), Error> {
        Ok(self.store.set_last_range(user.id, range).await?)
    }

    async fn open_session(&self, user_id: i64, browser: Browser) -> Result<Secret, Error> {
        // Whoever comes in takes out what nobody can use any more: no clock of its own is needed for so few rows.
        let now = self.clock.now();
        self.store.prune_web_sessions(seen_since(now), now).await?;
        let token = new_token();
        let new = NewWebSession {
            token_hash: hash(&token),
            user_id,
            csrf: new_token().expose().to_owned(),
            agent: printable(&browser.agent, 200),
            address: printable(&browser.address, 60),
        };
        self.store.insert_web_session(&new, now).await?;
        Ok(token)
    }

    async fn checked(&self, account: Account) -> Result<NewUser, Error> {
        let mut wrong = Vec::new();
        let email = valid_email(&account.email).map_err(|error| wrong.push(error)).unwrap_or_default();
        if let Err(error) = valid_password("password", &account.password) {
            wrong.push(error);
        }
        let name = printable(account.name.trim(), 80);
        if !wrong.is_empty() {
            return Err(Error::InvalidFields(wrong));
        }
        let password_hash = Some(self.passwords.hash(&account.password).await?);
        let name = if name.is_empty() { email.clone() } else { name };
        Ok(NewUser { email, name, password_hash })
    }

    fn after(&self, wait: SignedDuration) -> Timestamp {
        self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX)
    }
}

fn seen_since(now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * SESSION_DAYS)).unwrap_or(Timestamp::MIN)
}

/// An address as it is compared.
fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

fn printable(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Whether an address works only its mail server knows; this finds what was typed into the wrong field.
fn valid_email(email: &str) -> Result<String, FieldError> {
    let email = normal(email);
    let sound = email.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !email.contains([' ', '<', '>', ',', ';', '"'])
    });
    if sound && email.len() <= 254 && !email.chars().any(char::is_control) {
        Ok(email)
    } else {
        Err(FieldError::of("email", "give an e-mail address such as ada@example.com"))
    }
}

fn valid_password(field: &'static str, password: &Secret) -> Result<(), FieldError> {
    match password.expose().chars().count() {
        ..10 => Err(FieldError::of(field, "use at least 10 characters")),
        10..=200 => Ok(()),
        _ => Err(FieldError::of(field, "use at most 200 characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_and_is_compared_in_small_letters() {
        assert_eq!(valid_email("  Ada@Example.COM ").unwrap(), "ada@example.com");
        for bad in ["", "ada", "@x", "a@", "a@b@c", "a b@c", "a\n@b", "<a@b>", &format!("{}@b", "x".repeat(254))] {
            assert!(valid_email(bad).is_err(), "{bad}");
        }
    }
}
