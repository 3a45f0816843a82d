//! Lists page by page, and answers that did not change.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{
    client, http,
    memory::Remembering,
    provider::{Asked, Provider, reply},
    service, session,
};
use crate::{
    http::{Answer, ClientConfig, Error, Http, Next, Session},
    metric::FailureKind,
};

#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<u32>,
    next: Option<String>,
}

fn by_cursor(answer: &Answer<Page>) -> Result<Next, Error> {
    Ok(answer.body.next.clone().map_or(Next::Done, |next| Next::Query("after", next)))
}

async fn all(http: &Http) -> Result<Vec<u32>, Error> {
    let mut pages = http.get("/list").query("limit", 2).query("tag[]", "x").pages(by_cursor);
    let mut items = Vec::new();
    while let Some(page) = pages.next().await? {
        items.extend(page.body.items);
    }
    assert!(pages.next().await.unwrap().is_none());
    Ok(items)
}

async fn all_of(pages: &[&str]) -> (Result<Vec<u32>, Error>, Vec<Asked>) {
    let provider = Provider::scripted(pages.iter().map(|page| reply(200, page)).collect()).await;
    let items = all(&http(service(&provider))).await;
    (items, provider.asked())
}

#[tokio::test(start_paused = true)]
async fn follows_cursors_also_over_empty_pages() {
    let pages = [
        r#"{"items":[1,2],"next":"b c"}"#,
        r#"{"items":[],"next":"d"}"#,
        r#"{"items":[],"next":"e"}"#,
        r#"{"items":[3],"next":null}"#,
    ];
    let (items, asked) = all_of(&pages).await;
    assert_eq!(items.unwrap(), [1, 2, 3]);
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    let first = "/v1/list?limit=2&tag%5B%5D=x";
    let expected =
        [first.to_owned(), format!("{first}&after=b+c"), format!("{first}&after=d"), format!("{first}&after=e")];
    assert_eq!(paths, expected);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_end_is_a_failure() {
    let same_cursor = [r#"{"items":[1],"next":"a"}"#, r#"{"items":[2],"next":"b"}"#, r#"{"items":[3],"next":"a"}"#];
    let (error, asked) = all_of(&same_cursor).await;
    let error = error.unwrap_err();
    assert_eq!((error.kind(), asked.len()), (FailureKind::InvalidResponse, 3));
    assert!(error.to_string().contains("leads back to a page that was read"), "{error}");

    // The same page under ever new numbers.
    let provider = Provider::scripted(vec![reply(200, "[7]")]).await;
    let http = http(service(&provider));
    let mut number = 1;
    let mut pages = http.get("/list").pages(|_: &Answer<Vec<u32>>| {
        number += 1;
        Ok(Next::Query("page", number.to_string()))
    });
    assert!(pages.next().await.unwrap().is_some());
    let error = pages.next().await.unwrap_err();
    assert_eq!(error.message(), "the list does not end: the same page came twice");
    assert!(pages.next().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_is_no_short_success() {
    let provider = Provider::scripted(vec![
        reply(200, r#"{"items":[1],"next":"a"}"#),
        reply(200, r#"{"items":[2],"next":"b"}"#).cut_after(9),
    ])
    .await;
    let error = all(&http(service(&provider))).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unavailable);
    assert_eq!(provider.asked().len(), 5);
    let (garbled, _) = all_of(&[r#"{"items":[1],"next":"a"}"#, r#"{"items":7}"#]).await;
    let garbled = garbled.unwrap_err().to_string();
    assert!(
        garbled.contains("path: items") && garbled.contains("endpoint: /list") && garbled.contains("page: 2"),
        "{garbled}"
    );
}

#[tokio::test(start_paused = true)]
async fn follows_links_to_the_providers_hosts_alone() {
    // The provider names itself by its own host, by the override, and relatively.
    let provider = Provider::answering(|asked, at| {
        let host = asked.header("host").unwrap().to_owned();
        let next = match at {
            0 => "https://api.acme.example/v1/list?page=2".to_owned(),
            1 => format!("http://{host}/v1/list?page=3"),
            2 => "?page=4".to_owned(),
            _ => return reply(200, "[4]").header("Link", "</v1/list>; rel=\"first\""),
        };
        reply(200, &format!("[{at}]")).header("Link", format!("</v1/list>; rel=first, <{next}>; rel=\"next\""))
    })
    .await;
    let http = http(service(&provider));
    let mut pages = http.get("/list").pages(|_: &Answer<Vec<u32>>| Ok(Next::Link));
    let mut links = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        links.push(page.link("next"));
    }
    let own = provider.at;
    let expected = [
        Some("https://api.acme.example/v1/list?page=2".to_owned()),
        Some(format!("http://{own}/v1/list?page=3")),
        Some("https://api.acme.example/v1/list?page=4".to_owned()),
        None,
    ];
    assert_eq!(links, expected);
    assert_eq!(provider.asked().last().unwrap().path, "/v1/list?page=4");
    assert!(provider.asked().iter().all(|asked| asked.header("authorization").is_some()));

    for link in ["https://evil.example/v1/list", "http://api.acme.example/v1/list", "http://127.0.0.1:1/v1/list"] {
        let provider = Provider::scripted(vec![reply(200, "[1]").header("Link", format!("<{link}>; rel=next"))]).await;
        let http = super::http(service(&provider));
        let error = http.get("/list").pages(|_: &Answer<Vec<u32>>| Ok(Next::Link)).next().await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::InvalidResponse, "{link}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_answer_is_the_kept_one_with_its_links() {
    let provider = Provider::answering(|asked, _| match asked.header("if-none-match") {
        Some("W/\"v1\"") if asked.header("if-modified-since") == Some("Sun, 01 Mar 2026 00:00:00 GMT") => {
            reply(304, "")
        }
        Some(_) => reply(500, ""),
        None if asked.path.contains("page=2") => reply(200, "[2]"),
        None => reply(200, "[1]")
            .header("ETag", "W/\"v1\"")
            .header("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT")
            .header("Link", "<?page=2>; rel=\"next\""),
    })
    .await;
    let memory = Arc::new(Remembering::default());
    let client = client(ClientConfig::default(), memory.clone());
    let read = async || {
        let http = client.session(session(service(&provider)));
        let mut pages = http.get("/list").conditional().pages(|_: &Answer<Vec<u32>>| Ok(Next::Link));
        let mut read = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            read.push((page.body, page.not_modified, page.status));
        }
        (read, http)
    };
    let (first, http) = read().await;
    assert_eq!(first, [(vec![1], false, 200), (vec![2], false, 200)]);
    let kept = http.take_kept();
    // The second page has no validator.
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].request_key, "GET https://api.acme.example/v1/list application/json");
    assert_eq!((kept[0].body.as_slice(), kept[0].etag.as_deref()), (&b"[1]"[..], Some("W/\"v1\"")));
    assert_eq!(http.take_kept(), []);
    // It was not committed: nothing is known next time.
    assert!(!read().await.0[0].1);
    memory.keep("connection", kept[0].clone());
    let (second, http) = read().await;
    assert_eq!(second, [(vec![1], true, 200), (vec![2], false, 200)]);
    assert_eq!(http.take_kept(), []);
    // Another connection's answer is its own.
    let other = client.session(Session { connection_id: String::new(), ..session(service(&provider)) });
    assert!(!other.get("/list").conditional().json::<Value>().await.unwrap().not_modified);
}

#[tokio::test(start_paused = true)]
async fn unchanged_since_nothing_is_an_invalid_response() {
    let provider = Provider::scripted(vec![reply(304, "")]).await;
    let http = http(service(&provider));
    for request in [http.get("/x"), http.get("/x").conditional()] {
        let error = request.json::<Value>().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (FailureKind::InvalidResponse, Some(304)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_not_kept() {
    let provider = Provider::scripted(vec![reply(200, "{").header("ETag", "\"v1\"")]).await;
    let http = http(service(&provider));
    assert!(http.get("/x").conditional().json::<Value>().await.is_err());
    assert_eq!(http.take_kept(), []);
    assert!(http.get("/x").conditional().send().await.is_ok());
    assert_eq!(http.take_kept().len(), 1);
}
