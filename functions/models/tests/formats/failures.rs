//! Refusals, before the stream and inside it.

use baton_handoff::ports::ModelErrorKind;
use baton_rehearsal::scripted::json;

use crate::speaks::{
    FORMATS, REFUSALS, Refusal, Say, Stop, answer, hello, play_with, service, whole,
};
use crate::support::{Clock, ask_for};
use baton_models::ModelClient;

#[tokio::test]
async fn a_refusal_is_told_by_its_code_and_tried_again_where_that_may_help() {
    for format in FORMATS {
        for (why, kind) in REFUSALS {
            let Some((status, body)) = format.refusal(why) else {
                continue;
            };
            let refuses = || json(status, serde_json::from_str(&body).unwrap());
            let done = answer(*format, &[Say::Text(&["Hi"])], Some(Stop::Done));
            let service = service([refuses(), refuses(), done]).await;
            let client =
                ModelClient::new(&format.settings(&service.origin()), Clock::new()).unwrap();
            let reply = ask_for(&client, hello()).await;
            let name = format.name();
            if matches!(why, Refusal::Rate | Refusal::Overloaded) {
                assert_eq!(
                    (reply.text().as_str(), service.requests().len()),
                    ("Hi", 3),
                    "{name} {why:?}"
                );
            } else {
                assert_eq!(
                    (reply.kind(), service.requests().len()),
                    (Some(kind), 1),
                    "{name} {why:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_that_stays_keeps_its_kind() {
    for format in FORMATS {
        for (why, kind) in REFUSALS {
            let Some((status, body)) = format.refusal(why) else {
                continue;
            };
            let refuses = || json(status, serde_json::from_str(&body).unwrap());
            let service = service([refuses(), refuses(), refuses()]).await;
            let client =
                ModelClient::new(&format.settings(&service.origin()), Clock::new()).unwrap();
            let reply = ask_for(&client, hello()).await;
            assert_eq!(reply.kind(), Some(kind), "{} {why:?}", format.name());
        }
    }
}

#[tokio::test]
async fn an_error_inside_the_stream_is_told_by_its_code() {
    for format in FORMATS {
        for (why, kind) in REFUSALS {
            let Some(report) = format.reports(why) else {
                continue;
            };
            let mut frames = format.frames(&[Say::Text(&["Good day, "])], None);
            frames.push(report);
            frames.extend(format.frames(&[Say::Text(&["never said"])], Some(Stop::Done)));
            let reply = play_with(*format, whole(frames), |_| ()).await;
            // What is wrong with a request that was taken at first, nobody can say.
            let kind = if why == Refusal::Mistake {
                ModelErrorKind::Reported
            } else {
                kind
            };
            let told = (reply.text(), reply.kind());
            assert_eq!(
                told,
                ("Good day, ".to_owned(), Some(kind)),
                "{} {why:?}",
                format.name()
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_error_document_is_judged_by_its_status() {
    for format in FORMATS {
        for (status, kind) in [
            (403, ModelErrorKind::Unauthorized),
            (404, ModelErrorKind::BadRequest),
            (429, ModelErrorKind::RateLimited),
            (500, ModelErrorKind::Unavailable),
        ] {
            for document in [
                serde_json::json!({"message": 5}),
                serde_json::json!(["no", "error"]),
                serde_json::Value::Null,
            ] {
                let refuses = || json(status, document.clone());
                let service = service([refuses(), refuses(), refuses()]).await;
                let client =
                    ModelClient::new(&format.settings(&service.origin()), Clock::new()).unwrap();
                let reply = ask_for(&client, hello()).await;
                assert_eq!(
                    reply.kind(),
                    Some(kind),
                    "{} {status} {document}",
                    format.name()
                );
            }
        }
    }
}
