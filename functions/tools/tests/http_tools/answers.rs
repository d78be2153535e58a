//! What each answer means, and how much of it a model is told.

use std::io::Write;
use std::time::Duration;

use baton_handoff::ports::{Env, Outcome, ToolError};
use baton_tools::outside::Names;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::service::{Does, Service, answer, json as json_answer};
use crate::support::{Booking, Script, Setup};

const KEYLESS: &str = "idempotency_keys = false";

fn post(service: &Service, more: &str) -> String {
    format!(
        "method = \"POST\"\nurl = \"http://{}/\"\n{more}",
        service.address
    )
}

/// The same answer for an action with keys, for one without, and for a lookup.
async fn told(
    does: impl Fn() -> Does + Send + 'static,
) -> (Outcome, Outcome, Result<String, String>) {
    told_within(15, does).await
}

async fn told_within(
    timeout_seconds: u32,
    does: impl Fn() -> Does + Send + 'static,
) -> (Outcome, Outcome, Result<String, String>) {
    let service = Service::start(move |_| does()).await;
    let build = |setup: Setup| {
        Setup {
            timeout_seconds,
            ..setup
        }
        .build()
    };
    let with = build(Setup::action(post(&service, ""))).act_plainly().await;
    let without = build(Setup::action(post(&service, KEYLESS)))
        .act_plainly()
        .await;
    let looked_up = build(Setup::lookup(post(&service, "")))
        .look_up(json!({}))
        .await;
    assert_eq!(service.connections(), 3, "nothing is tried again by itself");
    (with, without, looked_up)
}

async fn told_of(whole: String) -> (Outcome, Outcome, Result<String, String>) {
    told(move || Does::Says(whole.clone())).await
}

fn is_retry(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry(_, None))
}

fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown(_))
}

#[tokio::test]
async fn a_refusal_is_told_with_the_services_own_words() {
    for status in [
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "422 Unprocessable Content",
    ] {
        let body = "{\"error\": \"the table is reserved\"}";
        let whole = answer(status, "content-type: application/problem+json\r\n", body);
        let (with, without, looked_up) = told_of(whole).await;
        let Outcome::Rejected(reason) = with else {
            unreachable!("{status}: {with:?}")
        };
        assert_eq!(without, Outcome::Rejected(reason.clone()));
        assert!(
            reason.contains(&status[..3]) && reason.ends_with(body),
            "{reason}"
        );
        assert_eq!(looked_up.unwrap_err(), format!("book refused it: {reason}"));
    }
    let long = answer(
        "400 Bad Request",
        "content-type: text/plain\r\n",
        &"ä".repeat(9_000),
    );
    let (Outcome::Rejected(reason), ..) = told_of(long).await else {
        unreachable!()
    };
    assert!(reason.len() < 2_200, "{} bytes", reason.len());
}

#[tokio::test]
async fn credentials_that_are_not_accepted_are_a_refusal_without_details() {
    let whole = answer(
        "401 Unauthorized",
        "content-type: text/plain\r\n",
        "key k-123 is wrong",
    );
    let (with, without, looked_up) = told_of(whole).await;
    let reason = "the service answered 401: it does not accept us".to_owned();
    assert_eq!(
        (with, without),
        (Outcome::Rejected(reason.clone()), Outcome::Rejected(reason))
    );
    assert_eq!(
        looked_up.unwrap_err(),
        "book cannot be used: it does not accept us (401)."
    );
}

#[tokio::test]
async fn a_conflict_is_left_to_whoever_knows_of_earlier_tries() {
    let whole = answer(
        "409 Conflict",
        "content-type: text/plain\r\nretry-after: 3\r\n",
        "taken",
    );
    let (with, without, looked_up) = told_of(whole).await;
    let conflict = Outcome::Conflict(
        "409 Conflict: taken".to_owned(),
        Some(Duration::from_secs(3)),
    );
    assert_eq!((&with, &without), (&conflict, &conflict));
    assert_eq!(
        looked_up.unwrap_err(),
        "book refused it: 409 Conflict: taken"
    );
}

#[tokio::test]
async fn a_failure_is_tried_again_with_keys_and_unknown_without() {
    for status in [
        "408 Request Timeout",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ] {
        let (with, without, looked_up) = told_of(answer(status, "", "oops")).await;
        assert!(is_retry(&with), "{with:?}");
        assert!(is_unknown(&without), "{without:?}");
        assert!(!looked_up.unwrap_err().contains("oops"));
    }
}

