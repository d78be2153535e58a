//! An agent with two models: what the page shows when the first one breaks off in the middle.

use std::sync::atomic::{AtomicUsize, Ordering};

use baton_rehearsal::scripted::{Format, Gate, ScriptedModel, says, stream};

use crate::browser::Browser;
use crate::folder::Folder;
use crate::server::Server;
use crate::tab::LAST_WORDS;

/// Remembers words of both models in one answer, were they there for a moment only.
const WATCH: &str = r"
new MutationObserver(() => {
    for (const words of document.querySelectorAll('.turn .words')) {
        const text = words.textContent;
        if (text.includes('alpha') && text.includes('beta')) window.mixed = text;
    }
}).observe(document, { subtree: true, childList: true, characterData: true });
";

/// The first model says two words and breaks off at its gate, each time in another way.
async fn breaking(gates: [Gate; 3]) -> ScriptedModel {
    let asked = AtomicUsize::new(0);
    let model = ScriptedModel::responding(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst) % 3;
        let begun = stream()
            .says("alpha alpha ")
            .gate(gates.get(number).unwrap());
        match number {
            0 => begun.cut_after(3),
            1 => begun.fails(500),
            _ => begun.raw("data: {nope\n\n").ends_there(),
        }
    });
    model.await.speaking(Format::Anthropic)
}

fn team(folder: &Folder, a: &ScriptedModel, b: &ScriptedModel) -> String {
    let model = |name: &str, api: &str, model: &ScriptedModel| {
        let url = model.url();
        format!(
            "[[model]]\nname = \"{name}\"\napi = \"{api}\"\nurl = \"{url}\"\nmodel = \"{name}\"\n"
        )
    };
    let agent = "[[agent]]\nname = \"Desk\"\nmodel = [\"a\", \"b\"]\ninstructions = \"Be brief.\"\ntools = []\n";
    let text = [
        "name = \"Two models\"\nentry = \"Desk\"\n",
        &model("a", "anthropic", a),
        &model("b", "gemini", b),
        agent,
    ];
    let file = folder.path().join("team.toml");
    std::fs::write(&file, text.join("\n")).unwrap();
    file.display().to_string()
}

#[tokio::test]
#[ignore = "needs Debian's chromium"]
async fn an_answer_that_another_model_says_anew_takes_the_place_of_the_first() {
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let a = breaking(gates.clone()).await;
    let b = ScriptedModel::responding(|_| says("beta beta beta."));
    let b = b.await.speaking(Format::Gemini);
    let folder = Folder::new("team");
    let team = team(&folder, &a, &b);
    let server = Server::with(&a.url(), &[("BATON_TEAM", &team)]).await;
    let browser = Browser::start().await;
    let tab = browser.blank().await;
    tab.before_each_load(WATCH).await;
    tab.goto(&server.url("")).await;
    for gate in &gates {
        tab.says("Which one are you?").await;
        tab.shows(LAST_WORDS, "alpha alpha").await;
        gate.open();
        tab.is_answered("beta beta beta.").await;
    }
    let mixed: Option<String> = tab.eval("window.mixed ?? null").await;
    assert_eq!(mixed, None);
    let shown = tab.texts(".turn .words").await.concat();
    assert!(!shown.contains("alpha"), "{shown}");
    tab.reload().await;
    tab.has(3, ".turn").await;
    let shown = tab.texts(".turn .words").await.concat();
    assert!(!shown.contains("alpha"), "{shown}");
    tab.has_no_errors();
}
