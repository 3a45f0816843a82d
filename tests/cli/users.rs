//! `dashtray user`, and the links that are printed.

use serde_json::json;

use super::{has_keys, list, sandbox::Sandbox, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_added_listed_and_given_another_password() {
    let sandbox = Sandbox::new().await;
    assert_eq!(sandbox.json("user list").await, json!({"users": []}));
    sandbox.file("password", "correct horse battery\n");
    let added = sandbox.json("user add Ada@Example.com --name Ada --password password").await;
    has_keys(&added, "email name created_at");
    assert_eq!((text(&added["email"]), text(&added["name"])), ("ada@example.com", "Ada"));
    assert_eq!(list(&sandbox.json("user list").await["users"]).len(), 1);
    let link = sandbox.json("user link ada@example.com").await;
    assert!(text(&link["url"]).starts_with("http://127.0.0.1:8080/login/link?token="), "{link}");
    sandbox.json("user reset-password ada@example.com --password password").await;

    sandbox.json("project shop").await;
    let joined = sandbox.json("user add ada@example.com --project shop").await;
    assert_eq!(text(&joined["name"]), "Ada");
    let sentence = sandbox.refused("user add ada@example.com --password password", 1).await;
    assert!(sentence.contains("ada@example.com has an account already"), "{sentence}");
    sandbox.file("short", "short");
    let sentence = sandbox.refused("user add nonsense --password short", 2).await;
    assert!(sentence.contains("give an e-mail address") && sentence.contains("at least 10"), "{sentence}");
    let sentence = sandbox.refused("user link bob@example.com", 2).await;
    assert!(sentence.contains("there is no user bob@example.com"), "{sentence}");
    let sentence = sandbox.refused("user add bob@example.com", 2).await;
    assert!(sentence.contains("--password FILE"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_shown_once_listed_and_revoked() {
    let sandbox = Sandbox::new().await;
    assert_eq!(sandbox.json("api-key list").await, json!({"api_keys": []}));
    let made = sandbox.json("api-key create deploys --scope write").await;
    has_keys(&made, "api_key_id name scope last_four created_at last_used_at revoked_at key");
    let key = text(&made["key"]);
    assert!(key.starts_with("dk_") && key.ends_with(text(&made["last_four"])), "{key}");
    let listed = sandbox.json("api-key list").await;
    assert_eq!((list(&listed["api_keys"]).len(), text(&listed["api_keys"][0]["scope"])), (1, "write"));
    assert!(!listed.to_string().contains(key), "it is shown once");
    assert_ne!(sandbox.json("api-key revoke deploys").await["revoked_at"], json!(null));
    let sentence = sandbox.refused("api-key revoke deploys", 2).await;
    assert!(sentence.contains("there is no API key \"deploys\""), "{sentence}");
    let sentence = sandbox.refused("api-key create x --scope admin", 2).await;
    assert!(sentence.contains("use read or write"), "{sentence}");
    let sentence = sandbox.refused("api-key create x --project nowhere", 2).await;
    assert!(sentence.contains("there is no project"), "{sentence}");
}