#[tokio::test]
async fn a_busy_service_is_tried_again_with_keys_and_has_done_nothing_without() {
    for status in ["425 Too Early", "429 Too Many Requests"] {
        let (with, without, _) = told_of(answer(status, "", "")).await;
        assert!(matches!(with, Outcome::Busy(_, None)), "{with:?}");
        assert!(matches!(without, Outcome::Rejected(_)), "{without:?}");
    }
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    let asked = async |value: &str| {
        let header = format!("retry-after: {value}\r\n");
        let service = Service::saying(answer("503 Service Unavailable", &header, "")).await;
        let Outcome::Retry(_, after) = Setup::action(post(&service, ""))
            .build()
            .act_plainly()
            .await
        else {
            unreachable!()
        };
        after
    };
    assert_eq!(asked("120").await, Some(Duration::from_mins(2)));
    let now = Duration::from_millis(
        Setup::action("method = \"GET\"\nurl = \"http://127.0.0.1/\"")
            .build()
            .clock
            .now(),
    );
    let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + now + Duration::from_mins(3));
    assert_eq!(asked(&date).await, Some(Duration::from_mins(3)));
    assert_eq!(asked("soon").await, None);
}

#[tokio::test]
async fn a_call_that_was_cut_may_have_been_done() {
    const CUT_BODY: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 90\r\n\r\nhalf of";
    let cuts: [fn() -> Does; 4] = [
        || Does::HangsUpUnread,
        || Does::HangsUp,
        || Does::Says("HTTP/1.1 200".to_owned()),
        || Does::Says(CUT_BODY.to_owned()),
    ];
    for cut in cuts {
        let (with, without, looked_up) = told(cut).await;
        assert!(is_retry(&with), "{with:?}");
        assert!(is_unknown(&without), "{without:?}");
        assert!(looked_up.is_err());
    }
}

