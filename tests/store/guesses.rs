//! Guesses at passwords, counted among processes.

use dashtray::store::{Guesser, Store};

use super::at;
use crate::support::database::{Database, on_both};

on_both! {
    guesses_at_several_processes_are_counted_together,
    what_is_over_is_forgotten,
}

fn guesser(who: &str, most: i64) -> Guesser {
    Guesser { hash: who.as_bytes().to_vec(), most }
}

async fn guesses_at_several_processes_are_counted_together(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let mut tasks = Vec::new();
    for n in 0..60 {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        // Of two accounts from one address.
        let guessers = [guesser(["ada", "bob"][n / 2 % 2], 10), guesser("address", 15)];
        tasks.push(tokio::spawn(async move { store.count_guess(&guessers, at(100), at(0)).await.unwrap() }));
    }
    let mut let_in = 0;
    for task in tasks {
        match task.await.unwrap() {
            None => let_in += 1,
            Some(since) => assert_eq!(since, at(100)),
        }
    }
    assert_eq!(let_in, 15, "the address guesses no more");
    let of =
        async |store: &Store, who: &str, most| store.count_guess(&[guesser(who, most)], at(101), at(1)).await.unwrap();
    let mut left = 0;
    for who in ["ada", "bob"] {
        while of(&two, who, 10).await.is_none() {
            left += 1;
        }
    }
    assert_eq!(left, 5, "a guess that was refused counts for nobody");
    one.take_guess_back(b"address").await.unwrap();
    assert_eq!(of(&two, "address", 15).await, None);
    assert_eq!(of(&two, "address", 15).await, Some(at(100)));
    one.forget_guesses(b"address").await.unwrap();
    assert_eq!(of(&two, "address", 15).await, None);
}

async fn what_is_over_is_forgotten(db: Database) {
    let store = db.open().await;
    for n in 0..30 {
        store.count_guess(&[guesser(&format!("guest {n}"), 1)], at(n), at(-900)).await.unwrap();
    }
    assert_eq!(store.count_guess(&[guesser("guest 29", 1)], at(30), at(-870)).await.unwrap(), Some(at(29)));
    assert_eq!(store.count_guess(&[guesser("guest 29", 1)], at(929), at(29)).await.unwrap(), None, "it begins anew");
    assert_eq!(db.row_counts().await["guesses"], "1");
}
