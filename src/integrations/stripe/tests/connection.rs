//! What the test of a connection finds out, and what the descriptor says.

use super::*;

#[tokio::test]
async fn the_test_says_whose_account_it_is() {
    let script = Script::of_fixtures();
    let (ctx, _) = connect(&script, json!({})).await;
    let account = Stripe.test_connection(&ctx).await.unwrap();
    assert_eq!((account.id.as_str(), account.label.as_str()), ("acct_1", "Example"));
    assert_eq!(account.zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(account.currency, Some(Currency::USD));
    assert_eq!(Json::from(account.info), json!({"livemode": true, "country": "DE", "charges_enabled": true}));
    assert!(account.checks.iter().all(|check| check.ok && check.costs.is_empty()), "{:?}", account.checks);
    assert_eq!(account.checks.last().unwrap().id, "key", "a key that may do everything may be a secret one");
    assert!(script.asked().iter().all(|asked| asked.starts_with("/v1/account") || asked.contains("limit=1")));
}

#[tokio::test]
async fn a_missing_permission_is_a_check_that_says_what_it_costs() {
    let script = Script::of_fixtures();
    script.forbid("/v1/charges").forbid("/v1/prices");
    let (ctx, _) = connect(&script, json!({})).await;
    let account = Stripe.test_connection(&ctx).await.unwrap();
    let failed: Vec<_> = account.checks.iter().filter(|check| !check.ok).collect();
    assert_eq!(failed.iter().map(|check| check.id.as_str()).collect::<Vec<_>>(), ["charges", "prices"]);
    assert_eq!(failed[0].costs, ["stripe_failed_payments", "stripe_payment_success_rate"]);
    assert!(failed[0].message.contains("Charges: Read"), "{}", failed[0].message);
    assert!(failed[1].costs.is_empty());
}

#[tokio::test]
async fn without_the_account_it_is_told_apart_by_what_is_oldest() {
    let id = async |script: &Script| {
        let (ctx, _) = connect(script, json!({})).await;
        Stripe.test_connection(&ctx).await
    };
    let script = Script::of_fixtures();
    script.forbid("/v1/account");
    let account = id(&script).await.unwrap();
    assert_eq!(account.id, "oldest:price_basic");
    assert_eq!(account.currency, Some("EUR".parse().unwrap()), "the balance's");
    assert!(!account.checks[0].ok);
    // Many more prices, and the same account.
    let price = |n: i64| json!({"id": format!("price_{n}"), "created": 1_740_000_000 + n * 1000});
    script.set("/v1/prices", (0..950).rev().map(price).collect());
    script.asked();
    assert_eq!(id(&script).await.unwrap().id, "oldest:price_0");
    assert!(script.asked().len() < 30);
    assert_eq!(id(Script::of_fixtures().forbid("/v1/account").forbid("/v1/prices")).await.unwrap().id, "oldest:ch_1");
    let nothing = id(Script::empty().forbid("/v1/account")).await.unwrap_err();
    assert!(nothing.to_string().contains("Account: Read"), "{nothing}");
}

#[test]
fn keys_of_other_kinds_are_refused_with_a_sentence() {
    let fields = &Stripe.descriptor().credentials;
    let refused = |key: &str| {
        let given = [("api_key".to_owned(), Secret::new(key))].into();
        check_credentials(fields, given).err().map(|errors| errors[0].message.clone())
    };
    for good in ["rk_live_51Abc", "sk_test_51Abc_9", " rk_test_1\n"] {
        assert_eq!(refused(good), None, "{good}");
    }
    assert!(refused("pk_live_1").unwrap().contains("publishable"));
    assert!(refused("sk_org_live_1").unwrap().contains("organisation"));
    assert!(refused("whsec_1").unwrap().contains("webhook"));
    assert!(refused("ca_1").unwrap().contains("Connect"));
    for bad in ["", "rk_1", "rk_prod_1", "Bearer rk_live_1"] {
        assert!(refused(bad).is_some(), "{bad}");
    }
}

#[test]
fn the_descriptor_is_whole() {
    let descriptor = Stripe.descriptor();
    assert!(descriptor.icon.len() < 4096);
    for metric in &descriptor.metrics {
        assert!(metric.id.starts_with("stripe_") && descriptor.stream(&metric.stream).is_some(), "{}", metric.id);
        assert!(descriptor.guide.contains(&metric.id), "{} is missing in the guide", metric.id);
    }
    assert!(descriptor.settings.iter().all(|field| field.affects.iter().all(|id| descriptor.stream(id).is_some())));
}
