//! What becomes of the code on Vercel: each commit is built as a preview, each release goes to production, and of a
//! repository without releases each commit does.
//!
//! What happens to a deployment follows from its commit alone, so that time only adds to it.

use jiff::Timestamp;

use super::{Company, Repository, tally};
use crate::{
    demo::random::Dice,
    metric::{Day, Zone},
};

/// The team's id at Vercel.
pub const TEAM_ID: &str = "team_FernwerkDemoNotReal000001";
/// The team's name in addresses.
pub const TEAM_SLUG: &str = "fernwerk";

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;
/// After so many days a preview is deleted, and shown as such; after [`GONE_DAYS`] it is not shown any more.
const KEPT_DAYS: i64 = 60;
const GONE_DAYS: i64 = 95;

/// Which repository is built as what, whether its visitors are counted, and every how many of its commits are built.
const PLANS: [(&str, &str, bool, usize); 3] =
    [("fern", "fern", false, 1), ("fern", "fern-docs", false, 3), ("website", "website", true, 1)];

/// A project, with its deployments, oldest first.
#[derive(Debug, Clone)]
pub struct Project {
    /// `prj_…`, which survives renaming.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The repository it is built from, as `owner/name`.
    pub repository: String,
    /// When it was made.
    pub created_ms: i64,
    /// Whether visitors are counted.
    pub analytics: bool,
    /// Its deployments, oldest first.
    pub deployments: Vec<Deployment>,
}

/// A deployment as it stands at the company's now. Instants are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `dpl_…`.
    pub uid: String,
    /// When it was asked for.
    pub created_ms: i64,
    /// When its build began; what needs no build may have none.
    pub building_ms: Option<i64>,
    /// When it could be visited. What failed never could, and lists do not say when it failed.
    pub ready_ms: Option<i64>,
    /// `READY`, `ERROR`, `CANCELED`, `BLOCKED`, or `QUEUED` and `BUILDING` while it is under way.
    pub state: &'static str,
    /// `production` or `staging`; a preview has none.
    pub target: Option<&'static str>,
    /// What asked for it: `git`, or `redeploy`.
    pub source: &'static str,
    /// The commit.
    pub sha: String,
    /// Deleted by age, and still shown.
    pub expired: bool,
}

/// What a project's visitors and functions use on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests at the edge.
    pub requests: i64,
    /// Functions that ran.
    pub invocations: i64,
    /// Bytes that went in and out.
    pub bytes: i64,
}

impl Company {
    /// The projects at Vercel.
    pub fn projects(&self) -> Vec<Project> {
        let plans = PLANS.iter().filter_map(|(repository, name, analytics, every)| {
            let repository = self.github.repositories.iter().find(|one| one.name == *repository)?;
            Some(self.project(repository, name, *analytics, *every))
        });
        plans.collect()
    }

    fn project(&self, repository: &Repository, name: &str, analytics: bool, every: usize) -> Project {
        let salt = name.bytes().fold(repository.id, |salt, byte| salt.wrapping_mul(31) ^ u64::from(byte));
        let id = format!("prj_{}", Dice::new(salt).letters(28));
        let releases = repository.releases.iter().filter_map(|one| Some((one.published?, one.id)));
        let has_releases = !repository.releases.is_empty();
        let mut deployments: Vec<Deployment> = Vec::new();
        for commit in repository.commits.iter().step_by(every) {
            let target = if has_releases { None } else { Some("production") };
            let seed = u64::from_str_radix(commit.sha.get(..15).unwrap_or_default(), 16).unwrap_or_default();
            self.deploy(&mut deployments, (seed, salt), commit.committed, target, &commit.sha);
        }
        for (published, release) in releases {
            self.deploy(&mut deployments, (release, salt), published, Some("production"), &format!("{release:040x}"));
        }
        deployments.sort_by(|one, other| (one.created_ms, &one.uid).cmp(&(other.created_ms, &other.uid)));
        let created_ms = repository.created.as_millisecond();
        Project { id, name: name.to_owned(), repository: repository.full_name(), created_ms, analytics, deployments }
    }

