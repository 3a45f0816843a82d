//! Claims, leases, fences and runs.

use std::{collections::BTreeSet, time::Duration};

use dashtray::{
    metric::Interval,
    store::{ClaimOutcome, Error, RunCounts, new_id},
};
use serde_json::json;
use tokio::time::timeout;

use super::{KEY, LEASE, at, claim, claimed, new_connection, point, project, run_end};
use crate::support::database::{Database, on_both};

on_both! {
    two_claims_never_hold_at_once,
    many_workers_share_what_is_due_without_overlap,
    the_oldest_due_is_claimed_first_and_paused_ones_not_at_all,
    a_lease_that_ran_out_is_taken_over_and_the_old_owner_is_fenced_off,
    a_claim_taken_over_in_the_middle_of_a_write_cannot_commit_before_or_after,
    a_run_goes_from_start_over_progress_to_its_end,
    a_run_that_never_ended_is_closed_as_interrupted,
    runs_are_paged_newest_first,
    the_next_due_time_counts_leases_and_skips_paused_connections,
    what_changes_is_told_to_every_process_and_nothing_else_is,
}

async fn two_claims_never_hold_at_once(db: Database) {
    // Two processes.
    let (one, two) = (db.open().await, db.open().await);
    let project = project(&one, "default").await;
    let connection = one.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap();
    for round in 0..20 {
        let now = at(round * 1000);
        let mut tasks = Vec::new();
        for worker in 0..8 {
            let store = if worker % 2 == 0 { one.clone() } else { two.clone() };
            let key = connection.key;
            tasks.push(tokio::spawn(async move {
                store.claim(key, &format!("worker {worker}"), now, LEASE).await.unwrap()
            }));
        }
        let mut holders = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                ClaimOutcome::Claimed(claim) => holders.push(claim),
                ClaimOutcome::Busy { until, run_id } => assert_eq!((until, run_id), (now + LEASE, None)),
            }
        }
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].fence, round + 1);
    }
}

async fn many_workers_share_what_is_due_without_overlap(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let project = project(&one, "default").await;
    for n in 0..30 {
        one.insert_connection(&new_connection(&project, &format!("c{n}")), at(0)).await.unwrap();
    }
    let mut tasks = Vec::new();
    for worker in 0..10 {
        let store = if worker % 2 == 0 { one.clone() } else { two.clone() };
        tasks.push(tokio::spawn(async move {
            let mut claims = Vec::new();
            loop {
                let more = store.claim_due(&format!("worker {worker}"), at(1), LEASE, 2, &[KEY]).await.unwrap();
                if more.is_empty() {
                    return claims;
                }
                claims.extend(more);
            }
        }));
    }
    let mut claims = Vec::new();
    for task in tasks {
        claims.extend(task.await.unwrap());
    }
    // Rows that another worker was just looking at were passed over; nobody claims them twice.
    claims.extend(one.claim_due("late", at(1), LEASE, 100, &[KEY]).await.unwrap());
    let keys: BTreeSet<_> = claims.iter().map(|claim| claim.key).collect();
    assert_eq!((claims.len(), keys.len()), (30, 30));
}

async fn the_oldest_due_is_claimed_first_and_paused_ones_not_at_all(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let mut keys = Vec::new();
    for (name, due) in [("late", 30), ("early", 10), ("paused", 5), ("future", 500)] {
        let mut new = new_connection(&project, name);
        new.due_at = at(due);
        keys.push(store.insert_connection(&new, at(0)).await.unwrap().key);
    }
    store.set_paused(keys[2], true, at(1)).await.unwrap();
    let claims = store.claim_due("one", at(100), LEASE, 10, &[KEY]).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.key).collect::<Vec<_>>(), [keys[1], keys[0]]);
    // By hand it may run all the same.
    assert!(matches!(store.claim(keys[2], "one", at(100), LEASE).await.unwrap(), ClaimOutcome::Claimed(_)));
    // Resumed, it is due at once.
    store.set_paused(keys[2], false, at(400)).await.unwrap();
    let claims = store.claim_due("two", at(400), LEASE, 1, &[KEY]).await.unwrap();
    assert_eq!(store.connection(keys[2]).await.unwrap().state.due_at, at(400));
    assert_eq!(claims[0].key, keys[1], "still the longest overdue: its lease ran out");
}

