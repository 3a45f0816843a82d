//! Roles, invitations, and what is left to somebody who is removed.

use std::sync::Arc;

use dashtray::{
    metric::Currency,
    store::{NewProject, NewUser, Project, Role, User},
};
use jiff::SignedDuration;
use tokio::sync::Notify;

use super::{
    connecting::{connected, send, site},
    visitor::{Answer, Visitor},
};
use crate::support::{
    fake::Script,
    site::{EMAIL, PASSWORD, Site},
};

const PEOPLE: &str = "/settings/people";

async fn default(site: &Site) -> Project {
    site.app.store.project("default").await.unwrap().unwrap()
}

async fn person(site: &Site, name: &str, project: &Project, role: Role) -> User {
    let new = NewUser { email: format!("{name}@example.com"), name: name.into(), password_hash: None };
    site.app.store.insert_user(&new, project.id, role, site.app.now()).await.unwrap()
}

async fn project(site: &Site, slug: &str) -> Project {
    let new = NewProject { slug: slug.into(), zone: "UTC".into(), currency: Currency::USD };
    site.app.store.insert_project(&new, site.app.now()).await.unwrap()
}

/// Makes an invitation on the page and gives where its link leads.
async fn invite(owner: &Visitor, role: &str, email: &str) -> String {
    let made = send(owner, &format!("{PEOPLE}/invite"), &[("role", role), ("email", email)]).await;
    assert_eq!((made.status, made.header("cache-control")), (200, "no-store"), "{made:?}");
    let link = made.body.split("id=\"invitation\">").nth(1).unwrap().split('<').next().unwrap();
    let (_, path) = link.split_once("/invitation?").unwrap();
    format!("/invitation?{path}")
}

/// What a link holds.
fn token(link: &str) -> &str {
    link.split_once("token=").unwrap().1
}

/// Sends the form of an invitation's page, as somebody who makes an account.
async fn account(who: &Visitor, link: &str, email: &str) -> Answer {
    let fields = [("token", token(link)), ("name", "Bob"), ("email", email), ("password", PASSWORD)];
    who.post("/invitation", &fields).await
}

