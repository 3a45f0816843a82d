//! What `dashtray demo` needs to know: how to connect the simulated company, and what its totals should come to.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{
    Company, Emulators, GITHUB_TOKEN, GOOGLE_PROPERTY, PLAUSIBLE_KEY, PLAUSIBLE_SITE, STRIPE_KEY, Truth, VERCEL_TOKEN,
    authorization::Consent,
    company::{Days, Money, ProjectTruth, RepositoryTruth, TEAM_SLUG, Usage, tally_by},
};
use crate::metric::{Currency, Period, exact};

/// One account of the company.
#[derive(Debug, Clone)]
pub struct Account {
    /// Which integration connects it, and the name that [`super::Emulators::url`] takes.
    pub integration_id: &'static str,
    /// The credential fields; `None` where its user signs in.
    pub credentials: Option<Vec<(&'static str, String)>>,
    /// The settings.
    pub settings: Json,
}

impl Company {
    /// Its accounts, one for each emulator.
    pub fn accounts(&self) -> Vec<Account> {
        let repositories: Vec<String> =
            self.github.repositories.iter().map(super::company::Repository::full_name).collect();
        vec![
            Account {
                integration_id: "github",
                credentials: Some(vec![("token", GITHUB_TOKEN.to_owned())]),
                settings: json!({"repositories": repositories}),
            },
            Account {
                integration_id: "google-analytics",
                credentials: None,
                settings: json!({"property": GOOGLE_PROPERTY}),
            },
            Account {
                integration_id: "plausible",
                credentials: Some(vec![("api_key", PLAUSIBLE_KEY.to_owned())]),
                settings: json!({"site_id": PLAUSIBLE_SITE}),
            },
            Account {
                integration_id: "stripe",
                credentials: Some(vec![("api_key", STRIPE_KEY.to_owned())]),
                settings: json!({}),
            },
            Account {
                integration_id: "vercel",
                credentials: Some(vec![("token", VERCEL_TOKEN.to_owned())]),
                settings: json!({"team": TEAM_SLUG}),
            },
        ]
    }
}

impl Emulators {
    /// Has the company's user asked who signs in, and sent back to this address too. What he allows is as short-lived as can
    /// be: access of three seconds, and a new refresh token with each renewal.
    pub fn expect_sign_in(&self, redirect_uri: &str) {
        let Some(authorization) = self.google_authorization() else { return };
        authorization.consent(Consent::Asked);
        authorization.change(|rules| {
            (rules.access_seconds, rules.rotates) = (3, true);
            let uris = rules.clients.iter_mut().map(|client| &mut client.redirect_uris);
            uris.for_each(|uris| uris.push(redirect_uri.to_owned()));
        });
    }
}

impl Truth {
    /// What a metric comes to by the generator's books, in its stored unit: of a flow the sum over the period, of a level
    /// what stands now, of people and of a length of time that of the period's last day. `None` where the books do not say.
    pub fn total(&self, metric_id: &str, currency: Option<Currency>, period: Period) -> Option<i64> {
        match metric_id.split_once('_')? {
            ("stripe", metric) => self.billing(metric, currency, period),
            ("plausible", metric) => self.site(metric, currency, period),
            ("github", "contributors") => {
                let day = period.last()?;
                let authors = self.repositories.values().filter_map(|one| one.contributors.get(&day)).flatten();
                i64::try_from(authors.collect::<BTreeSet<_>>().len()).ok()
            }
            ("github", "workflow_duration") => {
                let day = period.last()?;
                let sum = |of: fn(&RepositoryTruth) -> &Days| -> i64 {
                    self.repositories.values().filter_map(|one| of(one).get(&day)).sum()
                };
                let ms = exact::fraction(1000 * sum(|one| &one.workflow_seconds), sum(|one| &one.workflow_runs))?;
                exact::round(&ms)
            }
            ("github", metric) => self.repositories.values().map(|repository| code(repository, metric, period)).sum(),
            ("vercel", metric) => built(&self.projects.values().collect::<Vec<_>>(), metric, period),
            _ => None,
        }
    }

    /// What the site's counter says. Goals are those of the emulator: what was done, and the page of the prices.
    fn site(&self, metric: &str, currency: Option<Currency>, period: Period) -> Option<i64> {
        let whole = || self.visits(period);
        let last = || period.last().map(|day| self.visits(Period::single(day)));
        match metric {
            "visitors" => Some(last()?.visitors()),
            "visits" => Some(whole().visits),
            "pageviews" => Some(whole().pageviews),
            "events" => Some(whole().events()),
            "visit_duration" => {
                let day = last()?;
                exact::round(&exact::fraction(day.duration_secs, day.visits)?).map(|seconds| 1000 * seconds)
            }
            "revenue" if currency? == Currency::USD => Some(whole().revenue),
            "conversions" => {
                let (web, zone) = self.web.as_ref()?;
                let visits = web.period(period, zone);
                let prices = tally_by(visits, |_, hit| (hit.goal.is_none() && hit.page == "/pricing").then_some(()));
                Some(whole().goals + prices.values().map(|tally| tally.pageviews).sum::<i64>())
            }
            _ => None,
        }
    }

