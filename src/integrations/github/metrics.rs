//! What is measured: one row a metric, and which rows one reading feeds.

use crate::metric::{Definition, Dimension, Interval, Kind, Polarity, Unit, ValidRange, WidgetType};

pub(super) const STARS: &str = "github_stars";
pub(super) const NEW_STARS: &str = "github_new_stars";
pub(super) const FORKS: &str = "github_forks";
pub(super) const WATCHERS: &str = "github_watchers";
pub(super) const COMMITS: &str = "github_commits";
pub(super) const CONTRIBUTORS: &str = "github_contributors";
pub(super) const OPEN_ISSUES: &str = "github_open_issues";
pub(super) const OPEN_PRS: &str = "github_open_prs";
pub(super) const ISSUES_OPENED: &str = "github_issues_opened";
pub(super) const ISSUES_CLOSED: &str = "github_issues_closed";
pub(super) const PRS_OPENED: &str = "github_prs_opened";
pub(super) const PRS_MERGED: &str = "github_prs_merged";
pub(super) const PR_MERGE_TIME: &str = "github_pr_merge_time";
pub(super) const RELEASES: &str = "github_releases";
pub(super) const RELEASE_DOWNLOADS: &str = "github_release_downloads";
pub(super) const WORKFLOW_RUNS: &str = "github_workflow_runs";
pub(super) const WORKFLOW_SUCCESS_RATE: &str = "github_workflow_success_rate";
pub(super) const WORKFLOW_DURATION: &str = "github_workflow_duration";
pub(super) const TRAFFIC_VIEWS: &str = "github_traffic_views";
pub(super) const TRAFFIC_UNIQUE_VIEWS: &str = "github_traffic_unique_views";
pub(super) const TRAFFIC_CLONES: &str = "github_traffic_clones";
pub(super) const TRAFFIC_UNIQUE_CLONES: &str = "github_traffic_unique_clones";

/// How many days back GitHub shows traffic, today included.
const TRAFFIC_DAYS: u16 = 14;
/// How many days after its end a day is read again, but for traffic.
pub(super) const SETTLES_AFTER_DAYS: u16 = 2;

/// What is read together. If the reading of a repository fails, exactly its metrics fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Counts,
    Commits,
    Issues,
    Pulls,
    Releases,
    Workflows,
    Stars,
    Views,
    Clones,
}

impl Reading {
    pub(super) const ALL: [Self; 9] = [
        Self::Counts,
        Self::Commits,
        Self::Issues,
        Self::Pulls,
        Self::Releases,
        Self::Workflows,
        Self::Stars,
        Self::Views,
        Self::Clones,
    ];

    /// The stream it belongs to.
    pub(super) fn stream(self) -> &'static str {
        match self {
            Self::Counts => "repositories",
            Self::Commits => "commits",
            Self::Issues => "issues",
            Self::Pulls => "pulls",
            Self::Releases => "releases",
            Self::Workflows => "workflows",
            Self::Stars => "stars",
            Self::Views | Self::Clones => "traffic",
        }
    }

    /// The repository permission of a fine-grained token that it needs, and the least one of a classic token.
    pub(super) fn permission(self) -> &'static str {
        match self {
            Self::Counts | Self::Stars => "\"Metadata: read\"",
            Self::Commits | Self::Releases => "\"Contents: read\"",
            Self::Issues => "\"Issues: read\"",
            Self::Pulls => "\"Pull requests: read\"",
            Self::Workflows => "\"Actions: read\"",
            Self::Views | Self::Clones => {
                "\"Administration: read\" (a classic token: the scope repo, of somebody who may push)"
            }
        }
    }

    /// Whether days that are settled are kept, so that they are read once. The other lists are short, have no past, or
    /// are read whole each time.
    pub(super) fn has_past(self) -> bool {
        matches!(self, Self::Commits | Self::Issues | Self::Pulls | Self::Workflows | Self::Stars)
    }

    /// Whether it can tell of days, weeks or months. Who came twice in a month GitHub does not say.
    pub(super) fn tells(self, grain: Interval) -> bool {
        grain != Interval::Month || self.stream() != "traffic"
    }

    /// The metrics that it feeds.
    pub(super) fn rows(self) -> impl Iterator<Item = &'static Row> {
        METRICS.iter().filter(move |row| row.reading == self)
    }
}

/// One metric.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) reading: Reading,
    pub(super) kind: Kind,
    name: &'static str,
    category: &'static str,
    polarity: Polarity,
    description: &'static str,
    differs: Option<&'static str>,
}

