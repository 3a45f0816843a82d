//! Draws the history of the repositories.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{before, people},
    Asset, Code, Commit, Issue, Pull, Release, Repository, Run, Star, Traffic,
};
use crate::{
    demo::random::Dice,
    metric::{Day, Zone},
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

/// Everything on GitHub, up to now.
pub(in crate::demo) fn generate(dice: &mut Dice, now: Timestamp) -> Code {
    let mut people = vec![("ada-fern".to_owned(), 9_000_001)];
    for number in 2..=9 {
        people.push((people::login(dice), 9_000_000 + number));
    }
    let repositories = PLANS
        .iter()
        .zip(0..)
        .map(|(plan, place)| {
            Builder { dice: dice.fork(), now, next_id: 700_000_000 + place * 10_000_000 }.build(plan, place)
        })
        .collect();
    let owner = people[0].0.clone();
    Code { organization: ORGANIZATION.to_owned(), organization_id: 9_100_001, owner, people, repositories }
}

struct Builder {
    dice: Dice,
    now: Timestamp,
    next_id: u64,
}

impl Builder {
    fn build(mut self, plan: &Plan, place: u64) -> Repository {
        let created = before(self.now, plan.age);
        let commits = self.moments(created, plan.commits, true);
        let mut repository = Repository {
            id: 800_000_001 + place,
            owner: ORGANIZATION.to_owned(),
            name: plan.name.to_owned(),
            old_names: plan.old_names.iter().map(|name| (*name).to_owned()).collect(),
            private: plan.private,
            has_issues: plan.has_issues,
            archived: false,
            description: plan.description.to_owned(),
            language: plan.language.map(str::to_owned),
            created,
            stars: Vec::new(),
            forks: plan.stars / 4,
            watchers: plan.stars / 9 + i64::from(plan.commits > 0) * 3,
            commits: commits.into_iter().map(|at| self.commit(at)).collect(),
            issues: self.issues(plan, created),
            releases: self.releases(plan, created),
            runs: Vec::new(),
            traffic: Vec::new(),
        };
        repository.runs = self.runs(plan, created);
        let releases: Vec<Timestamp> = repository.releases.iter().filter_map(|release| release.published).collect();
        repository.stars = self.stars(plan, created, &releases);
        repository.traffic = self.traffic(plan);
        repository
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1 + self.dice.next() % 40;
        self.next_id
    }

    /// Instants between then and now, oldest first: so many hundredths a working day, fewer on others.
    fn moments(&mut self, from: Timestamp, hundredths: i64, weekends_off: bool) -> Vec<Timestamp> {
        let mut moments = Vec::new();
        let midnight = from.as_second().div_euclid(DAY) * DAY;
        let mut day = midnight;
        while hundredths > 0 && day <= self.now.as_second() {
            // 1970-01-01 was a Thursday.
            let weekend = (day / DAY + 3) % 7 >= 5;
            let rate = if weekend && weekends_off { hundredths / 6 } else { hundredths };
            let whole = self.dice.between(0, 2 * rate / 100);
            let count = whole + i64::from(self.dice.chance(rate % 100));
            for _ in 0..count {
                let second = day + self.dice.between(0, DAY - 1);
                if let Ok(at) = Timestamp::from_second(second)
                    && from <= at
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

    fn commit(&mut self, committed: Timestamp) -> Commit {
        const VERBS: [&str; 8] = ["Fix", "Add", "Remove", "Rename", "Speed up", "Document", "Test", "Simplify"];
        const THINGS: [&str; 8] =
            ["the importer", "invoices", "login", "the cache", "charts", "export", "retries", "settings"];
        // Rebased work was written before it was committed, some of it days before.
        let earlier = if self.dice.chance(30) { self.dice.between(60, 3 * DAY) } else { 0 };
        let sha = self.dice.hex(40);
        let author = usize::try_from(self.dice.between(0, 8)).unwrap_or(0);
        Commit {
            sha,
            author,
            // The last of the people never told GitHub that address.
            has_account: author < 8,
            authored: committed - SignedDuration::from_secs(earlier),
            committed,
            message: format!("{} {}", self.dice.pick(&VERBS), self.dice.pick(&THINGS)),
        }
    }

    fn issues(&mut self, plan: &Plan, created: Timestamp) -> Vec<Issue> {
        let mut moments: Vec<(Timestamp, bool)> = Vec::new();
        moments.extend(self.moments(created, plan.issues, false).into_iter().map(|at| (at, false)));
        moments.extend(self.moments(created, plan.pulls, true).into_iter().map(|at| (at, true)));
        moments.sort();
        let mut issues = Vec::new();
        for ((at, is_pull), number) in moments.into_iter().zip(1_u64..) {
            let longest = if is_pull { 9 * DAY } else { 60 * DAY };
            let after = |dice: &mut Dice, low: i64| SignedDuration::from_secs(dice.between(low, longest));
            let ends = self.dice.chance(if is_pull { 95 } else { 80 });
            let closed = Some(at + after(&mut self.dice, 300)).filter(|closed| ends && *closed <= self.now);
            let merged = closed.filter(|_| is_pull && self.dice.chance(85));
            let mut updated = closed.unwrap_or(at);
            if self.dice.chance(35) {
                updated = (updated + after(&mut self.dice, 60)).min(self.now);
            }
            let id = self.id();
            let pull =
                is_pull.then(|| Pull { id: id + 500_000, merged, draft: closed.is_none() && number.is_multiple_of(5) });
            let title = self.commit(at).message;
            let author = usize::try_from(self.dice.between(0, 8)).unwrap_or(0);
            let comments = self.dice.between(0, 12);
            issues.push(Issue { id, number, title, author, created: at, updated, closed, comments, pull });
        }
        issues
    }

    fn releases(&mut self, plan: &Plan, created: Timestamp) -> Vec<Release> {
        let mut releases: Vec<Release> = Vec::new();
        if plan.release_every == 0 {
            return releases;
        }
        let mut at = created + SignedDuration::from_secs(plan.release_every * DAY);
        while at <= self.now {
            let number = releases.len() + 1;
            let tagged = at - SignedDuration::from_secs(self.dice.between(600, DAY));
            let age = (self.now.as_second() - at.as_second()) / DAY + 1;
            let assets = ["linux-x86_64.tar.gz", "macos-arm64.tar.gz", "windows-x86_64.zip"]
                .iter()
                .map(|name| Asset {
                    id: self.id(),
                    name: format!("{}-{name}", plan.name),
                    downloads: self.dice.between(0, 30 * age.min(60)),
                })
                .collect();
            // The newest may still be a draft.
            let draft = at + SignedDuration::from_hours(24 * 5) > self.now && number.is_multiple_of(2);
            let id = self.id();
            let tag = format!("v1.{number}.0");
            let published = (!draft).then_some(at);
            releases.push(Release { id, tag, created: tagged, published, prerelease: number % 7 == 3, assets });
            at += SignedDuration::from_secs(plan.release_every * DAY + self.dice.between(-DAY, 2 * DAY));
        }
        releases
    }

    fn runs(&mut self, plan: &Plan, created: Timestamp) -> Vec<Run> {
        let mut runs = Vec::new();
        for (at, number) in self.moments(created, plan.runs, true).into_iter().zip(1..) {
            let name = self.dice.weighted(&[(70, "test"), (20, "lint"), (10, "release")]);
            let ends = at + SignedDuration::from_secs(self.dice.between(40, 1_500));
            let conclusion = self.dice.weighted(&[
                (82, "success"),
                (11, "failure"),
                (4, "cancelled"),
                (1, "timed_out"),
                (2, "skipped"),
            ]);
            let done = ends <= self.now;
            let attempt = 1 + i64::from(self.dice.chance(5));
            let id = self.id() + 10_000_000_000;
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
    fn stars(&mut self, plan: &Plan, created: Timestamp, releases: &[Timestamp]) -> Vec<Star> {
        let mut moments = self.moments(created, plan.stars, false);
        for release in releases {
            for _ in 0..self.dice.between(0, plan.stars / 20) {
                let at = *release + SignedDuration::from_secs(self.dice.between(60, 2 * DAY));
                moments.extend((at <= self.now).then_some(at));
            }
        }
        moments.sort();
        moments.into_iter().map(|at| Star { at, login: people::login(&mut self.dice) }).collect()
    }

    fn traffic(&mut self, plan: &Plan) -> Vec<Traffic> {
        let today = Day::of(self.now, &Zone::utc());
        let mut traffic = Vec::new();
        for back in (0..20).rev() {
            let views = self.dice.between(0, plan.visits * 2);
            let clones = self.dice.between(0, plan.visits / 3);
            let unique = |dice: &mut Dice, all: i64| if all == 0 { 0 } else { dice.between(1, all) };
            let (unique_views, unique_clones) = (unique(&mut self.dice, views), unique(&mut self.dice, clones));
            // A day on which nobody came is left out, as GitHub does.
            if views + clones > 0 {
                traffic.push(Traffic { day: today.plus(-back), views, unique_views, clones, unique_clones });
            }
        }
        traffic
    }
}
