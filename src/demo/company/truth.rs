//! What the totals are, by the generator's own books.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Company, Project, Repository, Tally, Usage, Web,
    books::Books,
    movements::{Level, Moved},
    tally,
};
use crate::metric::{Day, Exact, Period, Zone, exact};

/// Integers by day; a day without an entry is zero.
pub type Days<T = i64> = BTreeMap<Day, T>;

/// Money of a day, in minor units of the currency in which it was settled.
///
/// It comes from the balance transactions of the reporting categories charge, refund, dispute, dispute_reversal and
/// partial_capture_reversal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Money {
    /// Σ amount of all five categories.
    pub revenue: i64,
    /// Σ amount of charges.
    pub gross: i64,
    /// Σ amount of refunds; negative, as the provider sends it.
    pub refunds: i64,
    /// Σ fee of all five categories.
    pub fees: i64,
    /// `revenue` − `fees`.
    pub net: i64,
}

/// The totals of a company. Days are cut in the zone it was asked for; code is always counted in UTC days.
///
/// The rules are the default settings of providers.md 8.1 to 8.3.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Truth {
    /// Minor units a month at now, by upper-case currency; rounded once.
    pub mrr: BTreeMap<String, i64>,
    /// The same, not rounded, by currency and price id; a price that is worth nothing is left out.
    pub mrr_by_price: BTreeMap<(String, String), Exact>,
    /// MRR by currency at the end of each day before now.
    pub mrr_history: Days<BTreeMap<String, i64>>,
    /// How MRR moved on each day, today among them up to now.
    pub movements: Days<Moved>,
    /// How it moved in the 30 days that end with each day: the end of the day 30 days before against the end of the day.
    pub months: Days<Moved>,
    /// Customers who have MRR at the end of each day, today among them as it is now.
    pub paying_history: Days,
    /// Subscriptions that are active or past due and worth something.
    pub active_subscriptions: i64,
    /// Customers who have such a subscription.
    pub paying_customers: i64,
    /// Subscriptions in a trial.
    pub trialing_subscriptions: i64,
    /// Customers that exist.
    pub customers: i64,
    /// Customers that exist, by the day of their creation.
    pub new_customers: Days,
    /// Customers that were deleted, by that day; when they were created, none of the other counts says.
    pub deleted_customers: Days,
    /// Subscriptions by the day on which they became paying.
    pub new_subscriptions: Days,
    /// Subscriptions that had been paying, by the day on which they ended.
    pub churned_subscriptions: Days,
    /// Subscriptions that became `unpaid` and are so still, by that day. Not among `churned_subscriptions`.
    pub unpaid_subscriptions: Days,
    /// Charges that failed.
    pub failed_payments: Days,
    /// Charges that succeeded.
    pub succeeded_payments: Days,
    /// Money by day and upper-case currency.
    pub money: Days<BTreeMap<String, Money>>,
    /// What the site's counter saw, and the zone that days were asked for in.
    pub web: Option<(Arc<Web>, Zone)>,
    /// Code, by `owner/name`.
    pub repositories: BTreeMap<String, RepositoryTruth>,
    /// What was built and visited, by the project's name.
    pub projects: BTreeMap<String, ProjectTruth>,
}

/// The totals of a project at Vercel. Days are in UTC, and a deployment belongs to the day on which it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectTruth {
    /// Deployments, whatever became of them.
    pub deployments: Days,
    /// Those of the last 24 hours.
    pub deployments_today: i64,
    /// Those that can be visited, or could until they were deleted.
    pub success: Days,
    /// Those that failed.
    pub failed: Days,
    /// Those to production.
    pub production: Days,
    /// Those to no environment with a name.
    pub preview: Days,
    /// Milliseconds of each build that came to an end, where something was built.
    pub build_ms: Days<Vec<i64>>,
    /// Milliseconds that each of those waited that were built, or are being built.
    pub queue_ms: Days<Vec<i64>>,
    /// Pages viewed, where visitors are counted.
    pub pageviews: Days,
    /// Different visitors, where they are counted.
    pub visitors: Days,
    /// What was used on each of the last 30 days.
    pub usage: Days<Usage>,
}

