//! A whole conversation as one document, JSON or Markdown. Memory holds only the piece that the network takes next. A document
//! that cannot be completed still ends in good form, and says so.

use std::convert::Infallible;

use axum::body::Body;
use baton_handoff::history::{Export, ExportError, Item};
use baton_handoff::ports::StoreError;
use baton_handoff::{Conversation, View};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::markdown;
use crate::edge::deadline::stream_end;
use crate::edge::error::ApiError;
use crate::stream::budget::{Budget, Busy};
use crate::stream::listener::LONGEST_STREAM;

/// The format of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Markdown,
}

impl Form {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }

    pub(super) fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Markdown => "md",
        }
    }

    fn begin(self, export: &Export) -> String {
        match self {
            Self::Json => {
                // An object whose fields follow.
                let mut begin = serde_json::to_string(&export.summary).unwrap_or_default();
                begin.pop();
                begin + ",\"items\":["
            }
            Self::Markdown => format!("# Conversation {}\n", export.summary.id),
        }
    }

    fn end(self, incomplete: Option<&str>) -> String {
        match (self, incomplete) {
            (Self::Json, None) => "],\"before\":null}".to_owned(),
            (Self::Json, Some(reason)) => {
                let reason = serde_json::Value::from(reason);
                format!("],\"before\":null,\"incomplete\":{reason}}}")
            }
            (Self::Markdown, None) => String::new(),
            (Self::Markdown, Some(reason)) => {
                format!("\n---\n\n**This export is not complete: {reason}.**\n")
            }
        }
    }
}

/// An unfinished document.
struct Document {
    conversation: Conversation,
    budget: Budget,
    form: Form,
    until: Instant,
    progress: Progress,
}

/// The progress of the document.
#[derive(Clone)]
struct Progress {
    export: Export,
    has_items: bool,
    is_over: bool,
}

/// Why a document breaks off.
enum Broken {
    Export(ExportError),
    Busy(Busy),
}

/// The document. `None`: there is no such conversation.
pub(super) async fn document(
    conversation: Conversation,
    view: View,
    budget: Budget,
    form: Form,
) -> Result<Option<Body>, ApiError> {
    let Some(export) = conversation.export(view).await? else {
        return Ok(None);
    };
    let begin = form.begin(&export);
    let mut document = Document {
        conversation,
        budget,
        form,
        until: stream_end(LONGEST_STREAM),
        progress: Progress {
            export,
            has_items: false,
            is_over: false,
        },
    };
    // A failure before the answer has begun is an error, not half a document.
    let first = match document.piece(&begin).await {
        Ok(first) => first,
        Err(Broken::Busy(busy)) => return Err(busy.into()),
        Err(Broken::Export(ExportError::Erased)) => return Ok(None),
        Err(Broken::Export(ExportError::Store(error))) => return Err(error.into()),
    };
    let rest = stream::unfold(document, |mut document| async move {
        let piece = document.next().await?;
        Some((piece, document))
    });
    let chunks = stream::iter([first]).chain(rest).flat_map(stream::iter);
    Ok(Some(Body::from_stream(chunks.map(Ok::<_, Infallible>))))
}

impl Document {
    /// Never an error: a reader of the body may mistake it for the end.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        if self.progress.is_over {
            return None;
        }
        if Instant::now() >= self.until {
            return Some(self.break_off("it took too long"));
        }
        let reason = match self.piece("").await {
            Ok(piece) => return Some(piece),
            Err(Broken::Busy(busy)) => busy.to_string(),
            Err(Broken::Export(error)) => {
                tracing::warn!(%error, "an export broke off");
                match error {
                    ExportError::Erased => error.to_string(),
                    ExportError::Store(StoreError::Damaged(_)) => {
                        "a record cannot be read".to_owned()
                    }
                    ExportError::Store(StoreError::Unavailable(_) | StoreError::BadCursor) => {
                        "the store cannot be reached right now".to_owned()
                    }
                }
            }
        };
        Some(self.break_off(&reason))
    }

    fn break_off(&mut self, reason: &str) -> Vec<Bytes> {
        self.progress.is_over = true;
        vec![Bytes::from(self.form.end(Some(reason)))]
    }

    /// The next piece, after `begin`.
    async fn piece(&mut self, begin: &str) -> Result<Vec<Bytes>, Broken> {
        let (conversation, form) = (&self.conversation, self.form);
        let progress = &self.progress;
        // It may be built more than once, each time from the same progress.
        let make = || async move {
            let mut progress = progress.clone();
            let mut piece = begin.to_owned();
            if let Some(items) = conversation.next_of_export(&mut progress.export).await? {
                write_items(&mut piece, form, &items, &mut progress.has_items);
            } else {
                piece.push_str(&form.end(None));
                progress.is_over = true;
            }
            Ok((piece.into_bytes(), progress))
        };
        let piece = self.budget.piece(make).await.map_err(Broken::Busy)?;
        let (piece, progress) = piece.map_err(Broken::Export)?;
        self.progress = progress;
        Ok(piece)
    }
}

fn write_items(out: &mut String, form: Form, items: &[Item], has_items: &mut bool) {
    match form {
        Form::Json => {
            for item in items {
                if std::mem::replace(has_items, true) {
                    out.push(',');
                }
                // Items hold strings, numbers and lists of them, which serde_json can always write.
                out.push_str(&serde_json::to_string(item).unwrap_or_default());
            }
        }
        Form::Markdown => markdown::write(out, items),
    }
}
