//! What people get wrong that only the provider, or the way to it, can tell: each gets a sentence with the next step, and
//! nothing is kept of it.

use dashtray::demo::{
    GOOGLE_PROPERTY, GOOGLE_READER, GoogleAccount, Options, PLAUSIBLE_KEY, PLAUSIBLE_SITE, PlausibleServer,
    authorization::service_account_key,
};
use serde_json::{Value as Json, json};

use super::{
    list, outcome,
    provider::{Scripted, answer},
    sandbox::{Sandbox, company},
};
use crate::support::tls::{Authority, Door};

/// A service account in whose project the API is off.
const SWITCHED_OFF: &str = "off@fernwerk-demo.iam.gserviceaccount.com";
/// One that nobody has added to the property.
const WITHOUT_ROLE: &str = "elsewhere@fernwerk-demo.iam.gserviceaccount.com";

fn google_file(key: &str, property: &str) -> Json {
    json!({"credentials": {"service_account": key}, "settings": {"property": property}})
}

fn plausible_file(more: Json) -> Json {
    let mut settings = json!({"site_id": PLAUSIBLE_SITE});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"credentials": {"api_key": PLAUSIBLE_KEY}, "settings": settings})
}

/// Connecting by a file ends with this status and these words, and nothing is kept.
async fn is_refused(sandbox: &Sandbox, integration: &str, file: impl AsRef<[u8]>, status: i32, words: &[&str]) {
    sandbox.file("credentials.json", file);
    let sentence = sandbox.refused(&format!("connect {integration} --credentials credentials.json"), status).await;
    for word in words {
        assert!(sentence.contains(word), "{sentence} says {word}");
    }
    assert_eq!(sandbox.json("connections").await, json!({"connections": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_that_cannot_read_the_property_is_told_why() {
    let account = GoogleAccount::full;
    let google_accounts = vec![
        account(GOOGLE_READER),
        account(SWITCHED_OFF).without_api("analyticsdata"),
        account(WITHOUT_ROLE).on(&["7"]),
    ];
    let mut sandbox = Sandbox::with(company(), Options { google_accounts, ..Options::default() }).await;
    sandbox.provider("google-analytics", &sandbox.emulators.url("google-analytics"));
    let good = service_account_key(GOOGLE_READER);
    let mut user: Json = serde_json::from_str(&good).unwrap();
    user["type"] = json!("authorized_user");
    let file = |key: &str| google_file(key, GOOGLE_PROPERTY).to_string();
    let off = "https://console.cloud.google.com/apis/library/analyticsdata.googleapis.com";
    for (file, status, words) in [
        (
            file(&good[..good.len() / 2]),
            2,
            &["invalid_fields: service_account", "cut off; paste the whole key file"][..],
        ),
        (file(&user.to_string()), 2, &["a user's credential", "make a key of a service account, of type JSON"]),
        (good.clone(), 2, &["only \"credentials\" and \"settings\"", "a key file goes inside"]),
        (google_file(&good, "G-4KX2ABCD90").to_string(), 2, &["a measurement id", "can read: ", GOOGLE_PROPERTY]),
        (google_file(&good, "").to_string(), 2, &["give the number of a property", "can read: ", GOOGLE_PROPERTY]),
        (file(&service_account_key(SWITCHED_OFF)), 1, &["forbidden: ", "switched off", "enable it there", off]),
        (file(&service_account_key(WITHOUT_ROLE)), 1, &["forbidden: ", "no role", WITHOUT_ROLE, "as Viewer"]),
    ] {
        is_refused(&sandbox, "google-analytics", file, status, words).await;
    }
    // How far the clocks are apart changes from one second to the next, so that it is not asked for twice.
    sandbox.file("credentials.json", file(&service_account_key("gone@fernwerk-demo.iam.gserviceaccount.com")));
    let sentence = sandbox.failed("connect google-analytics --credentials credentials.json", 1).await;
    assert!(sentence.starts_with("unauthorized: ") && sentence.contains("make a new key"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_does_not_exist_is_refused_and_a_goal_that_was_renamed_costs_its_metrics_alone() {
    let plausible = PlausibleServer::default().renamed("Sign-up", "Registration");
    let mut sandbox = Sandbox::with(company(), Options { plausible, ..Options::default() }).await;
    sandbox.provider("plausible", &sandbox.emulators.url("plausible"));
    let elsewhere = plausible_file(json!({"site_id": "nowhere.example"})).to_string();
    is_refused(&sandbox, "plausible", elsewhere, 1, &["unauthorized: ", "no site nowhere.example", "Check the key"])
        .await;

    let connected = sandbox.connect("plausible", &plausible_file(json!({"goals": ["Sign-up", "Download"]}))).await;
    let check = list(&connected["checks"]).iter().find(|check| check["id"] == "goals").unwrap();
    assert_eq!(check["ok"], false, "{check}");
    let run = sandbox.sync("plausible", 3).await;
    assert_eq!((&run["status"], outcome(&run, "plausible_visits").0), (&json!("partial"), "ok"));
    let (word, error) = outcome(&run, "plausible_conversions");
    let message = super::text(&error["message"]);
    assert_eq!((word, &error["kind"]), ("failed", &json!("not_found")));
    assert!(message.contains("no goal \"Sign-up\"") && message.contains("set goals to it"), "{message}");
    sandbox.json("set plausible goals=Registration,Download").await;
    sandbox.sync("plausible", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_may_not_be_called_is_refused_before_any_key_is_sent() {
    let mut sandbox = Sandbox::new().await;
    let plausible = sandbox.emulators.url("plausible");
    for (address, words) in [
        ("https://10.1.2.3", &["invalid_settings: ", "a private address", "allow_private_hosts"][..]),
        ("https://[::ffff:192.168.0.7]", &["a private address", "allow_private_hosts"]),
        ("https://169.254.169.254", &["a link-local address"]),
        (plausible.as_str(), &["a loopback address"]),
        ("https://localhost:1", &["a loopback address"]),
        ("http://stats.fernwerk.example", &["https"]),
    ] {
        let file = plausible_file(json!({"base_url": address})).to_string();
        is_refused(&sandbox, "plausible", file, 2, words).await;
    }
    assert_eq!(sandbox.emulators.count("plausible"), 0);

    // A server that sends whoever asks to a network of its own choice.
    let elsewhere = Scripted::new(|_, _| {
        let mut reply = answer(302, "text/html", "");
        reply.headers_mut().insert("location", "https://10.1.2.3/api/v2/query".parse().unwrap());
        reply
    })
    .await;
    sandbox.provider("plausible", &elsewhere.url);
    let words = ["invalid_response: ", "a redirect was not followed", "check base_url"];
    is_refused(&sandbox, "plausible", plausible_file(json!({})).to_string(), 1, &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_to_be_trusted_is_refused_and_one_of_an_own_authority_can_be_trusted() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_ALLOW_PRIVATE_HOSTS", "true");
    let authority = Authority::new().unwrap();
    let of = |name: &str, until| authority.server(&[name.to_owned()], until).unwrap();
    let behind = sandbox.emulators.url("plausible").parse().unwrap();
    let door = Door::before(&behind, of("localhost", 2090)).await.unwrap();
    let file = plausible_file(json!({"base_url": format!("https://localhost:{}", door.at.port())}));
    let unknown = ["unavailable: ", "certificate is not accepted", "issuer is not known here; see extra_ca_file"];
    is_refused(&sandbox, "plausible", file.to_string(), 1, &unknown).await;

    sandbox.file("authority.pem", &authority.pem);
    sandbox.set("DASHTRAY_EXTRA_CA_FILE", "authority.pem");
    door.show(of("localhost", 2001));
    is_refused(&sandbox, "plausible", file.to_string(), 1, &["it has expired", "renew it"]).await;
    door.show(of("stats.fernwerk.example", 2090));
    is_refused(&sandbox, "plausible", file.to_string(), 1, &["it is for another name", "check the address"]).await;
    assert_eq!(sandbox.emulators.count("plausible"), 0, "no key was sent");
    door.show(of("localhost", 2090));
    sandbox.connect("plausible", &file).await;
}
