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
async fn people_are_invited_given_roles_and_removed_and_all_of_it_is_noted() {
    let sandbox = Sandbox::new().await;
    sandbox.file("password", "correct horse battery\n");
    sandbox.json("user add ada@example.com --name Ada --password password").await;
    sandbox.json("user add bob@example.com --role viewer --password password").await;
    let listed = sandbox.json("user list").await;
    assert_eq!(listed["users"][1]["projects"], json!([{"project": "default", "role": "viewer"}]));

    let sentence = sandbox.refused("user role ada@example.com editor", 1).await;
    assert!(sentence.contains("A project needs an owner"), "{sentence}");
    let sentence = sandbox.refused("user remove ada@example.com", 1).await;
    assert!(sentence.contains("A project needs an owner"), "{sentence}");
    let sentence = sandbox.refused("user role bob@example.com king", 2).await;
    assert!(sentence.contains("use owner, editor or viewer"), "{sentence}");
    assert_eq!(sandbox.json("user role bob@example.com owner").await["role"], "owner");
    assert_eq!(sandbox.json("user role ada@example.com editor").await["email"], "ada@example.com");
    sandbox.json("user remove ada@example.com").await;
    let sentence = sandbox.refused("user remove ada@example.com", 2).await;
    assert!(sentence.contains("they are not in this project"), "{sentence}");
    assert_eq!(sandbox.json("user list").await["users"][0]["projects"], json!([]));

    let made = sandbox.json("user invite --role editor --email Cleo@Example.com").await;
    has_keys(&made, "invitation_id role email invited_by created_at expires_at url");
    let (url, id) = (text(&made["url"]), text(&made["invitation_id"]));
    assert!(url.starts_with("http://127.0.0.1:8080/invitation?token="), "{url}");
    let open = sandbox.json("user invitations").await;
    assert_eq!((list(&open["invitations"]).len(), text(&open["invitations"][0]["email"])), (1, "cleo@example.com"));
    let (_, token) = url.split_once("token=").unwrap();
    assert!(!open.to_string().contains(token), "it is shown once");
    let left = sandbox.json(&format!("user invitations --revoke {id}")).await;
    assert_eq!(left, json!({"invitations": []}));
    let sentence = sandbox.refused(&format!("user invitations --revoke {id}"), 2).await;
    assert!(sentence.contains("there is no open invitation"), "{sentence}");

    let log = sandbox.json("audit --limit 3").await;
    has_keys(&log["audit"][0], "audit_id at project actor_kind actor action subject details address");
    let words = |log: &serde_json::Value| -> Vec<String> {
        list(&log["audit"]).iter().map(|row| format!("{} {}", text(&row["action"]), text(&row["subject"]))).collect()
    };
    let newest =
        ["invitation_revoked cleo@example.com", "invitation_made cleo@example.com", "member_removed ada@example.com"];
    assert_eq!(words(&log), newest);
    assert_eq!(text(&log["audit"][0]["actor_kind"]), "command_line");
    let bobs = sandbox.json("audit --of BOB@ --project default").await;
    assert_eq!(
        words(&bobs),
        ["role_changed bob@example.com", "member_added bob@example.com", "account_made bob@example.com"]
    );
    assert_eq!(bobs["audit"][0]["details"], json!({"from": "viewer", "to": "owner"}));
    assert!(!sandbox.json("audit").await.to_string().contains(token));
    let sentence = sandbox.refused("audit --project nowhere", 2).await;
    assert!(sentence.contains("there is no project"), "{sentence}");
    assert!(sandbox.refused("audit --limit 0", 2).await.contains("0"), "there is no such limit");
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