    /// Adds what comes of a push, as far as it has come by now. Projects of one repository begin in the same millisecond.
    fn deploy(
        &self,
        to: &mut Vec<Deployment>,
        (seed, salt): (u64, u64),
        pushed: Timestamp,
        target: Option<&'static str>,
        sha: &str,
    ) {
        let mut of_push = Dice::new(seed).fork();
        let created_ms = pushed.as_millisecond() + of_push.between(900, 15 * SECOND);
        let mut dice = Dice::new(seed ^ salt).fork();
        let uid = format!("dpl_{}", dice.letters(24));
        let waits =
            if dice.chance(8) { dice.between(60 * SECOND, 400 * SECOND) } else { dice.between(180, 9 * SECOND) };
        let builds = dice.between(28 * SECOND, 230 * SECOND);
        let ends = dice.weighted(&[(86, "READY"), (8, "ERROR"), (3, "CANCELED"), (2, "DROPPED"), (1, "BLOCKED")]);
        let target = target.or_else(|| dice.chance(4).then_some("staging"));
        let deployment = Deployment {
            uid,
            created_ms,
            building_ms: Some(created_ms + waits),
            ready_ms: (ends == "READY").then_some(created_ms + waits + builds),
            state: ends,
            target,
            source: "git",
            sha: sha.to_owned(),
            expired: false,
        };
        let again = (ends == "READY" && target == Some("production") && dice.chance(20)).then(|| {
            let (at, is_instant) = (created_ms + waits + builds + dice.between(600 * SECOND, DAY), dice.chance(50));
            // Nothing is built anew: the build that there is goes live.
            let building_ms = is_instant.then_some(at + 40);
            let ready_ms = Some(at + if is_instant { 40 } else { 900 });
            let (uid, source) = (format!("dpl_{}", dice.letters(24)), "redeploy");
            Deployment { uid, created_ms: at, building_ms, ready_ms, source, ..deployment.clone() }
        });
        let ended_ms = created_ms + waits + builds;
        to.extend(
            [(deployment, ended_ms)]
                .into_iter()
                .chain(again.map(|one| {
                    let ended_ms = one.created_ms + 900;
                    (one, ended_ms)
                }))
                .filter_map(|(one, ended_ms)| self.by_now(one, ended_ms)),
        );
    }

    /// A deployment as far as it has come; `None` where it is not asked for yet, or not shown any more.
    fn by_now(&self, mut one: Deployment, ended_ms: i64) -> Option<Deployment> {
        let now = self.now.as_millisecond();
        let age = now - one.created_ms;
        let is_kept = one.target == Some("production") && one.state == "READY";
        if age < 0 || !is_kept && age > GONE_DAYS * DAY {
            return None;
        }
        one.expired = !is_kept && age > KEPT_DAYS * DAY;
        if matches!(one.state, "DROPPED" | "BLOCKED") {
            // It never came to a build.
            one.building_ms = None;
            one.state = if one.state == "DROPPED" { "CANCELED" } else { "BLOCKED" };
        } else if ended_ms > now {
            let has_begun = one.building_ms.is_some_and(|at| at <= now);
            one.state = if has_begun { "BUILDING" } else { "QUEUED" };
            one.building_ms = one.building_ms.filter(|at| *at <= now);
            one.ready_ms = None;
        }
        Some(one)
    }

    /// What a project used on a UTC day: what the site's visitors asked for, and a little that is nobody's.
    pub fn usage(&self, project: &Project, day: Day) -> Usage {
        if !project.analytics {
            let mut dice = Dice::new(u64::from(day.number().unsigned_abs()) ^ project.id.len() as u64).fork();
            let calls =
                if project.deployments.is_empty() || project.name != "fern" { 0 } else { dice.between(40, 900) };
            return Usage { requests: calls, invocations: calls / 2, bytes: calls * 2_311 };
        }
        let seen = tally(self.web().period(crate::metric::Period::single(day), &Zone::utc()));
        let (pages, visits) = (seen.pageviews, seen.visits);
        Usage {
            requests: pages * 9 + visits * 4,
            invocations: pages + seen.goals,
            // Past 32 bits on a good day, as bytes are.
            bytes: pages * 12_345_679 + visits * 48_611,
        }
    }
}
