//! Leases on grants, and sign-ins that count once.

use dashtray::store::{CredentialsRow, Error, RenewalRow, SignInRow, new_id};

use super::{at, new_connection, project, sealed};
use crate::support::database::{Database, on_both};

on_both! {
    one_renews_and_the_others_read_what_he_brought,
    a_renewal_without_an_answer_stays_open,
    a_reconnect_ends_a_renewal,
    of_several_who_bring_a_state_one_gets_the_sign_in,
}

fn begun(open_since: Option<i64>) -> RenewalRow {
    RenewalRow::Begun { open_since: open_since.map(at) }
}

async fn one_renews_and_the_others_read_what_he_brought(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let id = store.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap().public_id;
    assert_eq!(store.begin_renewal(id, 0, "one", at(0), at(25)).await.unwrap(), begun(None));
    assert_eq!(store.begin_renewal(id, 0, "two", at(1), at(26)).await.unwrap(), RenewalRow::Busy);
    // Whoever has it may take it again.
    assert_eq!(store.begin_renewal(id, 0, "one", at(1), at(26)).await.unwrap(), begun(Some(0)));
    assert_eq!(store.keep_renewed(id, 0, &sealed(7)).await.unwrap(), Some(1));
    let newer = CredentialsRow { sealed: sealed(7), version: 1 };
    assert_eq!(store.begin_renewal(id, 0, "two", at(2), at(27)).await.unwrap(), RenewalRow::Newer(newer.clone()));
    assert_eq!(store.credentials(id).await.unwrap(), newer);
    // What comes late and is of an old version is dropped; what is of this one is kept, whoever holds the lease.
    assert_eq!(store.keep_renewed(id, 0, &sealed(8)).await.unwrap(), None);
    assert_eq!(store.begin_renewal(id, 1, "two", at(2), at(27)).await.unwrap(), begun(None));
    assert_eq!(store.begin_renewal(id, 1, "one", at(27), at(52)).await.unwrap(), begun(Some(2)));
    assert_eq!(store.keep_renewed(id, 1, &sealed(9)).await.unwrap(), Some(2));
    assert_eq!(store.begin_renewal(id, 2, "three", at(28), at(53)).await.unwrap(), begun(None));
    let gone = store.begin_renewal(new_id(at(0)), 0, "one", at(0), at(25)).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

async fn a_renewal_without_an_answer_stays_open(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let id = store.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap().public_id;
    store.begin_renewal(id, 0, "one", at(0), at(25)).await.unwrap();
    store.end_renewal(id, "one", Some(at(0))).await.unwrap();
    assert_eq!(store.begin_renewal(id, 0, "two", at(5), at(30)).await.unwrap(), begun(Some(0)));
    // Of a lease that is another's by now nothing is ended.
    store.end_renewal(id, "one", None).await.unwrap();
    assert_eq!(store.begin_renewal(id, 0, "one", at(6), at(31)).await.unwrap(), RenewalRow::Busy);
    store.end_renewal(id, "two", None).await.unwrap();
    assert_eq!(store.begin_renewal(id, 0, "one", at(7), at(32)).await.unwrap(), begun(None));
}

async fn a_reconnect_ends_a_renewal(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let made = store.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap();
    store.begin_renewal(made.public_id, 0, "one", at(0), at(25)).await.unwrap();
    store.replace_credentials(made.key, &sealed(2)).await.unwrap();
    assert_eq!(store.keep_renewed(made.public_id, 0, &sealed(3)).await.unwrap(), None);
    let row = store.credentials(made.public_id).await.unwrap();
    assert_eq!(row, CredentialsRow { sealed: sealed(2), version: 1 });
    assert_eq!(store.begin_renewal(made.public_id, 1, "two", at(1), at(26)).await.unwrap(), begun(None));
    // A new wrapping of the same changes nothing for who renews.
    assert!(store.swap_credentials(made.key, &sealed(2), &sealed(4)).await.unwrap());
    assert_eq!(store.keep_renewed(made.public_id, 1, &sealed(5)).await.unwrap(), Some(2));
}

async fn of_several_who_bring_a_state_one_gets_the_sign_in(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    store.insert_sign_in(project.id, b"one", &sealed(1), at(0)).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.take_sign_in(b"one", at(1)).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        match task.await.unwrap() {
            SignInRow::Taken { started_at, sealed: found, .. } => {
                assert_eq!((started_at, found), (at(0), sealed(1)));
                taken += 1;
            }
            other => assert_eq!(other, SignInRow::Used),
        }
    }
    assert_eq!(taken, 1);
    assert_eq!(store.take_sign_in(b"other", at(1)).await.unwrap(), SignInRow::Unknown);
    assert_eq!(store.prune_sign_ins(at(1)).await.unwrap(), 1);
    assert_eq!(store.take_sign_in(b"one", at(1)).await.unwrap(), SignInRow::Unknown);
}
