//! What each route is for, and what each kind of caller gets of it.

mod faces;

use baton_handoff::ids::ConversationId;
use serde_json::{Value, json};

use super::callers::{Caller, Standing};
use super::{Ask, Mode};

/// Whose route it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gate {
    /// The same for every caller, also with a bad credential.
    Everyone,
    /// Each caller gets something of its own.
    Own(Own),
    /// The owner of the conversation, and operators with all of these roles. Without roles: no operator.
    Owner(&'static [&'static str]),
    /// Operators with this role. Those of another tenant get a list with nothing of ours.
    Operators(&'static str),
}

/// The statuses of a route that gives each caller something of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// Without a credential, in the modes `open`, `anonymous` and `jwt`.
    nobody: [u16; 3],
    /// A visitor, a customer or a service.
    other: &'static [u16],
    /// A key that may not chat.
    scopeless: u16,
    operator: u16,
}

/// A route in this test.
pub(super) struct Row {
    pub(super) method: &'static str,
    /// As the document of the interface writes it.
    pub(super) route: &'static str,
    pub(super) gate: Gate,
    /// What the owner, or an operator with the role, gets.
    pub(super) gets: &'static [u16],
    query: &'static str,
    body: fn(&Target) -> Option<Value>,
}

/// The records that a request is about.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) conversation: String,
    /// The last turn.
    pub(super) turn: String,
    pub(super) action: String,
    /// A decision on the action as it was shown.
    pub(super) decision: Value,
}

impl Target {
    /// Well-formed names of nothing.
    pub(super) fn missing() -> Self {
        let conversation = ConversationId::made(7).to_string();
        Self {
            action: format!("{conversation}.1.00000000000000000000000000000000"),
            decision: json!({
                "arguments_hash": "0",
                "fence": 0,
                "reason": "as the test wants it",
                "reason_for_customer": "as the shop wants it",
                "outcome": "done",
            }),
            turn: "2".to_owned(),
            conversation,
        }
    }
}

fn row(method: &'static str, route: &'static str, gate: Gate, gets: &'static [u16]) -> Row {
    Row {
        method,
        route,
        gate,
        gets,
        query: "",
        body: |_| None,
    }
}

fn everyone(route: &'static str) -> Row {
    row("GET", route, Gate::Everyone, &[200])
}

fn own(method: &'static str, route: &'static str, own: Own) -> Row {
    row(method, route, Gate::Own(own), &[200])
}

fn owners(
    method: &'static str,
    path: &'static str,
    roles: &'static [&'static str],
    gets: &'static [u16],
) -> Row {
    row(method, path, Gate::Owner(roles), gets)
}

fn operators(
    method: &'static str,
    path: &'static str,
    role: &'static str,
    gets: &'static [u16],
) -> Row {
    let body = |target: &Target| Some(target.decision.clone());
    let row = row(method, path, Gate::Operators(role), gets);
    if method == "POST" {
        Row { body, ..row }
    } else {
        row
    }
}

/// A row for each route; where a route has two uses, one for each.
pub(super) fn all() -> Vec<Row> {
    let mut rows = of_all_and_owners();
    rows.extend(faces::all());
    rows.extend(at_the_end());
    rows
}

fn of_all_and_owners() -> Vec<Row> {
    vec![
        everyone("/health"),
        everyone("/.well-known/jwks.json"),
        everyone("/.well-known/oauth-protected-resource/mcp"),
        everyone("/.well-known/agent-card.json"),
        everyone("/openapi.json"),
        everyone("/"),
        everyone("/desk"),
        everyone("/static/{file}"),
        own(
            "GET",
            "/conversations",
            Own {
                nobody: [200, 401, 401],
                other: &[200],
                scopeless: 403,
                operator: 200,
            },
        ),
        Row {
            body: |_| Some(json!({ "message": "hello" })),
            ..own(
                "POST",
                "/chat/completions",
                Own {
                    nobody: [200, 200, 401],
                    other: &[200],
                    scopeless: 403,
                    operator: 403,
                },
            )
        },
        own(
            "GET",
            "/session",
            Own {
                nobody: [200, 200, 200],
                other: &[200],
                scopeless: 200,
                operator: 200,
            },
        ),
        own(
            "POST",
            "/session",
            Own {
                nobody: [403, 200, 401],
                // A service needs the scope for it.
                other: &[200, 403],
                scopeless: 200,
                operator: 403,
            },
        ),
        row("DELETE", "/session", Gate::Everyone, &[204]),
        owners("GET", "/conversations/{id}", &["see"], &[200]),
        owners("GET", "/conversations/{id}/export", &["see"], &[200]),
        owners("GET", "/conversations/{id}/events", &["see"], &[200]),
        owners(
            "GET",
            "/conversations/{id}/turns/{turn}/events",
            &["see"],
            &[200],
        ),
        Row {
            query: "?after={turn}.1.1.1",
            ..owners(
                "GET",
                "/conversations/{id}/turns/{turn}/events",
                &["see"],
                &[200, 204],
            )
        },
        owners(
            "POST",
            "/conversations/{id}/turns/{turn}/stop",
            &["see", "administer"],
            &[202],
        ),
        owners(
            "POST",
            "/conversations/{id}/turns/{turn}/regenerate",
            &[],
            &[200],
        ),
        // It asks for no confirmation, which only its owner learns.
        Row {
            body: |target| {
                let hash = &target.decision["arguments_hash"];
                Some(json!({ "arguments_hash": hash, "yes": true }))
            },
            ..owners(
                "POST",
                "/conversations/{id}/actions/{action}/confirm",
                &[],
                &[409],
            )
        },
        Row {
            body: |target| {
                Some(json!({ "message": "hello", "conversation_id": target.conversation }))
            },
            ..owners("POST", "/chat/completions", &[], &[200])
        },
        Row {
            body: |target| {
                Some(
                    json!({ "message": "hello", "conversation_id": target.conversation, "overlap": "interrupt" }),
                )
            },
            ..owners("POST", "/chat/completions", &[], &[200])
        },
    ]
}

