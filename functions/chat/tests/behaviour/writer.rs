//! The thread that writes the file dies: nothing more is taken, and everybody is told so.

use baton_rehearsal::scripted::{ScriptedModel, says};

use crate::suite::support::{Server, body};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_write_any_more_says_that_it_is_not_ready() {
    let model = ScriptedModel::responding(|_| says("Hello!")).await;
    let server = Server::open(&model).await;
    let client = server.client();
    assert_eq!(client.say("c", "hello").await.status(), "committed");
    assert_eq!(client.get("/health").await.status, 200);

    server.break_thread("sqlite-writer");
    for _ in 0..2 {
        let refused = client
            .post("/chat/completions", &body("c", "hello again"))
            .await;
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.headers["retry-after"], "2");
    }
    let health = client.get("/health").await;
    assert_eq!(health.status, 503, "{health:?}");
    let health = health.json();
    assert_eq!(health["status"], "unavailable");
    assert_eq!(health["reason"], "nothing can be written to the store");
    // What was written can be read.
    let said = client.said("c").await;
    assert_eq!(said.len(), 2, "{said:?}");
}
