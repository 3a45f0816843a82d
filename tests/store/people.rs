//! Members, invitations, and who did what.

use dashtray::store::{
    Act, Action, ActionGroup, Actor, AuditQuery, Joining, MemberChange, NewInvitation, NewUser, NewWebSession, Project,
    Role, Store, User,
};
use jiff::Timestamp;
use serde_json::json;

use super::{at, project};
use crate::support::database::{Database, on_both};

on_both! {
    of_two_owners_who_remove_each_other_one_stays,
    who_is_removed_takes_sessions_and_invitations_along,
    an_invitation_is_used_once_and_in_time,
    the_audit_log_is_read_by_project_group_and_place_and_never_rewritten,
    what_is_not_kept_is_not_noted,
}

async fn user(store: &Store, name: &str, project: &Project, role: Role) -> User {
    let new = NewUser { email: format!("{name}@example.com"), name: name.into(), password_hash: None };
    store.insert_user(&new, project.id, role, at(0)).await.unwrap()
}

fn acting(store: &Store, user: &User) -> Store {
    store.acting(Actor::User { id: user.id, email: user.email.clone(), address: "10.0.0.1".into() })
}

fn invitation(byte: u8, email: Option<&str>) -> NewInvitation {
    let expires_at = at(100);
    NewInvitation { token_hash: vec![byte; 32], role: Role::Editor, email: email.map(str::to_owned), expires_at }
}

fn session(user: &User, byte: u8) -> NewWebSession {
    let (agent, address) = ("Firefox".into(), "10.0.0.1".into());
    NewWebSession { token_hash: vec![byte; 32], user_id: user.id, csrf: "csrf".into(), agent, address }
}

async fn of_two_owners_who_remove_each_other_one_stays(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    for round in 0..5 {
        let (ada, bob) = (format!("ada{round}"), format!("bob{round}"));
        let (ada, bob) =
            (user(&store, &ada, &project, Role::Owner).await, user(&store, &bob, &project, Role::Owner).await);
        let (one, other) = (store.clone(), store.clone());
        let both =
            tokio::join!(one.delete_member(project.id, ada.id), other.set_role(project.id, bob.id, Role::Viewer));
        let both = [both.0.unwrap(), both.1.unwrap()];
        assert!(both.contains(&MemberChange::Made) && both.contains(&MemberChange::LastOwner), "{both:?}");
        let members = store.members(project.id).await.unwrap();
        assert_eq!(members.iter().filter(|member| member.role == Role::Owner).count(), 1, "{members:?}");
        // The next round begins without any.
        db.execute("DELETE FROM members").await;
    }
    assert_eq!(store.delete_member(project.id, 999).await.unwrap(), MemberChange::NoMember);
    assert_eq!(store.set_role(project.id, 999, Role::Owner).await.unwrap(), MemberChange::NoMember);
}

async fn who_is_removed_takes_sessions_and_invitations_along(db: Database) {
    let store = db.open().await;
    let (here, there) = (project(&store, "here").await, project(&store, "there").await);
    let ada = user(&store, "ada", &here, Role::Owner).await;
    let bob = user(&store, "bob", &here, Role::Owner).await;
    store.insert_member(there.id, bob.id, Role::Viewer).await.unwrap();
    for (who, byte) in [(&bob, 1), (&ada, 2)] {
        store.insert_web_session(&session(who, byte), at(1)).await.unwrap();
    }
    let found = async |byte: u8| store.web_session(&[byte; 32], at(0)).await.unwrap().map(|(found, _)| found);
    let his = found(1).await.unwrap();
    store.choose_project(his.id, here.id).await.unwrap();
    assert!(store.session_sees(his.id, here.id).await.unwrap());
    acting(&store, &bob).insert_invitation(here.id, &invitation(1, None), at(0)).await.unwrap();
    acting(&store, &ada).insert_invitation(here.id, &invitation(2, None), at(0)).await.unwrap();

    assert_eq!(store.delete_member(here.id, bob.id).await.unwrap(), MemberChange::Made);
    assert!(!store.session_sees(his.id, here.id).await.unwrap());
    assert_eq!(found(1).await.unwrap().project_id, None, "his browser forgets the project");
    assert!(found(2).await.is_some());
    let open = store.invitations(here.id, at(0)).await.unwrap();
    assert_eq!(open.iter().map(|one| one.by.as_deref()).collect::<Vec<_>>(), [Some("ada@example.com")]);
    store.delete_member(there.id, bob.id).await.unwrap();
    assert_eq!(found(1).await, None, "and he is signed out of the last one");

    // Who is less than an owner has invited nobody, either.
    let cleo = user(&store, "cleo", &here, Role::Owner).await;
    store.set_role(here.id, ada.id, Role::Editor).await.unwrap();
    assert_eq!(store.invitations(here.id, at(0)).await.unwrap(), []);
    acting(&store, &cleo).insert_invitation(here.id, &invitation(3, None), at(0)).await.unwrap();
    store.set_role(here.id, cleo.id, Role::Owner).await.unwrap();
    assert_eq!(store.invitations(here.id, at(0)).await.unwrap().len(), 1, "nothing has changed for her");
}