/// What leaves nothing, and what operators do.
fn at_the_end() -> Vec<Row> {
    vec![
        owners(
            "DELETE",
            "/conversations/{id}",
            &["see", "administer"],
            &[204],
        ),
        operators("GET", "/actions", "see", &[200]),
        Row {
            query: "?state=proposed",
            ..operators("GET", "/actions", "see", &[200])
        },
        Row {
            query: "?conversation=c-1",
            ..operators("GET", "/actions", "see", &[200])
        },
        operators("GET", "/actions/{id}", "see", &[200]),
        operators("GET", "/desk/conversations", "see", &[200]),
        Row {
            query: "?day=2026-01-01",
            ..operators("GET", "/audit", "administer", &[200])
        },
        operators("GET", "/orders", "see", &[200]),
        operators("GET", "/refunds", "see", &[200]),
        // The first of them decides.
        operators("POST", "/actions/{id}/approve", "approve", &[200, 409]),
        operators("POST", "/actions/{id}/reject", "approve", &[409]),
        operators("POST", "/actions/{id}/settle", "settle", &[409]),
        // Nobody here has the token of a call.
        own(
            "POST",
            "/actions/{id}/result",
            Own {
                nobody: [401; 3],
                other: &[403],
                scopeless: 403,
                operator: 403,
            },
        ),
    ]
}

impl Row {
    /// The request of this row in the name of a caller.
    pub(super) fn ask(&self, caller: &Caller, target: &Target) -> Ask {
        let response = format!("resp_{}_{}", target.turn, target.conversation);
        let id = if self.route.starts_with("/actions") {
            &target.action
        } else if self.route.starts_with("/v1/responses/") {
            &response
        } else {
            &target.conversation
        };
        let path = self
            .route
            .replace("{file}", "icon.svg")
            .replace("{model}", "baton")
            + self.query;
        let path = path.replace("{id}", id).replace("{turn}", &target.turn);
        let path = path.replace("{action}", &target.action);
        let path = path.replace("{item}", &format!("msg_{}_u", target.turn));
        let mut ask = Ask::new(self.method, &path, caller);
        if self.route == "/a2a" {
            ask.headers.push(("a2a-version", "1.0".to_owned()));
        }
        if self.route == "/mcp" {
            // MCP wants both from its clients.
            let both = "application/json, text/event-stream".to_owned();
            ask.headers.push(("accept", both));
        }
        match (self.body)(target) {
            Some(body) => ask.json(body),
            None => ask,
        }
    }

    /// Whether a caller of this standing is the right one: an operator with the role.
    pub(super) fn lets(&self, standing: Standing) -> bool {
        let Standing::Operator(roles) = standing else {
            return false;
        };
        match &self.gate {
            Gate::Everyone | Gate::Own(_) | Gate::Owner([]) => false,
            Gate::Owner(needed) => needed.iter().all(|role| roles.contains(role)),
            Gate::Operators(needed) => roles.contains(needed),
        }
    }

    pub(super) fn is_of_owners(&self) -> bool {
        matches!(self.gate, Gate::Owner(_))
    }

    pub(super) fn changes_conversations(&self) -> bool {
        // The action of the row asks for no confirmation, so it stays as it is, and another conversation has no such action.
        let confirms = self.route.ends_with("/confirm");
        self.is_of_owners() && self.method != "GET" && !confirms
    }

    /// The status of a caller that is not the right one.
    #[expect(clippy::match_same_arms, reason = "each line is a rule")]
    pub(super) fn expected(&self, standing: Standing, mode: Mode) -> Vec<u16> {
        let status = match (&self.gate, standing) {
            (Gate::Everyone, _) => return self.gets.to_vec(),
            (_, Standing::Bad) => 401,
            (_, Standing::Forbidden) => 403,
            (Gate::Own(own), Standing::Nobody) => own.nobody[mode as usize],
            (Gate::Own(own), Standing::Other) => return own.other.to_vec(),
            (Gate::Own(own), Standing::Scopeless) => own.scopeless,
            (Gate::Own(own), Standing::Operator(_) | Standing::OperatorElsewhere) => own.operator,
            (Gate::Owner(_), Standing::Nobody) if mode == Mode::Open => 404,
            (Gate::Owner(_) | Gate::Operators(_), Standing::Nobody) => 401,
            (Gate::Owner(_), Standing::Other) => 404,
            (Gate::Owner(_), Standing::Scopeless) => 403,
            // Operators neither speak nor regenerate.
            (Gate::Owner([]), Standing::Operator(_) | Standing::OperatorElsewhere) => {
                return vec![403, 404];
            }
            (Gate::Owner(_), Standing::Operator(_)) => 403,
            (Gate::Owner(_), Standing::OperatorElsewhere) => 404,
            (Gate::Operators(_), Standing::Other | Standing::Scopeless | Standing::Operator(_)) => {
                403
            }
            (Gate::Operators(_), Standing::OperatorElsewhere) if self.route.contains("{id}") => 404,
            (Gate::Operators(_), Standing::OperatorElsewhere) => 200,
        };
        vec![status]
    }
}
