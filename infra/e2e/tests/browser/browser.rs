//! One browser with a fresh profile: its tabs share what a person's tabs share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chromiumoxide::BrowserConfig;
use chromiumoxide::cdp::browser_protocol::browser::{
    SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::folder::Folder;
use crate::tab::Tab;

const FLAGS: [&str; 8] = [
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
    // Servers under test are on loopback, whatever is between this machine and the internet.
    "no-proxy-server",
    // A mouse, as on a desk: without a screen the browser believes that there is none.
    "blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
];

/// An answer that was lost in a navigation is waited for no longer; the question is asked anew.
const ANSWER: Duration = Duration::from_secs(10);

/// Between two looks at a folder.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

pub(crate) struct Browser {
    chromium: chromiumoxide::Browser,
    events: JoinHandle<()>,
    profile: Folder,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With more flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        let executable = std::env::var_os("BATON_CHROMIUM")
            .map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
        assert!(
            executable.exists(),
            "{} is not there: install Debian's chromium, or set BATON_CHROMIUM",
            executable.display()
        );
        let profile = Folder::new("profile");
        let config = BrowserConfig::builder()
            .chrome_executable(executable)
            .user_data_dir(profile.path())
            .no_sandbox()
            .new_headless_mode()
            .viewport(None)
            .window_size(1280, 800)
            .launch_timeout(PATIENCE)
            .request_timeout(ANSWER)
            .args(FLAGS.iter().chain(flags).copied())
            .build()
            .expect("the browser is configured");
        let (chromium, mut handler) = chromiumoxide::Browser::launch(config)
            .await
            .expect("the browser starts");
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self {
            chromium,
            events,
            profile,
        }
    }

    /// A new tab at this address.
    pub(crate) async fn open(&self, url: &str) -> Tab {
        let tab = self.blank().await;
        tab.goto(url).await;
        tab
    }

    /// A new tab that is nowhere yet, to be prepared.
    pub(crate) async fn blank(&self) -> Tab {
        let page = self
            .chromium
            .new_page("about:blank")
            .await
            .expect("a tab opens");
        Tab::new(page).await
    }

    /// Lets pages save files; returns where to.
    pub(crate) async fn takes_downloads(&self) -> PathBuf {
        let folder = self.profile.path().join("downloads");
        let allow = SetDownloadBehaviorParams::builder()
            .behavior(SetDownloadBehaviorBehavior::Allow)
            .download_path(folder.to_string_lossy())
            .build()
            .expect("the behaviour is set");
        self.chromium
            .execute(allow)
            .await
            .expect("the browser takes downloads");
        folder
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.events.abort(); // the process itself is killed when it is dropped
    }
}

/// The text of a file that is being saved.
pub(crate) async fn saved(folder: &Path, ending: &str) -> String {
    let find = async {
        loop {
            let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut whole = files
                .map(|file| file.path())
                .filter(|path| path.to_string_lossy().ends_with(ending));
            if let Some(text) = whole
                .next()
                .and_then(|path| std::fs::read_to_string(path).ok())
                .filter(|text| !text.is_empty())
            {
                return text;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    tokio::time::timeout(PATIENCE, find)
        .await
        .expect("the file is saved in time")
}
