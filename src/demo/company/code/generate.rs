//! Draws the history of the repositories.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{HISTORY_DAYS, people},
    Asset, Code, Commit, Issue, Pull, Release, Repository, Run, Star, Traffic,
};
use crate::{
    demo::random::Dice,
    metric::{Day, Period, Zone},
};

const DAY: i64 = 86_400;

/// What a repository is like before chance has its say.
struct Plan {
    name: &'static str,
    old_names: &'static [&'static str],
    private: bool,
    has_issues: bool,
    description: &'static str,
    language: Option<&'static str>,
    /// Days of history.
    age: i64,
    /// How many on a working day, in hundredths.
    commits: i64,
    issues: i64,
    pulls: i64,
    runs: i64,
    stars: i64,
    /// Days between releases; 0 for none.
    release_every: i64,
    visits: i64,
}

const PLANS: [Plan; 5] = [
    Plan {
        name: "fern",
        old_names: &["seedling"],
        private: false,
        has_issues: true,
        description: "The application",
        language: Some("Rust"),
        age: 400,
        commits: 420,
        issues: 130,
        pulls: 150,
        runs: 500,
        stars: 560,
        release_every: 14,
        visits: 240,
    },
    Plan {
        name: "fern-cli",
        old_names: &[],
        private: false,
        has_issues: true,
        description: "The command line",
        language: Some("Go"),
        age: 300,
        commits: 90,
        issues: 30,
        pulls: 35,
        runs: 110,
        stars: 60,
        release_every: 30,
        visits: 25,
    },
    Plan {
        name: "website",
        old_names: &[],
        private: false,
        has_issues: false,
        description: "fernwerk.example",
        language: Some("HTML"),
        age: 390,
        commits: 60,
        issues: 0,
        pulls: 20,
        runs: 60,
        stars: 3,
        release_every: 0,
        visits: 6,
    },
    Plan {
        name: "infrastructure",
        old_names: &[],
        private: true,
        has_issues: true,
        description: "Servers and secrets of the simulated kind",
        language: Some("HCL"),
        age: 380,
        commits: 70,
        issues: 15,
        pulls: 40,
        runs: 80,
        stars: 0,
        release_every: 0,
        visits: 4,
    },
    Plan {
        name: "ideas",
        old_names: &[],
        private: true,
        has_issues: true,
        description: "Nothing yet",
        language: None,
        age: 45,
        commits: 0,
        issues: 0,
        pulls: 0,
        runs: 0,
        stars: 0,
        release_every: 0,
        visits: 0,
    },
];

/// The organisation of the simulated company.
const ORGANIZATION: &str = "fernwerk";

/// Everything on GitHub that happened from `opened` to now. What is drawn does not depend on now: every list has dice
/// of its own, and what has an end later than its beginning has them for itself.
pub(in crate::demo) fn generate(dice: &mut Dice, opened: Timestamp, now: Timestamp) -> Code {
    let mut people = vec![("ada-fern".to_owned(), 9_000_001)];
    for number in 2..=9 {
        people.push((people::login(dice), 9_000_000 + number));
    }
    let repositories = PLANS
        .iter()
        .zip(0..)
        .map(|(plan, place)| {
            let created = opened + SignedDuration::from_hours(24 * (HISTORY_DAYS - plan.age));
            Builder { dice: dice.fork(), created, now, first_id: 700_000_000 + place * 10_000_000 }.build(plan, place)
        })
        .filter(|repository| repository.created <= now)
        .collect();
    let owner = people[0].0.clone();
    Code { organization: ORGANIZATION.to_owned(), organization_id: 9_100_001, owner, people, repositories }
}

struct Builder {
    dice: Dice,
    created: Timestamp,
    now: Timestamp,
    first_id: u64,
}

/// Numeric ids of one list, each greater than the one before.
struct Ids {
    dice: Dice,
    last: u64,
}

impl Ids {
    fn next(&mut self) -> u64 {
        self.last += 1 + self.dice.next() % 40;
        self.last
    }
}

