//! Judging passwords: Argon2id, a few at a time, away from the threads that serve.

use std::{sync::OnceLock, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use super::Error;
use crate::secret::Secret;

/// Each takes 19 MiB while it is judged.
const AT_ONCE: usize = 2;
/// Who has waited so long for a turn is sent away; what piles up would cost memory and help nobody.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Passwords {
    turns: Semaphore,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE) }
    }
}

impl Passwords {
    /// The PHC string to keep.
    pub(super) async fn hash(&self, password: &Secret) -> Result<String, Error> {
        let password = password.clone();
        self.in_turn(move || hash(&password)).await
    }

    /// Whether it is the password of a PHC string. Where there is none it takes as long, so that time does not tell who
    /// has an account.
    pub(super) async fn verify(&self, password: &Secret, kept: Option<String>) -> Result<bool, Error> {
        let password = password.clone();
        self.in_turn(move || {
            let is_known = kept.is_some();
            let kept = match kept {
                Some(kept) => kept,
                None => nobodys()?,
            };
            let Ok(kept) = PasswordHash::new(&kept) else {
                tracing::error!("the password of a user is damaged in the database; reset it with `dashtray user`");
                return Ok(false);
            };
            Ok(Argon2::default().verify_password(password.expose().as_bytes(), &kept).is_ok() && is_known)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        judge: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        tokio::task::spawn_blocking(judge).await.map_err(|error| Error::Internal(error.to_string()))?
    }
}

fn hash(password: &Secret) -> Result<String, Error> {
    let salt: [u8; 16] = rand::random();
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(hash.to_string())
}

/// The password of whoever has no account.
fn nobodys() -> Result<String, Error> {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    match NOBODYS.get() {
        Some(known) => Ok(known.clone()),
        None => {
            let made = hash(&super::new_token())?;
            Ok(NOBODYS.get_or_init(|| made).clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = Passwords::default();
        let kept = passwords.hash(&Secret::new("correct horse")).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(passwords.verify(&Secret::new("correct horse"), Some(kept.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("correct horsf"), Some(kept.clone())).await.unwrap());
        assert!(!passwords.verify(&Secret::new("correct horse"), None).await.unwrap());
        assert!(!passwords.verify(&Secret::new("correct horse"), Some("damaged".to_owned())).await.unwrap());
        assert_ne!(kept, passwords.hash(&Secret::new("correct horse")).await.unwrap(), "salted");
    }
}