async fn an_invitation_is_used_once_and_in_time(db: Database) {
    let store = db.open().await;
    let (here, there) = (project(&store, "here").await, project(&store, "there").await);
    let (ada, bob) = (user(&store, "ada", &here, Role::Owner).await, user(&store, "bob", &there, Role::Owner).await);
    for (byte, email) in [(1, None), (2, Some("bob@example.com")), (3, None)] {
        store.insert_invitation(here.id, &invitation(byte, email), at(0)).await.unwrap();
    }
    let kept = db.texts("SELECT count(*) || '' FROM invitations WHERE length(token_hash) = 32").await;
    assert_eq!(kept, ["3"]);
    assert_eq!(store.invitations(here.id, at(99)).await.unwrap().len(), 3);
    assert_eq!(store.invitations(here.id, at(100)).await.unwrap(), []);
    assert_eq!(store.invitations(there.id, at(0)).await.unwrap(), []);
    let (found, to) = store.invitation(&[2; 32], at(99)).await.unwrap().unwrap();
    assert_eq!(
        (found.email.as_deref(), found.role, found.by, to.id),
        (Some("bob@example.com"), Role::Editor, None, here.id)
    );
    assert_eq!((found.created_at, found.expires_at), (at(0), at(100)));
    assert_eq!(store.invitation(&[2; 32], at(100)).await.unwrap(), None);

    let accept =
        async |byte: u8, user: &User, now: Timestamp| store.accept_invitation(&[byte; 32], user, now).await.unwrap();
    assert_eq!(accept(1, &bob, at(100)).await, Joining::NotOpen, "too late");
    assert_eq!(accept(1, &ada, at(99)).await, Joining::MemberAlready);
    assert_eq!(accept(2, &ada, at(99)).await, Joining::NotOpen, "it is for another address");
    assert_eq!(accept(1, &bob, at(99)).await, Joining::Joined);
    assert_eq!(accept(1, &bob, at(99)).await, Joining::NotOpen, "used");
    assert_eq!(accept(2, &bob, at(99)).await, Joining::MemberAlready);
    let role = async |user: &User| store.memberships(user.id).await.unwrap()[0].role;
    assert_eq!((role(&ada).await, role(&bob).await), (Role::Owner, Role::Editor), "nobody rises or falls by that");

    let taken = NewUser { email: "ada@example.com".into(), name: "Eve".into(), password_hash: None };
    assert!(store.accept_invitation_as(&[3; 32], &taken, at(99)).await.is_err(), "the address has an account");
    let cleo = NewUser { email: "cleo@example.com".into(), ..taken };
    assert_eq!(store.accept_invitation_as(&[2; 32], &cleo, at(99)).await.unwrap(), None, "it is for another address");
    assert!(store.accept_invitation_as(&[3; 32], &cleo, at(99)).await.unwrap().is_some());
    assert_eq!(store.accept_invitation_as(&[3; 32], &cleo, at(99)).await.unwrap(), None, "used");
    let left = store.invitations(here.id, at(0)).await.unwrap().remove(0);
    assert!(!store.delete_invitation(there.id, left.id).await.unwrap(), "of another project");
    assert!(store.delete_invitation(here.id, left.id).await.unwrap());
    store.insert_invitation(here.id, &invitation(4, None), at(0)).await.unwrap();
    assert_eq!(store.prune_web_sessions(at(0), at(100)).await.unwrap(), 1);
}