/// The totals of a repository. Days are in UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepositoryTruth {
    /// People who starred it and still do.
    pub stars: i64,
    /// Copies.
    pub forks: i64,
    /// People who are told of everything (`subscribers_count`).
    pub watchers: i64,
    /// Open issues, pull requests not among them.
    pub open_issues: i64,
    /// Open pull requests.
    pub open_prs: i64,
    /// Downloads of all assets of published releases.
    pub release_downloads: i64,
    /// Stars by the day on which they were given.
    pub new_stars: Days,
    /// Commits of the default branch by committer date.
    pub commits: Days,
    /// Places of their authors among the people, by the same day.
    pub contributors: Days<BTreeSet<usize>>,
    /// Issues without pull requests, by creation.
    pub issues_opened: Days,
    /// Issues without pull requests that are closed, by closing.
    pub issues_closed: Days,
    /// Pull requests by creation.
    pub prs_opened: Days,
    /// Pull requests by merge.
    pub prs_merged: Days,
    /// Seconds from creation to merge of each pull request, by the day of its merge.
    pub pr_merge_seconds: Days<Vec<i64>>,
    /// Published releases, pre-releases among them.
    pub releases: Days,
    /// Completed workflow runs by creation.
    pub workflow_runs: Days,
    /// Successful ones.
    pub workflow_successes: Days,
    /// Those that failed or timed out: with the successful ones, the denominator of the success rate.
    pub workflow_failures: Days,
    /// Seconds from the start to the end of all completed ones together.
    pub workflow_seconds: Days,
    /// Views, unique viewers, clones and unique cloners of the last 14 days.
    pub traffic: Days<[i64; 4]>,
}

impl Company {
    /// The totals, with days of money cut in `zone`.
    pub fn truth(&self, zone: &Zone) -> Truth {
        let mut truth = Truth { web: Some((self.web_shared(), zone.clone())), ..Truth::default() };
        self.books.money(&mut truth, zone);
        self.books.subscriptions(&mut truth, zone, self.now);
        for repository in &self.github.repositories {
            truth.repositories.insert(repository.full_name(), repository.truth(self.now));
        }
        for project in self.projects() {
            truth.projects.insert(project.name.clone(), self.project_truth(&project));
        }
        truth
    }

    fn project_truth(&self, project: &Project) -> ProjectTruth {
        let (zone, now) = (Zone::utc(), self.now.as_millisecond());
        let mut truth = ProjectTruth::default();
        for one in &project.deployments {
            let at = Timestamp::from_millisecond(one.created_ms).unwrap_or(self.now);
            let day = Day::of(at, &zone);
            add(&mut truth.deployments, &zone, at);
            truth.deployments_today += i64::from(now - one.created_ms < 24 * 3_600_000);
            match one.state {
                "READY" => add(&mut truth.success, &zone, at),
                "ERROR" => add(&mut truth.failed, &zone, at),
                _ => {}
            }
            match one.target {
                Some("production") => add(&mut truth.production, &zone, at),
                None => add(&mut truth.preview, &zone, at),
                _ => {}
            }
            let took = one.ready_ms.zip(one.building_ms).map(|(ready, began)| ready - began);
            if let Some(took) = took.filter(|took| *took > 0) {
                truth.build_ms.entry(day).or_default().push(took);
            }
            if let Some(began) = one.building_ms.filter(|_| took.is_none_or(|took| took > 0)) {
                truth.queue_ms.entry(day).or_default().push(began - one.created_ms);
            }
        }
        let today = Day::of(self.now, &zone);
        for day in Period::inclusive(today.plus(-29), today).days() {
            truth.usage.insert(day, self.usage(project, day));
        }
        if project.analytics {
            for (day, visits) in self.web().by_day(Period::inclusive(today.plus(-91), today), &zone) {
                let seen = tally(visits);
                truth.pageviews.insert(day, seen.pageviews);
                truth.visitors.insert(day, seen.visitors());
            }
        }
        truth
    }

