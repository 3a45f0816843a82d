//! Connecting by a sign-in at the provider: there and back, by the browser that began it alone.

use std::sync::Arc;

use dashtray::{
    clock::Clock,
    demo::{Company, Emulators, GOOGLE_PROPERTY, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, Options, browser},
    http::OAuthClient,
    integrations::Registry,
    secret::Secret,
};
use url::Url;

use super::{
    connecting::send,
    visitor::{Answer, Visitor},
};
use crate::support::site::{EMAIL, Site};

const CONNECT: &str = "/connect/google-analytics";

async fn site(emulators: &Emulators) -> Site {
    let url = emulators.url("google-analytics").parse().unwrap();
    let client = OAuthClient { id: OAUTH_CLIENT_ID.to_owned(), secret: Some(Secret::new(OAUTH_CLIENT_SECRET)) };
    let set = |config: &mut dashtray::config::Config| {
        config.provider_urls.insert("google-analytics".to_owned(), url);
        config.oauth_clients.insert("google-analytics".to_owned(), client);
    };
    let site = Site::start_over(Registry::builtin(), set).await.joined_by_ada().await;
    emulators.expect_sign_in(&site.url("/oauth/callback"));
    site
}

/// The way back to us after somebody has allowed what the page asks for.
async fn allowed(site: &Site, page: &Answer) -> String {
    let address = page.body.split("class=\"button primary\" href=\"").nth(1).unwrap_or_else(|| panic!("{}", page.body));
    let address = address.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let mut address: Url = address.parse().unwrap();
    address.query_pairs_mut().append_pair("consent", "allow");
    let back = browser::open(&address).await.unwrap().location.expect("the browser is sent back");
    back.as_str().strip_prefix(&site.url("")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_comes_back_to_who_began_it_and_then_the_property_is_chosen() {
    let company = Company::empty(Clock::System.now());
    let emulators = Emulators::start(Arc::new(company), Options::default()).await.unwrap();
    let site = site(&emulators).await;
    let (ada, other) = (Visitor::signed_in(&site, EMAIL).await, Visitor::signed_in(&site, EMAIL).await);
    assert!(ada.get(CONNECT).await.body.contains("value=\"sign-in\""));

    let left = send(&ada, CONNECT, &[("action", "sign-in")]).await;
    let back = allowed(&site, &left).await;
    let theft = other.get(&back).await;
    assert!(theft.status == 400 && theft.body.contains("Not connected"), "{}", theft.body);
    let late = ada.get(&back).await;
    assert!(late.status == 400 && late.body.contains("used already"), "a state counts once: {}", late.body);
    assert_eq!(Visitor::stranger(&site).get(&back).await.status, 303);

    let left = send(&ada, CONNECT, &[("action", "sign-in")]).await;
    let page = ada.get(&allowed(&site, &left).await).await;
    // Nothing is wrong yet: what there is to choose from is there to be chosen.
    let option = format!("<option value=\"{GOOGLE_PROPERTY}\">");
    assert!(page.status == 200 && page.body.contains("<select id=\"s-property\""), "{}", page.body);
    assert!(page.body.contains(&option) && !page.body.contains("role=\"alert\""), "{}", page.body);
    let fields = [("action", "finish"), ("shown", "s-property"), ("s-property", "12")];
    let draft = page.hidden("draft");
    let wrong = send(&ada, CONNECT, &[fields.as_slice(), &[("draft", &draft)]].concat()).await;
    assert_eq!(wrong.status, 422, "{}", wrong.body);
    let draft = wrong.hidden("draft");
    let fields = [("action", "finish"), ("shown", "s-property"), ("s-property", GOOGLE_PROPERTY), ("draft", &draft)];
    let made = send(&ada, CONNECT, &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    assert_eq!(made.header("location"), "/d/google-analytics?done=connected");
    let address = ada.get("/integrations").await.connection("Google Analytics");
    assert_eq!(ada.get(&address).await.status, 200);

    // And again, to the same account.
    let left = send(&ada, &format!("{address}/reconnect"), &[("action", "sign-in")]).await;
    let again = ada.get(&allowed(&site, &left).await).await;
    assert_eq!((again.status, again.header("location")), (303, format!("{address}?done=reconnected").as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_client_the_page_says_what_to_set() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let page = ada.get(CONNECT).await;
    for part in ["DASHTRAY_GOOGLE_ANALYTICS_CLIENT_ID", &site.url("/oauth/callback"), "data-copy=\"redirect-uri\""] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(!page.body.contains("value=\"sign-in\""));
    let begun = send(&ada, CONNECT, &[("action", "sign-in")]).await;
    assert!(begun.status == 422 && begun.body.contains("No OAuth client for"), "{}", begun.body);
    let back = ada.get("/oauth/callback?state=guess&code=x").await;
    assert!(back.status == 400 && back.body.contains("Not connected"), "{}", back.body);
}
