//! People, what they see, and how they are signed in.

use dashtray::store::{Error, NewUser, NewWebSession, Role, Store, User};
use jiff::SignedDuration;

use super::{at, currency, project};
use crate::support::database::{Database, on_both};

on_both! {
    one_set_up_link_makes_one_account,
    an_address_belongs_to_one,
    a_link_signs_in_once_and_in_time,
    a_session_is_found_by_its_hash_until_it_is_old_or_ended,
    a_new_password_ends_the_other_sessions,
    everybody_sees_their_own_projects,
}

fn ada() -> NewUser {
    NewUser { email: "ada@example.com".into(), name: "Ada".into(), password_hash: Some("$argon2id$1".into()) }
}

async fn user(store: &Store) -> User {
    let project = project(store, "default").await;
    store.insert_user(&ada(), project.id, Role::Owner, at(0)).await.unwrap()
}

fn session(user: &User, byte: u8) -> NewWebSession {
    NewWebSession {
        token_hash: vec![byte; 32],
        user_id: user.id,
        csrf: format!("csrf {byte}"),
        agent: "Firefox".into(),
        address: "10.0.0.1".into(),
    }
}

async fn one_set_up_link_makes_one_account(db: Database) {
    let store = db.open().await;
    let first = project(&store, "default").await;
    store.insert_set_up_link(&[1; 32], at(1000)).await.unwrap();
    store.insert_set_up_link(&[2; 32], at(1000)).await.unwrap();
    assert!(!store.has_users().await.unwrap());
    assert!(!store.link_is_open("set_up", &[1; 32], at(0)).await.unwrap(), "a newer one replaced it");
    assert!(store.link_is_open("set_up", &[2; 32], at(0)).await.unwrap());
    assert!(!store.link_is_open("set_up", &[2; 32], at(1000)).await.unwrap(), "it is too old");
    assert_eq!(store.set_up(&[1; 32], &ada(), at(0)).await.unwrap(), None);

    let (one, other) = (store.clone(), store.clone());
    let (ada, berta) = (ada(), NewUser { email: "berta@example.com".into(), ..ada() });
    let (link, same) = ([2; 32], [2; 32]);
    let (one, other) = tokio::join!(one.set_up(&link, &ada, at(0)), other.set_up(&same, &berta, at(0)));
    let made: Vec<User> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    assert_eq!(made.len(), 1);
    assert_eq!(store.users().await.unwrap(), made);
    let seen = store.memberships(made[0].id).await.unwrap();
    assert_eq!(seen.iter().map(|one| (one.project.id, one.role)).collect::<Vec<_>>(), [(first.id, Role::Owner)]);

    store.insert_set_up_link(&[3; 32], at(1000)).await.unwrap();
    assert_eq!(store.set_up(&[3; 32], &berta, at(0)).await.unwrap(), None, "there is an account");
}

async fn an_address_belongs_to_one(db: Database) {
    let store = db.open().await;
    let made = user(&store).await;
    assert_eq!(store.user("ada@example.com").await.unwrap(), Some(made));
    assert_eq!(store.user("Ada@example.com").await.unwrap(), None, "who asks puts it into small letters");
    let project = store.project("default").await.unwrap().unwrap();
    let taken = store.insert_user(&ada(), project.id, Role::Viewer, at(0)).await.unwrap_err();
    assert_eq!(taken, Error::Conflict("ada@example.com has an account already".into()));
}

async fn a_link_signs_in_once_and_in_time(db: Database) {
    let store = db.open().await;
    let user = user(&store).await;
    for byte in [1, 2] {
        store.insert_sign_in_link(user.id, &[byte; 32], at(100)).await.unwrap();
    }
    assert_eq!(store.take_sign_in_link(&[1; 32], at(99)).await.unwrap(), Some(user.id));
    assert_eq!(store.take_sign_in_link(&[1; 32], at(99)).await.unwrap(), None, "used");
    assert_eq!(store.take_sign_in_link(&[2; 32], at(100)).await.unwrap(), None, "too late");
    store.insert_set_up_link(&[3; 32], at(100)).await.unwrap();
    assert_eq!(store.take_sign_in_link(&[3; 32], at(0)).await.unwrap(), None, "it is for something else");
    assert_eq!(store.prune_web_sessions(at(0), at(100)).await.unwrap(), 2);
}

