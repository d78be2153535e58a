//! What streams through: text, calls, the end, and who may use the connection next.

use std::io::Write;

use baton_handoff::ports::{FinishReason, Model, ModelChunk, ModelErrorKind, Usage};
use baton_rehearsal::scripted::{Gate, ScriptedModel, calls, says, status, stream};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::StreamExt;
use serde_json::json;

use crate::support::{ask, client, hello, openai, play};

#[tokio::test]
async fn text_comes_word_by_word_then_the_end_then_the_usage() {
    let reply = play(says("Hello, dear customer!").costs(11, 3)).await;
    let text = |text: &str| ModelChunk::Text(text.to_owned());
    assert_eq!(
        reply.chunks,
        [
            ModelChunk::Id("chatcmpl-1".into()),
            text("Hello, "),
            text("dear "),
            text("customer!"),
            ModelChunk::Finished(FinishReason::Stop),
            ModelChunk::Usage(Usage {
                prompt_tokens: 11,
                completion_tokens: 3,
                ..Usage::default()
            }),
        ]
    );
    assert!(reply.error.is_none());
}

#[tokio::test]
async fn a_word_arrives_before_the_next_one_is_written() {
    let gate = Gate::new();
    let model = ScriptedModel::start([says("first ").gate(&gate).says("second")]).await;
    let mut stream = client(&openai(model.url())).stream(hello()).await.unwrap();
    for chunk in [
        ModelChunk::Id("chatcmpl-1".into()),
        ModelChunk::Text("first ".into()),
    ] {
        assert_eq!(stream.next().await.unwrap().unwrap(), chunk);
    }
    gate.open();
    assert_eq!(
        stream.next().await.unwrap().unwrap(),
        ModelChunk::Text("second".into())
    );
}

#[tokio::test]
async fn characters_survive_being_split_at_any_byte() {
    let text = "Ünïcödé 🛼 “roller skates” für 北京 e\u{301} \\ \" \n end";
    assert_eq!(play(says(text).byte_by_byte()).await.text(), text);
    // The same with the characters as they are instead of escapes, and CRLF.
    let raw = format!(
        "\u{feff}: hello\r\n\r\ndata: {{\"choices\":[{{\"delta\":{{\"content\":{}}},\"finish_reason\":\"stop\"}}]}}\r\n\r\ndata: [DONE]\r\n\r\n",
        serde_json::to_string(text).unwrap()
    );
    let reply = play(stream().raw(raw).ends_there().byte_by_byte()).await;
    assert_eq!(
        (reply.text().as_str(), reply.finished()),
        (text, Some(FinishReason::Stop)),
        "{:?}",
        reply.error
    );
}

#[tokio::test]
async fn a_call_comes_with_its_id_name_and_arguments() {
    let reply = play(calls("look_up_item", json!({"search_query": "anvil"}))).await;
    let expected = (
        "call_1".to_owned(),
        "look_up_item".to_owned(),
        r#"{"search_query":"anvil"}"#.to_owned(),
    );
    assert_eq!(reply.calls(), [expected]);
    assert_eq!(reply.finished(), Some(FinishReason::Stop));
}

#[tokio::test]
async fn interleaved_calls_are_told_apart() {
    let part = |index: u32, call: serde_json::Value| {
        let mut call = call;
        call["index"] = index.into();
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null}]})
    };
    let answer = stream()
        .says("One moment. ")
        .event(part(
            0,
            json!({"id": "a", "type": "function", "function": {"name": "one", "arguments": ""}}),
        ))
        .event(part(
            1,
            json!({"id": "b", "type": "function", "function": {"name": "two", "arguments": "{"}}),
        ))
        .event(part(0, json!({"function": {"arguments": "{\"x\":"}})))
        .event(part(1, json!({"function": {"arguments": "}"}})))
        .event(part(0, json!({"function": {"arguments": "1}"}})))
        .finishes("tool_calls");
    let reply = play(answer).await;
    let call = |id: &str, name: &str, arguments: &str| {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    };
    assert_eq!(
        reply.calls(),
        [call("a", "one", "{\"x\":1}"), call("b", "two", "{}")]
    );
    assert_eq!(
        (reply.text().as_str(), reply.finished()),
        ("One moment. ", Some(FinishReason::Stop))
    );
}

#[tokio::test]
async fn the_limit_and_the_filter_are_told_even_without_text() {
    assert_eq!(
        play(says("So").finishes("length")).await.finished(),
        Some(FinishReason::Length)
    );
    assert_eq!(
        play(stream().finishes("length")).await.finished(),
        Some(FinishReason::Length)
    );
    assert_eq!(
        play(stream().finishes("content_filter")).await.finished(),
        Some(FinishReason::ContentFilter)
    );
}

#[tokio::test]
async fn a_response_read_to_its_end_leaves_its_connection_to_the_next() {
    let model =
        ScriptedModel::start([says("one"), says("two").byte_by_byte(), says("three")]).await;
    let client = client(&openai(model.url()));
    for expected in ["one", "two", "three"] {
        assert_eq!(ask(&client).await.text(), expected);
    }
    assert_eq!(model.connections(), 1);
}

#[tokio::test]
async fn a_response_that_is_dropped_closes_its_connection() {
    let gate = Gate::new();
    let model = ScriptedModel::start([says("a lot ").gate(&gate).says("more")]).await;
    let mut stream = client(&openai(model.url())).stream(hello()).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    model.hung_up(1).await;
}

#[tokio::test]
async fn a_request_that_is_dropped_closes_its_connection() {
    let model = ScriptedModel::start([baton_rehearsal::scripted::hangs()]).await;
    let asking = tokio::spawn(client(&openai(model.url())).stream(hello()));
    model.arrived(1).await;
    asking.abort();
    model.hung_up(1).await;
}

/// An edge in front of the service compresses although the request says that it wants nothing of the kind.
#[tokio::test]
async fn a_stream_that_is_compressed_unasked_is_read() {
    let events = "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(events.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(events.as_bytes()).unwrap();
    for (encoding, body) in [
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
    ] {
        let answer = stream().header("content-encoding", encoding).raw(body);
        let model = ScriptedModel::start([answer.ends_there().byte_by_byte()]).await;
        let reply = ask(&client(&openai(model.url()))).await;
        assert_eq!(reply.text(), "Grüße", "{:?}", reply.error);
        assert_eq!(reply.finished(), Some(FinishReason::Stop));
        let asked = &model.requests()[0];
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn a_compressed_refusal_is_read_and_an_unknown_encoding_is_named() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(br#"{"error": {"code": "insufficient_quota"}}"#)
        .unwrap();
    let quota = status(429).header("content-encoding", "gzip");
    let quota = quota.cut_after(0).raw(gzip.finish().unwrap());
    let error = play(quota.ends_there()).await.error.unwrap();
    assert!(error.detail.contains("insufficient_quota"), "{error}");
    let brotli = stream().header("content-encoding", "br").raw("x");
    let error = play(brotli.ends_there()).await.error.unwrap();
    assert_eq!(error.kind, ModelErrorKind::BadStream);
    assert!(error.detail.contains("compressed as br"), "{error}");
}