async fn roles(site: &Site, project: &Project) -> Vec<(String, Role)> {
    let members = site.app.users.members(project).await.unwrap();
    members.into_iter().map(|member| (member.user.email, member.role)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_makes_an_account_once_and_is_not_used_up_by_looking() {
    let site = Site::with_account().await;
    let (ada, stranger) = (Visitor::signed_in(&site, EMAIL).await, Visitor::stranger(&site));
    let link = invite(&ada, "editor", "").await;
    let page = ada.get(PEOPLE).await;
    assert!(page.body.contains("Whoever has the link") && !page.body.contains(token(&link)), "it is shown once");
    for _ in 0..2 {
        let page = stranger.get(&link).await;
        for part in ["Join default", "<strong>editor</strong>", "href=\"/login?next=%2Finvitation%3Ftoken%3D"] {
            assert!(page.status == 200 && page.body.contains(part), "{part}: {}", page.body);
        }
    }
    let short = [("token", token(&link)), ("email", "nonsense"), ("password", "short")];
    let refused = stranger.post("/invitation", &short).await;
    assert!(refused.status == 422 && refused.body.contains("at least 10"), "{}", refused.body);
    let taken = account(&stranger, &link, EMAIL).await;
    assert!(taken.status == 422 && taken.body.contains("sign in, and open the link again"), "{}", taken.body);

    let joined = account(&stranger, &link, "Bob@Example.com").await;
    assert_eq!((joined.status, joined.header("location")), (303, "/"), "{}", joined.body);
    let bob = stranger.with_cookie(joined.header("set-cookie"));
    assert!(bob.get(PEOPLE).await.body.contains("bob@example.com"));
    let members = [(EMAIL.to_owned(), Role::Owner), ("bob@example.com".to_owned(), Role::Editor)];
    assert_eq!(roles(&site, &default(&site).await).await, members);

    for again in [stranger.get(&link).await, account(&stranger, &link, "eve@example.com").await] {
        assert!(again.status == 403 && again.body.contains("used already or revoked"), "{}", again.body);
    }
    assert_eq!(roles(&site, &default(&site).await).await, members);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_use_a_link_at_once_one_gets_in() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let link = invite(&ada, "viewer", "").await;
    let visitors: Vec<Visitor> = (0..4).map(|_| Visitor::stranger(&site)).collect();
    let asked = visitors
        .iter()
        .enumerate()
        .map(async |(at, one)| account(one, &link, &format!("guest-{at}@example.com")).await.status);
    let mut all = futures_util::future::join_all(asked).await;
    all.sort_unstable();
    assert_eq!(all, [303, 403, 403, 403]);
    assert_eq!(roles(&site, &default(&site).await).await.len(), 2);
    assert_eq!(site.app.users.all().await.unwrap().len(), 2, "who does not get in has no account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_is_revoked_too_old_or_changed_lets_nobody_in() {
    let site = Site::with_account().await;
    let (ada, stranger) = (Visitor::signed_in(&site, EMAIL).await, Visitor::stranger(&site));
    let link = invite(&ada, "owner", "").await;
    let id = ada.get(PEOPLE).await.body.split("name=\"invitation\" value=\"").nth(1).unwrap()[..36].to_owned();
    let revoke = format!("{PEOPLE}/revoke");
    assert_eq!(send(&ada, &revoke, &[("invitation", &id)]).await.status, 303);
    assert_eq!(send(&ada, &revoke, &[("invitation", &id)]).await.status, 404);
    assert_eq!(send(&ada, &revoke, &[("invitation", "nonsense")]).await.status, 404);
    assert_eq!(stranger.get(&link).await.status, 403);
    assert_eq!(account(&stranger, &link, "bob@example.com").await.status, 403);

    let link = invite(&ada, "owner", "").await;
    for changed in [format!("{link}x"), link.replace("token=", "token=x"), "/invitation?token=".into()] {
        assert_eq!(stranger.get(&changed).await.status, 403, "{changed}");
        assert_eq!(account(&stranger, &changed, "bob@example.com").await.status, 403, "{changed}");
    }
    // Nor is a link of another kind one.
    let sign_in = site.link(EMAIL).await;
    assert_eq!(stranger.get(&format!("/invitation?token={}", token(&sign_in))).await.status, 403);
    assert_eq!(stranger.post("/login/link", &[("token", token(&link))]).await.status, 403);

    let hash = <sha2::Sha256 as sha2::Digest>::digest(token(&link).as_bytes()).to_vec();
    let later = |days: i64| site.app.now() + SignedDuration::from_hours(24 * days);
    let open = async |days: i64| site.app.store.invitation(&hash, later(days)).await.unwrap().is_some();
    assert!(open(6).await && !open(7).await);
    let bob = NewUser { email: "bob@example.com".into(), name: "Bob".into(), password_hash: None };
    assert_eq!(site.app.store.accept_invitation_as(&hash, &bob, later(7)).await.unwrap(), None);
    assert_eq!(roles(&site, &default(&site).await).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_an_account_joins_with_it_and_only_for_their_own_address() {
    let site = Site::with_account().await;
    let shop = project(&site, "shop").await;
    person(&site, "bob", &shop, Role::Owner).await;
    let (ada, bob) = (Visitor::signed_in(&site, EMAIL).await, Visitor::signed_in(&site, "bob@example.com").await);

    let link = invite(&ada, "viewer", " Cleo@Example.com ").await;
    let page = bob.get(&link).await;
    assert!(page.body.contains("is for cleo@example.com, and you are signed in as bob@example.com"), "{}", page.body);
    let theft = send(&bob, "/invitation/join", &[("token", token(&link))]).await;
    assert!(theft.status == 422 && theft.body.contains("is for cleo@example.com"), "{}", theft.body);
    // The address of the form does not count: the account that is made is of the invited one.
    let made = account(&Visitor::stranger(&site), &link, "eve@example.com").await;
    assert_eq!(made.status, 303, "{}", made.body);
    assert_eq!(site.app.users.find("cleo@example.com").await.unwrap().name, "Bob");
    assert!(site.app.users.find("eve@example.com").await.is_err());

    let link = invite(&ada, "editor", "bob@example.com").await;
    // Who is in already uses nothing up.
    let own = ada.get(&link).await;
    assert!(own.status == 200 && own.body.contains("You are in default already"), "{}", own.body);
    let page = bob.get(&link).await;
    assert!(page.body.contains("You are signed in as bob") && page.body.contains("Join default"), "{}", page.body);
    let foreign = bob.post("/invitation/join", &[("token", token(&link)), ("csrf", "guess")]).await;
    assert_eq!(foreign.status, 403, "a form of another session");
    let joined = send(&bob, "/invitation/join", &[("token", token(&link))]).await;
    assert_eq!((joined.status, joined.header("location")), (303, "/"), "{}", joined.body);
    assert!(bob.get(PEOPLE).await.body.contains("People in default"), "it is shown at once");
    assert_eq!(
        site.app.users.memberships(&site.app.users.find("bob@example.com").await.unwrap()).await.unwrap().len(),
        2
    );
    let again = send(&bob, "/invitation/join", &[("token", token(&link))]).await;
    assert_eq!(again.status, 403, "it is used up");

    // To the sign-in and back.
    let link = invite(&ada, "viewer", "").await;
    let signed_in = [("email", EMAIL), ("password", PASSWORD), ("next", link.as_str())];
    assert_eq!(Visitor::stranger(&site).post("/login", &signed_in).await.header("location"), link);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_keeps_its_last_owner() {
    let site = Site::with_account().await;
    let default = default(&site).await;
    let (ada, user) =
        (Visitor::signed_in(&site, EMAIL).await, site.app.users.find(EMAIL).await.unwrap().id.to_string());
    let less = [("user", user.as_str()), ("role", "editor")];
    for (path, fields) in
        [("role", less.as_slice()), ("remove", &[("user", &user)]), ("leave", &[("project", "default")])]
    {
        let refused = send(&ada, &format!("{PEOPLE}/{path}"), fields).await;
        assert!(refused.status == 422 && refused.body.contains("A project needs an owner"), "{path}: {}", refused.body);
    }
    assert_eq!(send(&ada, &format!("{PEOPLE}/role"), &[("user", &user), ("role", "king")]).await.status, 400);
    assert_eq!(send(&ada, &format!("{PEOPLE}/role"), &[("user", "x"), ("role", "owner")]).await.status, 404);
    assert_eq!(send(&ada, &format!("{PEOPLE}/remove"), &[("user", "999")]).await.status, 404);

    let bob = person(&site, "bob", &default, Role::Viewer).await;
    let role = format!("{PEOPLE}/role");
    assert_eq!(send(&ada, &role, &[("user", &bob.id.to_string()), ("role", "owner")]).await.status, 303);
    assert_eq!(send(&ada, &role, &less).await.status, 303);
    assert_eq!(roles(&site, &default).await, [(bob.email, Role::Owner), (EMAIL.to_owned(), Role::Editor)]);
    // She is none any more, from the next request on.
    assert_eq!(send(&ada, &role, &[("user", &user), ("role", "owner")]).await.status, 403);
    assert_eq!(ada.get("/settings/audit").await.status, 403);
    let left = send(&ada, &format!("{PEOPLE}/leave"), &[("project", "default")]).await;
    assert_eq!((left.status, left.header("location")), (303, "/"));
    assert_eq!(ada.get("/").await.status, 303, "she is in no project, and signed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_removed_sees_nothing_from_that_moment_on() {
    let site = site(&Script::named("example-service")).await;
    let (default, shop) = (default(&site).await, project(&site, "shop").await);
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let address = connected(&ada, "mint").await;
    let user = person(&site, "bob", &default, Role::Owner).await;
    site.app.store.insert_member(shop.id, user.id, Role::Viewer).await.unwrap();
    let bob = Visitor::signed_in(&site, "bob@example.com").await;
    send(&bob, "/settings/projects/choose", &[("project", "default")]).await;
    let invitation = invite(&bob, "owner", "").await;
    assert_eq!(bob.get(&address).await.status, 200);
    let seen = bob.get(&address).await.stage();

    // His page listens when he is removed, and when something happens afterwards.
    let opened = Arc::new(Notify::new());
    let stream = format!("{}&seen={}", seen.0, seen.1);
    let listens = bob.listen(&stream, |heard| {
        if heard.contains("\r\n\r\n") {
            opened.notify_one();
        }
        // The last piece of an answer that comes in pieces.
        heard.ends_with("\r\n0\r\n\r\n")
    });
    let removes = async {
        opened.notified().await;
        let removed = send(&ada, &format!("{PEOPLE}/remove"), &[("user", &user.id.to_string())]).await;
        assert_eq!(removed.status, 303, "{}", removed.body);
        assert_eq!(send(&ada, &format!("{address}/pause"), &[]).await.status, 303);
    };
    let (heard, ()) = tokio::join!(listens, removes);
    assert!(heard.starts_with("HTTP/1.1 200") && !heard.contains("event:"), "{heard}");

    assert_eq!(bob.get(&address).await.status, 404);
    assert_eq!(bob.get(&stream).await.status, 404);
    let page = bob.get("/settings/account").await;
    assert!(page.status == 200 && page.body.contains("shop") && !page.body.contains("default"), "{}", page.body);
    assert_eq!(send(&bob, "/settings/projects/choose", &[("project", "default")]).await.status, 404);
    // Nor does what he made let him in again.
    assert_eq!(bob.get(&invitation).await.status, 403);

    // Of his last project: no browser of his stays signed in.
    site.app.users.remove(&shop, user.id).await.unwrap();
    assert_eq!(bob.get("/settings/account").await.header("location"), "/login?next=%2Fsettings%2Faccount");
    let again = Visitor::signed_in(&site, "bob@example.com").await;
    let nowhere = again.get("/").await;
    assert!(nowhere.status == 403 && nowhere.body.contains("You are in no project"), "{}", nowhere.body);
    assert_eq!(again.get(PEOPLE).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_offers_what_its_reader_may_do() {
    let site = site(&Script::named("example-service")).await;
    let default = default(&site).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let address = connected(&ada, "mint").await;
    for (name, role) in [("vera", Role::Viewer), ("ed", Role::Editor)] {
        person(&site, name, &default, role).await;
    }
    let (vera, ed) =
        (Visitor::signed_in(&site, "vera@example.com").await, Visitor::signed_in(&site, "ed@example.com").await);
    // What is on which page for a viewer, an editor, an owner.
    let offers = [
        (address.as_str(), "action=\"/connections", [false, true, true]),
        (&address, "value=\"delete\"", [false, false, true]),
        (PEOPLE, "Invite somebody", [false, false, true]),
        (PEOPLE, "ed@example.com", [true, true, true]),
        (PEOPLE, "action=\"/settings/people/leave\"", [true, true, false]),
        ("/settings/keys", "Make the key", [false, false, true]),
        ("/settings/projects", "Make the project", [false, false, true]),
        ("/settings/account", "/settings/audit", [false, false, true]),
        ("/dashboards", "action=\"/dashboards\"", [false, true, true]),
    ];
    for (page, part, expected) in offers {
        let mut found = Vec::new();
        for who in [&vera, &ed, &ada] {
            found.push(who.get(page).await.body.contains(part));
        }
        assert_eq!(found, expected, "{page}: {part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_addresses_are_shown_as_text() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let new = NewUser { email: "x@example.com".into(), name: "<script>x()</script>".into(), password_hash: None };
    let default = default(&site).await;
    site.app.store.insert_user(&new, default.id, Role::Viewer, site.app.now()).await.unwrap();
    for page in [PEOPLE, "/settings/audit"] {
        assert!(!ada.get(page).await.body.contains("<script>x()"), "{page}");
    }
    let odd = send(&ada, &format!("{PEOPLE}/invite"), &[("role", "viewer"), ("email", "<b>@x")]).await;
    assert!(odd.status == 422 && !odd.body.contains("<b>@x") && odd.body.contains("e-mail address"), "{}", odd.body);
}