async fn a_session_is_found_by_its_hash_until_it_is_old_or_ended(db: Database) {
    let store = db.open().await;
    let user = user(&store).await;
    for byte in [1, 2] {
        store.insert_web_session(&session(&user, byte), at(i64::from(byte))).await.unwrap();
    }
    assert_eq!(store.web_session(&[9; 32], at(0)).await.unwrap(), None);
    let (found, whose) = store.web_session(&[1; 32], at(0)).await.unwrap().unwrap();
    assert_eq!((found.csrf.as_str(), found.created_at, found.project_id, whose), ("csrf 1", at(1), None, user.clone()));
    assert_eq!(store.web_session(&[1; 32], at(1)).await.unwrap(), None, "not seen since");
    store.touch_web_session(found.id, at(50)).await.unwrap();
    assert!(store.web_session(&[1; 32], at(49)).await.unwrap().is_some());
    let listed = store.web_sessions(user.id).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.last_seen_at).collect::<Vec<_>>(), [at(50), at(2)]);

    assert!(!store.delete_web_session(user.id + 1, found.id).await.unwrap(), "somebody else's");
    assert!(store.delete_web_session(user.id, found.id).await.unwrap());
    assert_eq!(store.web_session(&[1; 32], at(0)).await.unwrap(), None);
    assert_eq!(store.prune_web_sessions(at(2), at(2) - SignedDuration::from_secs(1)).await.unwrap(), 1);
    assert_eq!(store.web_sessions(user.id).await.unwrap(), []);
}

async fn a_new_password_ends_the_other_sessions(db: Database) {
    let store = db.open().await;
    let user = user(&store).await;
    for byte in [1, 2, 3] {
        store.insert_web_session(&session(&user, byte), at(0)).await.unwrap();
    }
    let (own, _) = store.web_session(&[2; 32], at(-1)).await.unwrap().unwrap();
    store.set_password(user.id, "$argon2id$2", Some(own.id)).await.unwrap();
    assert_eq!(store.web_sessions(user.id).await.unwrap(), [own]);
    assert_eq!(store.user(&user.email).await.unwrap().unwrap().password_hash.as_deref(), Some("$argon2id$2"));
    store.set_password(user.id, "$argon2id$3", None).await.unwrap();
    assert_eq!(store.web_sessions(user.id).await.unwrap(), []);
}

async fn everybody_sees_their_own_projects(db: Database) {
    let store = db.open().await;
    let ada = user(&store).await;
    let default = store.project("default").await.unwrap().unwrap();
    let berta = NewUser { email: "berta@example.com".into(), ..self::ada() };
    let berta = store.insert_user(&berta, default.id, Role::Viewer, at(0)).await.unwrap();
    let new = dashtray::store::NewProject { slug: "shop".into(), zone: "UTC".into(), currency: currency("EUR") };
    let shop = store.insert_project_of(berta.id, &new, at(0)).await.unwrap();
    assert!(matches!(store.insert_project_of(ada.id, &new, at(0)).await, Err(Error::Conflict(_))));

    let seen = |user: i64| {
        let store = store.clone();
        async move {
            let all = store.memberships(user).await.unwrap();
            all.into_iter().map(|one| (one.project.slug, one.role)).collect::<Vec<_>>()
        }
    };
    assert_eq!(seen(ada.id).await, [("default".to_owned(), Role::Owner)]);
    assert_eq!(seen(berta.id).await, [("default".to_owned(), Role::Viewer), ("shop".to_owned(), Role::Owner)]);
    assert!(store.insert_member(shop.id, ada.id, Role::Editor).await.unwrap());
    assert!(!store.insert_member(shop.id, ada.id, Role::Owner).await.unwrap(), "nobody rises by that");
    assert_eq!(seen(ada.id).await[1], ("shop".to_owned(), Role::Editor));
    store.insert_web_session(&session(&berta, 1), at(1)).await.unwrap();
    let (found, _) = store.web_session(&[1; 32], at(0)).await.unwrap().unwrap();
    store.choose_project(found.id, shop.id).await.unwrap();
    assert_eq!(store.web_session(&[1; 32], at(0)).await.unwrap().unwrap().0.project_id, Some(shop.id));
}
