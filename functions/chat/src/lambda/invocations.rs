//! The conversations of the current invocations. After the last invocation of a conversation the process may be frozen at any
//! moment: then the conversation is given up, and not earlier, however many listeners come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, BodyDataStream};
use baton_handoff::Engine;
use baton_handoff::ids::ConversationId;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// The number of invocations of each conversation.
pub(super) struct Invocations {
    /// `None` if there are no workers to go on.
    engine: Option<Arc<Engine>>,
    counts: Mutex<HashMap<ConversationId, usize>>,
}

impl Invocations {
    pub(super) fn new(engine: Option<Arc<Engine>>) -> Self {
        Self {
            engine,
            counts: Mutex::default(),
        }
    }

    /// Counts one more invocation of the conversation, until it releases it.
    pub(super) fn hold(self: &Arc<Self>, conversation: ConversationId) -> Hold {
        *self.lock().entry(conversation.clone()).or_default() += 1;
        Hold {
            invocations: self.clone(),
            conversation,
            holds: AtomicBool::new(true),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConversationId, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An invocation of a conversation.
pub(super) struct Hold {
    invocations: Arc<Invocations>,
    conversation: ConversationId,
    holds: AtomicBool,
}

impl Hold {
    /// Ends this invocation. The last one of a conversation gives up its driver.
    fn let_go(&self) {
        if !self.holds.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut counts = self.invocations.lock();
        let Entry::Occupied(mut count) = counts.entry(self.conversation.clone()) else {
            return;
        };
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
            // Under the lock, so that a new invocation is not given up with it.
            if let Some(engine) = &self.invocations.engine {
                engine.give_up(&self.conversation);
            }
        }
    }

    /// Resolves when nothing in this process depends on this invocation any more.
    async fn left(&self) {
        if self.invocations.lock().contains_key(&self.conversation) {
            return;
        }
        if let Some(engine) = &self.invocations.engine {
            engine.left(&self.conversation).await;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A body that holds its conversation until shortly before the deadline, or until the body ends. The body ends only after this
/// process has left the conversation, unless another invocation holds it: code after the end of the body may never run.
pub(super) struct HeldBody {
    stream: BodyDataStream,
    hold: Arc<Hold>,
    /// A slow client must not delay the check of the clock: a task checks it for as long as the body lives.
    _timer: AbortOnDropHandle<()>,
    wait_until: Instant,
}

impl HeldBody {
    /// Releases at `give_up_at`; from `wait_until` on there is no more waiting.
    pub(super) fn new(body: Body, hold: Hold, give_up_at: Instant, wait_until: Instant) -> Self {
        let hold = Arc::new(hold);
        let in_time = hold.clone();
        let timer = tokio::spawn(async move {
            sleep_until(give_up_at).await;
            tracing::warn!(conversation = %in_time.conversation, "the invocation ends; another process goes on with the turn");
            in_time.let_go();
        });
        Self {
            stream: body.into_data_stream(),
            hold,
            _timer: AbortOnDropHandle::new(timer),
            wait_until,
        }
    }

    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self, |mut body| async move {
            let bytes = body.next().await?;
            Some((Ok::<_, Infallible>(bytes), body))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        // An error would be written into the body as text: the stream is cut instead, and the client follows the turn.
        if let Some(Ok(bytes)) = self.stream.next().await {
            return Some(bytes);
        }
        self.hold.let_go();
        if timeout_at(self.wait_until, self.hold.left()).await.is_err() {
            tracing::warn!(conversation = %self.hold.conversation, "the conversation could not be left in time; its lease runs out by itself");
        }
        None
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        // The client went away.
        self.hold.let_go();
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use baton_handoff::Ports;
    use baton_handoff::ports::{Env, Store};
    use baton_handoff::team::Team;
    use baton_models::{Endpoint, ModelClient, ModelSettings};
    use baton_stores::env::SystemEnv;
    use baton_stores::memory::{MemoryQueue, MemoryStore};
    use baton_tools::office::BackOffice;

    use super::*;

    fn engine() -> Arc<Engine> {
        let env: Arc<dyn Env> = Arc::new(SystemEnv);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(env.clone()));
        let endpoint = Endpoint::OpenAi {
            base_url: "http://127.0.0.1:9/v1".to_owned(),
            model: "none".to_owned(),
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
    async fn a_body_that_breaks_is_cut_and_never_yields_an_error() {
        let invocations = Arc::new(Invocations::new(Some(engine())));
        let pieces = [
            Ok(Bytes::from_static(b"whole\n")),
            Err(io::Error::other("broken")),
            Ok(Bytes::from_static(b"behind\n")),
        ];
        let hold = invocations.hold(ConversationId::parse("c").unwrap());
        let (body, now) = (Body::from_stream(stream::iter(pieces)), Instant::now());
        let body = HeldBody::new(body, hold, now, now);
        let heard: Vec<_> = body.into_body().into_data_stream().collect().await;
        let heard: Vec<_> = heard.into_iter().map(Result::unwrap).collect();
        assert_eq!(heard, ["whole\n"]);
        assert!(invocations.lock().is_empty(), "nobody is about it any more");
    }
}
