//! Tools of services: stubs answer in their place, and no request reaches one unless a flag says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::folder::{Folder, Said};

/// A service that notes what it is asked, and answers everything.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let notes = asked.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let notes = notes.clone();
                std::thread::spawn(move || answer(connection, &notes));
            }
        });
        Self { address, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A folder with a team whose tools are at the service.
    pub(super) fn shop(&self) -> Folder {
        let address = self.address;
        let folder = Folder::new();
        folder.write(
            "team.toml",
            &format!(
                r#"
name = "Shop"
entry = "Desk"

[[agent]]
name = "Desk"
instructions = "Help."
tools = ["find_order", "read_account", "pay_refund", "send_note"]

[[tool]]
name = "find_order"
kind = "lookup"
description = "Finds an order."
[tool.parameters.order]
type = "string"
[tool.http]
method = "GET"
url = "http://{address}/orders/{{order}}"
allow_private = true

[[tool]]
name = "read_account"
kind = "lookup"
description = "Reads the customer's account."
verified = true
[tool.parameters]
[tool.http]
method = "GET"
url = "http://{address}/account"
allow_private = true

[[tool]]
name = "pay_refund"
kind = "action"
description = "Pays a refund."
approval = "customer"
confirm = {{ title = "Refund of {{usd}} dollars?" }}
[tool.parameters.usd]
type = "integer"
[tool.http]
method = "POST"
url = "http://{address}/refunds"
allow_private = true

[[tool]]
name = "send_note"
kind = "action"
description = "Sends a note."
[tool.parameters.text]
type = "string"
[tool.http]
method = "POST"
url = "http://{address}/notes"
allow_private = true
"#
            ),
        );
        folder
    }
}

