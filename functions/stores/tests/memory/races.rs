//! A message that loses races for its conversation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use baton_handoff::ids::ConversationId;
use baton_handoff::ports::{
    Change, CommitError, Cursor, FinishReason, Index, IndexPage, Key, Model, ModelChunk,
    ModelError, ModelRequest, ModelStream, Page, Range, Store, StoreError, Stored,
};
use baton_handoff::team::Team;
use baton_handoff::{Engine, Overlap, Ports, Principal, Submission};
use baton_stores::env::SystemEnv;
use baton_stores::memory::{MemoryQueue, MemoryStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::watch;

use crate::engine::Doing;

/// Counts those who have begun to ask.
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

/// Somebody else writes first, a few times, each time after the model was asked.
struct Raced {
    inner: MemoryStore,
    asked: watch::Receiver<usize>,
    left: AtomicUsize,
}

#[async_trait]
impl Store for Raced {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, StoreError> {
        self.inner.get_many(keys).await
    }

    async fn range(&self, range: &Range) -> Result<Page, StoreError> {
        self.inner.range(range).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let loses = |left: usize| left.checked_sub(1);
        let lost = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, loses);
        if lost.is_ok() {
            let mut asked = self.asked.clone();
            asked.wait_for(|asked| *asked > 0).await.unwrap();
            return Err(CommitError::Conflict);
        }
        self.inner.commit(changes).await
    }

    async fn index(
        &self,
        index: &Index,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<IndexPage, StoreError> {
        self.inner.index(index, after, limit).await
    }
}

#[tokio::test]
async fn a_message_that_loses_races_asks_the_model_once() {
    let env = Arc::new(SystemEnv);
    let model = Arc::new(Counting(watch::Sender::new(0)));
    let ports = Ports {
        store: Arc::new(Raced {
            inner: MemoryStore::new(env.clone()),
            asked: model.0.subscribe(),
            left: AtomicUsize::new(3),
        }),
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
    };
    let accepted = engine
        .conversation(&ConversationId::parse("c").unwrap(), &Principal::LOCAL)
        .submit(submission)
        .await
        .unwrap();
    accepted.log.ended().await;
    assert_eq!(*model.0.borrow(), 1);
}
