//! How often somebody may guess: so many wrong passwords for an account, and so many from an address, in a quarter of an
//! hour. Counted in the database, so that several processes let in no more than one does and a restart forgives nothing.

use std::{net::Ipv6Addr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Error;
use crate::store::{Guesser, Store};

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
const PER_ACCOUNT: i64 = 10;
const PER_ADDRESS: i64 = 50;

/// A guess that was let in. It counts as wrong until it is judged, or a thousand at once would all be let in.
#[derive(Debug)]
#[must_use]
pub(super) struct Turn {
    account: Vec<u8>,
    address: Vec<u8>,
}

impl Turn {
    /// Lets somebody guess, or says how long they have to wait.
    pub(super) async fn begin(store: &Store, email: &str, address: &str, now: Timestamp) -> Result<Self, Error> {
        let email: String = email.chars().take(254).collect();
        let turn = Self { account: hash("account", &email), address: hash("address", &network(address)) };
        let guessers = [(&turn.account, PER_ACCOUNT), (&turn.address, PER_ADDRESS)];
        let guessers = guessers.map(|(hash, most)| Guesser { hash: hash.clone(), most });
        let over = now.checked_sub(WINDOW).unwrap_or(Timestamp::MIN);
        match store.count_guess(&guessers, now, over).await? {
            None => Ok(turn),
            Some(since) => {
                let left = WINDOW - now.duration_since(since);
                Err(Error::TooMany(Duration::try_from(left).unwrap_or_default()))
            }
        }
    }

    /// The password was right: what was guessed before it was forgetfulness. The address keeps its count, or whoever has an
    /// account of their own could guess at others for ever.
    pub(super) async fn was_right(self, store: &Store) -> Result<(), Error> {
        store.forget_guesses(&self.account).await?;
        Ok(store.take_guess_back(&self.address).await?)
    }

    /// Nobody judged it.
    pub(super) async fn was_not_judged(self, store: &Store) -> Result<(), Error> {
        store.take_guess_back(&self.account).await?;
        Ok(store.take_guess_back(&self.address).await?)
    }
}

/// What people type is not kept: it may be a password in the wrong field.
fn hash(kind: &str, text: &str) -> Vec<u8> {
    Sha256::digest(format!("{kind} {text}")).to_vec()
}

/// Of the newer kind everybody has a whole network of addresses (64 bits); of the older kind one.
fn network(address: &str) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(v6) => v6.segments()[..4].iter().map(|part| format!("{part:x}:")).collect(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Gate {
        store: Store,
        _directory: TempDir,
    }

    impl Gate {
        async fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(&format!("sqlite:{}", directory.path().join("x.db").display())).await.unwrap();
            Self { store, _directory: directory }
        }

        async fn begin(&self, email: &str, address: &str, seconds: i64) -> Result<Turn, Error> {
            Turn::begin(&self.store, email, address, Timestamp::from_second(1_800_000_000 + seconds).unwrap()).await
        }

        /// Of so many wrong guesses, how many are let in.
        async fn let_in(&self, guesses: i64, who: impl Fn(i64) -> (String, String)) -> i64 {
            let mut let_in = 0;
            for n in 0..guesses {
                let (email, address) = who(n);
                let_in += i64::from(self.begin(&email, &address, 0).await.is_ok());
            }
            let_in
        }
    }

    #[tokio::test]
    async fn an_account_is_guessed_at_ten_times_from_wherever() {
        let gate = Gate::new().await;
        assert_eq!(gate.let_in(100, |n| ("ada".to_owned(), format!("10.0.0.{n}"))).await, PER_ACCOUNT);
        let wait = gate.begin("ada", "x", 60).await.unwrap_err();
        assert_eq!(wait, Error::TooMany(Duration::from_secs(14 * 60)));
        assert!(gate.begin("ada", "x", 15 * 60).await.is_ok(), "the quarter of an hour is over");
    }

    #[tokio::test]
    async fn an_address_guesses_fifty_times_at_whomever() {
        let gate = Gate::new().await;
        assert_eq!(gate.let_in(100, |n| (format!("user {n}"), "10.0.0.1".to_owned())).await, PER_ADDRESS);
        assert!(gate.begin("user 1", "10.0.0.2", 0).await.is_ok(), "others go on");
        let of_one_network = gate.let_in(100, |n| (format!("guest {n}"), format!("2001:db8::{n:x}"))).await;
        assert_eq!(of_one_network, PER_ADDRESS);
        // Whoever was refused at an address did not use up guesses of the account.
        assert_eq!(gate.let_in(20, |n| ("user 99".to_owned(), format!("10.0.1.{n}"))).await, PER_ACCOUNT);
    }

    #[tokio::test]
    async fn what_nobody_judged_is_no_guess() {
        let gate = Gate::new().await;
        for _ in 0..3 * PER_ACCOUNT {
            gate.begin("ada", "x", 0).await.unwrap().was_not_judged(&gate.store).await.unwrap();
        }
        assert_eq!(gate.let_in(20, |_| ("ada".to_owned(), "x".to_owned())).await, PER_ACCOUNT);
    }

    #[tokio::test]
    async fn the_right_password_forgives_the_account_and_not_the_address() {
        let gate = Gate::new().await;
        let mut wrong = 0;
        for _ in 0..100 {
            wrong += i64::from(gate.begin("ada", "x", 0).await.is_ok());
            // The next one is right, as long as the address may guess.
            if let Ok(turn) = gate.begin("ada", "x", 0).await {
                turn.was_right(&gate.store).await.unwrap();
            }
        }
        assert_eq!(wrong, PER_ADDRESS);
    }
}
