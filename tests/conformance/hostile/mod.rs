//! Providers at their worst: whatever they do, in the end the figures are those of an undisturbed sync, and nothing else was
//! ever taken for settled.

mod clocks;
mod fault;
mod moving;
mod tls;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sha2::{Digest as _, Sha256};

use super::{
    checks::kills::same,
    front::Asked,
    machine::Machine,
    stand::{Account, Stand},
};
use crate::support::{database::Database, summary::tell};
pub(crate) use clocks::differ;
use fault::{ALL, Fault, Pages};
pub(crate) use moving::lists_move;
pub(crate) use tls::certificate_expires;

/// Runs until a provider that is faulty all the time was read.
const MOST_RUNS: usize = 25;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=6;
/// Entries of a page where pages are what is faulty.
pub(crate) const PER_PAGE: u32 = 25;
/// One answer of so many is faulty; of fewer where a sync asks seldom.
const ONE_OF: usize = 10;

/// A connected database, and what an undisturbed sync makes of it.
pub(crate) struct Undisturbed {
    pub(crate) base: Database,
    pub(crate) figures: Vec<String>,
    pub(crate) asked: Vec<Asked>,
}

impl Undisturbed {
    pub(crate) async fn of(machine: &Machine) -> Result<Self, String> {
        let base = machine.connected(Database::sqlite().await).await?;
        let database = base.as_it_lies();
        machine.catches_up(&database).await?;
        Ok(Self { base, figures: database.figures().await, asked: machine.front.take() })
    }
}

/// Each fault once: in the middle of a sync, or on the first page that can have it.
pub(crate) async fn each_fault(stand: &Stand) -> Result<(), String> {
    let machine = Machine::new(stand, Account::Busy).await?;
    let undisturbed = Undisturbed::of(&machine).await?;
    let middle = undisturbed.asked[undisturbed.asked.len() / 2].line();
    let mut runs_by_fault: BTreeMap<usize, Vec<Fault>> = BTreeMap::new();
    for fault in ALL {
        let met = once(&machine, stand, fault, middle.clone());
        let database = undisturbed.base.as_it_lies();
        let runs = machine.read_within(&database, MOST_RUNS).await.map_err(|why| format!("{fault:?}: {why}"))?;
        ensure!(met.load(Ordering::Relaxed), "{fault:?} was never met");
        same(&undisturbed.figures, &database.figures().await).map_err(|why| format!("{fault:?}: {why}"))?;
        runs_by_fault.entry(runs).or_default().push(fault);
        machine.front.take();
    }
    let id = &stand.integration.descriptor().id;
    for (runs, faults) in runs_by_fault {
        tell(format_args!("{id}: read after {runs} runs, same figures, with one answer of each: {faults:?}"));
    }
    Ok(())
}

/// Answers one request in a way of its own. Gives whether that was met.
fn once(machine: &Machine, stand: &Stand, fault: Fault, middle: String) -> Arc<AtomicBool> {
    let (met, pages, clock) = (Arc::new(AtomicBool::new(false)), Pages::of(&stand.lists), machine.clock);
    let noted = met.clone();
    machine.front.rule(move |asked| {
        let asked = if fault.is_of_lists() { pages.smaller(asked, PER_PAGE) } else { asked.clone() };
        let is_here = !noted.load(Ordering::Relaxed) && (fault.is_of_lists() || asked.line() == middle);
        match is_here.then(|| fault.act(&asked, clock.now(), &pages)).flatten() {
            Some(act) => {
                noted.store(true, Ordering::Relaxed);
                act
            }
            None => pages.forward(&asked),
        }
    });
    met
}

/// A tenth of all answers is faulty (more where a sync asks seldom), in every way at once, for as long as it takes.
pub(crate) async fn a_tenth(stand: &Stand) -> Result<(), String> {
    let machine = Machine::new(stand, Account::Busy).await?;
    let undisturbed = Undisturbed::of(&machine).await?;
    let id = &stand.integration.descriptor().id;
    let one_of = ONE_OF.min(undisturbed.asked.len() / 3).max(2);
    let mut met = 0;
    for seed in SEEDS {
        let done = mixed(&machine, stand, seed, one_of as u64);
        let database = undisturbed.base.as_it_lies();
        let runs = machine.read_within(&database, MOST_RUNS).await.map_err(|why| format!("seed {seed}: {why}"))?;
        let done = done.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (faults, kinds) = (done.values().sum::<usize>(), done.len());
        met += faults;
        same(&undisturbed.figures, &database.figures().await).map_err(|why| format!("seed {seed}, {done:?}: {why}"))?;
        tell(format_args!(
            "{id}, seed {seed}: read in {runs} runs with {faults} faulty answers of {kinds} kinds; same figures"
        ));
    }
    ensure!(met >= SEEDS.count(), "in all there were {met} faulty answers");
    Ok(())
}

/// Makes one answer of so many faulty, always the same ones for a seed: what is drawn hangs on what is asked for and how often
/// it was, not on the order of requests. Gives what was done.
fn mixed(machine: &Machine, stand: &Stand, seed: u64, one_of: u64) -> Arc<Mutex<BTreeMap<Fault, usize>>> {
    let done: Arc<Mutex<BTreeMap<Fault, usize>>> = Arc::default();
    let (pages, clock) = (Pages::of(&stand.lists), machine.clock);
    let (counted, times) = (done.clone(), Mutex::new(HashMap::<String, usize>::new()));
    machine.front.rule(move |asked| {
        let line = asked.line();
        let time = {
            let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
            let time = times.entry(line.clone()).or_default();
            *time += 1;
            *time
        };
        let digest = Sha256::digest(format!("{seed} {time} {line}"));
        let [draw, which] = [0, 8].map(|at| digest[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        if draw % one_of != 0 {
            return pages.forward(asked);
        }
        // What cannot be done here is left out.
        let from = usize::try_from(which % ALL.len() as u64).unwrap_or(0);
        let possible = ALL.iter().cycle().skip(from).take(ALL.len());
        let act = possible.filter_map(|fault| Some((*fault, fault.act(asked, clock.now(), &pages)?))).next();
        match act {
            Some((fault, act)) => {
                *counted.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
                act
            }
            None => pages.forward(asked),
        }
    });
    done
}
