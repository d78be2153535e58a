//! What `infra/template.yaml` allows its functions and tells them. Read as JSON, in CloudFormation's long form.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cloud::Call;

pub(crate) struct Template(Value);

impl Template {
    pub(crate) fn read() -> Self {
        let file = std::env::var_os("BATON_TEMPLATE_JSON")
            .expect("BATON_TEMPLATE_JSON is the template as JSON; ./infra/test template makes it");
        Self(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
    }

    /// The actions of the policy `program` of a role, each with each of its resources.
    pub(crate) fn allowed(&self, role: &str) -> BTreeSet<Call> {
        let policies = self.0["Resources"][role]["Properties"]["Policies"]
            .as_array()
            .unwrap();
        let program = policies
            .iter()
            .find(|policy| policy["PolicyName"] == "program")
            .expect("a policy for what the program calls");
        let mut calls = BTreeSet::new();
        for statement in program["PolicyDocument"]["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            for action in one_or_many(&statement["Action"]) {
                for resource in one_or_many(&statement["Resource"]) {
                    let allowed = (action.as_str().unwrap().to_owned(), name(resource));
                    assert!(
                        calls.insert(allowed.clone()),
                        "{allowed:?} is allowed twice"
                    );
                }
            }
        }
        calls
    }

    /// The environment of a function, with names for what only a deployment knows and queues at this host.
    pub(crate) fn environment(&self, function: &str, host: &str) -> BTreeMap<String, String> {
        let mut all = serde_json::Map::new();
        for part in [
            &self.0["Globals"]["Function"],
            &self.0["Resources"][function]["Properties"],
        ] {
            let variables = part["Environment"]["Variables"].as_object();
            all.extend(
                variables
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        all.into_iter()
            .map(|(variable, value)| (variable, self.value(&value, host)))
            .collect()
    }

    fn value(&self, value: &Value, host: &str) -> String {
        if let Some(text) = value.as_str() {
            return text.to_owned();
        }
        if let Some(pattern) = value["Fn::Sub"].as_str() {
            return pattern.replace("${", "").replace('}', "");
        }
        match value["Ref"].as_str().expect("a text, a Sub or a Ref") {
            "Table" => "baton".to_owned(),
            "ModelUrl" => "rehearsal".to_owned(),
            "Origins" => String::new(),
            queue if queue.ends_with("Queue") => {
                assert!(self.0["Resources"].get(queue).is_some(), "{queue}");
                format!("http://{host}/1/{queue}")
            }
            other => other.to_owned(),
        }
    }
}

fn one_or_many(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |many| many.iter().collect())
}

/// `!Ref X` and `!GetAtt X.Arn` are X; `!Sub "${X.Arn}/rest"` is X/rest.
fn name(resource: &Value) -> String {
    if let Some(pattern) = resource["Fn::Sub"].as_str() {
        return pattern.replace("${", "").replace(".Arn}", "");
    }
    let name = resource["Ref"]
        .as_str()
        .or_else(|| resource["Fn::GetAtt"][0].as_str());
    name.unwrap_or_else(|| panic!("{resource} is no resource of the template"))
        .to_owned()
}