fn answer(connection: TcpStream, notes: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut line = String::new();
    let mut length = 0;
    let mut first = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        if first.is_empty() {
            line.trim_end().clone_into(&mut first);
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    if first.is_empty() {
        return;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    notes.lock().unwrap().push(first);
    let body = r#"{"state":"sent"}"#;
    let (length, mut connection) = (body.len(), connection);
    write!(
        connection,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

/// Runs one conversation with the shop.
pub(super) fn run(service: &Service, conversation: &str, flags: &[&str]) -> Said {
    let folder = service.shop();
    folder.write("a.conversation.toml", conversation);
    folder.test(&[&["team.toml", "--rehearsal"], flags].concat())
}

const REFUND: &str = r#"
[[stub]]
tool = "find_order"
arguments = { order = { regex = "^A-" } }
result = { state = "sent", usd = 20 }

[[stub]]
tool = "pay_refund"
result = "paid"

[[turn]]
says = 'rehearse: call find_order {"order": "A-1"}'
[turn.expect]
calls = [{ tool = "find_order", arguments = { order = "A-1" }, outcome = "ok" }]

[[turn]]
says = 'rehearse: call pay_refund {"usd": 20}'
[turn.expect]
waiting = ["pay_refund"]
"#;

#[test]
fn stubs_answer_in_the_place_of_a_service_and_a_card_is_answered() {
    let service = Service::start();
    let paid = format!(
        "{REFUND}
[[turn]]
confirm = true
[turn.expect]
waiting = []

[[order]]
tool = \"pay_refund\"
after = {{ tool = \"find_order\" }}

[[effect]]
tool = \"pay_refund\"
arguments = {{ usd = 20 }}
"
    );
    let said = run(&service, &paid, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.notes.contains("no request goes to a tool's service"),
        "{said:?}"
    );
    let declined = format!("{REFUND}\n[[turn]]\nconfirm = false\n");
    let said = run(&service, &declined, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // The same, where the file names no effect.
    let said = run(
        &service,
        &format!("{REFUND}\n[[turn]]\nconfirm = true\n"),
        &[],
    );
    assert_eq!(said.code, Some(1), "{said:?}");
    let sentence = r#"pay_refund {"usd":20} took effect, and no [[effect]] of the file names it"#;
    assert!(said.report.contains(sentence), "{said:?}");
    assert_eq!(service.asked(), Vec::<String>::new());
}

#[test]
fn a_call_without_a_stub_fails_its_run_and_reaches_nobody() {
    let service = Service::start();
    for (call, sentence) in [
        (
            r#"find_order {"order": "B-1"}"#,
            r#"find_order {"order":"B-1"} was called, and no [[stub]] answers it"#,
        ),
        (
            r#"send_note {"text": "hi"}"#,
            r#"send_note {"text":"hi"} was called, and no [[stub]] answers it"#,
        ),
    ] {
        let stubs =
            "[[stub]]\ntool = \"find_order\"\narguments = { order = \"A-1\" }\nresult = \"\"\n";
        let text = format!("{stubs}[[turn]]\nsays = 'rehearse: call {call}'\n");
        let said = run(&service, &text, &[]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.report.contains(sentence), "{said:?}");
    }
    assert_eq!(service.asked(), Vec::<String>::new());
}

#[test]
fn a_stub_refuses_or_leaves_unknown_and_answers_so_many_calls() {
    let service = Service::start();
    let text = r#"
[[stub]]
tool = "find_order"
times = 1
error = "No such order."

[[stub]]
tool = "find_order"
result = { state = "sent" }

[[stub]]
tool = "send_note"
unknown = "The line was cut."

[[turn]]
says = 'rehearse: call find_order {"order": "A-1"}'
[turn.expect]
calls = [{ tool = "find_order", outcome = "error" }]

[[turn]]
says = 'rehearse: call find_order {"order": "A-1"}'
[turn.expect]
calls = [{ tool = "find_order", outcome = "ok" }]

[[turn]]
says = 'rehearse: call send_note {"text": "hi"}'
[turn.expect]
matches = ["do not know"]

[[effect]]
tool = "send_note"
"#;
    let said = run(&service, text, &[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(service.asked(), Vec::<String>::new());
}

#[test]
fn a_customer_with_an_id_is_a_verified_one() {
    let service = Service::start();
    for (customer, outcome) in [("", "error"), ("[customer]\nid = \"ann\"\n", "ok")] {
        let text = format!(
            r#"
{customer}
[[stub]]
tool = "read_account"
result = "gold"
[[turn]]
says = "rehearse: call read_account"
[turn.expect]
calls = [{{ tool = "read_account", outcome = "{outcome}" }}]
"#
        );
        let said = run(&service, &text, &[]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

#[test]
fn a_decision_on_nothing_is_a_difference() {
    let service = Service::start();
    for (step, sentence) in [
        (
            "confirm = true",
            "turn 2: there should be one card to answer, and there are 0",
        ),
        (
            "approve = \"send_note\"",
            "turn 2: no action of send_note waits for a colleague",
        ),
    ] {
        let text = format!("[[turn]]\nsays = \"Hello\"\n[[turn]]\n{step}\n");
        let said = run(&service, &text, &[]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.report.contains(sentence), "{said:?}");
    }
    // The customer comes before the colleague.
    let text = format!("{REFUND}\n[[turn]]\napprove = \"pay_refund\"\n");
    let said = run(&service, &text, &[]);
    let sentence = "turn 3: pay_refund waits for its customer, and a colleague comes after";
    assert!(said.report.contains(sentence), "{said:?}");
}

#[test]
fn real_services_are_called_only_as_the_flags_say() {
    let service = Service::start();
    let text = r#"
any_effects = true
[[turn]]
says = 'rehearse: call find_order {"order": "A-1"}'
[[turn]]
says = 'rehearse: call send_note {"text": "hi"}'
"#;
    let said = run(&service, text, &["--live-lookups"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let notes = "REAL SERVICES WILL BE CALLED, where no stub answers: find_order";
    assert!(said.notes.contains(notes), "{said:?}");
    let sentence = r#"send_note {"text":"hi"} was called, and no [[stub]] answers it"#;
    assert!(said.report.contains(sentence), "{said:?}");
    assert_eq!(service.asked(), ["GET /orders/A-1 HTTP/1.1"]);

    let said = run(&service, text, &["--live-lookups", "--live-actions"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let asked = service.asked();
    let [_, find, note] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(find, "GET /orders/A-1 HTTP/1.1");
    assert_eq!(note, "POST /notes HTTP/1.1");
}