impl Builder {
    fn build(mut self, plan: &Plan, place: u64) -> Repository {
        let commits = self.moments(plan.commits, true);
        let mut words = self.dice.fork();
        let issues = self.issues(plan);
        let releases = self.releases(plan);
        let runs = self.runs(plan);
        let published: Vec<Timestamp> = releases.iter().filter_map(|release| release.published).collect();
        Repository {
            id: 800_000_001 + place,
            owner: ORGANIZATION.to_owned(),
            name: plan.name.to_owned(),
            old_names: plan.old_names.iter().map(|name| (*name).to_owned()).collect(),
            private: plan.private,
            has_issues: plan.has_issues,
            archived: false,
            description: plan.description.to_owned(),
            language: plan.language.map(str::to_owned),
            created: self.created,
            stars: self.stars(plan, &published),
            forks: plan.stars / 4,
            watchers: plan.stars / 9 + i64::from(plan.commits > 0) * 3,
            commits: commits.into_iter().map(|at| commit(&mut words, at)).collect(),
            issues,
            releases,
            runs,
            traffic: self.traffic(plan),
        }
    }

    fn ids(&mut self, first: u64) -> Ids {
        Ids { dice: self.dice.fork(), last: self.first_id + first }
    }

    /// Instants up to now, oldest first: so many hundredths a working day, fewer on others.
    fn moments(&mut self, hundredths: i64, weekends_off: bool) -> Vec<Timestamp> {
        let mut dice = self.dice.fork();
        let mut moments = Vec::new();
        let midnight = self.created.as_second().div_euclid(DAY) * DAY;
        let mut day = midnight;
        while hundredths > 0 && day <= self.now.as_second() {
            // 1970-01-01 was a Thursday.
            let weekend = (day / DAY + 3) % 7 >= 5;
            let rate = if weekend && weekends_off { hundredths / 6 } else { hundredths };
            let whole = dice.between(0, 2 * rate / 100);
            let count = whole + i64::from(dice.chance(rate % 100));
            for _ in 0..count {
                let second = day + dice.between(0, DAY - 1);
                if let Ok(at) = Timestamp::from_second(second)
                    && self.created <= at
                    && at <= self.now
                {
                    moments.push(at);
                }
            }
            day += DAY;
        }
        moments.sort();
        moments
    }

    fn issues(&mut self, plan: &Plan) -> Vec<Issue> {
        let mut moments: Vec<(Timestamp, bool)> = Vec::new();
        moments.extend(self.moments(plan.issues, false).into_iter().map(|at| (at, false)));
        moments.extend(self.moments(plan.pulls, true).into_iter().map(|at| (at, true)));
        moments.sort();
        let mut ids = self.ids(0);
        let mut all = self.dice.fork();
        let mut issues = Vec::new();
        for ((at, is_pull), number) in moments.into_iter().zip(1_u64..) {
            let mut dice = all.fork();
            let longest = if is_pull { 9 * DAY } else { 60 * DAY };
            let mut after = |low: i64| SignedDuration::from_secs(dice.between(low, longest));
            let (closing, touched) = (after(300), after(60));
            let ends = dice.chance(if is_pull { 95 } else { 80 });
            let merges = is_pull && dice.chance(85);
            let closed = Some(at + closing).filter(|closed| ends && *closed <= self.now);
            let settled = closed.unwrap_or(at);
            let touched = Some(settled + touched).filter(|touched| *touched <= self.now);
            let updated = touched.filter(|_| dice.chance(35)).unwrap_or(settled);
            let id = ids.next();
            let draft = closed.is_none() && number.is_multiple_of(5);
            let pull = is_pull.then(|| Pull { id: id + 500_000, merged: closed.filter(|_| merges), draft });
            let mut dice = all.fork();
            let title = commit(&mut dice, at).message;
            let author = usize::try_from(dice.between(0, 8)).unwrap_or(0);
            let comments = dice.between(0, 12);
            issues.push(Issue { id, number, title, author, created: at, updated, closed, comments, pull });
        }
        issues
    }

    fn releases(&mut self, plan: &Plan) -> Vec<Release> {
        let mut releases: Vec<Release> = Vec::new();
        if plan.release_every == 0 {
            return releases;
        }
        let mut ids = self.ids(4_000_000);
        let mut all = self.dice.fork();
        let mut at = self.created + SignedDuration::from_secs(plan.release_every * DAY);
        while at <= self.now {
            let mut dice = all.fork();
            let number = releases.len() + 1;
            let tagged = at - SignedDuration::from_secs(dice.between(600, DAY));
            // Every second one stays a draft for some days.
            let waits = if number.is_multiple_of(2) { 5 } else { 0 };
            let published = Some(at + SignedDuration::from_hours(24 * waits)).filter(|at| *at <= self.now);
            let age = published.map_or(0, |at| (self.now.as_second() - at.as_second()) / DAY + 1);
            let assets = ["linux-x86_64.tar.gz", "macos-arm64.tar.gz", "windows-x86_64.zip"]
                .iter()
                .map(|name| Asset {
                    id: ids.next(),
                    name: format!("{}-{name}", plan.name),
                    downloads: dice.between(0, 30) * age.min(60),
                })
                .collect();
            let id = ids.next();
            let tag = format!("v1.{number}.0");
            releases.push(Release { id, tag, created: tagged, published, prerelease: number % 7 == 3, assets });
            at += SignedDuration::from_secs(plan.release_every * DAY + dice.between(-DAY, 2 * DAY));
        }
        releases
    }

