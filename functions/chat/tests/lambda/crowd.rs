//! Several invocations at once in one environment.

use baton_kit::lambda::event::Request;
use baton_rehearsal::scripted::{Gate, ScriptedModel, stream};
use futures_util::future::join_all;

use crate::function::{Function, lines};

const CUSTOMERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_invocations_at_once_each_get_their_own_words() {
    let gate = Gate::new();
    let model = ScriptedModel::responding({
        let gate = gate.clone();
        move |asked| {
            let messages = asked.messages();
            let name = messages.last().unwrap()["content"]
                .as_str()
                .unwrap()
                .to_owned();
            stream()
                .says(&format!("{name} begins, "))
                .gate(&gate)
                .says(&format!("{name} ends."))
        }
    })
    .await;
    let concurrency = [("AWS_LAMBDA_MAX_CONCURRENCY", CUSTOMERS.to_string())];
    let function = Function::start_with(&model, &concurrency).await;
    let names: Vec<_> = (0..CUSTOMERS)
        .map(|number| format!("customer-{number}"))
        .collect();
    let begin = names.iter().map(|name| async {
        let mut answer = function.ask(&Request::say(name, name));
        let prelude = answer.prelude().await.unwrap();
        assert_eq!(prelude["headers"]["x-conversation-id"], name.as_str());
        let begin = answer.until("begins, ").await;
        (answer, begin)
    });
    // None of them can end before all have begun: they are answered at once.
    let answers = join_all(begin).await;
    gate.open();
    let ends = answers.into_iter().map(|(answer, begin)| async move {
        begin + std::str::from_utf8(&answer.rest().await).unwrap()
    });
    for (name, body) in names.iter().zip(join_all(ends).await) {
        let lines = lines(&body);
        let said = lines
            .iter()
            .filter_map(|line| line["content"]["message"].as_str());
        assert_eq!(
            said.collect::<String>(),
            format!("{name} begins, {name} ends.")
        );
        assert_eq!(lines.last().unwrap()["content"]["status"], "committed");
    }
}
