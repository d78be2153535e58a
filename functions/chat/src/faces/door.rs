//! The door that every message comes through, in whatever protocol: who asks, what counts, which conversation, the message's id.
//! So ownership, bounds and repeats are the same everywhere.
//!
//! Knows no protocol: a face says what it read, and writes the answer.

mod repeats;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use baton_handoff::ids::{ConversationId, MessageId, TurnNumber};
use baton_handoff::text::is_blank;
use baton_handoff::{
    Accepted, Bound, CannotRegenerate, Client, Conversation, Engine, Kind, Overlap, Principal,
    Pulse, Submission, TurnLog,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

pub(crate) use self::repeats::Id;
use self::repeats::submit;
use super::whole::{self, WholeTurn};
use crate::app::App;
use crate::auth::asking::Asking;
use crate::auth::caller::Caller;
use crate::edge::address::is_from_here;
use crate::edge::bounds::{Places, Purpose, StreamPlace};
use crate::edge::error::ApiError;
use crate::edge::headers::CONVERSATION;
use crate::edge::trace;
use crate::routes::answers::{insert, name_turn, stream_response};
use crate::routes::stream_place;
use crate::stream::{Encoder, listener};

/// The first turn of a conversation: numbers are never used twice.
const FIRST_TURN: u32 = 1;

/// A message, in bytes.
pub(crate) const MAX_MESSAGE: usize = 32 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request whose credential was checked and that was counted as a message. Its body is still to be read, so that what is over a
/// rate costs little.
pub(crate) struct Knock {
    app: App,
    places: Places,
    parts: Parts,
    asking: Asking,
}

/// What a client says, as its face read it.
pub(crate) struct Words {
    /// The client's name for the conversation. Without one a new conversation is made.
    pub(crate) conversation: Option<ConversationId>,
    /// What the customer says.
    pub(crate) message: String,
    /// What makes a repeat of the message known as one.
    pub(crate) id: Id,
    /// When a turn of the conversation is still running.
    pub(crate) overlap: Overlap,
    /// The caller does not wait for the answer.
    pub(crate) background: bool,
    /// Tools that the client executes, and results of their calls.
    pub(crate) client: Client,
    /// The turn may look up and hand off, and accepts no action: nothing would tell a repeat of it from a second one.
    pub(crate) lookups_only: bool,
}

impl Words {
    /// A message that waits for the turn that runs, as faces say it.
    pub(crate) fn new(conversation: Option<ConversationId>, message: String, id: Id) -> Self {
        Self {
            conversation,
            message,
            id,
            overlap: Overlap::Queue,
            background: false,
            client: Client::default(),
            lookups_only: false,
        }
    }

    fn check(&self) -> Result<(), ApiError> {
        if is_blank(&self.message) && self.client.results.is_empty() {
            return Err(ApiError::bad_request("message is empty"));
        }
        if self.message.len() > MAX_MESSAGE {
            let detail = format!("message is over {MAX_MESSAGE} bytes");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        Ok(())
    }
}

impl Knock {
    /// Checks the credential, and counts the message.
    pub(crate) async fn at(app: App, places: Places, parts: Parts) -> Result<Self, ApiError> {
        let knock = Self::arrive(app, places, parts).await?;
        knock.count()?;
        Ok(knock)
    }

    /// Checks the credential only, where the body tells whether there is a message.
    pub(crate) async fn arrive(
        app: App,
        places: Places,
        mut parts: Parts,
    ) -> Result<Self, ApiError> {
        let asking = Asking::of(&app, &mut parts).await?;
        Ok(Self {
            app,
            places,
            parts,
            asking,
        })
    }

    /// Counts the message.
    pub(crate) fn count(&self) -> Result<(), ApiError> {
        let counted = self.asking.counted();
        Ok(counted.count(
            &self.app.engine,
            Bound::MessagesOwner,
            Bound::MessagesAddress,
        )?)
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        self.app.engine.clone()
    }

    /// None of a stranger.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        match &self.asking {
            Asking::Known(caller) => Some(caller),
            Asking::Stranger(_) => None,
        }
    }

    /// Whether the caller has no credential yet.
    pub(crate) fn is_stranger(&self) -> bool {
        self.caller().is_none()
    }

    /// The conversation of this name, for a look before something is said in it. A stranger has none.
    pub(crate) fn look(&self, name: &ConversationId) -> Result<Option<Conversation>, ApiError> {
        let caller = self.caller();
        caller
            .map(|caller| caller.open(&self.app, name))
            .transpose()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The message's id for clients that keep it in a header.
    pub(crate) fn idempotency_key(&self) -> Result<Option<MessageId>, ApiError> {
        let Some(value) = self.headers().get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        // The draft standard writes the key as a quoted string; most clients send it bare.
        let key = value.to_str().unwrap_or_default().trim_matches('"');
        MessageId::parse(key)
            .map(Some)
            .map_err(|error| ApiError::bad_request(format!("Idempotency-Key {error}")))
    }

    /// The conversation of this name with a place for a stream, for a request that says nothing.
    pub(crate) fn enter(self, name: &ConversationId) -> Result<Entered, ApiError> {
        let Self {
            app,
            places,
            parts,
            asking,
        } = self;
        let caller = asking.caller(&app, &parts, Some(name))?;
        let conversation = caller.open(&app, name)?;
        let place = stream_place(&places, &caller, &conversation, Purpose::Turn)?;
        Ok(Entered {
            conversation,
            place,
            caller,
        })
    }

    /// Has the message recorded, and answered even if the client goes away. A stranger becomes a visitor only here.
    pub(crate) async fn say(self, words: Words) -> Result<Answer, ApiError> {
        words.check()?;
        let Self {
            app,
            places,
            parts,
            asking,
        } = self;
        let name = words.conversation.as_ref();
        let caller = asking.caller(&app, &parts, name)?;
        if !words.client.tools.is_empty() && !may_bring_tools(&app, &caller, &parts) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "tools of the client are taken from customers who have signed in and from services only",
            ));
        }
        let counted = caller.counted();
        let (by_owner, by_address) = (Bound::ConversationsOwner, Bound::ConversationsAddress);
        let begins = counted.would_fit(&app.engine, by_owner, by_address);
        let opened = match (name, begins) {
            (None, begins) => {
                begins?;
                app.engine.begin(caller.principal())
            }
            (Some(name), Ok(())) => caller.open(&app, name)?,
            (Some(name), Err(over)) => caller.open(&app, name)?.not_begun_over(over),
        };
        let mut opened = opened
            .with_claims(caller.claims())
            .called_from(trace::caller(&parts.headers));
        if words.lookups_only {
            opened = opened.with_lookups_only();
        }
        let mut submission = Submission {
            message: words.message,
            message_id: None,
            overlap: words.overlap,
            background: words.background,
            client: words.client,
        };
        submission.message_id = words.id.of(opened.id(), &submission, &[]);
        let turn = places.turn(counted.address)?;
        let place = if words.background {
            None
        } else {
            Some(places.stream(Purpose::Turn, &opened.party(), counted.address)?)
        };
        let accepted = submit(&opened, submission, &words.id).await?;
        turn.hold(&accepted, words.background);
        if accepted.turn == FIRST_TURN {
            // Another one that came at the same time may have taken the last place. The message is recorded all the same.
            let _over = counted.count(&app.engine, by_owner, by_address);
        }
        Ok(Answer {
            conversation: opened,
            accepted,
            place,
            caller,
        })
    }
}