#[tokio::test]
async fn a_service_that_is_slow_with_head_or_body_is_given_up() {
    let begun = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 90\r\n\r\nhalf of";
    for text in ["", begun] {
        let (with, without, looked_up) =
            told_within(1, move || Does::FallsSilent(text.to_owned())).await;
        assert!(is_retry(&with), "{with:?}");
        assert!(is_unknown(&without), "{without:?}");
        assert!(looked_up.unwrap_err().contains("in time"));
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_and_what_was_done_is_done() {
    let endless = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    let announced =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 99000000000\r\n\r\n";
    for (head, size) in [(endless, "more than "), (announced, "96679688 KB, ")] {
        let (with, without, looked_up) = told(move || Does::NeverEnds(head.to_owned())).await;
        let sentence = looked_up.unwrap_err();
        let why = sentence.strip_prefix("The answer of book is of no use: ");
        let why = why.unwrap();
        assert!(why.starts_with(&format!("it is {size}")), "{why}");
        assert!(why.ends_with(" KB, the bound is 256 KB."), "{why}");
        for outcome in [with, without] {
            let Outcome::Done(told) = outcome else {
                unreachable!("{outcome:?}")
            };
            assert!(
                told.starts_with("Done. The service's answer cannot be shown: it is "),
                "{told}"
            );
        }
    }
}

/// The size is that of what a service says, however it is sent.
#[tokio::test]
async fn an_answer_over_the_bound_is_told_with_both_figures() {
    let body = "x".repeat(312 * 1024);
    let plain = answer("200 OK", "content-type: text/plain\r\n", &body);
    let unannounced = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n{body}");
    let text = "content-type: text/plain\r\n";
    let zipped = zipped("200 OK", text, &body);
    for whole in [plain.into_bytes(), unannounced.into_bytes(), zipped] {
        let (with, _, looked_up) = told(move || Does::SaysBytes(whole.clone())).await;
        assert_eq!(
            looked_up.unwrap_err(),
            "The answer of book is of no use: it is 312 KB, the bound is 256 KB."
        );
        assert_eq!(
            with,
            Outcome::Done(
                "Done. The service's answer cannot be shown: it is 312 KB, the bound is 256 KB."
                    .to_owned()
            )
        );
    }
}

/// A whole answer in gzip.
fn zipped(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoded(status, headers, "gzip", &encoder.finish().unwrap())
}

fn encoded(status: &str, headers: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn a_compressed_answer_is_read() {
    let body = r#"{"free": ["T1", "Grüße"]}"#;
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
    deflated.write_all(body.as_bytes()).unwrap();
    let deflated = encoded("200 OK", JSON, "deflate", &deflated.finish().unwrap());
    for whole in [zipped("200 OK", JSON, body), deflated] {
        let (with, without, looked_up) = told(move || Does::SaysBytes(whole.clone())).await;
        assert_eq!(looked_up.unwrap(), body);
        let done = Outcome::Done(body.to_owned());
        assert_eq!((&with, &without), (&done, &done));
    }
    let refusal = zipped("400 Bad Request", JSON, "\"taken\"");
    let (with, ..) = told(move || Does::SaysBytes(refusal.clone())).await;
    let reason = "400 Bad Request: \"taken\"".to_owned();
    assert_eq!(with, Outcome::Rejected(reason));
}

#[tokio::test]
async fn a_secret_in_a_compressed_answer_is_not_shown() {
    let whole = zipped("200 OK", JSON, r#"{"you_sent": "s3cret-token"}"#);
    let service = Service::start(move |_| Does::SaysBytes(whole.clone())).await;
    let mut setup = Setup::lookup(post(&service, "headers = { X-Key = { env = \"KEY\" } }"));
    setup.variables = vec![("KEY", "s3cret-token")];
    let looked_up = setup.build().look_up(json!({})).await;
    assert_eq!(looked_up.unwrap(), r#"{"you_sent": "…"}"#);
}

#[tokio::test]
async fn a_compressed_answer_that_cannot_be_read_is_no_result() {
    let brotli = encoded("200 OK", JSON, "br", b"x");
    let garbled = encoded("200 OK", JSON, "gzip", b"no gzip at all");
    for (whole, why) in [
        (brotli, "it is compressed as br, which is not read."),
        (garbled, "it is not compressed as it claims to be."),
    ] {
        let (with, _, looked_up) = told(move || Does::SaysBytes(whole.clone())).await;
        assert_eq!(
            looked_up.unwrap_err(),
            format!("The answer of book is of no use: {why}")
        );
        assert!(matches!(with, Outcome::Done(_)), "{with:?}");
    }
    // Cut, and told by nothing but the encoding.
    let mut short = zipped("200 OK", JSON, "\"a whole sentence\"");
    let cut = short.len() - 6;
    short.truncate(cut);
    let at = short
        .windows(14)
        .position(|bytes| bytes == b"content-length");
    let at = at.unwrap();
    short.splice(at..at + 14, *b"x-lengthlength");
    let (with, without, looked_up) = told(move || Does::SaysBytes(short.clone())).await;
    assert!(is_retry(&with), "{with:?}");
    assert!(is_unknown(&without), "{without:?}");
    assert!(looked_up.unwrap_err().contains("it was cut"));
}

#[tokio::test]
async fn nothing_sent_may_be_sent_again_with_keys_and_without() {
    let unresolved = Script::of(&[&[]]);
    assert!(unresolved.addresses("tables.example").await.is_err());
    let free_port = Service::saying(String::new()).await.address.port();
    for (names, port) in [(unresolved, 80), (Script::of(&[&["127.0.0.1"]]), free_port)] {
        for keys in ["", KEYLESS] {
            let http =
                format!("method = \"POST\"\nurl = \"http://tables.example:{port}/\"\n{keys}");
            let tool = Setup {
                names: names.clone(),
                ..Setup::action(http)
            };
            let outcome = tool.build().act_plainly().await;
            assert!(matches!(outcome, Outcome::NotSent(_)), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn json_is_told_as_json_and_text_as_text() {
    let as_told = async |media_type: &str, body: &str| {
        let header = format!("content-type: {media_type}\r\n");
        let service = Service::saying(answer("200 OK", &header, body)).await;
        Setup::lookup(post(&service, ""))
            .build()
            .look_up(json!({}))
            .await
    };
    assert_eq!(
        as_told("application/json; charset=utf-8", "{\"a\": 1.0}")
            .await
            .unwrap(),
        "{\"a\": 1.0}"
    );
    assert_eq!(
        as_told("text/plain", "free: T1\n\u{1b}[31mT2")
            .await
            .unwrap(),
        "free: T1\n[31mT2"
    );
    assert_eq!(
        as_told("text/plain", "").await.unwrap(),
        "book answered without any content."
    );
    let useless = async |media_type: &str, body: &str| {
        let sentence = as_told(media_type, body).await.unwrap_err();
        let why = sentence.strip_prefix("The answer of book is of no use: ");
        why.unwrap().to_owned()
    };
    assert_eq!(
        useless("application/json", "{\"a\":").await,
        "it is not the JSON that it claims to be."
    );
    assert_eq!(
        useless("application/hal+json", "<html>").await,
        "it is not the JSON that it claims to be."
    );
    assert_eq!(
        useless("application/pdf", "%PDF").await,
        "it is neither JSON nor text."
    );
}

#[tokio::test]
async fn an_action_whose_answer_is_no_json_is_done_all_the_same() {
    let (with, without, _) = told_of(json_answer("{\"booking\":")).await;
    let done = Outcome::Done(
        "Done. The service's answer cannot be shown: it is not the JSON that it claims to be."
            .to_owned(),
    );
    assert_eq!((&with, &without), (&done, &done));
    let (empty, ..) = told_of("HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    assert_eq!(empty, Outcome::Done("Done.".to_owned()));
}

#[tokio::test]
async fn a_tool_that_calls_nobody_is_not_called() {
    let service = Service::saying(json_answer("[]")).await;
    let Booking { tools, .. } = Setup::lookup(post(&service, "")).build();
    let acme = baton_handoff::team::Team::acme();
    let tool = acme.tool("look_up_item").unwrap().clone();
    let request = baton_handoff::ports::ToolRequest {
        arguments: std::sync::Arc::new(tool.check("{\"search_query\": \"x\"}").unwrap()),
        tool,
        context: baton_handoff::ports::CallContext::new(
            baton_handoff::Owner::none(),
            baton_handoff::ids::ConversationId::parse("c").unwrap(),
            1,
        ),
    };
    let told = baton_handoff::ports::Tools::lookup(&*tools, &request).await;
    assert_eq!(
        told.unwrap_err(),
        ToolError::Refused("look_up_item calls no service.".to_owned())
    );
}