async fn a_lease_that_ran_out_is_taken_over_and_the_old_owner_is_fenced_off(db: Database) {
    let store = db.open().await;
    let (connection, slow) = claimed(&store).await;
    let run = new_id(at(0));
    store.start_run(&slow, run, at(0)).await.unwrap();
    store.renew(&slow, at(90)).await.unwrap();
    let busy = store.claim(connection.key, "two", at(89), LEASE).await.unwrap();
    assert_eq!(busy, ClaimOutcome::Busy { until: at(90), run_id: Some(run) });

    let quick = claim(&store, &connection, "two", at(90)).await;
    assert_eq!(quick.fence, slow.fence + 1);
    assert_eq!(store.renew(&slow, at(500)).await, Err(Error::FenceLost));
    assert_eq!(store.write(&slow).await.err(), Some(Error::FenceLost));
    assert_eq!(store.start_run(&slow, new_id(at(0)), at(91)).await, Err(Error::FenceLost));
    assert_eq!(store.set_progress(&slow, &json!({}), RunCounts::default()).await, Err(Error::FenceLost));
    assert_eq!(store.release(&slow, &run_end(run, "ok", at(500)), at(91)).await, Err(Error::FenceLost));
    assert_eq!(store.run(connection.key, run).await.unwrap().unwrap().status, None);
    assert_eq!(store.connection(connection.key).await.unwrap().lease_until, Some(at(150)));

    store.write(&quick).await.unwrap().commit().await.unwrap();
    store.renew(&quick, at(200)).await.unwrap();
}

async fn a_claim_taken_over_in_the_middle_of_a_write_cannot_commit_before_or_after(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let (connection, slow) = claimed(&one).await;
    let mut write = one.write(&slow).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    write.upsert_points(&[point(series, "2026-03-01", 1)]).await.unwrap();
    // The lease is over by the clock, but whoever wants it has to wait until the write is over.
    let key = connection.key;
    let mut taking = tokio::spawn(async move { two.claim(key, "two", at(1000), LEASE).await.unwrap() });
    assert!(timeout(Duration::from_millis(300), &mut taking).await.is_err());
    write.commit().await.unwrap();
    assert!(matches!(taking.await.unwrap(), ClaimOutcome::Claimed(_)));
    assert_eq!(one.write(&slow).await.err(), Some(Error::FenceLost));
}

async fn a_run_goes_from_start_over_progress_to_its_end(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let id = new_id(at(1));
    store.start_run(&claim, id, at(1)).await.unwrap();
    let counts = RunCounts { requests: 4, bytes: 5, waited_ms: 6, samples_written: 7 };
    store.set_progress(&claim, &json!({"done": 1, "total": 3}), counts).await.unwrap();
    let run = store.run(connection.key, id).await.unwrap().unwrap();
    assert_eq!((run.requests, run.bytes, run.waited_ms, run.samples_written), (4, 5, 6, 7));
    assert_eq!((run.status, run.ended_at, run.progress), (None, None, Some(json!({"done": 1, "total": 3}))));

    let mut end = run_end(id, "rate_limited", at(600));
    end.retry_at = Some(at(600));
    end.error = Some(json!({"kind": "rate_limited", "message": "waiting"}));
    end.connection.state = "rate_limited".into();
    end.connection.reason = Some("waiting".into());
    end.connection.until = Some(at(600));
    end.connection.last_synced_at = None;
    store.release(&claim, &end, at(2)).await.unwrap();
    let run = store.run(connection.key, id).await.unwrap().unwrap();
    assert_eq!((run.requests, run.bytes, run.waited_ms, run.samples_written), (7, 8, 9, 10));
    assert_eq!((run.started_at, run.ended_at, run.retry_at), (at(1), Some(at(2)), Some(at(600))));
    assert_eq!((run.status.as_deref(), run.error, run.metrics), (Some("rate_limited"), end.error, Some(end.metrics)));
    assert_eq!(run.corrections, end.corrections);
    let corrected = store.corrected(connection.key.project_id, at(2)).await.unwrap();
    let newest = corrected.get(&connection.key.connection_id).map(|row| (row.ended_at, Some(row.corrections.clone())));
    assert_eq!(newest, Some((at(2), end.corrections)));
    assert!(store.corrected(connection.key.project_id, at(3)).await.unwrap().is_empty());
    let after = store.connection(connection.key).await.unwrap();
    assert_eq!((after.state, after.lease_until), (end.connection, None));
    assert_eq!(store.renew(&claim, at(900)).await, Err(Error::FenceLost), "given back is given back");
}