impl Row {
    /// With what GitHub's own screens show instead.
    const fn but(self, differs: &'static str) -> Self {
        Self { differs: Some(differs), ..self }
    }

    /// What it is read from; `{r}` is the repository.
    fn source(&self) -> &'static str {
        match (self.id, self.reading) {
            (STARS, _) => "`/repos/{r}`: `stargazers_count`",
            (FORKS, _) => "`/repos/{r}`: `forks_count`",
            (WATCHERS, _) => "`/repos/{r}`: `subscribers_count`",
            (OPEN_PRS, _) | (_, Reading::Pulls) => "`/repos/{r}/pulls`",
            (_, Reading::Counts) => "`/repos/{r}`: `open_issues_count`, less `github_open_prs`",
            (_, Reading::Commits) => "`/repos/{r}/commits`",
            (_, Reading::Issues) => "`/repos/{r}/issues`",
            (_, Reading::Releases) => "`/repos/{r}/releases`",
            (_, Reading::Workflows) => "`/repos/{r}/actions/runs`",
            (_, Reading::Stars) => "`/repos/{r}/stargazers`",
            (TRAFFIC_UNIQUE_VIEWS, _) => "`/repos/{r}/traffic/views`: `uniques`",
            (_, Reading::Views) => "`/repos/{r}/traffic/views`: `count`",
            (TRAFFIC_UNIQUE_CLONES, _) => "`/repos/{r}/traffic/clones`: `uniques`",
            (_, Reading::Clones) => "`/repos/{r}/traffic/clones`: `count`",
        }
    }

    /// How many days back GitHub can answer, today included; `None`: all.
    pub(super) fn retention_days(&self) -> Option<u16> {
        match (self.kind, self.reading.stream()) {
            (Kind::Level, _) => Some(1),
            (_, "traffic") => Some(TRAFFIC_DAYS),
            _ => None,
        }
    }

    /// The row as the host knows it.
    pub(super) fn definition(&self) -> Definition {
        let (unit, valid) = match (self.kind, self.id) {
            (_, WORKFLOW_DURATION) | (Kind::Statistic, _) => (Unit::Seconds, ValidRange::NotNegative),
            (Kind::Ratio, _) => (Unit::Percent, ValidRange::Share),
            _ => (Unit::Count, ValidRange::NotNegative),
        };
        let settles_after_days = match (self.kind, self.reading.stream()) {
            (Kind::Level, _) => 0,
            (_, "traffic") => TRAFFIC_DAYS,
            _ => SETTLES_AFTER_DAYS,
        };
        Definition {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            unit,
            category: self.category.to_owned(),
            widget_type: if self.kind == Kind::Level { WidgetType::Metric } else { WidgetType::Chart },
            kind: self.kind,
            polarity: self.polarity,
            valid,
            settles_after_days,
            retention_days: self.retention_days().map(u32::from),
            definition: 1,
            dimension: Some(Dimension::Repository),
            stream: self.reading.stream().to_owned(),
            source: self.source().to_owned(),
            differs: self.differs.map(str::to_owned),
            explained: false,
            of_money: false,
            exchange_effect: None,
        }
    }
}

/// A metric's row by its id.
pub(super) fn find(id: &str) -> Option<&'static Row> {
    METRICS.iter().find(|row| row.id == id)
}