async fn the_audit_log_is_read_by_project_group_and_place_and_never_rewritten(db: Database) {
    let store = db.open().await;
    let (here, there) = (project(&store, "here").await, project(&store, "there").await);
    let (ada, bob) = (user(&store, "ada", &here, Role::Owner).await, user(&store, "bob", &there, Role::Owner).await);
    let (hers, his) = (acting(&store, &ada), acting(&store, &bob));
    hers.note(Act::of(here.id, Action::SyncAsked, "100% Shop").with(json!({"n": 1}))).await.unwrap();
    his.note(Act::of(there.id, Action::SyncAsked, "Other")).await.unwrap();
    his.note(Act::of_user(bob.id, Action::SignedIn, &bob.email)).await.unwrap();
    hers.note(Act::of_user(ada.id, Action::SignedIn, &ada.email)).await.unwrap();
    store.note(Act::of(0, Action::KeysRotated, "x".repeat(5000))).await.unwrap();

    let all = AuditQuery { limit: 100, ..AuditQuery::default() };
    let read = async |query: &AuditQuery| {
        let rows = store.audit(query).await.unwrap();
        rows.into_iter().map(|row| (row.action, row.subject)).collect::<Vec<_>>()
    };
    let everything = store.audit(&all).await.unwrap();
    assert!(everything.windows(2).all(|pair| pair[0].id > pair[1].id && pair[0].at >= pair[1].at), "newest first");
    assert_eq!((everything[0].action.as_str(), everything[0].subject.len()), ("keys_rotated", 200));
    let own = everything.iter().find(|row| row.subject == "100% Shop").unwrap();
    assert_eq!((own.actor_kind.as_str(), own.actor.as_str()), ("user", "ada@example.com"));
    assert_eq!(
        (own.address.as_str(), own.project.as_deref(), &own.details),
        ("10.0.0.1", Some("here"), &json!({"n": 1}))
    );

    let of_here = AuditQuery { project_id: Some(here.id), ..all.clone() };
    let seen = read(&of_here).await;
    let told = |action: &str, subject: &str| (action.to_owned(), subject.to_owned());
    assert_eq!(seen[..2], [told("signed_in", "ada@example.com"), told("sync_asked", "100% Shop")]);
    assert!(seen.iter().all(|(_, subject)| !subject.contains("bob") && subject != "Other"), "{seen:?}");
    let people = AuditQuery { group: Some(ActionGroup::SignIns), ..of_here.clone() };
    assert_eq!(read(&people).await, [told("signed_in", "ada@example.com")]);
    for (text, count) in [("0% s", 1), ("SHOP", 1), ("0_ s", 0), ("ADA@", 4), ("!", 0), ("'", 0)] {
        let query = AuditQuery { text: text.to_owned(), ..of_here.clone() };
        assert_eq!(read(&query).await.len(), count, "{text}");
    }
    let first = store.audit(&AuditQuery { limit: 2, ..of_here.clone() }).await.unwrap();
    let rest = store.audit(&AuditQuery { before: Some(first[1].id), ..of_here.clone() }).await.unwrap();
    assert_eq!([first, rest].concat(), store.audit(&of_here).await.unwrap());

    let refused = db.refused("UPDATE audit SET actor = 'nobody'").await;
    assert!(refused.contains("the audit log is not rewritten"), "{refused}");
    let before = everything.iter().filter(|row| row.at < everything[1].at).count();
    assert_eq!(store.delete_audit_before(everything[1].at).await.unwrap(), before as u64);
    assert!(store.delete_audit_before(Timestamp::MAX).await.unwrap() > 0);
    assert_eq!(read(&all).await, []);
}

async fn what_is_not_kept_is_not_noted(db: Database) {
    let store = db.open().await;
    let here = project(&store, "here").await;
    let ada = user(&store, "ada", &here, Role::Owner).await;
    let all = AuditQuery { limit: 100, ..AuditQuery::default() };
    let before = store.audit(&all).await.unwrap();
    assert!(!store.insert_member(here.id, ada.id, Role::Viewer).await.unwrap());
    assert_eq!(store.delete_member(here.id, ada.id).await.unwrap(), MemberChange::LastOwner);
    assert_eq!(store.set_role(here.id, ada.id, Role::Owner).await.unwrap(), MemberChange::Made, "she is one");
    assert!(!store.delete_invitation(here.id, uuid::Uuid::nil()).await.unwrap());
    assert!(!store.revoke_api_key(here.id, uuid::Uuid::nil(), at(0)).await.unwrap());
    assert!(!store.delete_dashboard(here.id, 999).await.unwrap());
    assert!(!store.delete_web_session(ada.id, 999).await.unwrap());
    assert!(store.update_project(999, "UTC", here.currency).await.is_err());
    let taken = NewUser { email: "ada@example.com".into(), name: "Eve".into(), password_hash: None };
    assert!(store.insert_user(&taken, here.id, Role::Owner, at(0)).await.is_err());
    assert_eq!(store.audit(&all).await.unwrap(), before);
}
