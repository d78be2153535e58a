//! A turn that a process holds the lease for and has not run yet.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use crate::drive::admission::Place;
use crate::drive::holder::Claim;
use crate::drive::log::TurnLog;
use crate::engine::Engine;
use crate::engine::models::Chosen;
use crate::failure::FailureCode;
use crate::ports::{Millis, ModelError, ModelRequest, ModelStream};
use crate::record::Meta;
use crate::record::journal::JournaledTurn;
use crate::turn::past::Past;

/// A model call that was made. The first one of a turn is made before the turn is recorded, so that the customer does not wait for
/// both in a row.
pub(crate) struct Opening {
    pub(crate) model: Chosen,
    /// When it was made.
    pub(crate) at: Millis,
    pub(crate) stream: BoxFuture<'static, Result<ModelStream, ModelError>>,
}

impl Engine {
    /// Calls a model.
    pub(crate) fn call(&self, model: Chosen, request: ModelRequest) -> Opening {
        if model.has_others {
            self.note_call(&model.name);
        }
        Opening {
            at: self.env.now(),
            stream: model.model.clone().stream(request),
            model,
        }
    }
}

/// A turn of this process, under its lease.
pub(crate) struct Begun {
    pub(crate) claim: Claim,
    pub(crate) meta: Meta,
    pub(crate) meta_version: u64,
    pub(crate) turn: JournaledTurn,
    pub(crate) past: Past,
    pub(crate) log: Arc<TurnLog>,
    pub(crate) opening: Option<Opening>,
    /// Set if the turn must end without another step.
    pub(crate) end_at_once: Option<EndAtOnce>,
    /// The earlier owner's text of its unfinished step, if it must stay.
    pub(crate) kept: String,
    /// A permit, because owners of the turn died: no other such turn runs in this process meanwhile.
    pub(crate) suspect: Option<OwnedSemaphorePermit>,
    /// Its place among the turns that run. None if it ends at once.
    pub(crate) place: Option<Place>,
}

/// Why a turn must end without another step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EndAtOnce {
    /// It killed its owners.
    Failed(FailureCode),
    /// Its owner died before it could be stopped.
    Stopped,
}