    /// MRR of one customer at the end of each day, not rounded, by upper-case currency: from the first day of their first
    /// subscription to today.
    pub fn customer_mrr(&self, customer: &str, zone: &Zone) -> Days<Level> {
        self.books.levels(customer, zone, self.now)
    }

    /// MRR in minor units by upper-case currency at an instant.
    pub fn mrr_at(&self, at: Timestamp) -> BTreeMap<String, i64> {
        self.books.mrr_at(at)
    }
}

impl Truth {
    /// What the visits of some days come to.
    pub fn visits(&self, period: Period) -> Tally {
        self.web.as_ref().map(|(web, zone)| tally(web.period(period, zone))).unwrap_or_default()
    }
}

fn add(days: &mut Days, zone: &Zone, at: Timestamp) {
    *days.entry(Day::of(at, zone)).or_default() += 1;
}

impl Books {
    fn money(&self, truth: &mut Truth, zone: &Zone) {
        for entry in &self.balance {
            let counts = ["charge", "refund", "dispute", "dispute_reversal", "partial_capture_reversal"];
            if !counts.contains(&entry.category) {
                continue;
            }
            let day = truth.money.entry(Day::of(entry.at, zone)).or_default();
            let money = day.entry(entry.currency.to_uppercase()).or_default();
            money.revenue += entry.amount;
            money.fees += entry.fee;
            money.net += entry.amount - entry.fee;
            match entry.category {
                "charge" => money.gross += entry.amount,
                "refund" => money.refunds += entry.amount,
                _ => {}
            }
        }
        for charge in &self.charges {
            let days = if charge.succeeded { &mut truth.succeeded_payments } else { &mut truth.failed_payments };
            add(days, zone, charge.at);
        }
        for customer in &self.customers {
            match customer.deleted {
                None => add(&mut truth.new_customers, zone, customer.created),
                Some(at) => add(&mut truth.deleted_customers, zone, at),
            }
        }
        truth.customers = truth.new_customers.values().sum();
    }

    fn subscriptions(&self, truth: &mut Truth, zone: &Zone, now: Timestamp) {
        let mut paying = BTreeSet::new();
        for book in &self.subscriptions {
            if let Some(at) = book.paying_from {
                add(&mut truth.new_subscriptions, zone, at);
                if let Some(ended) = book.ended {
                    add(&mut truth.churned_subscriptions, zone, ended);
                } else if let Some(unpaid) = book.unpaid_from {
                    add(&mut truth.unpaid_subscriptions, zone, unpaid);
                }
            }
            let Some(segment) = book.at(now) else { continue };
            truth.trialing_subscriptions += i64::from(segment.status == "trialing");
            if !segment.monthly.is_empty() {
                truth.active_subscriptions += 1;
                paying.insert(&book.customer);
            }
            for (price, amount) in &segment.monthly {
                let key = (book.currency.clone(), (*price).to_owned());
                *truth.mrr_by_price.entry(key).or_default() += amount;
            }
        }
        truth.paying_customers = i64::try_from(paying.len()).unwrap_or(0);
        truth.mrr = self.mrr_at(now);
        self.history(truth, zone, now);
        let walk = self.walk(zone, now);
        (truth.movements, truth.months, truth.paying_history) = (walk.days, walk.months, walk.paying);
    }

