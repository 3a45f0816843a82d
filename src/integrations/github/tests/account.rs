//! Testing a connection.

use super::*;

#[tokio::test]
async fn a_refused_token_is_the_error_of_test_and_fetch() {
    let (address, calls) = provider(|_| refuse(401, "Bad credentials")).await;
    let error = test(address, json!({ "repositories": ["octo/a"] })).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    calls.lock().unwrap().clear();
    let (report, _) =
        try_fetch(address, &["octo/a"], &["github_traffic_views"], period("2026-03-10", "2026-03-10")).await;
    assert_eq!(report.unwrap_err().kind(), FailureKind::Unauthorized);
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_owner_is_measured_without_forks_and_known_by_its_number() {
    let (address, _) = provider(|call| match call.path {
        "/users/octo" => json!({ "id": 9, "login": "Octo", "type": "Organization" }).into(),
        "/orgs/Octo/repos" => json!([
            { "id": 1, "full_name": "Octo/a", "fork": false, "archived": true },
            { "id": 2, "full_name": "Octo/b", "fork": true },
        ])
        .into(),
        "/user" => Reply(
            200,
            json!({ "id": 7, "login": "mona", "plan": { "name": "pro" } }),
            vec![("github-authentication-token-expiration", "2026-12-01 10:00:00 UTC".to_owned())],
        ),
        "/user/repos" => json!([{ "id": 1, "full_name": "Octo/a", "fork": false }]).into(),
        "/repos/Octo/a" => repository(1, "Octo/a").into(),
        _ => usual(call),
    })
    .await;
    let (ctx, recorder) = connect(address, json!({ "owner": "octo" }));
    let account = Github.test_connection(&ctx).await.unwrap();
    assert_eq!((account.id.as_str(), account.label.as_str()), ("owner:9", "Octo"));
    assert_eq!(account.info["login"], "mona");
    assert_eq!(account.info["token_expires"], "2026-12-01 10:00:00 UTC");
    assert_eq!(account.choices["repositories"][0].value, "Octo/a");
    assert!(account.checks.iter().all(|check| check.ok && !check.costs.is_empty()), "{account:?}");
    let metrics = ["github_stars".to_owned(), "github_commits".to_owned()];
    Github.fetch_metrics(&ctx, &metrics, period("2026-03-10", "2026-03-10")).await.unwrap();
    let recorded = recorder.recorded();
    assert_eq!(values(&recorded, "github_stars", None), [on("10", 80)]);
    assert_eq!(values(&recorded, "github_stars", Some("Octo/a")), [on("10", 80)]);
}

#[tokio::test]
async fn the_identity_of_a_list_depends_on_neither_order_nor_names() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a" => repository(20, "octo/a").into(),
        "/repos/octo/b" => repository(3, "octo/b").into(),
        "/repos/octo/was-b" => repository(3, "octo/b").into(),
        "/user" => refuse(403, "Resource not accessible by integration"),
        "/installation/repositories" => json!({ "total_count": 2, "repositories": [] }).into(),
        _ => usual(call),
    })
    .await;
    for list in [["octo/a", "octo/b"], ["octo/was-b", "octo/a"]] {
        assert_eq!(test(address, json!({ "repositories": list })).await.unwrap().id, "repositories:3,20");
    }
    let twice = test(address, json!({ "repositories": ["octo/b", "octo/was-b"] })).await.unwrap_err();
    assert_eq!(twice.kind(), FailureKind::InvalidSettings);
}

#[tokio::test]
async fn a_repository_that_is_not_found_is_a_failed_check_and_an_error_where_none_is() {
    let (address, _) = provider(|call| match call.path {
        path if path.starts_with("/repos/octo/gone") => refuse(404, "Not Found"),
        _ => usual(call),
    })
    .await;
    let account = test(address, json!({ "repositories": ["octo/gone", "octo/a"] })).await.unwrap();
    let failed: Vec<&str> = account.checks.iter().filter(|check| !check.ok).map(|check| check.id.as_str()).collect();
    assert_eq!(failed, ["repository:octo/gone"]);
    let error = test(address, json!({ "repositories": ["octo/gone"] })).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::NotFound);
    assert!(error.to_string().contains("octo/gone cannot be found"), "{error}");
}

#[tokio::test]
async fn private_repositories_of_a_user_are_listed_for_the_user_alone() {
    for (id, expected) in [(7, "mona/private"), (8, "mona/public")] {
        let (address, _) = provider(move |call| match call.path {
            "/users/mona" => json!({ "id": 7, "login": "mona", "type": "User" }).into(),
            "/user" => json!({ "id": id, "login": "whoever" }).into(),
            "/user/repos" => json!([{ "id": 1, "full_name": "mona/private", "fork": false }]).into(),
            "/users/mona/repos" => json!([{ "id": 2, "full_name": "mona/public", "fork": false }]).into(),
            _ => usual(call),
        })
        .await;
        let (ctx, recorder) = connect(address, json!({ "owner": "mona" }));
        Github.fetch_metrics(&ctx, &["github_commits".to_owned()], period("2026-03-10", "2026-03-10")).await.unwrap();
        assert_eq!(values(&recorder.recorded(), "github_commits", Some(expected)), [on("10", 1)]);
    }
}

#[test]
fn every_kind_of_token_is_taken_and_what_is_none_gets_its_sentence() {
    let check = |token: &str| {
        let given = BTreeMap::from([("token".to_owned(), Secret::new(token))]);
        check_credentials(&Github.descriptor().credentials, given).map_err(|errors| errors[0].to_string())
    };
    let legacy = "0123456789abcdef0123456789abcdef01234567";
    for token in ["ghp_aB1", "gho_aB1", "ghu_aB1", "ghs_aB1", "ghs_12_eyJ0.eyJp-x._y", "github_pat_1A_b", legacy, ""] {
        assert!(check(token).is_ok(), "{token}");
    }
    assert!(check("ghr_aB1").unwrap_err().contains("refresh token"));
    assert!(check("Iv1.0123456789abcdef").unwrap_err().contains("client id"));
    assert!(check("sk_live_123").unwrap_err().contains("does not look like Token"));
}
