//! One long walk through every command, and the form of each answer.

use serde_json::{Value as Json, json};

use super::{
    has_keys, list, outcome,
    sandbox::{NEW_KEY, OLD_KEY, Sandbox, github_file, stripe_file},
    text,
};
use dashtray::demo::{GITHUB_TOKEN, STRIPE_KEY};

const POINT: &str = "date value state reason provisional stale quality metadata";
const SERIES: &str = "metric_id name unit currency kind zone connection_id dimension converted points";
const RUN: &str = "run_id connection_id status started_at ended_at requests bytes waited_ms samples_written retry_at error \
                   metrics corrections";
const CONNECTION: &str =
    "connection_id integration_id name state reason until syncing last_synced_at next_sync_at corrected";
const CONNECTED: &str = "connection_id integration_id name account checks choices";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_is_the_specification_in_snake_case() {
    let sandbox = Sandbox::new().await;
    let all = sandbox.json("integrations").await;
    let ids: Vec<&str> = list(&all["integrations"]).iter().map(|entry| text(&entry["id"])).collect();
    assert_eq!(ids, ["github", "google-analytics", "plausible", "stripe", "vercel"]);
    let stripe = sandbox.json("integrations stripe").await;
    assert_eq!(stripe, all["integrations"][3], "one entry is the same alone");
    for key in ["id", "name", "category", "icon", "auth_type", "credentials_schema", "metrics"] {
        assert!(stripe.get(key).is_some(), "{key}");
    }
    assert_eq!((&stripe["category"], &stripe["auth_type"]), (&json!("payment"), &json!("api_key")));
    let field = &stripe["credentials_schema"]["api_key"];
    assert_eq!((&field["type"], &field["required"]), (&json!("password"), &json!(true)));
    for key in ["label", "placeholder", "help_text"] {
        assert!(field[key].is_string(), "{key}");
    }
    for metric in list(&stripe["metrics"]) {
        for key in ["id", "name", "description", "unit", "category", "widget_type", "kind"] {
            assert!(metric[key].is_string(), "{key} of {metric}");
        }
    }
    let shown = sandbox.run("integrations stripe").await;
    assert!(shown.stdout.contains("stripe_mrr") && shown.stdout.contains("api_key"), "{shown:?}");
    assert!(!sandbox.data().exists(), "the catalogue needs no data directory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through_every_command() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    projects(&sandbox).await;

    let stripe = sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    has_keys(&stripe, CONNECTED);
    has_keys(&stripe["account"], "id label zone currency info");
    assert_eq!(stripe["integration_id"], "stripe");
    assert_eq!(stripe["account"]["id"], "acct_1FernwerkDemo0001");
    assert_eq!((&stripe["account"]["label"], &stripe["account"]["currency"]), (&json!("Fernwerk"), &json!("USD")));
    assert!(stripe["account"]["info"].is_object() && stripe["choices"].is_object());
    for check in list(&stripe["checks"]) {
        has_keys(check, "id ok message costs");
        assert_eq!(check["ok"], true, "{check}");
    }
    let github = sandbox
        .run_with("connect github --name website --credentials - --json", &github_file(GITHUB_TOKEN).to_string())
        .await
        .json(0);
    assert_eq!((&github["name"], &github["integration_id"]), (&json!("website"), &json!("github")));
    assert_eq!(github["account"]["currency"], Json::Null);
    for check in list(&github["checks"]) {
        assert_eq!((&check["ok"], &check["costs"]), (&json!(true), &json!([])), "{check}");
    }

    connections_before_the_first_sync(&sandbox, &stripe).await;
    syncing(&sandbox, &stripe).await;
    series(&sandbox, &stripe).await;
    receipts(&sandbox).await;
    changing(&sandbox).await;
    converting(&sandbox).await;
    rotating(&mut sandbox).await;

    sandbox.json("disconnect website").await;
    assert_eq!(list(&sandbox.json("connections").await["connections"]).len(), 1);
    assert_eq!(sandbox.json("get github_commits").await, json!({"series": []}), "its numbers are gone with it");
    let again = sandbox.connect("github", &github_file(GITHUB_TOKEN)).await;
    assert_ne!(again["connection_id"], github["connection_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_commands_do_not_use_up_the_limit_of_a_provider() {
    let sandbox = Sandbox::new().await;
    // Without a token GitHub answers 60 requests an hour.
    let one = json!({"credentials": {}, "settings": {"repositories": ["fernwerk/website"]}});
    sandbox.connect("github", &one).await;
    let for_each = sandbox.emulators.count("github");
    for _ in 0..(40 / for_each) {
        assert_eq!(sandbox.json("test github").await["success"], true);
    }
    assert!(sandbox.emulators.count("github") >= 40);
}

async fn projects(sandbox: &Sandbox) {
    let default = json!({"slug": "default", "zone": "UTC", "currency": "USD"});
    assert_eq!(sandbox.json("project default").await, default);
    let shop = sandbox.json("project shop --zone Europe/Berlin --currency JPY").await;
    assert_eq!(shop, json!({"slug": "shop", "zone": "Europe/Berlin", "currency": "JPY"}));
    let changed = sandbox.json("project shop --currency EUR").await;
    assert_eq!(changed, json!({"slug": "shop", "zone": "Europe/Berlin", "currency": "EUR"}), "the zone stays");
    assert_eq!(sandbox.json("project").await, json!({"projects": [default, changed]}));
    assert_eq!(sandbox.json("connections --project shop").await, json!({"connections": []}));
    assert_eq!(sandbox.json("sync").await, json!({"runs": []}), "nothing to do is no failure");
}

async fn connections_before_the_first_sync(sandbox: &Sandbox, stripe: &Json) {
    let all = sandbox.json("connections").await;
    let all = list(&all["connections"]);
    assert_eq!(all.len(), 2);
    let view = all.iter().find(|view| view["connection_id"] == stripe["connection_id"]).unwrap();
    has_keys(view, CONNECTION);
    assert_eq!((&view["state"], &view["syncing"]), (&json!("ok"), &json!(false)));
    assert_eq!((&view["reason"], &view["until"], &view["last_synced_at"]), (&Json::Null, &Json::Null, &Json::Null));
    assert!(is_instant(&view["next_sync_at"]), "{view}");
    let pending = sandbox.points("stripe_customers --from 2026-03-30").await;
    for point in pending {
        assert_eq!((&point["value"], &point["state"]), (&Json::Null, &json!("pending")), "unknown is never zero");
    }

    let tested = sandbox.json("test stripe").await;
    has_keys(&tested, "connection_id success refreshed error account checks");
    assert_eq!(
        (&tested["success"], &tested["refreshed"], &tested["error"]),
        (&json!(true), &json!(false), &Json::Null)
    );
    assert_eq!((&tested["account"], &tested["checks"]), (&stripe["account"], &stripe["checks"]));
    let by_id = sandbox.json(&format!("test {}", text(&stripe["connection_id"]))).await;
    assert_eq!(by_id, tested, "an id does as well as a name");
}

async fn syncing(sandbox: &Sandbox, stripe: &Json) {
    let all = sandbox.json("sync").await;
    let runs = list(&all["runs"]);
    assert_eq!(runs.len(), 2, "all connections where none is named");
    for run in runs {
        has_keys(run, RUN);
        assert_eq!((&run["status"], &run["error"], &run["retry_at"]), (&json!("ok"), &Json::Null, &Json::Null));
        assert!(is_instant(&run["started_at"]) && is_instant(&run["ended_at"]), "{run}");
        for count in ["requests", "bytes", "samples_written"] {
            assert!(run[count].as_u64().unwrap() > 0, "{count}");
        }
        assert!(run["waited_ms"].is_u64());
        for metric in list(&run["metrics"]) {
            has_keys(metric, "metric_id outcome error");
            assert_eq!((&metric["outcome"], &metric["error"]), (&json!("ok"), &Json::Null), "{metric}");
        }
    }
    let receipt = sandbox.json("explain stripe_mrr").await;
    let again = sandbox.sync("stripe", 0).await;
    assert_eq!(sandbox.json("explain stripe_mrr").await, receipt, "nothing changed, so nothing reads otherwise");
    assert_eq!(outcome(&again, "stripe_mrr").0, "unchanged");
    assert_eq!(again["samples_written"], 0, "what stands is not written again");
    let told = sandbox.json("runs stripe").await;
    let told = list(&told["runs"]);
    assert_eq!(told[0], again, "the newest first, as the sync told it");
    assert_eq!(told[1], *runs.iter().find(|run| run["connection_id"] == stripe["connection_id"]).unwrap());
    let view = sandbox.json("connections").await;
    for view in list(&view["connections"]) {
        assert!(is_instant(&view["last_synced_at"]) && view["state"] == "ok", "{view}");
    }
}

async fn series(sandbox: &Sandbox, stripe: &Json) {
    let mrr = sandbox.json("get stripe_mrr --from 2026-03-30 --to 2026-03-31").await;
    has_keys(&mrr, "series");
    for series in list(&mrr["series"]) {
        has_keys(series, SERIES);
        assert_eq!((&series["unit"], &series["kind"]), (&json!("currency"), &json!("level")));
        assert_eq!((&series["dimension"], &series["converted"]), (&Json::Null, &json!(false)));
        assert_eq!(series["connection_id"], stripe["connection_id"]);
        let [yesterday, today] = list(&series["points"]) else { panic!("both dates are inclusive: {series}") };
        has_keys(today, POINT);
        assert_eq!((&today["date"], &today["state"]), (&json!("2026-03-31"), &json!("value")));
        assert_eq!((&today["stale"], &today["quality"]), (&json!(false), &json!("exact")));
        let digits = text(&today["value"]).split_once('.').map_or(0, |(_, digits)| digits.len());
        assert_eq!(digits, if series["currency"] == "JPY" { 0 } else { 2 }, "{today}");
        assert_eq!((&yesterday["state"], &yesterday["quality"]), (&json!("value"), &json!("reconstructed")));
    }
    let currencies: Vec<&str> = list(&mrr["series"]).iter().map(|series| text(&series["currency"])).collect();
    assert_eq!(currencies, ["USD", "EUR", "JPY"]);

    let days = sandbox.points("github_commits").await;
    assert_eq!(days.len(), 30, "the last 30 days where no date is given");
    assert_eq!((&days[0]["date"], &days[29]["date"]), (&json!("2026-03-02"), &json!("2026-03-31")));
    let sum = |points: &[Json]| points.iter().map(|point| point["value"].as_i64().expect("an integer")).sum::<i64>();
    let weeks = sandbox.points("github_commits --interval week --from 2026-03-02 --to 2026-03-29").await;
    let mondays: Vec<&str> = weeks.iter().map(|point| text(&point["date"])).collect();
    assert_eq!(mondays, ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"], "ISO weeks");
    assert_eq!(sum(&weeks), sum(&days[..28]));
    let months = sandbox.points("github_commits --interval month --from 2026-02-01 --to 2026-03-31").await;
    assert_eq!((months.len(), &months[1]["date"]), (2, &json!("2026-03-01")));

    let each = sandbox.json("get github_commits --by-dimension --connection website").await;
    let names: Vec<&str> = list(&each["series"]).iter().map(|series| text(&series["dimension"])).collect();
    assert_eq!(names, ["fernwerk/fern", "fernwerk/fern-cli"]);
    let parts: i64 = list(&each["series"]).iter().map(|series| sum(list(&series["points"]))).sum();
    assert_eq!(parts, sum(&days));

    let csv = sandbox.run("get stripe_mrr --from 2026-03-31 --csv").await;
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{csv:?}");
    assert!(lines[0].starts_with("date,metric_id,") && lines[1].starts_with("2026-03-31,stripe_mrr,"), "{csv:?}");
    let shown = sandbox.run("get stripe_mrr").await;
    assert!(shown.status == 0 && shown.stdout.contains("reconstructed"), "{shown:?}");
}

async fn receipts(sandbox: &Sandbox) {
    for metric in ["stripe_mrr", "stripe_mrr_by_plan"] {
        let receipt = sandbox.json(&format!("explain {metric}")).await;
        has_keys(
            &receipt,
            "metric_id connection_id currency date value formula definition settings terms other rounding excluded \
             alternatives",
        );
        assert_eq!((&receipt["currency"], &receipt["date"]), (&json!("USD"), &json!("2026-03-31")));
        assert!(receipt["definition"].is_u64() && receipt["settings"]["discounts"] == "recurring", "{receipt}");
        for term in list(&receipt["terms"]) {
            has_keys(term, "label entity_id amount");
        }
        has_keys(&receipt["other"], "count amount");
        for excluded in list(&receipt["excluded"]) {
            has_keys(excluded, "reason count amount");
        }
        let amounts = list(&receipt["terms"]).iter().map(|term| &term["amount"]).chain([&receipt["other"]["amount"]]);
        assert_eq!(amounts.map(cents).sum::<i64>(), cents(&receipt["value"]), "the terms add up to the value");
    }
    let usd = sandbox.json("get stripe_mrr --from 2026-03-31 --connection stripe").await["series"][0].clone();
    assert_eq!(usd["points"][0]["value"], sandbox.json("explain stripe_mrr").await["value"]);
    let shown = sandbox.run("explain stripe_mrr").await;
    assert!(
        shown.status == 0 && shown.stdout.contains("total") && !shown.stdout.contains("do not add up"),
        "{shown:?}"
    );
}

async fn changing(sandbox: &Sandbox) {
    let paused = sandbox.json("pause stripe").await;
    has_keys(&paused, CONNECTION);
    assert_eq!((&paused["state"], &paused["next_sync_at"]), (&json!("paused"), &Json::Null));
    assert_eq!(sandbox.json("resume stripe").await["state"], "ok");
    let set = sandbox.json("set stripe sync_interval=90 past_due=exclude").await;
    has_keys(&set, CONNECTION);
    sandbox.sync("stripe", 0).await;
    let stricter = sandbox.json("explain stripe_mrr").await;
    assert_eq!(stricter["settings"]["past_due"], "exclude");
    sandbox.json("set stripe past_due=").await;
    sandbox.sync("stripe", 0).await;
    let default = sandbox.json("explain stripe_mrr").await;
    assert_eq!(default["settings"]["past_due"], "include", "an empty value goes back to the default");
    assert!(cents(&stricter["value"]) < cents(&default["value"]));

    let file = sandbox.file("again.json", json!({"credentials": {"api_key": STRIPE_KEY}}).to_string());
    has_keys(&sandbox.json(&format!("reconnect stripe --credentials {file}")).await, CONNECTED);
    assert_eq!(sandbox.json("explain stripe_mrr").await, default, "what was read stays");
}

async fn converting(sandbox: &Sandbox) {
    sandbox.json("set stripe reporting_currency=EUR").await;
    let unknown = sandbox.json("get stripe_mrr --from 2026-03-31").await;
    let unknown = list(&unknown["series"]).last().unwrap();
    assert_eq!((&unknown["converted"], &unknown["points"][0]["value"]), (&json!(true), &Json::Null));
    assert!(text(&unknown["points"][0]["reason"]).contains("no exchange rate"), "{unknown}");

    let file = sandbox.file("rates.csv", "date,base,quote,rate\n2026-03-30,EUR,USD,1.25\n2026-03-30,EUR,JPY,160\n");
    assert_eq!(sandbox.json(&format!("rates load {file}")).await, json!({"read": 2, "changed": 2}));
    assert_eq!(sandbox.json(&format!("rates load {file}")).await["changed"], 0);
    let all = sandbox.json("get stripe_mrr --from 2026-03-31").await;
    let [usd, eur, jpy, converted] = list(&all["series"]) else { panic!("three and the converted one: {all}") };
    assert_eq!((&converted["converted"], &converted["currency"]), (&json!(true), &json!("EUR")));
    let point = &converted["points"][0];
    let amount = |series: &Json| cents(&series["points"][0]["value"]);
    // In hundredths of a cent, so that nothing is rounded before the end: 1/1.25 and, of yen, 100/160.
    let exact = amount(eur) * 10_000 + amount(usd) * 8_000 + amount(jpy) * 6_250;
    assert_eq!(cents(&point["value"]), (exact + 5_000) / 10_000, "rounded once");
    let rates = &point["metadata"]["rates"];
    assert_eq!((text(&rates["USD"]["rate"]), text(&rates["USD"]["date"])), ("0.800000", "2026-03-30"));
    let csv = sandbox.run("get stripe_mrr --from 2026-03-31 --csv").await;
    let header: Vec<&str> = csv.stdout.lines().next().unwrap().split(',').collect();
    let column = header.iter().position(|name| *name == "converted").expect("a column that tells the two EUR apart");
    let marks: Vec<&str> = csv.stdout.lines().skip(1).map(|line| line.split(',').nth(column).unwrap()).collect();
    assert_eq!(marks, ["false", "false", "false", "true"]);
}

async fn rotating(sandbox: &mut Sandbox) {
    assert_eq!(sandbox.json("keys rotate").await["rotated"], 0);
    sandbox.set("DASHTRAY_MASTER_KEY", &format!("{NEW_KEY},{OLD_KEY}"));
    assert_eq!(sandbox.json("test stripe").await["success"], true, "the old key still opens");
    assert_eq!(sandbox.json("keys rotate").await["rotated"], 2);
    assert_eq!(sandbox.json("keys rotate").await["rotated"], 0, "run again it has nothing to do");
    sandbox.set("DASHTRAY_MASTER_KEY", NEW_KEY);
    assert_eq!(sandbox.json("test stripe").await["success"], true, "the old key can be thrown away");
}

/// An amount in its smallest unit.
fn cents(amount: &Json) -> i64 {
    text(amount).replace('.', "").parse().unwrap()
}

/// RFC 3339 in UTC.
fn is_instant(json: &Json) -> bool {
    json.as_str().is_some_and(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok())
}
