//! The page and whatever it loads, unharmed by the way through the runtime.

use std::path::{Path, PathBuf};

use baton_kit::lambda::LONG;
use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{ScriptedModel, says};

use crate::function::{Function, lines};

/// Files that browsers get, below `static`.
fn assets() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../static");
    let mut folders = vec![root.clone()];
    let mut assets = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let served = [".html", ".js", ".css", ".svg", ".png", ".webmanifest"];
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with("tests/") && served.iter().any(|end| name.ends_with(end)) {
                assets.push((name, path));
            }
        }
    }
    assets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_and_every_asset_come_through_byte_for_byte() {
    let model = ScriptedModel::start([]).await;
    // Without a token a function has no desk.
    let token = ("BATON_OPERATOR_TOKEN", "correct horse battery".to_owned());
    let function = Function::start_with(&model, &[token]).await;
    let assets = assets();
    assert!(assets.len() > 10, "{assets:?}");
    let pages = [("/", "index.html"), ("/desk", "desk.html")];
    let paths = pages.map(|(path, name)| (path.to_owned(), name.to_owned()));
    let files = assets
        .iter()
        .map(|(name, _)| (format!("/static/{name}"), name.clone()));
    for (path, name) in paths.into_iter().chain(files) {
        let gzip = Request::get(&path).header("accept-encoding", "gzip, br");
        let mut answer = function.ask(&gzip);
        let prelude = answer.prelude().await.unwrap();
        assert_eq!(prelude["statusCode"], 200, "{path}");
        let headers = &prelude["headers"];
        assert!(headers["etag"].is_string(), "{path}: {headers}");
        assert_eq!(headers["vary"], "Accept-Encoding, Origin", "{path}");
        // A function URL takes the encoding's name away and leaves the bytes.
        assert_eq!(headers.get("content-encoding"), None, "{path}");
        let file = assets.iter().find(|(known, _)| *known == name).unwrap();
        let expected = std::fs::read(&file.1).unwrap();
        assert!(answer.rest().await == expected, "{path} is not what it was");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_many_pieces_comes_through_whole() {
    let answer = "y".repeat(100 * 1024);
    let model = ScriptedModel::responding({
        let answer = answer.clone();
        move |_| says(&answer)
    })
    .await;
    let function = Function::start(&model).await;
    let said: Vec<_> = (0..8).map(|number| format!("message-{number}")).collect();
    for message in &said {
        function.ask(&Request::say("c", message)).rest().await;
    }
    let (prelude, body) = function
        .ask(&Request::get("/conversations/c/export"))
        .whole()
        .await;
    assert_eq!(prelude["headers"]["content-type"], "application/json");
    let export: serde_json::Value = serde_json::from_str(&body).unwrap();
    let items = export["items"].as_array().unwrap();
    let texts: Vec<_> = items
        .iter()
        .filter_map(|item| item["text"].as_str())
        .collect();
    let expected = said
        .iter()
        .flat_map(|message| [message.as_str(), answer.as_str()]);
    assert!(expected.eq(texts), "not all of it");
    assert_eq!(export.get("incomplete"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_come_through_and_what_is_no_request_is_an_error_of_the_function() {
    let model = ScriptedModel::start([]).await;
    let function = Function::start(&model).await;
    let bad = Request::new("POST", "/chat/completions").body(r#"{"message": 1}"#.to_owned());
    let (prelude, body) = function.ask(&bad).whole().await;
    assert_eq!(prelude["statusCode"], 400);
    assert_eq!(prelude["headers"]["content-type"], "application/json");
    assert_eq!(body, r#"{"detail":"message must be a string"}"#);
    let nothing = serde_json::json!({"neither": "a request", "nor": "a schedule"});
    let error = function.api.invoke(&nothing, LONG);
    assert!(error.error().await["errorMessage"].is_string());
    let (prelude, body) = function.ask(&Request::get("/nowhere")).whole().await;
    assert_eq!(prelude["statusCode"], 404, "and it goes on");
    assert_eq!(lines(&format!("{body}\n"))[0]["detail"], "no such page");
}
