//! C26: killed at any point, or failed at any request, the next run comes to the figures of an undisturbed one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use dashtray::{fail_point::Point, sync::RunStatus};

use crate::{
    conformance::{
        front::{Act, Asked, Front, Reply},
        machine::{Machine, hurried, killed_at, told},
        stand::{Account, Stand},
    },
    support::{database::Database, summary::tell},
};

type Checked = Result<(), String>;

/// What every run makes durable; the rest depends on what a provider says.
const STEPS: [&str; 5] = ["claim", "beginning of a run", "opening of days", "batch", "release"];
/// Of so many points of these kinds one is tried. Before a batch there lies what lay after the one before it, and beside
/// it what is not committed; a reservation changes nothing but how many calls are left.
const SELDOM: [(Point, usize); 2] =
    [(Point { step: "batch", is_done: false }, 8), (Point { step: "reservation", is_done: true }, 5)];
/// Kills of each walk on PostgreSQL, where one is slow.
const ON_POSTGRES: usize = 6;
/// What is wrong with an answer for good: a fault, a sign-in in its place, a limit. 404 may be an answer.
const FAULTS: [u16; 3] = [500, 200, 429];

/// C26
pub(crate) async fn resumes_where_it_stopped(stand: &Stand) -> Checked {
    at_every_point(stand).await?;
    at_requests(stand).await
}

/// A run that went well, and what a process leaves that is killed at one of its points.
struct Walk {
    database: Database,
    left: Vec<(Point, Database)>,
    figures: Vec<String>,
    kept: Vec<String>,
}

/// The first walk and the one of the day after, killed at every point. What the integration keeps for itself may be other
/// bytes than undisturbed, such as the number of a walk; then it must lead to the same figures on the following day.
async fn at_every_point(stand: &Stand) -> Checked {
    let mut machine = Machine::new(stand, Account::Busy).await?;
    let mut database = machine.connected(Database::sqlite().await).await?;
    let mut others: Vec<(String, Database)> = Vec::new();
    for name in ["first walk", "the day after"] {
        let walk = walk(&machine, database).await.map_err(|why| format!("{name}, undisturbed: {why}"))?;
        for (killed, other) in others.drain(..) {
            same_after(&machine, &walk.figures, &other).await.map_err(|why| format!("{killed}, a day later: {why}"))?;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, (point, left)) in walk.left.into_iter().enumerate() {
            let killed = format!("{name}, killed {point} (number {number})");
            same_after(&machine, &walk.figures, &left).await.map_err(|why| format!("{killed}: {why}"))?;
            *counts.entry(point.step).or_default() += 1;
            if left.kept_by_integrations().await != walk.kept {
                others.push((killed, left));
            }
        }
        let sum: usize = counts.values().sum();
        let (id, others) = (&stand.integration.descriptor().id, others.len());
        tell(format_args!(
            "{id}, {name}: killed once at each of {sum} points {counts:?}; same figures, {others} with other records"
        ));
        database = walk.database;
        machine.let_a_day_pass().await;
    }
    let figures = walk(&machine, database).await.map_err(|why| format!("the second day, undisturbed: {why}"))?.figures;
    for (killed, other) in others {
        same_after(&machine, &figures, &other).await.map_err(|why| format!("{killed}, a day later: {why}"))?;
    }
    Ok(())
}

/// The points of a run so far.
#[derive(Default)]
struct Reached {
    counts: BTreeMap<Point, usize>,
    left: Vec<(Point, Database)>,
}

impl Reached {
    /// Whether a process that is killed there leaves something that was not tried before.
    fn is_worth_it(&mut self, point: Point) -> bool {
        let count = self.counts.entry(point).or_default();
        *count += 1;
        match SELDOM.iter().find(|(seldom, _)| *seldom == point) {
            Some((_, of)) => *count % of == 1,
            // Between two commits nothing that is durable changes.
            None => point.is_done,
        }
    }
}

/// Syncs and keeps what lies there at each point.
async fn walk(machine: &Machine, database: Database) -> Result<Walk, String> {
    let database = Arc::new(database);
    let reached: Arc<Mutex<Reached>> = Arc::default();
    let (lying, noted) = (database.clone(), reached.clone());
    let note = move |point: Point| {
        let mut reached = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if reached.is_worth_it(point) {
            reached.left.push((point, lying.as_it_lies()));
        }
    };
    let process = machine.process(&database).await;
    let run = told(note, machine.sync(&process)).await?;
    ensure!(run.status == RunStatus::Ok, "it ends {}: {:?}", run.status.name(), run.error);
    process.store.close().await;
    let Reached { counts, left } = std::mem::take(&mut *reached.lock().unwrap_or_else(PoisonError::into_inner));
    let unseen: Vec<&&str> = STEPS.iter().filter(|step| counts.keys().all(|point| point.step != **step)).collect();
    ensure!(unseen.is_empty(), "it has no fail points at {unseen:?}");
    let (figures, kept) = (database.figures().await, database.kept_by_integrations().await);
    ensure!(figures.len() > 20, "there are {} figures; nothing could be judged by them", figures.len());
    let database = Arc::into_inner(database).ok_or("the database is still in use")?;
    Ok(Walk { database, left, figures, kept })
}

