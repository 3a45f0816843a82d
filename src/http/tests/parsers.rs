//! What providers and users send that is read by hand: no panic, whatever it is, and what was written is read.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{KEY, NOW, service_at};
use crate::http::{
    LimitHeaders, ResetForm,
    address::AddressRules,
    link,
    redact::{Redactor, provider_message},
    retry_after,
    target::Target,
};

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?));
    pairs.iter().filter_map(pair).collect()
}

fn limits(reset_form: ResetForm) -> LimitHeaders {
    let name = |name: &str| name.to_owned();
    LimitHeaders {
        limit: name("x-limit"),
        remaining: name("x-left"),
        reset: name("x-reset"),
        reset_form,
        resource: None,
    }
}

proptest! {
    #[test]
    fn no_link_is_too_strange(header in any::<String>(), like in "[<>;,=\"a-z/?: ]{0,80}", page in 1..9_999_u32) {
        let base: Url = "https://api.acme.example/list?page=1".parse().unwrap();
        let _ = (link::find(&header, "next", &base), link::find(&like, "next", &base));
        let whole = format!("<https://x.example/{page}>; rel=\"prev\", </list?page={page}>; title=\"a, <b>; c\"; rel=\"last next\"");
        let next = Url::parse(&format!("https://api.acme.example/list?page={page}")).unwrap();
        prop_assert_eq!(link::find(&whole, "next", &base), Some(next));
    }

    #[test]
    fn no_wait_is_too_strange(
        said in "[ -~]{0,40}",
        number in any::<i64>(),
        date in "[A-Za-z]{3}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
    ) {
        let now: Timestamp = NOW.parse().unwrap();
        let number = number.to_string();
        for said in [&said, &number, &date] {
            for told in [said, &date] {
                let wait = retry_after::retry_after(&headers(&[("retry-after", said), ("date", told)]), now);
                prop_assert!(wait.is_none_or(|at| at > now && at.duration_since(now) <= SignedDuration::from_hours(366 * 24)));
                for form in [ResetForm::EpochSeconds, ResetForm::EpochMillis, ResetForm::DeltaSeconds] {
                    let all = headers(&[("x-limit", said), ("x-left", &number), ("x-reset", said), ("date", told)]);
                    let read = retry_after::said(&all, &limits(form), now);
                    prop_assert!(read.limit.is_none_or(|limit| limit > 0) && read.remaining.is_none_or(|left| left >= 0));
                    prop_assert!(read.resets_at.is_none_or(|at| at > now));
                }
            }
        }
    }

    #[test]
    fn seconds_to_wait_are_taken_at_their_word(seconds in 1..86_400_i64) {
        let now: Timestamp = NOW.parse().unwrap();
        let wait = retry_after::retry_after(&headers(&[("retry-after", &seconds.to_string())]), now);
        prop_assert_eq!(wait, Some(now + SignedDuration::from_secs(seconds)));
    }

    #[test]
    fn a_credential_is_taken_out_wherever_it_stands(before in any::<String>(), after in any::<String>()) {
        let redactor = Redactor::of([KEY.to_owned()]);
        let redacted = redactor.redact(&format!("{before}{KEY}{after}"));
        prop_assert!(!redacted.to_lowercase().contains(KEY) && !redactor.finds(&redacted), "{}", redacted);
    }

    #[test]
    fn no_error_body_is_too_strange(body in prop::collection::vec(any::<u8>(), 0..200), like in "[{}\\[\\]\":,a-z\\\\]{0,80}") {
        let _ = (provider_message(&body), provider_message(like.as_bytes()));
    }

    #[test]
    fn no_address_leads_away_from_the_providers_hosts(text in any::<String>(), like in "(https?|ftp|file|data):/{0,3}[a-z0-9.:@%\\[\\]/?#-]{0,40}") {
        let target = Target::new(&service_at("https://api.acme.example/v1"), AddressRules { allow_private: false }).unwrap();
        for text in [text, like] {
            let Ok(url) = Url::parse(&text) else { continue };
            if let Ok(admitted) = target.admit(url) {
                prop_assert!(matches!(admitted.host_str(), Some("api.acme.example" | "files.acme.example")), "{}", admitted);
                prop_assert_eq!((admitted.scheme(), admitted.port(), admitted.username()), ("https", None, ""));
            }
        }
    }
}

#[test]
fn an_address_in_another_spelling_is_of_the_same_host_or_refused() {
    let target =
        Target::new(&service_at("https://api.acme.example/v1"), AddressRules { allow_private: false }).unwrap();
    let admitted = |url: &str| {
        let url = url.parse().map_err(|_| "it is no address")?;
        target.admit(url).map(|url| url.to_string())
    };
    for same in [
        "https://API.ACME.EXAMPLE/x",
        "https://api.acme.example:443/x",
        "https://api.acme.example/x#top",
        "https://api%2Eacme.example/x",
    ] {
        assert_eq!(admitted(same).as_deref(), Ok("https://api.acme.example/x"), "{same}");
    }
    for other in [
        "https://api.acme.example./x",
        "https://api.acme.example@evil.example/x",
        "https://api.acme.example%40evil.example/x".replace("%40", "@").as_str(),
        "https://evil.example\\@api.acme.example/x",
        "https://api.acme.example.evil.example/x",
        "https://xn--pi-8ka.acme.example/x",
        "https://ápi.acme.example/x",
        "https://api.acme.example:8443/x",
        "http://api.acme.example/x",
        "https://:@evil.example/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
    ] {
        assert!(admitted(other).is_err(), "{other}: {:?}", admitted(other));
    }
}
