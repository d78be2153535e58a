//! A message that loses races for its conversation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    CommitError, FinishReason, Model, ModelChunk, ModelError, ModelRequest, ModelStream,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Overlap, Ports, Principal, Submission};
use baton_stores::env::SystemEnv;
use baton_stores::memory::{MemoryQueue, MemoryStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::watch;

use crate::engine::Doing;
use crate::writes::Asking;

/// Counts the requests that have begun.
struct Counting(watch::Sender<usize>);

impl Model for Counting {
    fn stream(
        self: Arc<Self>,
        _: ModelRequest,
    ) -> BoxFuture<'static, Result<ModelStream, ModelError>> {
        async move {
            self.0.send_modify(|asked| *asked += 1);
            let said = [
                ModelChunk::Text("Hello.".to_owned()),
                ModelChunk::Finished(FinishReason::Stop),
            ];
            let stream: ModelStream = stream::iter(said).map(Ok).boxed();
            Ok(stream)
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_message_that_loses_races_asks_the_model_once() {
    let env = Arc::new(SystemEnv);
    let model = Arc::new(Counting(watch::Sender::new(0)));
    let asked = model.0.subscribe();
    let left = AtomicUsize::new(3);
    // Another process writes first, a few times, each time after the model was asked.
    let store = Asking::new(MemoryStore::new(env.clone()), move || {
        let loses = |left: usize| left.checked_sub(1);
        let lost = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, loses);
        let mut asked = asked.clone();
        async move {
            if lost.is_ok() {
                asked.wait_for(|asked| *asked > 0).await.unwrap();
                return Err(CommitError::Conflict);
            }
            Ok(())
        }
    });
    let ports = Ports {
        webhooks: Arc::new(baton_handoff::ports::NoWebhooks),
        traces: None,
        store: Arc::new(store),
        queue: Arc::new(MemoryQueue::new(env.clone())),
        model: model.clone(),
        tools: Arc::new(Doing { ends: true }),
        env,
    };
    let engine = Engine::new(Arc::new(Team::acme()), ports);
    let submission = Submission {
        message: "hello".to_owned(),
        message_id: None,
        overlap: Overlap::Queue,
        background: false,
        ..Submission::default()
    };
    let accepted = engine
        .conversation(&ConversationId::parse("c").unwrap(), &Principal::Open)
        .submit(submission)
        .await
        .unwrap();
    accepted.log.ended().await;
    assert_eq!(*model.0.borrow(), 1);
}
