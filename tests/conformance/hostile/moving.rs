//! Lists that grow and shrink while they are read.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use dashtray::sync::{Range, RunStatus};
use serde_json::Value as Json;

use super::{MOST_RUNS, PER_PAGE, Undisturbed};
use crate::{
    conformance::{
        checks::{
            kills::same,
            lists::{is_first, repeats, small},
        },
        front::{Act, Front, Reply},
        machine::{Machine, hurried},
        stand::{Account, List, Stand},
    },
    support::{database::Database, summary::tell},
};

pub(crate) async fn lists_move(stand: &Stand) -> Result<(), String> {
    let machine = Machine::new(stand, Account::Busy).await?;
    let undisturbed = Undisturbed::of(&machine).await?;
    let (id, mut unnoticed) = (&stand.integration.descriptor().id, Vec::new());
    for list in &stand.lists {
        let grown = repeats(&machine.front, list, 1, PER_PAGE);
        let database = undisturbed.base.as_it_lies();
        let runs = machine.read_within(&database, 1).await.map_err(|why| format!("{} grow: {why}", list.name))?;
        ensure!(runs == 1 && grown.load(Ordering::Relaxed) > 0, "{} never grew", list.name);
        same(&undisturbed.figures, &database.figures().await).map_err(|why| format!("{} grow: {why}", list.name))?;

        let shrunk = shrinks(&machine.front, list);
        let database = undisturbed.base.as_it_lies();
        let is_noticed = is_read_again(&machine, &database, &undisturbed.figures).await;
        ensure!(shrunk.load(Ordering::Relaxed) > 0, "{} never shrank", list.name);
        if !is_noticed.map_err(|why| format!("{} shrink: {why}", list.name))? {
            ensure!(list.gone.is_none() && list.total.is_none(), "{} shrink, which is not noticed", list.name);
            unnoticed.push(list.name);
        }
    }
    let count = stand.lists.len();
    tell(format_args!(
        "{id}: {count} lists grew and shrank while they were read; same figures. Only reading the days again puts right: \
         {unnoticed:?}"
    ));
    Ok(())
}

/// Lets a list lose an entry between its first page and its second, once for each: the entry that the second would go on
/// after is gone, or, of a list with numbered pages, its first entry has moved to the page that was read before. Gives how
/// often it did.
fn shrinks(front: &Front, list: &List) -> Arc<AtomicUsize> {
    let done = Arc::new(AtomicUsize::new(0));
    let (counted, shrunk) = (done.clone(), Mutex::new(Vec::<String>::new()));
    let List { is, size, cursor, entries, total, ref gone, .. } = *list;
    let gone = gone.clone();
    front.rule(move |asked| {
        if !is(&asked.path) || !asked.has(size) {
            return Act::Forward;
        }
        let target = small(&asked.target(), size, PER_PAGE);
        if !asked.has(cursor) || is_first(asked, cursor) {
            return Act::Ask(target);
        }
        {
            let mut shrunk = shrunk.lock().unwrap_or_else(PoisonError::into_inner);
            if shrunk.contains(&asked.path) {
                return Act::Ask(target);
            }
            shrunk.push(asked.path.clone());
        }
        counted.fetch_add(1, Ordering::Relaxed);
        if let Some(gone) = &gone {
            return Act::Reply(gone.clone());
        }
        let lose = move |reply: &mut Reply| {
            let mut body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
            if let Some(Json::Array(shown)) = body.pointer_mut(entries)
                && !shown.is_empty()
            {
                shown.remove(0);
            }
            if let Some(total) = total.and_then(|total| body.pointer_mut(total)) {
                *total = Json::from(total.as_i64().unwrap_or_default() - 1);
            }
            reply.body = body.to_string().into_bytes();
        };
        Act::Edit(target, Box::new(lose))
    });
    done
}

/// Runs until all is read. Where the first run takes what it got for the whole, the days are read again by hand, as after
/// any change of the past. Gives whether that was not needed.
async fn is_read_again(machine: &Machine, database: &Database, figures: &[String]) -> Result<bool, String> {
    let runs = machine.read_within(database, MOST_RUNS).await?;
    let found = database.figures().await;
    if runs > 1 || same(figures, &found).is_ok() {
        return same(figures, &found).map(|()| true);
    }
    machine.front.behave();
    let process = machine.process(database).await;
    let connection = process.store.connections(1).await.map_err(|error| error.to_string())?.remove(0);
    let range = Range { from: Some(connection.settings.history_start), to: None };
    let run = hurried(machine.sync_range(&process, range)).await?;
    process.store.close().await;
    ensure!(run.status == RunStatus::Ok, "read again it ends {}: {:?}", run.status.name(), run.error);
    // That a day was put right is noted, and rightly so.
    let found: Vec<String> =
        database.figures().await.into_iter().filter(|line| !line.starts_with("restated")).collect();
    same(figures, &found).map(|()| false)
}