    fn runs(&mut self, plan: &Plan) -> Vec<Run> {
        let moments = self.moments(plan.runs, true);
        let mut ids = self.ids(7_000_000);
        let mut dice = self.dice.fork();
        let mut runs = Vec::new();
        for (at, number) in moments.into_iter().zip(1..) {
            let name = dice.weighted(&[(70, "test"), (20, "lint"), (10, "release")]);
            let ends = at + SignedDuration::from_secs(dice.between(40, 1_500));
            let conclusion =
                dice.weighted(&[(82, "success"), (11, "failure"), (4, "cancelled"), (1, "timed_out"), (2, "skipped")]);
            let done = ends <= self.now;
            let attempt = 1 + i64::from(dice.chance(5));
            let id = ids.next() + 10_000_000_000;
            // It waits for a machine, and a repeated one for somebody to repeat it; but not past its end.
            let waits = if attempt > 1 { 31 + id % 9 } else { id % 30 };
            runs.push(Run {
                id,
                number,
                name,
                created: at,
                started: at + SignedDuration::from_secs(i64::try_from(waits).unwrap_or(0)),
                updated: if done { ends } else { at },
                conclusion: done.then_some(conclusion),
                attempt,
            });
        }
        runs
    }

    /// A trickle, and a rush after each release.
    fn stars(&mut self, plan: &Plan, releases: &[Timestamp]) -> Vec<Star> {
        let mut moments = self.moments(plan.stars, false);
        let (mut rush, mut names) = (self.dice.fork(), self.dice.fork());
        for release in releases {
            for _ in 0..rush.between(0, plan.stars / 20) {
                let at = *release + SignedDuration::from_secs(rush.between(60, 2 * DAY));
                moments.extend((at <= self.now).then_some(at));
            }
        }
        moments.sort();
        moments.into_iter().map(|at| Star { at, login: people::login(&mut names) }).collect()
    }

    fn traffic(&mut self, plan: &Plan) -> Vec<Traffic> {
        let today = Day::of(self.now, &Zone::utc());
        let salt = self.dice.next();
        let mut traffic = Vec::new();
        for day in Period::inclusive(today.plus(-19), today).days() {
            let mut dice = Dice::new(salt ^ u64::from(day.number().unsigned_abs()));
            let views = dice.between(0, plan.visits * 2);
            let clones = dice.between(0, plan.visits / 3);
            let unique = |dice: &mut Dice, all: i64| if all == 0 { 0 } else { dice.between(1, all) };
            let (unique_views, unique_clones) = (unique(&mut dice, views), unique(&mut dice, clones));
            // A day on which nobody came is left out, as GitHub does.
            if views + clones > 0 {
                traffic.push(Traffic { day, views, unique_views, clones, unique_clones });
            }
        }
        traffic
    }
}

fn commit(dice: &mut Dice, committed: Timestamp) -> Commit {
    const VERBS: [&str; 8] = ["Fix", "Add", "Remove", "Rename", "Speed up", "Document", "Test", "Simplify"];
    const THINGS: [&str; 8] =
        ["the importer", "invoices", "login", "the cache", "charts", "export", "retries", "settings"];
    // Rebased work was written before it was committed, some of it days before.
    let earlier = if dice.chance(30) { dice.between(60, 3 * DAY) } else { 0 };
    let sha = dice.hex(40);
    let author = usize::try_from(dice.between(0, 8)).unwrap_or(0);
    Commit {
        sha,
        author,
        // The last of the people never told GitHub that address.
        has_account: author < 8,
        authored: committed - SignedDuration::from_secs(earlier),
        committed,
        message: format!("{} {}", dice.pick(&VERBS), dice.pick(&THINGS)),
    }
}
