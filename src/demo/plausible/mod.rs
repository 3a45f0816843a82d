//! Plausible Analytics: the Stats API in both versions, the list of sites, and what is refused.

mod access;
mod problem;
mod query;
mod table;
mod v1;

use std::collections::BTreeMap;

use serde_json::json;

pub use self::access::PlausibleKey;
use self::{access::Budgets, problem::Problem, table::Asked};
use super::{
    company::{DOWNLOAD, Hit, PURCHASE, SIGN_UP, SITE_CURRENCY, SITE_ZONE},
    server::{Incoming, Reply, Site},
};

/// How the emulated Plausible is set up.
#[derive(Debug, Clone)]
pub struct PlausibleServer {
    /// Where it is installed: empty, or a path such as `/stats`.
    pub base: String,
    /// Whether it is so old that it does not know version 2 of the Stats API.
    pub only_v1: bool,
    /// Whether its version 1 knows the parameter `interval`. Very old ones do not.
    pub interval: bool,
    /// Whether it tells the money of goals: a matter of plan and edition.
    pub revenue: bool,
    /// The site's goals.
    pub goals: Vec<PlausibleGoal>,
}

/// A goal of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlausibleGoal {
    /// The name that is shown, and asked for.
    pub name: String,
    /// What reaches it: the name of an event, or a page.
    pub reached_by: String,
    /// What its money is counted in, if it has any.
    pub currency: Option<&'static str>,
}

impl PlausibleGoal {
    fn new(name: &str, reached_by: &str) -> Self {
        Self { name: name.to_owned(), reached_by: reached_by.to_owned(), currency: None }
    }

    fn takes(&self, hit: &Hit) -> bool {
        hit.goal.unwrap_or(hit.page) == self.reached_by
    }
}

impl Default for PlausibleServer {
    /// As in the cloud, with a goal of each sort.
    fn default() -> Self {
        let purchase = PlausibleGoal { currency: Some(SITE_CURRENCY), ..PlausibleGoal::new(PURCHASE, PURCHASE) };
        Self {
            base: String::new(),
            only_v1: false,
            interval: true,
            revenue: true,
            goals: vec![
                PlausibleGoal::new(DOWNLOAD, DOWNLOAD),
                purchase,
                PlausibleGoal::new(SIGN_UP, SIGN_UP),
                PlausibleGoal::new("Visit /pricing", "/pricing"),
            ],
        }
    }
}

impl PlausibleServer {
    /// The same with a goal under another name.
    pub fn renamed(mut self, goal: &str, name: &str) -> Self {
        self.goals.iter_mut().filter(|one| one.name == goal).for_each(|one| name.clone_into(&mut one.name));
        self
    }
}

/// The Stats API.
#[derive(Debug, Default)]
pub(super) struct Emulator {
    budgets: Budgets,
}

impl Emulator {
    pub(super) fn answer(&self, site: &Site, request: &Incoming) -> Reply {
        self.route(site, request).unwrap_or_else(Problem::reply)
    }

    fn route(&self, site: &Site, request: &Incoming) -> Result<Reply, Problem> {
        let server = &site.options.plausible;
        let Some(path) = request.path.strip_prefix(server.base.as_str()) else { return Err(Problem::no_route()) };
        match (request.method.as_str(), path) {
            ("POST", "/api/v2/query") if !server.only_v1 => {
                let body = query::parse(request)?;
                self.admit(site, request, body.get("site_id").and_then(|id| id.as_str()))?;
                query::answer(&self.asked(site), &body)
            }
            ("GET", "/api/v1/sites") => {
                let key = access::key(&site.options.plausible_keys, request)?;
                if !key.lists_sites {
                    return Err(Problem::no_sites_api());
                }
                let listed = key
                    .sees(super::PLAUSIBLE_SITE)
                    .then(|| json!({ "domain": super::PLAUSIBLE_SITE, "timezone": SITE_ZONE }));
                let sites: Vec<_> = listed.into_iter().collect();
                let meta = json!({ "after": null, "before": null, "limit": 100 });
                Ok(Reply::compact(200, &json!({ "sites": sites, "meta": meta })))
            }
            ("GET", path) if path.starts_with("/api/v1/stats/") => {
                let pairs: BTreeMap<&str, &str> = request.pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                self.admit(site, request, pairs.get("site_id").copied())?;
                v1::answer(&self.asked(site), path, &pairs)
            }
            _ => Err(Problem::no_route()),
        }
    }

    /// Refuses whoever may not ask, in the order in which Plausible does.
    fn admit(&self, site: &Site, request: &Incoming, site_id: Option<&str>) -> Result<(), Problem> {
        let key = access::key(&site.options.plausible_keys, request)?;
        if self.budgets.spend(&key.key, site.now()) && site.options.rate_limits {
            return Err(Problem::too_many());
        }
        let Some(id) = site_id.filter(|id| !id.is_empty()) else { return Err(Problem::missing_site()) };
        if id != super::PLAUSIBLE_SITE || !key.sees(id) {
            return Err(Problem::no_access());
        }
        if key.has_plan { Ok(()) } else { Err(Problem::no_plan()) }
    }

    fn asked(&self, site: &Site) -> Asked {
        Asked::new(site.company(), site.options.plausible.clone(), site.now(), site.options.strict)
    }
}
