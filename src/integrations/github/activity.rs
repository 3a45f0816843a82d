//! Counting what happened: commits, issues, pull requests, releases, stars and traffic. Each thing is looked at once,
//! and only its instants matter.

use sha2::{Digest, Sha256};

use super::{
    api::{Commit, Issue, Pull, Release, Repository, Traffic},
    metrics::{
        COMMITS, CONTRIBUTORS, FORKS, ISSUES_CLOSED, ISSUES_OPENED, OPEN_ISSUES, OPEN_PRS, PR_MERGE_TIME, PRS_MERGED,
        PRS_OPENED, RELEASE_DOWNLOADS, RELEASES, STARS, WATCHERS,
    },
    series::{Part, utc_day},
};
use crate::{integrations::Error, metric::Day};

/// The counts that a repository itself carries.
pub(super) fn counts(part: &mut Part, repository: &Repository, today: Day) -> Result<(), Error> {
    part.amount(STARS, today, repository.stargazers_count)?;
    part.amount(FORKS, today, repository.forks_count)?;
    part.amount(WATCHERS, today, repository.subscribers_count)
}

/// GitHub's count of open issues holds the open pull requests.
pub(super) fn open(part: &mut Part, repository: &Repository, pulls: i64, today: Day) -> Result<(), Error> {
    let issues = repository.open_issues_count.checked_sub(pulls).filter(|issues| *issues >= 0).ok_or_else(|| {
        Error::invalid_response(format!(
            "{} open issues and pull requests cannot hold {pulls} open pull requests",
            repository.open_issues_count
        ))
    })?;
    part.amount(OPEN_ISSUES, today, issues)?;
    part.amount(OPEN_PRS, today, pulls)
}

/// The day it was committed. The day it was written may be long before, and counts where the other is not known.
pub(super) fn commit(part: &mut Part, commit: &Commit) -> Result<(), Error> {
    let Some(signature) = commit.commit.committer.as_ref().or(commit.commit.author.as_ref()) else { return Ok(()) };
    part.count(COMMITS, signature.date)?;
    author(commit).map_or(Ok(()), |author| part.member(CONTRIBUTORS, signature.date, author))
}

/// Who wrote a commit, as a number: their account at GitHub, else their address, else their name. What people are called
/// is of no use later and is not kept.
fn author(commit: &Commit) -> Option<u64> {
    if let Some(id) = commit.author.as_ref().and_then(|account| account.id) {
        return Some(number("account", &id.to_string()));
    }
    let git = commit.commit.author.as_ref()?;
    let said =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_lowercase);
    let by_address = said(&git.email).map(|email| number("address", &email));
    by_address.or_else(|| said(&git.name).map(|name| number("name", &name)))
}

