//! What people get wrong before any provider is asked: each gets a sentence that says what to do, status 2, and nothing
//! is kept of it.

use serde_json::json;

use super::sandbox::{Sandbox, github_file, stripe_file};
use dashtray::demo::{GITHUB_TOKEN, STRIPE_KEY};

/// A command, its status, and words that its sentence must have.
async fn each_is_refused(sandbox: &Sandbox, cases: &[(&str, i32, &[&str])]) {
    for (arguments, status, words) in cases {
        let sentence = sandbox.refused(arguments, *status).await;
        for word in *words {
            assert!(sentence.contains(word), "{arguments}: {sentence} says {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_ids_and_impossible_dates_are_refused() {
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let asked = sandbox.emulators.count("stripe");
    each_is_refused(
        &sandbox,
        &[
            ("integrations strip", 2, &["integration_not_found: Integration not found: strip", "stripe?"]),
            ("connect strip --credentials credentials.json", 2, &["Integration not found: strip", "stripe?"]),
            ("get stripe_mr", 2, &["metric_not_found", "\"stripe_mr\"", "did you mean stripe_mrr?"]),
            ("explain stripe_mr", 2, &["did you mean stripe_mrr?"]),
            ("get stripe_mrr --connection nix", 2, &["connection_not_found", "\"nix\"", "dashtray connections"]),
            ("get stripe_mrr --project nix", 2, &["project_not_found", "dashtray project nix"]),
            ("connections --project nix", 2, &["project_not_found", "dashtray project nix"]),
            ("get stripe_revenue --by-dimension", 2, &["no dimension", "leave --by-dimension out"]),
            ("get stripe_mrr --from 2026-03-20 --to 2026-03-10", 2, &["reversed", "swap"]),
            ("get stripe_mrr --from 2026-04-20", 2, &["2026-04-20 is in the future"]),
            ("sync --from 2026-03-20 --to 2026-03-10", 2, &["reversed", "swap"]),
            ("sync --from 2026-04-20", 2, &["2026-04-20 is in the future"]),
            ("explain stripe_revenue", 1, &["no_receipt", "counted by the provider"]),
            ("explain stripe_mrr", 1, &["no receipt of stripe_mrr", "dashtray sync"]),
            ("set stripe past_due=maybe", 2, &["invalid_fields", "past_due", "include, exclude"]),
            ("set stripe past_deu=include", 2, &["past_deu", "did you mean \"past_due\"?"]),
            ("set stripe sync_intervall=60", 2, &["sync_intervall", "did you mean \"sync_interval\"?"]),
            ("set stripe sync_interval=soon", 2, &["sync_interval", "minutes", "1 to 10080"]),
            ("set stripe max_quota_share=2", 2, &["max_quota_share", "up to 1"]),
            ("set stripe zone=Europe/Berlin", 2, &["zone", "connect again"]),
            ("set stripe reporting_currency=EURO", 2, &["reporting_currency"]),
            ("connect stripe --oauth", 2, &["no_sign_in", "Stripe has no sign-in", "dashtray integrations stripe"]),
            ("reconnect stripe --oauth", 2, &["no_sign_in", "connect it with a key"]),
            ("worker", 2, &["PostgreSQL", "dashtray serve"]),
            ("rates load nowhere.csv", 2, &["nowhere.csv: cannot be read"]),
        ],
    )
    .await;
    for command in ["test", "pause", "resume", "disconnect", "runs", "sync"] {
        let sentence = sandbox.refused(&format!("{command} strip"), 2).await;
        assert!(sentence.contains("connection_not_found: there is no connection \"strip\""), "{command}: {sentence}");
        assert!(sentence.contains("Stripe"), "{command}: {sentence} names what there is");
    }
    assert_eq!(sandbox.emulators.count("stripe"), asked, "nobody was asked for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_command_line_does_not_know_is_refused_with_what_was_meant() {
    let sandbox = Sandbox::new().await;
    let cases = [
        ("conect stripe", "connect"),
        ("get stripe_mrr --intervall day", "--interval"),
        ("get stripe_mrr --interval year", "day, week or month"),
        ("get stripe_mrr --from 2026-02-30", "2026-03-31"),
        ("get stripe_mrr --from tomorrow", "2026-03-31"),
        ("get", "METRIC"),
        ("set stripe", "KEY=VALUE"),
        ("set stripe past_due", "KEY=VALUE"),
        ("project My_Shop", "small letters"),
        ("project --currency Taler", "Taler"),
        ("project --zone Mars/Olympus", "Mars/Olympus"),
        ("connect stripe --api-key x", "--api-key"),
    ];
    for (arguments, word) in cases {
        let shown = sandbox.run(arguments).await;
        assert_eq!((shown.status, shown.stdout.as_str()), (2, ""), "{shown:?}");
        assert!(shown.stderr.contains(word), "{arguments}: {shown:?} says {word}");
        let sentence = sandbox.failed(arguments, 2).await;
        assert!(sentence.starts_with("usage: ") && sentence.contains(word), "{arguments}: {sentence} says {word}");
    }
    assert_eq!(sandbox.run("").await.status, 2);
    let help = sandbox.run("sync --help").await;
    assert!(help.status == 0 && help.stdout.contains("Examples"), "{help:?}");
    assert!(!sandbox.data().exists(), "none of it made a data directory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_work_are_refused_before_any_call() {
    let sandbox = Sandbox::new().await;
    let cases = [
        ("pk_live_C4n4ryNotARealSecret4711", "publishable key"),
        ("sk_org_C4n4ryNotARealSecret4711", "key of an organisation"),
        ("rk_org_C4n4ryNotARealSecret4711", "key of an organisation"),
        ("whsec_C4n4ryNotARealSecret4711", "webhook"),
        ("C4n4ryNotARealSecret4711", "api_key"),
        ("", "api_key"),
    ];
    for (key, words) in cases {
        sandbox.file("credentials.json", stripe_file(key).to_string());
        let sentence = sandbox.refused("connect stripe --credentials credentials.json", 2).await;
        assert!(sentence.starts_with("invalid_fields: ") && sentence.contains(words), "{sentence} says {words}");
    }
    assert_eq!(sandbox.emulators.count("stripe"), 0);
    assert_eq!(sandbox.json("connections").await, json!({"connections": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credentials_file_that_is_wrong_is_never_quoted() {
    let sandbox = Sandbox::new().await;
    let secret = "C4n4ryNotARealSecret4711";
    let cases = [
        (secret.to_owned(), "not JSON"),
        (format!(r#"{{"api_key":"{secret}"}}"#), "credentials"),
        (format!(r#"{{"credential":{{"api_key":"{secret}"}}}}"#), "did you mean \"credentials\""),
        (format!(r#"{{"credentials":{{"api_key":["{secret}"]}}}}"#), "must be a text"),
        (format!(r#"{{"credentials":{{"apikey":"{secret}"}}}}"#), "api_key"),
        (r#"{"credentials":{}}"#.to_owned(), "api_key"),
        (format!(r#"{{"credentials":{{"api_key":"{STRIPE_KEY}"}},"settings":{{"discount":"all"}}}}"#), "discounts"),
        (format!(r#"{{"credentials":{{"api_key":"{STRIPE_KEY}"}},"settings":{{"zone":"Mars"}}}}"#), "zone"),
    ];
    for (content, words) in cases {
        sandbox.file("credentials.json", content);
        let sentence = sandbox.refused("connect stripe --credentials credentials.json", 2).await;
        assert!(sentence.contains(words), "{sentence} says {words}");
    }
    sandbox.file("credentials.json", github_file(GITHUB_TOKEN).to_string().replace("repositories", "repos"));
    let sentence = sandbox.refused("connect github --credentials credentials.json", 2).await;
    assert!(sentence.contains("\"repos\"") && sentence.contains("repositories"), "{sentence}");
    let sentence = sandbox.refused("connect stripe --credentials nowhere.json", 2).await;
    assert!(sentence.contains("nowhere.json cannot be read"), "{sentence}");
    let sentence = sandbox.refused("connect stripe", 2).await;
    assert!(sentence.contains("no terminal") && sentence.contains("--credentials FILE"), "{sentence}");
    assert_eq!(sandbox.json("connections").await, json!({"connections": []}));
    assert_eq!(sandbox.emulators.count("stripe") + sandbox.emulators.count("github"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_is_named() {
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let sentence = sandbox.refused("connect stripe --name shop --credentials credentials.json", 1).await;
    assert!(sentence.contains("already_connected") && sentence.contains("\"Stripe\""), "{sentence}");
    sandbox.file("credentials.json", github_file(GITHUB_TOKEN).to_string());
    let sentence = sandbox.refused("connect github --name stripe --credentials credentials.json", 2).await;
    assert!(sentence.contains("name_taken") && sentence.contains("choose another name"), "{sentence}");
    sandbox.file(
        "settings.json",
        json!({"credentials": {"api_key": STRIPE_KEY}, "settings": {"paused": "include"}}).to_string(),
    );
    let sentence = sandbox.refused("reconnect stripe --credentials settings.json", 2).await;
    assert!(sentence.contains("dashtray set"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_wrong_says_where() {
    let mut sandbox = Sandbox::new().await;
    sandbox.file("config.toml", "listn = \"127.0.0.1:1\"\n");
    let sentence = sandbox.refused("connections", 2).await;
    assert!(sentence.contains("config.toml") && sentence.contains("listen"), "{sentence}");
    sandbox.file("config.toml", "master_key = \"C4n4ryNotARealSecret4711\n");
    let sentence = sandbox.refused("connections", 2).await;
    assert!(sentence.contains("config.toml, line 1"), "{sentence}");
    sandbox.file("config.toml", "master_key = \"C4n4ryNotARealSecret4711\"\n");
    let config = sandbox.run("config").await;
    assert!(config.stdout.contains("***"), "{config:?}");
    let sentence = sandbox.refused("connections", 1).await;
    assert!(sentence.contains("master key is 32 random bytes") && sentence.contains("openssl"), "{sentence}");
    std::fs::remove_file(sandbox.path("config.toml")).unwrap();
    sandbox.set("DASHTRAY_PROVIDER_URL_STRIPE", "http://example.com");
    let sentence = sandbox.refused("connections", 2).await;
    assert!(sentence.contains("DASHTRAY_PROVIDER_URL_STRIPE") && sentence.contains("loopback"), "{sentence}");
}
