//! Pages, sources and countries: one call for all, and further pages of those that are long.

use super::{
    super::metrics::{COUNTRIES, PAGES, SOURCES},
    *,
};

/// Answers each request of a batch by the name of its second dimension, its offset and its limit.
async fn tables(script: impl Fn(&str, usize) -> Json + Send + Sync + 'static) -> (SocketAddr, Arc<Mutex<Vec<Call>>>) {
    provider(move |call| {
        assert_eq!(call.path, "/v1beta/properties/7:batchRunReports");
        let requests = call.body["requests"].as_array().unwrap().clone();
        let reports = requests.iter().map(|request| {
            assert_eq!(request["orderBys"][0]["dimension"]["dimensionName"], json!("date"));
            let by = names(request, "dimensions").remove(1);
            let offset = request["offset"].as_str().map_or(0, |offset| offset.parse().unwrap());
            script(&by, offset)
        });
        json!({ "reports": reports.collect::<Vec<_>>(), "kind": "analyticsData#batchRunReports" }).into()
    })
    .await
}

/// Rows of a table from an offset on, at most three.
fn page(by: &str, metric: &str, offset: usize, all: &[(&str, &str, &str)]) -> Json {
    let rows: Vec<([&str; 2], [&str; 1])> =
        all.iter().skip(offset).take(3).map(|(day, name, figure)| ([*day, *name], [*figure])).collect();
    let rows: Vec<(&[&str], &[&str])> = rows.iter().map(|(of, figures)| (&of[..], &figures[..])).collect();
    let mut page = report(&["date".to_owned(), by.to_owned()], &[metric.to_owned()], &rows);
    page["rowCount"] = json!(all.len());
    page
}

const ROWS: [(&str, &str, &str); 5] = [
    ("20260308", "/", "7"),
    ("20260308", "/pricing", "2"),
    ("20260309", "/", "1"),
    ("20260309", "", "4"),
    ("20260310", "/", "3"),
];

fn usual(by: &str, offset: usize) -> Json {
    match by {
        "pagePath" => page(by, "screenPageViews", offset, &ROWS),
        "sessionSource" => page(by, "sessions", offset, &[("20260310", "(direct)", "3")]),
        _ => page(by, "sessions", offset, &[]),
    }
}

/// By day and name, of all answers of a metric; and the days that they cover, which join without a seam.
fn table(recorded: &Recorded, metric: &str) -> (Vec<Day>, Vec<(String, String, i64)>) {
    let of_metric: Vec<_> = recorded.answers.iter().filter(|answer| answer.metric_id == metric).collect();
    let days = of_metric.iter().flat_map(|answer| answer.period.days()).collect();
    let shown = |sample: &Sample| {
        let Some(Value::Count(count)) = sample.value else { panic!("{sample:?}") };
        (sample.day.to_string(), sample.dimension.clone().unwrap(), count)
    };
    (days, of_metric.iter().flat_map(|answer| &answer.samples).map(shown).collect())
}

fn lost(report: &FetchReport) -> Vec<&str> {
    report.outcomes.iter().filter(|(_, outcome)| **outcome != Outcome::Ok).map(|(id, _)| id.as_str()).collect()
}

#[tokio::test]
async fn all_tables_take_one_call_and_a_long_one_its_further_pages() {
    let (address, calls) = tables(usual).await;
    let (report, recorded) = fetch(address, &[PAGES, SOURCES, COUNTRIES]).await;
    assert_eq!(lost(&report), Vec::<&str>::new());
    let all_days: Vec<Day> = period("2026-03-08", "2026-03-10").days().collect();
    let (days, rows) = table(&recorded, PAGES);
    assert_eq!(days, all_days);
    let row = |day: &str, name: &str, count| (format!("2026-03-{day}"), name.to_owned(), count);
    let expected =
        [row("08", "/", 7), row("08", "/pricing", 2), row("09", "(not set)", 4), row("09", "/", 1), row("10", "/", 3)];
    assert_eq!(rows, expected);
    assert_eq!(table(&recorded, SOURCES), (all_days.clone(), vec![row("10", "(direct)", 3)]));
    assert_eq!(table(&recorded, COUNTRIES), (all_days, Vec::new()));
    let asked: Vec<usize> =
        calls.lock().unwrap().iter().map(|call| call.body["requests"].as_array().unwrap().len()).collect();
    assert_eq!(asked, [3, 1], "what is complete is not asked for again");
}