/// The first eight bytes of a digest, which stays the same in every version of this program.
fn number(of: &str, text: &str) -> u64 {
    let digest = Sha256::digest(format!("{of} {text}"));
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// GitHub lists pull requests among issues.
pub(super) fn issue(part: &mut Part, issue: &Issue) -> Result<(), Error> {
    if issue.pull_request.is_some() {
        return Ok(());
    }
    part.count(ISSUES_OPENED, issue.created_at)?;
    match (issue.state.as_str(), issue.closed_at) {
        ("open", None) => Ok(()),
        ("closed", Some(at)) => part.count(ISSUES_CLOSED, at),
        ("open" | "closed", _) => Err(Error::invalid_response("an issue's state and its closed_at do not agree")),
        _ => Err(Error::invalid_response("an issue is neither open nor closed").context("field", "state")),
    }
}

/// Opened, merged, and how long that took.
pub(super) fn pull(part: &mut Part, pull: &Pull) -> Result<(), Error> {
    part.count(PRS_OPENED, pull.created_at)?;
    let Some(merged_at) = pull.merged_at else { return Ok(()) };
    part.count(PRS_MERGED, merged_at)?;
    part.length(PR_MERGE_TIME, pull.created_at, merged_at)
}

/// A draft is not out yet.
pub(super) fn release(part: &mut Part, release: &Release, today: Day) -> Result<(), Error> {
    if release.draft {
        return Ok(());
    }
    let published_at =
        release.published_at.ok_or_else(|| Error::invalid_response("a release that is out has no published_at"))?;
    part.count(RELEASES, published_at)?;
    release.assets.iter().try_for_each(|asset| part.amount(RELEASE_DOWNLOADS, today, asset.download_count))
}

/// A day's or week's total and how many different ones were behind it.
pub(super) fn traffic(
    part: &mut Part,
    traffic: &Traffic,
    all: &'static str,
    different: &'static str,
) -> Result<(), Error> {
    for entry in &traffic.buckets {
        let day = utc_day(entry.timestamp);
        part.amount(all, day, entry.count)?;
        part.amount(different, day, entry.uniques)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::{
        integrations::github::metrics::{TRAFFIC_UNIQUE_VIEWS, TRAFFIC_VIEWS},
        metric::Period,
    };

    const TODAY: &str = "2026-03-10";

    fn part() -> Part {
        Part::new(Period::inclusive("2026-03-09".parse().unwrap(), TODAY.parse().unwrap()))
    }

    fn of(part: &Part, metric: &str) -> [Option<i64>; 2] {
        ["2026-03-09", TODAY].map(|day| Some(part.days(metric).value(day.parse().unwrap())?.parts().0))
    }

    #[test]
    fn watchers_are_not_the_stars_and_issues_are_not_pull_requests() {
        let repository: Repository = serde_json::from_str(include_str!("fixtures/repository.json")).unwrap();
        let mut part = part();
        counts(&mut part, &repository, TODAY.parse().unwrap()).unwrap();
        open(&mut part, &repository, 3, TODAY.parse().unwrap()).unwrap();
        let levels = [STARS, FORKS, WATCHERS, OPEN_ISSUES, OPEN_PRS].map(|metric| of(&part, metric)[1]);
        assert_eq!(levels, [80, 9, 42, 4, 3].map(Some));
        let error = open(&mut part, &repository, 8, TODAY.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), crate::metric::FailureKind::InvalidResponse);
    }

    #[test]
    fn an_issue_that_is_closed_says_when() {
        let mut part = part();
        let at = "2026-03-10T10:00:00Z";
        let mut take = |state: &str, closed_at: Option<&str>| {
            let body = json!({ "id": 1, "state": state, "created_at": at, "updated_at": at, "closed_at": closed_at });
            issue(&mut part, &serde_json::from_value(body).unwrap())
        };
        assert!(take("open", None).is_ok() && take("closed", Some(at)).is_ok());
        assert!(take("closed", None).is_err() && take("open", Some(at)).is_err() && take("unheard_of", None).is_err());
        let without = json!({ "id": 1, "state": "closed", "created_at": at, "updated_at": at });
        assert!(serde_json::from_value::<Issue>(without).is_err());
    }

    #[test]
    fn commits_count_on_the_day_they_were_committed() {
        let commits: Vec<Commit> = serde_json::from_str(include_str!("fixtures/commits.json")).unwrap();
        let mut part = part();
        commits.iter().for_each(|one| commit(&mut part, one).unwrap());
        assert_eq!(of(&part, COMMITS), [Some(1), Some(1)]);
    }

    #[test]
    fn an_author_is_an_account_or_else_an_address_or_else_a_name() {
        let commit = |account: Json, name: &str, email: &str| -> Commit {
            let git = json!({ "name": name, "email": email, "date": "2026-03-10T10:00:00Z" });
            let body = json!({ "sha": "1", "author": account, "commit": { "author": git, "committer": git } });
            serde_json::from_value(body).unwrap()
        };
        let mona = json!({ "id": 7, "login": "mona" });
        for (people, commits) in [
            (1, vec![commit(mona.clone(), "Mona", "a@x"), commit(mona.clone(), "M", "b@x")]),
            (1, vec![commit(json!(null), "Mona", "a@x"), commit(json!({}), "M", " A@X ")]),
            (2, vec![commit(json!(null), "Mona", "a@x"), commit(json!(null), "Mona", "b@x")]),
            (1, vec![commit(json!(null), "Mona", ""), commit(json!(null), "mona", "")]),
            // The account with this number is not the name of the same letters.
            (2, vec![commit(mona, "x", "x"), commit(json!(null), "7", "")]),
            (0, vec![commit(json!(null), "", "")]),
        ] {
            let mut part = part();
            commits.iter().for_each(|one| super::commit(&mut part, one).unwrap());
            let expected = (people > 0).then_some(people);
            assert_eq!(of(&part, CONTRIBUTORS)[1], expected, "{commits:?}");
            assert_eq!(of(&part, COMMITS)[1], Some(commits.len() as i64));
        }
    }

    #[test]
    fn pull_requests_are_dropped_from_issues() {
        let issues: Vec<Issue> = serde_json::from_str(include_str!("fixtures/issues.json")).unwrap();
        let mut part = part();
        issues.iter().for_each(|one| issue(&mut part, one).unwrap());
        assert_eq!(of(&part, ISSUES_OPENED), [Some(1), None]);
        assert_eq!(of(&part, ISSUES_CLOSED), [None, Some(1)]);
    }

    #[test]
    fn the_time_to_merge_is_the_median_of_the_day_of_the_merge() {
        let pulls: Vec<Pull> = serde_json::from_str(include_str!("fixtures/pulls.json")).unwrap();
        let mut part = part();
        pulls.iter().for_each(|one| pull(&mut part, one).unwrap());
        assert_eq!(of(&part, PRS_OPENED), [Some(2), Some(1)]);
        assert_eq!(of(&part, PRS_MERGED), [None, Some(2)]);
        // A day and a second: (86,400 s + 1 s) / 2.
        assert_eq!(of(&part, PR_MERGE_TIME), [None, Some(43_200_500)]);
    }

    #[test]
    fn drafts_are_no_releases_and_prereleases_are() {
        let releases: Vec<Release> = serde_json::from_str(include_str!("fixtures/releases.json")).unwrap();
        let mut part = part();
        releases.iter().for_each(|one| release(&mut part, one, TODAY.parse().unwrap()).unwrap());
        assert_eq!(of(&part, RELEASES), [None, Some(1)]);
        assert_eq!(of(&part, RELEASE_DOWNLOADS), [None, Some(12)]);
    }

    #[test]
    fn traffic_outside_the_period_is_left_out_and_a_day_twice_is_refused() {
        let views: Traffic = serde_json::from_str(include_str!("fixtures/views.json")).unwrap();
        let mut part = part();
        traffic(&mut part, &views, TRAFFIC_VIEWS, TRAFFIC_UNIQUE_VIEWS).unwrap();
        assert_eq!(of(&part, TRAFFIC_VIEWS), [Some(12), Some(8)]);
        assert_eq!(of(&part, TRAFFIC_UNIQUE_VIEWS), [Some(5), Some(4)]);
        assert!(traffic(&mut part, &views, TRAFFIC_VIEWS, TRAFFIC_UNIQUE_VIEWS).is_err());
    }
}