const fn row(
    id: &'static str,
    reading: Reading,
    kind: Kind,
    polarity: Polarity,
    (category, name, description): (&'static str, &'static str, &'static str),
) -> Row {
    Row { id, reading, kind, name, category, polarity, description, differs: None }
}

/// What *Insights, Traffic* shows of visitors and cloners.
const OF_14_DAYS: &str = "The number beside the graph under *Insights, Traffic* is of the 14 days together, in which somebody who \
                          comes back counts once.";

use Kind::{Distinct, Flow, Level, Ratio, Statistic};
use Polarity::{DownIsGood, Neutral, UpIsGood};

/// All metrics, in the order of the catalogue.
pub(super) static METRICS: [Row; 22] = [
    row(STARS, Reading::Counts, Level, UpIsGood, ("popularity", "Stars", "Stars that stand.")),
    row(
        NEW_STARS,
        Reading::Stars,
        Flow,
        UpIsGood,
        (
            "popularity",
            "New stars",
            "Stars given on the day that still stand. Unknown past a repository's 40,000th star.",
        ),
    ),
    row(FORKS, Reading::Counts, Level, UpIsGood, ("popularity", "Forks", "Forks that exist.")),
    row(
        WATCHERS,
        Reading::Counts,
        Level,
        UpIsGood,
        (
            "popularity",
            "Watchers",
            "Accounts that are notified of all activity. Not GitHub's watchers_count, which repeats the stars.",
        ),
    ),
    row(
        COMMITS,
        Reading::Commits,
        Flow,
        UpIsGood,
        ("code", "Commits", "Commits on the default branch, on the day they were committed (not authored)."),
    )
    .but(
        "The graphs under *Insights* leave out merges; contributions on a profile count on the day of writing, in the \
         writer's zone.",
    ),
    row(
        CONTRIBUTORS,
        Reading::Commits,
        Distinct,
        UpIsGood,
        (
            "code",
            "Contributors",
            "Different authors of the commits of the day, week or month: GitHub accounts, else e-mail addresses, else \
             names. Each counts once, however many commits, days and repositories. Cannot be added over days.",
        ),
    )
    .but(
        "A repository's page names those of all time, and only accounts. Here addresses without an account count too.",
    ),
    row(
        OPEN_ISSUES,
        Reading::Counts,
        Level,
        DownIsGood,
        ("issues", "Open issues", "Issues that are open, without pull requests."),
    ),
    row(
        OPEN_PRS,
        Reading::Counts,
        Level,
        DownIsGood,
        ("reviews", "Open pull requests", "Pull requests that are open, drafts included."),
    ),
    row(
        ISSUES_OPENED,
        Reading::Issues,
        Flow,
        Neutral,
        ("issues", "Issues opened", "Issues created on the day, without pull requests."),
    ),
    row(
        ISSUES_CLOSED,
        Reading::Issues,
        Flow,
        UpIsGood,
        ("issues", "Issues closed", "Issues that are closed and were last closed on the day, without pull requests."),
    ),
    row(
        PRS_OPENED,
        Reading::Pulls,
        Flow,
        UpIsGood,
        ("reviews", "Pull requests opened", "Pull requests created on the day."),
    ),
    row(
        PRS_MERGED,
        Reading::Pulls,
        Flow,
        UpIsGood,
        ("reviews", "Pull requests merged", "Pull requests merged on the day."),
    ),
    row(
        PR_MERGE_TIME,
        Reading::Pulls,
        Statistic,
        DownIsGood,
        (
            "reviews",
            "Time to merge",
            "Median time from creation to merge of the pull requests merged on the day, in the week or month. \
             That of several repositories is the median over all their pull requests.",
        ),
    ),
    row(
        RELEASES,
        Reading::Releases,
        Flow,
        UpIsGood,
        ("releases", "Releases", "Releases published on the day: prereleases count, drafts do not."),
    ),
    row(
        RELEASE_DOWNLOADS,
        Reading::Releases,
        Level,
        UpIsGood,
        (
            "releases",
            "Release downloads",
            "Downloads of all files of all published releases so far. Source archives are not counted by GitHub.",
        ),
    ),
    row(
        WORKFLOW_RUNS,
        Reading::Workflows,
        Flow,
        Neutral,
        ("automation", "Workflow runs", "GitHub Actions runs created on the day that are completed."),
    ),
    row(
        WORKFLOW_SUCCESS_RATE,
        Reading::Workflows,
        Ratio,
        UpIsGood,
        (
            "automation",
            "Workflow success rate",
            "Successful runs out of those that succeeded, failed or timed out. Cancelled and skipped ones are neither.",
        ),
    ),
    row(
        WORKFLOW_DURATION,
        Reading::Workflows,
        Ratio,
        DownIsGood,
        (
            "automation",
            "Workflow duration",
            "Mean time from start to end of the runs created on the day that are completed, however they ended; of a run \
             that was repeated, the last attempt. Of several days or repositories it is the mean of all their runs.",
        ),
    ),
    row(TRAFFIC_VIEWS, Reading::Views, Flow, UpIsGood, ("traffic", "Views", "Views of the repository's pages.")),
    row(
        TRAFFIC_UNIQUE_VIEWS,
        Reading::Views,
        Distinct,
        UpIsGood,
        (
            "traffic",
            "Unique visitors",
            "Different visitors of the day or week. Cannot be added over days or repositories; GitHub tells no months.",
        ),
    )
    .but(OF_14_DAYS),
    row(TRAFFIC_CLONES, Reading::Clones, Flow, UpIsGood, ("traffic", "Clones", "Clones of the repository.")),
    row(
        TRAFFIC_UNIQUE_CLONES,
        Reading::Clones,
        Distinct,
        UpIsGood,
        (
            "traffic",
            "Unique cloners",
            "Different cloners of the day or week. Cannot be added over days or repositories; GitHub tells no months.",
        ),
    )
    .but(OF_14_DAYS),
];
