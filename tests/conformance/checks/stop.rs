//! C27: told to stop, a run hands back at once, whatever it waits for, and nothing of it goes on.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashtray::{
    fail_point::{Watch, watched},
    sync::{Range, RunStatus},
};
use tokio::{
    task::yield_now,
    time::{Instant, advance},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    conformance::{
        checks::kills::same,
        front::{Act, Form, Reply},
        machine::{Machine, NAME, is_wait},
        stand::{Account, Stand},
    },
    support::database::Database,
};

/// From the order to the end of the run, on a clock that a check moves.
const LONGEST: Duration = Duration::from_secs(5);
/// A wait that the provider asks for.
const ASKED_SECS: u64 = 50;
/// Turns of the runtime after which a run that still waits is let go on, so that it fails and does not hang.
const TURNS: usize = 20_000_000;
/// So long the silence after the end is listened to.
const LISTENED: Duration = Duration::from_secs(300);

/// What a run waits for when it is told to stop.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    /// For an answer that never comes.
    Answer,
    /// Because the provider asks to wait.
    Limit,
}

/// C27
pub(crate) async fn hands_back(stand: &Stand) -> Result<(), String> {
    let machine = Machine::new(stand, Account::Busy).await?;
    let base = machine.connected(Database::sqlite().await).await?;
    let undisturbed = base.as_it_lies();
    machine.catches_up(&undisturbed).await?;
    let (requests, figures) = (machine.asked(), undisturbed.figures().await);
    for at in [0, requests / 2, requests - 1] {
        for waiting in [Waiting::Answer, Waiting::Limit] {
            let database = base.as_it_lies();
            let stopped = format!("told to stop at request {at} of {requests}, waiting for an {waiting:?}");
            is_stopped(stand, &machine, &database, at, waiting).await.map_err(|why| format!("{stopped}: {why}"))?;
            machine.front.behave();
            let runs = machine.catches_up(&database).await.map_err(|why| format!("{stopped}, then: {why}"))?;
            ensure!(runs == 1, "{stopped}: it took {runs} runs to go on");
            same(&figures, &database.figures().await).map_err(|why| format!("{stopped}, then: {why}"))?;
        }
    }
    Ok(())
}

async fn is_stopped(
    stand: &Stand,
    machine: &Machine,
    database: &Database,
    at: usize,
    waiting: Waiting,
) -> Result<(), String> {
    machine.front.take();
    let stop = CancellationToken::new();
    let stopped_at: Arc<Mutex<Option<Instant>>> = Arc::default();
    let order = {
        let (stop, stopped_at) = (stop.clone(), stopped_at.clone());
        move || {
            stopped_at.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
            stop.cancel();
        }
    };
    let let_go: Arc<Mutex<Vec<AbortOnDropHandle<()>>>> = Arc::default();
    let later = {
        let let_go = let_go.clone();
        move || {
            let later = async {
                for _ in 0..TURNS {
                    yield_now().await;
                }
                advance(Duration::from_secs(ASKED_SECS + 1)).await;
            };
            let later = AbortOnDropHandle::new(tokio::spawn(later));
            let_go.lock().unwrap_or_else(PoisonError::into_inner).push(later);
        }
    };
    let (count, order_now, in_the_end) = (AtomicUsize::new(0), order.clone(), later.clone());
    machine.front.rule(move |_| match (count.fetch_add(1, Ordering::Relaxed) == at, waiting) {
        (false, _) => Act::Forward,
        (true, Waiting::Answer) => {
            order_now();
            in_the_end();
            Act::Reply(Reply::json(200, "").form(Form::Held))
        }
        (true, Waiting::Limit) => Act::Reply(Reply::json(429, "{}").header("retry-after", ASKED_SECS)),
    });
    let watch: Watch = Arc::new(move |point| {
        if is_wait(point) {
            if matches!(waiting, Waiting::Limit) {
                order();
            }
            later();
        }
        Box::pin(std::future::ready(()))
    });
    let process = machine.process(database).await;
    let names = [NAME.to_owned()];
    let run = process.sync.sync_now("default", &names, Range::default(), &stop, Arc::new(|_| {}));
    let run = watched(watch, run).await.map_err(|error| error.to_string())?.remove(0);
    let ordered = *stopped_at.lock().unwrap_or_else(PoisonError::into_inner);
    let took = ordered.ok_or("it ended before")?.elapsed();
    ensure!(took <= LONGEST, "it took {took:?}");
    ensure!(run.status != RunStatus::Ok, "the run is called ok");
    let message = run.error.map(|error| error.message).unwrap_or_default();
    ensure!(message.contains("stopped"), "it says: {message}");
    let view = process.connections.list("default").await.map_err(|error| error.to_string())?.remove(0);
    ensure!(!view.syncing && view.state == "ok", "the connection is {} (syncing: {})", view.state, view.syncing);
    // What was on its way with the request that was not answered may still have come.
    let beyond = machine.asked().saturating_sub(at + stand.integration.descriptor().limits.concurrent as usize);
    ensure!(beyond == 0, "{beyond} more requests were made");
    machine.front.behave();
    let end = Instant::now() + LISTENED;
    while Instant::now() < end {
        advance(Duration::from_secs(5)).await;
        process.store.ping().await.map_err(|error| error.to_string())?;
    }
    process.store.close().await;
    let late = machine.asked();
    ensure!(late == 0, "{late} requests were made after the end");
    Ok(())
}