impl Knock {
    /// Says an answer of this conversation anew: that of the turn which `which` chooses.
    pub(crate) async fn again(
        self,
        name: &ConversationId,
        which: impl FnOnce(&Pulse) -> Option<TurnNumber>,
    ) -> Result<Answer, ApiError> {
        let caller = self.asking.caller(&self.app, &self.parts, Some(name))?;
        let conversation = caller.open(&self.app, name)?;
        let conversation = conversation.called_from(trace::caller(&self.parts.headers));
        let pulse = conversation.pulse().await?;
        let turn = pulse.as_ref().and_then(which);
        let turn = turn.ok_or_else(|| ApiError::not_found("no such turn"))?;
        // This request was counted when it came.
        regenerate(&self.places, caller, conversation, turn).await
    }
}

async fn regenerate(
    places: &Places,
    caller: Caller,
    conversation: Conversation,
    turn: TurnNumber,
) -> Result<Answer, ApiError> {
    let turn_place = places.turn(caller.counted().address)?;
    let place = stream_place(places, &caller, &conversation, Purpose::Turn)?;
    let accepted = match conversation.regenerate(turn).await {
        Ok(accepted) => accepted,
        Err(CannotRegenerate::NotFound) => return Err(ApiError::not_found("no such turn")),
        Err(error @ (CannotRegenerate::NotTheLast | CannotRegenerate::NoMessage)) => {
            return Err(ApiError::new(StatusCode::CONFLICT, error.to_string()));
        }
        Err(CannotRegenerate::OverBound(over)) => return Err(over.into()),
        Err(CannotRegenerate::Store(error)) => return Err(error.into()),
    };
    turn_place.hold(&accepted, false);
    Ok(Answer {
        conversation,
        accepted,
        place: Some(place),
        caller,
    })
}

