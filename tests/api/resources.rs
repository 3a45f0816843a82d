//! Each route, and that its document, its example and its answer are of one form.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use dashtray::{
    integrations::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration, Registry},
    metric::Period,
    store::{ClaimOutcome, Scope},
};
use serde_json::{Value as Json, json};

use super::{
    program::{Program, Told},
    schema::faults,
};
use crate::support::{
    fake::{Behaviour, Fake, Script},
    site::Site,
};

/// The fake with a receipt.
struct Explained(Fake);

#[async_trait]
impl Integration for Explained {
    fn descriptor(&self) -> Arc<Descriptor> {
        let mut descriptor = Descriptor::clone(&self.0.descriptor());
        descriptor
            .metrics
            .iter_mut()
            .filter(|metric| metric.id == "fake_total")
            .for_each(|metric| metric.explained = true);
        Arc::new(descriptor)
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        self.0.test_connection(ctx).await
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        self.0.fetch_metrics(ctx, metrics, period).await
    }
}

/// A program that holds each answer against the document.
struct Judge {
    program: Program,
    document: Json,
    judged: BTreeSet<String>,
}

impl Judge {
    async fn of(site: &Site) -> Self {
        let program = Program::with_key(site, Scope::Write).await;
        let document = program.get("/api/v1/openapi.json").await.json;
        Self { program, document, judged: BTreeSet::new() }
    }

    /// Asks, and judges the answer by what the document says of this very operation.
    async fn ask(&mut self, operation: &str, method: &str, path: &str, body: &Json) -> Told {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let told = self.program.ask(method, path, &[super::program::JSON], &text).await;
        let described = self.described(operation);
        assert_eq!(described["operationId"], operation);
        let response = &described["responses"][told.status.to_string()];
        assert!(response.is_object(), "{operation} says nothing of {}: {}", told.status, told.answer.body);
        let schema = &response["content"]["application/json"]["schema"];
        assert_eq!(faults(&told.json, schema, &self.document, operation), [""; 0], "{}", told.answer.body);
        if told.status < 300 {
            if !body.is_null() {
                let schema = &described["requestBody"]["content"]["application/json"]["schema"];
                assert_eq!(faults(body, schema, &self.document, operation), [""; 0]);
            }
            self.judged.insert(operation.to_owned());
        }
        told
    }

