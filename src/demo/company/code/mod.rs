//! The company's repositories and what people do in them.

mod generate;

use jiff::Timestamp;

pub(super) use self::generate::generate;
use crate::metric::Day;

/// What GitHub knows of the company.
#[derive(Debug, Clone, Default)]
pub struct Code {
    /// The organisation's user name.
    pub organization: String,
    /// The organisation's numeric id.
    pub organization_id: u64,
    /// The user name of the person whom the tokens belong to.
    pub owner: String,
    /// People who work on the code: user name and numeric id.
    pub people: Vec<(String, u64)>,
    /// The repositories.
    pub repositories: Vec<Repository>,
}

/// A repository, with everything in the order in which it happened.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Numeric id, which survives renaming.
    pub id: u64,
    /// The organisation.
    pub owner: String,
    /// The name now.
    pub name: String,
    /// Names it once had; they redirect.
    pub old_names: Vec<String>,
    /// Only for those with access.
    pub private: bool,
    /// Whether issues are switched on.
    pub has_issues: bool,
    /// Read-only for everybody.
    pub archived: bool,
    /// One line about it.
    pub description: String,
    /// The language of most of it.
    pub language: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Stars that still stand, oldest first.
    pub stars: Vec<Star>,
    /// Copies.
    pub forks: i64,
    /// People who are told of everything.
    pub watchers: i64,
    /// Commits of the default branch, oldest first by committer date.
    pub commits: Vec<Commit>,
    /// Issues and pull requests, oldest first; the number is the place plus one.
    pub issues: Vec<Issue>,
    /// Releases, oldest first.
    pub releases: Vec<Release>,
    /// Workflow runs, oldest first.
    pub runs: Vec<Run>,
    /// Visits by UTC day, oldest first; only the last 14 days are shown.
    pub traffic: Vec<Traffic>,
}

/// A star.
#[derive(Debug, Clone)]
pub struct Star {
    /// When it was given.
    pub at: Timestamp,
    /// Who gave it.
    pub login: String,
}

/// A commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its hash.
    pub sha: String,
    /// Place of the author among the people.
    pub author: usize,
    /// Whether the author's address belongs to an account; else the name and the address are all that is known.
    pub has_account: bool,
    /// When it was written.
    pub authored: Timestamp,
    /// When it came to the branch.
    pub committed: Timestamp,
    /// Its message.
    pub message: String,
}

/// An issue, or a pull request.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Numeric id.
    pub id: u64,
    /// Number in the repository.
    pub number: u64,
    /// First line.
    pub title: String,
    /// Place of the author among the people.
    pub author: usize,
    /// When it was opened.
    pub created: Timestamp,
    /// When anything about it last changed.
    pub updated: Timestamp,
    /// When it was closed or merged.
    pub closed: Option<Timestamp>,
    /// How many comments it has.
    pub comments: i64,
    /// What makes it a pull request.
    pub pull: Option<Pull>,
}

/// What a pull request has beyond an issue.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Numeric id as a pull request.
    pub id: u64,
    /// When it was merged.
    pub merged: Option<Timestamp>,
    /// Not ready yet.
    pub draft: bool,
}

/// A release.
#[derive(Debug, Clone)]
pub struct Release {
    /// Numeric id.
    pub id: u64,
    /// Its tag.
    pub tag: String,
    /// When the tagged commit was made.
    pub created: Timestamp,
    /// When it was published; a draft is not.
    pub published: Option<Timestamp>,
    /// Not for everyone yet.
    pub prerelease: bool,
    /// Files.
    pub assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Numeric id.
    pub id: u64,
    /// File name.
    pub name: String,
    /// Downloads up to now.
    pub downloads: i64,
}

/// A workflow run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Numeric id.
    pub id: u64,
    /// Number in its workflow.
    pub number: u64,
    /// The workflow's name.
    pub name: &'static str,
    /// When it was asked for.
    pub created: Timestamp,
    /// When its last attempt began.
    pub started: Timestamp,
    /// When it last changed; the end of a completed one.
    pub updated: Timestamp,
    /// Its end, such as `success`; none while it is running.
    pub conclusion: Option<&'static str>,
    /// Which attempt this is.
    pub attempt: i64,
}

/// Visits of a UTC day.
#[derive(Debug, Clone, Copy)]
pub struct Traffic {
    /// The day.
    pub day: Day,
    /// Page views.
    pub views: i64,
    /// Different viewers.
    pub unique_views: i64,
    /// Clones.
    pub clones: i64,
    /// Different cloners.
    pub unique_clones: i64,
}

impl Traffic {
    /// Different people of several days together: of those beside the day with the most, every third came back.
    pub fn different(days: impl Iterator<Item = i64>) -> i64 {
        let (all, most) = days.fold((0, 0), |(all, most), day| (all + day, day.max(most)));
        all - (all - most) / 3
    }
}

impl Repository {
    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}