/// Whether this caller's client may bring tools of its own.
fn may_bring_tools(app: &App, caller: &Caller, parts: &Parts) -> bool {
    let is_known = match caller.principal() {
        Principal::Open => is_from_here(&parts.extensions, &parts.headers),
        Principal::Known { kind, .. } => match kind {
            Kind::Customer | Kind::Service => true,
            Kind::Visitor | Kind::Operator => false,
        },
    };
    is_known || app.engine.team().allows_client_tools_of_anyone()
}

/// A conversation whose caller listens and says nothing.
pub(crate) struct Entered {
    conversation: Conversation,
    place: StreamPlace,
    caller: Caller,
}

impl Entered {
    pub(crate) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Names the conversation in this stream, which has its place, and gives it the visitor's cookie.
    pub(crate) fn respond(self, response: Response) -> Response {
        let mut response = self.place.hold(response);
        insert(&mut response, CONVERSATION, self.conversation.id().as_str());
        self.caller.remember(&mut response);
        response
    }
}

/// A turn that was accepted, for the client that waits for it.
pub(crate) struct Answer {
    conversation: Conversation,
    accepted: Accepted,
    /// None of a background turn.
    place: Option<StreamPlace>,
    caller: Caller,
}

impl Answer {
    /// Says the last answer anew.
    pub(crate) async fn again(
        app: &App,
        places: &Places,
        caller: Caller,
        conversation: Conversation,
        turn: TurnNumber,
    ) -> Result<Self, ApiError> {
        let counted = caller.counted();
        counted.count(&app.engine, Bound::MessagesOwner, Bound::MessagesAddress)?;
        regenerate(places, caller, conversation, turn).await
    }

    pub(crate) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    pub(crate) fn turn(&self) -> TurnNumber {
        self.accepted.turn
    }

    pub(crate) fn log(&self) -> &TurnLog {
        &self.accepted.log
    }

    /// The turn as a stream, which has the answer's place.
    pub(crate) fn stream(
        mut self,
        encoder: Box<dyn Encoder>,
        media_type: &'static str,
    ) -> Response {
        let (log, turn) = (self.accepted.log.clone(), self.accepted.turn);
        let body: Body = listener::turn(log, turn, encoder, None);
        let response = stream_response(body, media_type);
        let response = match self.place.take() {
            Some(place) => place.hold(response),
            None => response,
        };
        self.respond(response)
    }

    /// The turn as a whole, when it is over; or what there is of it when an answer must be sent.
    pub(crate) async fn whole(&self) -> WholeTurn {
        whole::read(self.log()).await
    }

    /// Names turn and conversation in this response, and gives it the visitor's cookie.
    pub(crate) fn respond(self, mut response: Response) -> Response {
        name_turn(&mut response, self.conversation.id(), self.accepted.turn);
        self.caller.remember(&mut response);
        response
    }
}
