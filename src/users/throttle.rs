//! How often somebody may guess: so many wrong passwords for an account, and so many from an address, in a quarter of an
//! hour. Kept in memory: a restart forgives, and nobody can fill the database with guesses.

use std::{
    collections::HashMap,
    net::Ipv6Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

const WINDOW: SignedDuration = SignedDuration::from_mins(15);
const PER_ACCOUNT: u32 = 10;
const PER_ADDRESS: u32 = 50;
/// More accounts and addresses than this are forgotten, the oldest first.
const MOST: usize = 20_000;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    counts: Arc<Mutex<HashMap<Key, Count>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(String),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Timestamp,
    wrong: u32,
    /// Guesses under way count as wrong until they are judged, or a thousand at once would all be let in.
    open: u32,
}

/// A guess under way.
#[derive(Debug)]
pub(super) struct Turn {
    counts: Arc<Mutex<HashMap<Key, Count>>>,
    keys: [Key; 2],
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        for key in &self.keys {
            if let Some(count) = counts.get_mut(key) {
                count.open = count.open.saturating_sub(1);
            }
        }
    }
}

impl Throttle {
    /// Lets somebody guess, or says how long they have to wait.
    pub(super) fn begin(&self, email: &str, address: &str, now: Timestamp) -> Result<Turn, Duration> {
        let mut counts = lock(&self.counts);
        let keys = keys(email, address);
        for (key, most) in keys.iter().zip([PER_ACCOUNT, PER_ADDRESS]) {
            let Some(count) = counts.get_mut(key) else { continue };
            if now.duration_since(count.since) >= WINDOW {
                (count.since, count.wrong) = (now, 0);
            }
            if count.wrong + count.open >= most {
                let left = WINDOW - now.duration_since(count.since);
                return Err(Duration::try_from(left).unwrap_or_default());
            }
        }
        make_room(&mut counts, now);
        for key in &keys {
            counts.entry(key.clone()).or_insert(Count { since: now, wrong: 0, open: 0 }).open += 1;
        }
        Ok(Turn { counts: self.counts.clone(), keys })
    }

    /// A guess was wrong.
    pub(super) fn failed(&self, email: &str, address: &str, now: Timestamp) {
        let mut counts = lock(&self.counts);
        for key in keys(email, address) {
            counts.entry(key).or_insert(Count { since: now, wrong: 0, open: 1 }).wrong += 1;
        }
    }

    /// A password was right: what was guessed before it was forgetfulness. The address keeps its count, or whoever has an
    /// account of their own could guess at others for ever.
    pub(super) fn succeeded(&self, email: &str, address: &str) {
        let [account, _] = keys(email, address);
        if let Some(count) = lock(&self.counts).get_mut(&account) {
            count.wrong = 0;
        }
    }
}

fn keys(email: &str, address: &str) -> [Key; 2] {
    [Key::Account(email.chars().take(254).collect()), Key::Address(network(address))]
}

/// Of the newer kind everybody has a whole network of addresses (64 bits); of the older kind one.
fn network(address: &str) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(v6) => v6.segments()[..4].iter().map(|part| format!("{part:x}:")).collect(),
        Err(_) => address.to_owned(),
    }
}

fn make_room(counts: &mut HashMap<Key, Count>, now: Timestamp) {
    if counts.len() < MOST {
        return;
    }
    counts.retain(|_, count| count.open > 0 || now.duration_since(count.since) < WINDOW);
    if counts.len() >= MOST {
        let mut since: Vec<Timestamp> = counts.values().map(|count| count.since).collect();
        since.sort_unstable();
        let middle = since.get(since.len() / 2).copied().unwrap_or(now);
        counts.retain(|_, count| count.open > 0 || count.since > middle);
    }
}

/// A panic elsewhere leaves counts that are at most one too high.
fn lock(counts: &Mutex<HashMap<Key, Count>>) -> MutexGuard<'_, HashMap<Key, Count>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn guess(throttle: &Throttle, email: &str, address: &str, now: Timestamp) -> bool {
        let turn = throttle.begin(email, address, now);
        let is_let_in = turn.is_ok();
        if is_let_in {
            throttle.failed(email, address, now);
        }
        is_let_in
    }

    #[test]
    fn an_account_is_guessed_at_ten_times_from_wherever() {
        let throttle = Throttle::default();
        let let_in = (0..1000).filter(|n| guess(&throttle, "ada", &format!("10.0.0.{n}"), at(0))).count();
        assert_eq!(let_in, 10);
        assert_eq!(throttle.begin("ada", "x", at(60)).unwrap_err(), Duration::from_secs(14 * 60));
        assert!(guess(&throttle, "ada", "x", at(15 * 60)), "the quarter of an hour is over");
    }

    #[test]
    fn an_address_guesses_fifty_times_at_whomever() {
        let throttle = Throttle::default();
        let let_in = (0..1000).filter(|n| guess(&throttle, &format!("user {n}"), "10.0.0.1", at(0))).count();
        assert_eq!(let_in, 50);
        assert!(guess(&throttle, "user 1", "10.0.0.2", at(0)), "others go on");
        let let_in = (0..1000).filter(|n| guess(&throttle, &format!("guest {n}"), &format!("2001:db8::{n:x}"), at(0)));
        assert_eq!(let_in.count(), 50, "one network");
    }

    #[test]
    fn guesses_under_way_count() {
        let throttle = Throttle::default();
        let turns: Vec<_> = (0..1000).filter_map(|_| throttle.begin("ada", "x", at(0)).ok()).collect();
        assert_eq!(turns.len(), 10);
        drop(turns);
        assert!(throttle.begin("ada", "x", at(0)).is_ok(), "none of them was wrong");
    }

    #[test]
    fn the_right_password_forgives_the_account_and_not_the_address() {
        let throttle = Throttle::default();
        let mut let_in = 0;
        for _ in 0..100 {
            let_in += u32::from(guess(&throttle, "ada", "x", at(0)));
            throttle.succeeded("ada", "x");
        }
        assert_eq!(let_in, 50);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..3 * MOST {
            guess(&throttle, &format!("user {n}"), &format!("address {n}"), at(n as i64 / 100));
        }
        assert!(lock(&throttle.counts).len() <= MOST + 2);
    }
}
