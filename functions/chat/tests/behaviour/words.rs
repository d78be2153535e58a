//! A new stream format is one file, such as this one. In the service it stands in `src/stream/`, and one line in the table of
//! `src/stream/formats.rs` registers it. Nothing else changes.

use std::sync::Arc;

use axum::body::to_bytes;
use baton_chat::stream::{self, Encoder, Format};
use baton_handoff::event::{Event, EventKind};
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{Env, Store};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Followed, Overlap, Ports, Principal, Seen, Submission, events_of};
use baton_models::{Endpoint, ModelClient, ModelSettings};
use baton_rehearsal::scripted::{ScriptedModel, says, stream as answer};
use baton_stores::env::SystemEnv;
use baton_stores::memory::{MemoryQueue, MemoryStore};
use baton_tools::office::BackOffice;
use bytes::{BufMut, BytesMut};
use http::{HeaderMap, header};

/// Only what the agents say, a paragraph for each agent.
static WORDS: Format = Format {
    accepted_by: &["text/x-words"],
    media_type: "text/x-words; charset=utf-8",
    encoder: |_conversation| Box::new(Words { speaker: None }),
};

struct Words {
    /// The state of this format: the agent of the paragraph that is open.
    speaker: Option<Arc<str>>,
}

impl Encoder for Words {
    fn event(&mut self, out: &mut BytesMut, event: &Event) {
        if let EventKind::TextDelta(text) = &event.kind {
            if self.speaker.as_ref() != Some(&event.agent) {
                if self.speaker.is_some() {
                    out.put_slice(b"\n\n");
                }
                out.put_slice(event.agent.as_bytes());
                out.put_slice(b": ");
                self.speaker = Some(event.agent.clone());
            }
            out.put_slice(text.as_bytes());
        }
        if event.kind.ends_stream() {
            out.put_slice(b"\n");
        }
    }

    fn heartbeat(&self) -> &'static [u8] {
        // A character without width, which no reader sees.
        "\u{200b}".as_bytes()
    }
}

fn engine(model: &ScriptedModel) -> Arc<Engine> {
    let env: Arc<dyn Env> = Arc::new(SystemEnv);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
    let endpoint = Endpoint::OpenAi {
        base_url: model.url(),
        model: "scripted".to_owned(),
        key: None,
    };
    let ports = Ports {
        webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
        traces: None,
        store: store.clone(),
        queue: Arc::new(MemoryQueue::new(env.clone())),
        model: ModelClient::new(&ModelSettings::new(endpoint), env.clone()).unwrap(),
        tools: Arc::new(BackOffice::new(store, env.clone())),
        env,
    };
    Engine::new(Arc::new(Team::acme()), ports)
}

#[tokio::test]
async fn a_stream_format_with_state_of_its_own_is_one_file_and_each_listener_has_its_own_state() {
    let model = ScriptedModel::start([
        answer()
            .says("Let me ")
            .says("see. ")
            .calls("transfer_to_sales_agent", "{}"),
        says("Hello from sales."),
    ])
    .await;
    let engine = engine(&model);
    let id = ConversationId::parse("c").unwrap();
    let conversation = engine.conversation(&id, &Principal::Open);
    let submission = Submission {
        message: "hello".to_owned(),
        message_id: None,
        overlap: Overlap::Queue,
        background: false,
        ..Submission::default()
    };
    let accepted = conversation.submit(submission).await.unwrap();

    let headers = HeaderMap::from_iter([(header::ACCEPT, "text/x-words".parse().unwrap())]);
    let format = stream::choose(&[&WORDS], &headers).unwrap();
    let body = stream::turn(accepted.log, accepted.turn, (format.encoder)(&id), None);
    let whole = to_bytes(body, usize::MAX).await.unwrap();
    assert_eq!(
        whole,
        "TriageAgent: Let me see. \n\nSalesAgent: Hello from sales.\n"
    );

    // Behind the sixth letter of the second step.
    let fence = fence_of(&conversation, accepted.turn).await;
    let after = format!("{}.2.{fence}.6", accepted.turn).parse().unwrap();
    let Followed::Log(log) = conversation
        .follow(accepted.turn, Some(after))
        .await
        .unwrap()
    else {
        panic!("there is nothing behind {after}");
    };
    let encoder = (format.encoder)(&id);
    let body = stream::turn(log, accepted.turn, encoder, Some(after));
    let rest = to_bytes(body, usize::MAX).await.unwrap();
    assert_eq!(rest, "SalesAgent: from sales.\n");
}

/// The fence under which the turn was said, as its events tell it.
async fn fence_of(conversation: &baton_handoff::Conversation, turn: u32) -> u64 {
    let Followed::Log(log) = conversation.follow(turn, None).await.unwrap() else {
        panic!("there is no turn {turn}");
    };
    let (events, _, _) = log.read_now(Seen::default(), events_of);
    events[0].position.fence
}