    /// Walks the changes once and reads the running sums at the end of each day.
    fn history(&self, truth: &mut Truth, zone: &Zone, now: Timestamp) {
        let mut changes: Vec<(Timestamp, &str, Exact)> = Vec::new();
        for book in &self.subscriptions {
            let mut before = Exact::default();
            for segment in &book.segments {
                let after = segment.total();
                changes.push((segment.at, &book.currency, &after - before));
                before = after;
            }
        }
        changes.sort_by_key(|(at, ..)| *at);
        let Some((first, ..)) = changes.first() else { return };
        let mut sums: BTreeMap<&str, Exact> = BTreeMap::new();
        let (mut day, mut next) = (Day::of(*first, zone), 0);
        while day < Day::of(now, zone) {
            let end = zone.start_of(day.next());
            while let Some((_, currency, change)) = changes.get(next).filter(|(at, ..)| *at < end) {
                *sums.entry(currency).or_default() += change;
                next += 1;
            }
            let rounded =
                |(currency, sum): (&&str, &Exact)| ((*currency).to_owned(), exact::round(sum).unwrap_or(i64::MAX));
            truth.mrr_history.insert(day, sums.iter().map(rounded).collect());
            day = day.next();
        }
    }

    fn mrr_at(&self, at: Timestamp) -> BTreeMap<String, i64> {
        let mut sums: BTreeMap<String, Exact> = BTreeMap::new();
        for book in &self.subscriptions {
            if let Some(segment) = book.at(at) {
                *sums.entry(book.currency.clone()).or_default() += segment.total();
            }
        }
        sums.into_iter().map(|(currency, sum)| (currency, exact::round(&sum).unwrap_or(i64::MAX))).collect()
    }
}

impl Repository {
    fn truth(&self, now: Timestamp) -> RepositoryTruth {
        let zone = Zone::utc();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let open = |pulls: bool| {
            let open = |issue: &&super::Issue| issue.closed.is_none() && issue.pull.is_some() == pulls;
            count(self.issues.iter().filter(open).count())
        };
        let mut truth = RepositoryTruth {
            stars: count(self.stars.len()),
            forks: self.forks,
            watchers: self.watchers,
            open_issues: open(false),
            open_prs: open(true),
            ..RepositoryTruth::default()
        };
        for star in &self.stars {
            add(&mut truth.new_stars, &zone, star.at);
        }
        for commit in &self.commits {
            add(&mut truth.commits, &zone, commit.committed);
            truth.contributors.entry(Day::of(commit.committed, &zone)).or_default().insert(commit.author);
        }
        for issue in &self.issues {
            let Some(pull) = &issue.pull else {
                add(&mut truth.issues_opened, &zone, issue.created);
                if let Some(closed) = issue.closed {
                    add(&mut truth.issues_closed, &zone, closed);
                }
                continue;
            };
            add(&mut truth.prs_opened, &zone, issue.created);
            if let Some(merged) = pull.merged {
                add(&mut truth.prs_merged, &zone, merged);
                let seconds = merged.as_second() - issue.created.as_second();
                truth.pr_merge_seconds.entry(Day::of(merged, &zone)).or_default().push(seconds);
            }
        }
        for release in &self.releases {
            let Some(published) = release.published else { continue };
            add(&mut truth.releases, &zone, published);
            truth.release_downloads += release.assets.iter().map(|asset| asset.downloads).sum::<i64>();
        }
        for run in &self.runs {
            let Some(conclusion) = run.conclusion else { continue };
            add(&mut truth.workflow_runs, &zone, run.created);
            let seconds = run.updated.as_second() - run.started.as_second();
            *truth.workflow_seconds.entry(Day::of(run.created, &zone)).or_default() += seconds;
            match conclusion {
                "success" => add(&mut truth.workflow_successes, &zone, run.created),
                "failure" | "timed_out" => add(&mut truth.workflow_failures, &zone, run.created),
                _ => {}
            }
        }
        let today = Day::of(now, &zone);
        for traffic in self.traffic.iter().filter(|traffic| traffic.day > today.plus(-14) && traffic.day <= today) {
            truth
                .traffic
                .insert(traffic.day, [traffic.views, traffic.unique_views, traffic.clones, traffic.unique_clones]);
        }
        truth
    }
}