#[tokio::test]
async fn rows_that_come_once_more_count_once() {
    // Each page after the first begins with the last row of the page before.
    let (address, _) = tables(|by, offset| match by {
        "pagePath" => page(by, "screenPageViews", offset.saturating_sub(1), &ROWS),
        _ => usual(by, offset),
    })
    .await;
    let (report, recorded) = fetch(address, &[PAGES]).await;
    assert_eq!(lost(&report), Vec::<&str>::new());
    assert_eq!(table(&recorded, PAGES).1.iter().map(|(_, _, count)| count).sum::<i64>(), 17);
}

#[tokio::test]
async fn a_table_that_changes_or_stands_still_while_it_is_read_is_not_called_read() {
    let scripts: [fn(&str, usize) -> Json; 4] = [
        // One row fewer from the second page on.
        |by, offset| page(by, "screenPageViews", offset, if offset > 0 { &ROWS[..4] } else { &ROWS }),
        // The first page again and again.
        |by, _| page(by, "screenPageViews", 0, &ROWS),
        // A page without rows that says that there are more.
        |by, offset| {
            let mut page = page(by, "screenPageViews", offset, &ROWS);
            page["rows"] = json!([]);
            page
        },
        // Another figure for a row that came already.
        |by, offset| match offset {
            0 => page(by, "screenPageViews", 0, &ROWS),
            _ => {
                let again = [ROWS[0], ROWS[1], ("20260309", "/", "8"), ROWS[3], ROWS[4]];
                page(by, "screenPageViews", 2, &again)
            }
        },
    ];
    for (which, script) in scripts.into_iter().enumerate() {
        let (address, calls) = tables(script).await;
        let (report, recorded) = fetch(address, &[PAGES]).await;
        assert_eq!(lost(&report), [PAGES], "script {which}");
        // Days that are handed in are whole, and those alone are.
        let (days, rows) = table(&recorded, PAGES);
        assert!(days.len() <= 1 && rows.len() <= 2, "script {which}: {days:?} {rows:?}");
        assert!(calls.lock().unwrap().len() <= 2, "script {which}");
    }
}

#[tokio::test]
async fn a_table_that_fails_leaves_the_others() {
    let (address, _) = tables(|by, offset| match by {
        "sessionSource" => json!({ "metricHeaders": [{ "name": "users" }] }),
        _ => usual(by, offset),
    })
    .await;
    let (report, recorded) = fetch(address, &[PAGES, SOURCES, COUNTRIES]).await;
    assert_eq!(lost(&report), [SOURCES]);
    assert_eq!(table(&recorded, PAGES).1.len(), 5);
}

#[tokio::test]
async fn a_batch_that_fails_on_its_way_leaves_the_tables_that_are_complete() {
    let (address, _) = provider(|call| {
        let requests = call.body["requests"].as_array().unwrap();
        match requests[0]["offset"] {
            Json::Null => json!({ "reports": requests.iter().map(|one| usual(&names(one, "dimensions")[1], 0)).collect::<Vec<_>>() })
                .into(),
            _ => refuse(400, "INVALID_ARGUMENT", "no"),
        }
    })
    .await;
    let (report, _) = fetch(address, &[PAGES, SOURCES, COUNTRIES]).await;
    assert_eq!(lost(&report), [PAGES]);
    // Fewer reports than questions: nobody knows whose they are.
    let (address, _) = provider(|_| json!({ "reports": [] }).into()).await;
    let (report, _) = fetch(address, &[PAGES, SOURCES]).await;
    assert_eq!(lost(&report).len(), 2);
}
