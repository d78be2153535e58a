//! What a page says to its console: exceptions, errors, violations of the policy, requests that failed.

use std::sync::{Arc, Mutex, PoisonError};

use chromiumoxide::Page;
use chromiumoxide::cdp::IntoEventKind;
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel, LogEntrySource};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use futures_util::StreamExt;

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// A request failed: expected where the network is cut on purpose.
    Network(String),
    /// An exception, an error, a violation of the content security policy.
    Page(String),
}

#[derive(Clone, Default)]
pub(crate) struct Complaints(Arc<Mutex<Vec<Complaint>>>);

impl Complaints {
    pub(crate) async fn of(page: &Page) -> Self {
        let complaints = Self::default();
        page.enable_log().await.expect("the log can be read");
        complaints.keep(page, entry).await;
        complaints.keep(page, exception).await;
        complaints.keep(page, call).await;
        complaints
    }

    pub(crate) fn all(&self) -> Vec<Complaint> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn keep<E: IntoEventKind + Send + Sync + Unpin + 'static>(
        &self,
        page: &Page,
        read: fn(&E) -> Option<Complaint>,
    ) {
        let mut events = page
            .event_listener::<E>()
            .await
            .expect("the console can be read");
        let kept = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend(read(&event));
            }
        });
    }
}

fn entry(event: &EventEntryAdded) -> Option<Complaint> {
    let entry = &event.entry;
    let text = format!(
        "{} {}",
        entry.text,
        entry.url.as_deref().unwrap_or_default()
    );
    match (&entry.level, &entry.source) {
        (LogEntryLevel::Verbose | LogEntryLevel::Info, _) => None,
        (LogEntryLevel::Warning | LogEntryLevel::Error, LogEntrySource::Network) => {
            Some(Complaint::Network(text))
        }
        (LogEntryLevel::Warning | LogEntryLevel::Error, _) => Some(Complaint::Page(text)),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one of three readers, and the others choose"
)]
fn exception(event: &EventExceptionThrown) -> Option<Complaint> {
    Some(Complaint::Page(format!("{:?}", event.exception_details)))
}

fn call(event: &EventConsoleApiCalled) -> Option<Complaint> {
    let is_wrong = [
        ConsoleApiCalledType::Error,
        ConsoleApiCalledType::Warning,
        ConsoleApiCalledType::Assert,
    ]
    .contains(&event.r#type);
    let words = event
        .args
        .iter()
        .map(|it| it.value.clone().unwrap_or_default().to_string());
    is_wrong.then(|| Complaint::Page(words.collect::<Vec<_>>().join(" ")))
}