async fn a_run_that_never_ended_is_closed_as_interrupted(db: Database) {
    let store = db.open().await;
    let (connection, first) = claimed(&store).await;
    let (dead, next) = (new_id(at(1)), new_id(at(100)));
    store.start_run(&first, dead, at(1)).await.unwrap();
    drop(store);
    // The process was killed; another one opens the database.
    let store = db.open().await;
    assert_eq!(store.run(connection.key, dead).await.unwrap().unwrap().status, None);
    let second = claim(&store, &connection, "two", at(100)).await;
    store.start_run(&second, next, at(100)).await.unwrap();
    let run = store.run(connection.key, dead).await.unwrap().unwrap();
    assert_eq!((run.status.as_deref(), run.ended_at), (Some("failed"), Some(at(100))));
    assert_eq!(run.error.unwrap()["kind"], "internal");
    assert_eq!(store.run(connection.key, next).await.unwrap().unwrap().status, None);
}

async fn runs_are_paged_newest_first(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let ids: Vec<_> = (0..5).map(|n| new_id(at(n / 2))).collect();
    for (n, id) in ids.iter().enumerate() {
        store.start_run(&claim, *id, at(n as i64 / 2)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.runs(connection.key, 2, before).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.started_at, last.run_id));
        seen.extend(page.iter().map(|run| (run.started_at, run.run_id)));
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    assert_eq!(store.run(connection.key, new_id(at(9))).await.unwrap(), None);
    assert_eq!(store.prune_runs(at(2)).await.unwrap(), 3, "those that ended before");
    let left: Vec<_> = store.runs(connection.key, 9, None).await.unwrap().iter().map(|run| run.run_id).collect();
    assert_eq!(left, [ids[4], ids[3]], "what runs, and what ended since, stays");
}

async fn the_next_due_time_counts_leases_and_skips_paused_connections(db: Database) {
    let store = db.open().await;
    assert_eq!(store.next_due(&[KEY]).await.unwrap(), None);
    let (connection, claim) = claimed(&store).await;
    assert_eq!(store.next_due(&[KEY]).await.unwrap(), Some(at(60)), "when the lease runs out");
    store.start_run(&claim, new_id(at(0)), at(0)).await.unwrap();
    store.release(&claim, &run_end(new_id(at(0)), "ok", at(1800)), at(10)).await.unwrap();
    assert_eq!(store.next_due(&[KEY]).await.unwrap(), Some(at(1800)));
    store.set_due(connection.key, at(20)).await.unwrap();
    assert_eq!(store.next_due(&[KEY]).await.unwrap(), Some(at(20)));
    store.set_paused(connection.key, true, at(20)).await.unwrap();
    assert_eq!(store.next_due(&[KEY]).await.unwrap(), None);
}

async fn what_changes_is_told_to_every_process_and_nothing_else_is(db: Database) {
    let (store, other) = (db.open().await, db.open().await);
    let (connection, claim) = claimed(&store).await;
    let key = connection.key;
    let told = async || {
        let rows = other.changes(&[key.project_id]).await.unwrap();
        rows.iter().map(|row| (row.numbers, row.steps)).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [(0, 0)]);
    assert!(
        other.changes(&[]).await.unwrap().is_empty() && other.changes(&[key.project_id + 1]).await.unwrap().is_empty()
    );
    let run = new_id(at(1));
    store.start_run(&claim, run, at(1)).await.unwrap();
    store.set_progress(&claim, &json!({}), RunCounts::default()).await.unwrap();
    assert_eq!(told().await, [(0, 2)]);

    let write = async |value: i64| {
        let mut write = store.write(&claim).await.unwrap();
        let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
        write.upsert_points(&[point(series, "2026-03-01", value)]).await.unwrap();
        write
    };
    drop(write(1).await);
    assert_eq!(told().await, [(0, 2)], "it was not kept");
    write(1).await.commit().await.unwrap();
    write(1).await.commit().await.unwrap();
    assert_eq!(told().await, [(1, 2)], "what is the same is no news");
    write(2).await.commit().await.unwrap();
    store.release(&claim, &run_end(run, "ok", at(500)), at(9)).await.unwrap();
    store.set_paused(key, true, at(10)).await.unwrap();
    assert_eq!(told().await, [(4, 2)]);
    assert_eq!(store.set_progress(&claim, &json!({}), RunCounts::default()).await, Err(Error::FenceLost));
    assert_eq!(told().await, [(4, 2)]);
    store.delete_connection(key).await.unwrap();
    assert_eq!(told().await, []);
}