    fn described(&self, operation: &str) -> Json {
        let paths = self.document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        operations.clone().find(|one| one["operationId"] == operation).unwrap_or_else(|| panic!("{operation}")).clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_as_its_document_says() {
    let script = Script::new();
    let site = Site::start_with(Registry::new(vec![Arc::new(Explained(Fake(script.clone())))])).await;
    let mut judge = Judge::of(&site).await;
    let none = Json::Null;

    let new = json!({"integration_id": "fake", "name": "Main", "credentials": {"api_key": "canary-4711"}});
    let made = judge.ask("create_connection", "POST", "/api/v1/connections", &new).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json["data"]["connection_id"].as_str().unwrap().to_owned();
    let one = format!("/api/v1/connections/{id}");
    let again = judge.ask("create_connection", "POST", "/api/v1/connections", &new).await;
    assert_eq!((again.status, again.code()), (409, "already_connected"));
    script.behave(Behaviour::Fail(Error::new(dashtray::metric::FailureKind::Unauthorized, "the key is wrong")));
    let refused = judge.ask("create_connection", "POST", "/api/v1/connections", &new).await;
    assert_eq!((refused.status, refused.code()), (422, "unauthorized"));
    assert_eq!(refused.json["error"]["details"]["kind"], "unauthorized");
    let failed = judge.ask("test_connection", "POST", &format!("{one}/test"), &none).await;
    assert_eq!((failed.status, &failed.json["data"]["success"]), (200, &json!(false)));
    script.behave(Behaviour::FailMetric("fake_users", Error::new(dashtray::metric::FailureKind::Unavailable, "out")));
    judge.ask("test_connection", "POST", &format!("{one}/test"), &none).await;
    let run = judge.ask("sync_connection", "POST", &format!("{one}/sync"), &json!({})).await;
    assert_eq!(run.json["data"]["runs"][0]["status"], "partial", "{run:?}");
    script.behave(Behaviour::Answer);
    judge.ask("sync_connection", "POST", &format!("{one}/sync"), &none).await;
    let range = json!({"start_date": "2020-01-02", "end_date": "2020-01-01"});
    let backwards = judge.ask("sync_connection", "POST", &format!("{one}/sync"), &range).await;
    assert_eq!((backwards.status, backwards.code()), (400, "invalid_range"));

    let runs = judge.ask("list_runs", "GET", &format!("{one}/runs?limit=1"), &none).await;
    let cursor = runs.json["next_cursor"].as_str().unwrap();
    let next = judge.ask("list_runs", "GET", &format!("{one}/runs?cursor={cursor}"), &none).await;
    let offset = judge.ask("list_runs", "GET", &format!("{one}/runs?offset=1"), &none).await;
    assert_eq!((next.json["data"]["runs"].as_array().unwrap().len(), &next.json), (1, &offset.json));
    assert_eq!(next.json["data"]["runs"][0]["status"], "partial", "newest first");

    judge.ask("list_connections", "GET", "/api/v1/connections", &none).await;
    judge.ask("get_connection", "GET", "/api/v1/connections/main", &none).await;
    let series = judge.ask("get_timeseries", "GET", "/api/v1/metrics/fake_events/timeseries", &none).await;
    assert_eq!(series.json["data"]["series"][0]["points"].as_array().unwrap().len(), 30);
    let weeks = judge.ask("get_timeseries", "GET", "/api/v1/metrics/fake_users/timeseries?interval=week", &none).await;
    assert_eq!(weeks.json["data"]["series"][0]["points"][1]["value"], Json::Null);
    let points = judge.ask("list_points", "GET", "/api/v1/metrics?metric_id=fake_events&limit=2", &none).await;
    assert_eq!(points.json["data"]["points"].as_array().unwrap().len(), 2);
    judge.ask("export", "GET", "/api/v1/export?connection_id=Main", &none).await;
    explained(&site).await;
    judge.ask("explain_metric", "GET", "/api/v1/metrics/fake_total/explain", &none).await;
    let counted = judge.ask("explain_metric", "GET", "/api/v1/metrics/fake_events/explain", &none).await;
    assert_eq!((counted.status, counted.code()), (404, "no_receipt"));

    let batch = judge.described("push_metrics")["requestBody"]["content"]["application/json"]["example"].clone();
    let pushed = judge.ask("push_metrics", "POST", "/api/v1/metrics", &batch).await;
    let example = judge.described("push_metrics")["responses"]["200"]["content"]["application/json"]["example"].clone();
    assert_eq!((pushed.status, &pushed.json), (200, &example), "the example may be copied");
    let contradiction = json!({"metrics": [{"metric_id": "signups", "value": 1, "unit": "bytes"}]});
    let told = judge.ask("push_metrics", "POST", "/api/v1/metrics", &contradiction).await;
    assert_eq!((told.status, told.code()), (409, "metric_defined_otherwise"));

    let dashboards = judge.ask("list_dashboards", "GET", "/api/v1/dashboards", &none).await;
    assert_eq!(
        dashboards.json["data"]["dashboards"].as_array().unwrap().len(),
        2,
        "of the fake and of what was pushed"
    );
    let dashboard = judge.ask("get_dashboard", "GET", "/api/v1/dashboards/fake", &none).await;
    assert!(!dashboard.json["data"]["widgets"].as_array().unwrap().is_empty());
    judge.ask("list_integrations", "GET", "/api/v1/integrations", &none).await;
    judge.ask("get_integration", "GET", "/api/v1/integrations/fake", &none).await;
    judge.ask("list_projects", "GET", "/api/v1/projects", &none).await;
    judge.ask("health", "GET", "/api/v1/health", &none).await;
    judge.ask("openapi", "GET", "/api/v1/openapi.json", &none).await;

    changed(&mut judge, &one, &script).await;
    let gone = judge.ask("delete_connection", "DELETE", &one, &none).await;
    assert_eq!(gone.json["data"], json!({"disconnected": "Shop", "access": "none"}));
    assert_eq!(judge.ask("delete_connection", "DELETE", &one, &none).await.code(), "connection_not_found");

    let all = judge.document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let all: BTreeSet<String> = all.map(|one| one["operationId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(judge.judged, all, "every route is asked for here");
}

async fn changed(judge: &mut Judge, one: &str, script: &Script) {
    let told = judge.ask("update_connection", "PATCH", one, &json!({"name": "Shop", "paused": true})).await;
    let view = &told.json["data"];
    assert_eq!((&view["name"], &view["state"], &view["next_sync_at"]), (&json!("Shop"), &json!("paused"), &Json::Null));
    let told = judge.ask("update_connection", "PATCH", one, &json!({"settings": {"sync_interval": 60}})).await;
    assert_eq!(told.status, 200, "{told:?}");
    let both = json!({"settings": {}, "credentials": {}});
    assert_eq!(judge.ask("update_connection", "PATCH", one, &both).await.code(), "invalid_field");
    let wrong = json!({"name": "Other", "settings": {"sync_interval": "never"}});
    assert_eq!(judge.ask("update_connection", "PATCH", one, &wrong).await.code(), "invalid_fields");
    let taken = json!({"name": "custom", "paused": false});
    assert_eq!(judge.ask("update_connection", "PATCH", one, &taken).await.code(), "name_taken");
    let view = judge.ask("get_connection", "GET", one, &Json::Null).await.json;
    assert_eq!((&view["data"]["name"], &view["data"]["state"]), (&json!("Shop"), &json!("paused")), "nothing by half");
    let credentials = json!({"credentials": {"api_key": "canary-4712"}, "paused": false});
    assert_eq!(judge.ask("update_connection", "PATCH", one, &credentials).await.json["data"]["state"], "ok");
    script.behave(Behaviour::Fail(Error::new(dashtray::metric::FailureKind::Unavailable, "away")));
    let away = judge.ask("update_connection", "PATCH", one, &credentials).await;
    assert_eq!((away.status, away.code()), (502, "unavailable"));
    script.behave(Behaviour::Answer);
}

/// Gives the level a receipt, as a run of an integration that computes does.
async fn explained(site: &Site) {
    let store = &site.app.store;
    let project = store.project("default").await.unwrap().unwrap();
    let connection = store.connections(project.id).await.unwrap().remove(0);
    let (now, lease) = (site.app.users.now(), std::time::Duration::from_secs(60));
    let ClaimOutcome::Claimed(claim) = store.claim(connection.key, "test", now, lease).await.unwrap() else { panic!() };
    let receipt = json!({
        "metric_id": "fake_total", "currency": null, "date": "2026-03-31", "value": "3", "formula": "all of them",
        "definition": 1, "settings": {}, "terms": [{"label": "Acme", "entity_id": "a", "amount": "3"}],
        "other": {"count": 0, "amount": "0"}, "rounding": "none",
        "excluded": [{"reason": "gone", "count": 1, "amount": "1"}], "alternatives": [],
    });
    let mut write = store.write(&claim).await.unwrap();
    write.put_receipt("fake_total", None, "2026-03-31".parse().unwrap(), &receipt).await.unwrap();
    write.commit().await.unwrap();
    store.revoke(connection.key, now).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_is_of_the_form_that_is_described() {
    let site = Site::start().await;
    let judge = Judge::of(&site).await;
    let mut examples = 0;
    for path in judge.document["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            let responses = operation["responses"].as_object().unwrap().values();
            for content in responses.chain([&operation["requestBody"]]) {
                let content = &content["content"]["application/json"];
                if !content["example"].is_null() {
                    examples += 1;
                    let faults = faults(&content["example"], &content["schema"], &judge.document, name);
                    assert_eq!(faults, [""; 0]);
                }
            }
        }
    }
    assert!(examples > 20, "{examples}");
    assert_eq!(judge.document["openapi"], "3.1.0");
}