/// Another process goes on over what was left and comes to these figures.
async fn same_after(machine: &Machine, figures: &[String], left: &Database) -> Checked {
    machine.catches_up(left).await?;
    same(figures, &left.figures().await)
}

pub(crate) fn same(expected: &[String], found: &[String]) -> Checked {
    let expected_set: BTreeSet<&String> = expected.iter().collect();
    let found_set: BTreeSet<&String> = found.iter().collect();
    let (missing, extra) = (expected_set.difference(&found_set), found_set.difference(&expected_set));
    let (missing, extra): (Vec<_>, Vec<_>) = (missing.take(3).collect(), extra.take(3).collect());
    ensure!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, too much {extra:?}");
    ensure!(expected.len() == found.len(), "something is there twice");
    Ok(())
}

/// A first run in which one request fails for good leaves nothing behind that the next one would go past.
async fn at_requests(stand: &Stand) -> Checked {
    let machine = Machine::new(stand, Account::Busy).await?;
    let base = machine.connected(Database::sqlite().await).await?;
    let undisturbed = base.as_it_lies();
    machine.catches_up(&undisturbed).await?;
    let figures = undisturbed.figures().await;
    let asked = one_of_each_kind(machine.front.take());
    for (number, line) in asked.iter().enumerate() {
        let status = FAULTS[number % FAULTS.len()];
        fail(&machine.front, line.clone(), status);
        let database = base.as_it_lies();
        let process = machine.process(&database).await;
        let run = hurried(machine.sync(&process)).await?;
        process.store.close().await;
        let failed = format!("{line} answered with {status}");
        ensure!(run.status != RunStatus::Ok, "{failed}, and the run is called ok");
        machine.front.behave();
        same_after(&machine, &figures, &database).await.map_err(|why| format!("{failed}, then the next run: {why}"))?;
    }
    let id = &stand.integration.descriptor().id;
    tell(format_args!("{id}: one of {} requests failed for good, then a run; same figures", asked.len()));
    Ok(())
}

/// Of each path the first and the last request.
fn one_of_each_kind(asked: Vec<Asked>) -> Vec<String> {
    let mut ends: BTreeMap<String, (String, String)> = BTreeMap::new();
    for asked in asked {
        let line = asked.line();
        ends.entry(asked.path).and_modify(|ends| ends.1.clone_from(&line)).or_insert((line.clone(), line));
    }
    let lines: BTreeSet<String> = ends.into_values().flat_map(|(first, last)| [first, last]).collect();
    lines.into_iter().collect()
}

fn fail(front: &Front, line: String, status: u16) {
    front.rule(move |asked| match asked.line() == line {
        true if status == 200 => Act::Reply(Reply::html()),
        true => Act::Reply(Reply::json(status, "{}").header("retry-after", 600)),
        false => Act::Forward,
    });
}

/// The same on PostgreSQL, at some points of each walk.
pub(crate) async fn resumes_on_postgres(stand: &Stand) -> Checked {
    let mut machine = Machine::new(stand, Account::Busy).await?;
    let database = machine.connected(Database::postgres().await).await?;
    for name in ["first walk", "the day after"] {
        let before = database.copy().await;
        let process = machine.process(&database).await;
        let count = Arc::new(Mutex::new(0));
        let counted = count.clone();
        let count_up = move |_| *counted.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let run = told(count_up, machine.sync(&process)).await?;
        ensure!(run.status == RunStatus::Ok, "{name}, undisturbed, ends {}: {:?}", run.status.name(), run.error);
        process.store.close().await;
        let figures = database.figures().await;
        let points: usize = *count.lock().unwrap_or_else(PoisonError::into_inner);
        let mut killed = Vec::new();
        for kill in 0..ON_POSTGRES {
            let number = kill * (points - 1) / (ON_POSTGRES - 1);
            let other = before.copy().await;
            let process = machine.process(&other).await;
            let point = killed_at(number, machine.sync(&process)).await;
            let point = point.ok_or_else(|| format!("{name}: it ended before point {number} of {points}"))?;
            same_after(&machine, &figures, &other).await.map_err(|why| format!("{name}, killed {point}: {why}"))?;
            killed.push(point.to_string());
        }
        let id = &stand.integration.descriptor().id;
        tell(format_args!(
            "{id}, {name}, PostgreSQL: killed at {ON_POSTGRES} of {points} points {killed:?}; same figures"
        ));
        machine.let_a_day_pass().await;
    }
    Ok(())
}