    fn billing(&self, metric: &str, currency: Option<Currency>, period: Period) -> Option<i64> {
        let money = |part: fn(&Money) -> i64| {
            let code = currency?.to_string();
            let days = self.money.iter().filter(|(day, _)| period.contains(**day));
            Some(days.filter_map(|(_, day)| day.get(&code)).map(part).sum())
        };
        let sum = |days| Some(sum(days, period));
        match metric {
            "mrr" => Some(self.mrr.get(&currency?.to_string()).copied().unwrap_or(0)),
            "active_subscriptions" => Some(self.active_subscriptions),
            "trialing_subscriptions" => Some(self.trialing_subscriptions),
            "customers" => Some(self.customers),
            "revenue" => money(|money| money.revenue),
            "gross_volume" => money(|money| money.gross),
            "refunds" => money(|money| money.refunds.abs()),
            "fees" => money(|money| money.fees),
            "net" => money(|money| money.net),
            "new_customers" => sum(&self.new_customers),
            "new_subscriptions" => sum(&self.new_subscriptions),
            "failed_payments" => sum(&self.failed_payments),
            _ => None,
        }
    }
}

fn code(truth: &RepositoryTruth, metric: &str, period: Period) -> Option<i64> {
    let traffic = |which: usize| {
        let days = truth.traffic.iter().filter(|(day, _)| period.contains(**day));
        days.map(|(_, counts)| counts.get(which).copied().unwrap_or(0)).sum()
    };
    Some(match metric {
        "stars" => truth.stars,
        "forks" => truth.forks,
        "watchers" => truth.watchers,
        "open_issues" => truth.open_issues,
        "open_prs" => truth.open_prs,
        "release_downloads" => truth.release_downloads,
        "new_stars" => sum(&truth.new_stars, period),
        "commits" => sum(&truth.commits, period),
        "issues_opened" => sum(&truth.issues_opened, period),
        "issues_closed" => sum(&truth.issues_closed, period),
        "prs_opened" => sum(&truth.prs_opened, period),
        "prs_merged" => sum(&truth.prs_merged, period),
        "releases" => sum(&truth.releases, period),
        "workflow_runs" => sum(&truth.workflow_runs, period),
        "traffic_views" => traffic(0),
        "traffic_clones" => traffic(2),
        _ => return None,
    })
}

/// What some projects come to together.
fn built(projects: &[&ProjectTruth], metric: &str, period: Period) -> Option<i64> {
    let flow = |of: fn(&ProjectTruth) -> &Days| projects.iter().map(|one| sum(of(one), period)).sum();
    let used = |of: fn(&Usage) -> i64| {
        let days = projects.iter().flat_map(|one| one.usage.iter());
        days.filter(|(day, _)| period.contains(**day)).map(|(_, usage)| of(usage)).sum()
    };
    let lengths = |of: fn(&ProjectTruth) -> &Days<Vec<i64>>| -> Option<Vec<i64>> {
        let day = period.last()?;
        let mut all: Vec<i64> = projects.iter().filter_map(|one| of(one).get(&day)).flatten().copied().collect();
        all.sort_unstable();
        (!all.is_empty()).then_some(all)
    };
    let mean = |all: Vec<i64>| exact::round(&exact::fraction(all.iter().sum(), i64::try_from(all.len()).ok()?)?);
    Some(match metric {
        "deployments" => flow(|one| &one.deployments),
        "deployments_today" => projects.iter().map(|one| one.deployments_today).sum(),
        "deployments_success" => flow(|one| &one.success),
        "deployments_failed" => flow(|one| &one.failed),
        "deployments_production" => flow(|one| &one.production),
        "deployments_preview" => flow(|one| &one.preview),
        "build_time" => mean(lengths(|one| &one.build_ms)?)?,
        "queue_time" => mean(lengths(|one| &one.queue_ms)?)?,
        "build_time_p95" => {
            let all = lengths(|one| &one.build_ms)?;
            *all.get((95 * all.len()).div_ceil(100).saturating_sub(1))?
        }
        "pageviews" => flow(|one| &one.pageviews),
        "visitors" => {
            let day = period.last()?;
            projects.iter().filter_map(|one| one.visitors.get(&day)).sum()
        }
        "function_invocations" => used(|usage| usage.invocations),
        "bandwidth" => used(|usage| usage.bytes),
        "edge_requests" => used(|usage| usage.requests),
        _ => return None,
    })
}

fn sum(days: &Days, period: Period) -> i64 {
    days.iter().filter(|(day, _)| period.contains(**day)).map(|(_, count)| count).sum()
}
