use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Agent, Amount, Approval, BACK_OFFICE, Limits, Retries, Team};

fn names_of_calls(agent: &Agent) -> Vec<String> {
    let definitions = agent.tool_definitions.iter();
    definitions
        .map(|definition| definition.name.clone())
        .collect()
}

#[test]
fn the_built_in_team_is_the_one_of_the_interface() {
    let team = Team::acme();
    assert_eq!(team.entry_agent().name, "TriageAgent");
    let calls = |agent: &str| names_of_calls(team.agent(agent).unwrap());
    assert_eq!(
        calls("TriageAgent"),
        ["transfer_to_sales_agent", "transfer_to_issues_and_repairs"]
    );
    assert_eq!(
        calls("SalesAgent"),
        ["execute_order", "transfer_back_to_triage"]
    );
    assert_eq!(
        calls("IssuesAndRepairsAgent"),
        ["look_up_item", "execute_refund", "transfer_back_to_triage"]
    );
    assert_eq!(team.agents().count(), 3);
    let target = |agent: &str, call: &str| {
        team.agent(agent)
            .unwrap()
            .hand_off(call)
            .unwrap()
            .to
            .clone()
    };
    assert_eq!(
        target("TriageAgent", "transfer_to_sales_agent"),
        "SalesAgent"
    );
    assert_eq!(
        target("TriageAgent", "transfer_to_issues_and_repairs"),
        "IssuesAndRepairsAgent"
    );
    assert_eq!(
        target("SalesAgent", "transfer_back_to_triage"),
        "TriageAgent"
    );
    assert_eq!(
        target("IssuesAndRepairsAgent", "transfer_back_to_triage"),
        "TriageAgent"
    );
}

#[test]
fn the_built_in_tools_are_the_back_offices() {
    let team = Team::acme();
    for (name, kind) in BACK_OFFICE {
        let tool = team.tool(name).unwrap();
        assert_eq!(
            (tool.kind, tool.runs.provider, tool.timeout),
            (*kind, "back office", Duration::from_secs(10))
        );
        assert_eq!(tool.runs.retries, Retries::FOR_EVER);
    }
    assert_eq!(team.tools().count(), BACK_OFFICE.len());
}

#[test]
fn only_refunds_above_500_dollars_need_a_colleague() {
    let team = Team::acme();
    let approval = |tool: &str| &team.tool(tool).unwrap().approval;
    assert_eq!(
        *approval("execute_refund"),
        Approval::Above {
            limit_cents: 50_000,
            amount: Amount::Provider
        }
    );
    assert_eq!(*approval("execute_order"), Approval::Never);
    assert_eq!(*approval("look_up_item"), Approval::Never);
}

#[test]
fn the_built_in_team_spells_out_the_usual_limits() {
    assert_eq!(Team::acme().limits, Limits::default());
}

#[test]
fn a_definition_has_the_name_description_and_parameters_of_a_call() {
    let team = Team::acme();
    let definitions = team.agent("SalesAgent").unwrap().tool_definitions.iter();
    let definitions: Vec<Value> = definitions
        .map(|definition| {
            json!({
                "name": definition.name,
                "description": definition.description,
                "parameters": serde_json::from_str::<Value>(definition.parameters.get()).unwrap(),
            })
        })
        .collect();
    assert_eq!(
        Value::Array(definitions),
        json!([
            {
                "name": "execute_order",
                "description": "Orders a product for the customer, who has agreed to the price and to the caveat.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "product": {"type": "string", "minLength": 1, "description": "The name of the product."},
                        "price": {"type": "integer", "minimum": 0, "description": "The agreed price in whole US dollars."},
                    },
                    "required": ["price", "product"],
                    "additionalProperties": false,
                },
            },
            {
                "name": "transfer_back_to_triage",
                "description": "Gives the conversation back to triage. For everything that is not about buying.",
                "parameters": {"type": "object", "properties": {}},
            },
        ])
    );
}

#[test]
fn an_agent_without_calls_has_no_definitions() {
    let text = "name = \"Alone\"\nentry = \"Only\"\n\n[[agent]]\nname = \"Only\"\ninstructions = \"Talk.\"\n";
    let team = Team::parse("team.toml", text, super::PROVIDERS).unwrap();
    assert!(team.entry_agent().tool_definitions.is_empty());
}
