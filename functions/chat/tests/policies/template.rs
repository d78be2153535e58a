//! What `infra/template.yaml` allows its functions and tells them. Read as JSON, in CloudFormation's long form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::cloud::Call;

/// What is given for parameters that may be left out.
const OPTIONS: [(&str, &str); 3] = [
    ("TeamLayer", "a layer"),
    ("ToolSecret", "ToolSecret"),
    ("ToolNetworks", "127.0.0.1"),
];

/// What is given for the model's address, where nobody answers.
pub(crate) const MODEL_URL: &str = "http://model/v1";

/// Where Lambda unpacks what a function's layers hold.
const LAYERS: &str = "/opt/";

pub(crate) struct Template {
    json: Value,
    options: bool,
}

impl Template {
    /// Deployed with the parameters that must be given, and no others.
    pub(crate) fn read() -> Self {
        let file = std::env::var_os("BATON_TEMPLATE_JSON")
            .expect("BATON_TEMPLATE_JSON is the template as JSON; ./infra/test template makes it");
        Self {
            json: serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(),
            options: false,
        }
    }

    /// Deployed by a company with a team and tools of its own.
    pub(crate) fn with_options(self) -> Self {
        Self {
            options: true,
            ..self
        }
    }

    fn option(&self, name: &str) -> Option<&str> {
        let (_, given) = OPTIONS.iter().find(|(option, _)| *option == name)?;
        Some(if self.options { given } else { "" })
    }

    /// The branch of an `!If` whose condition is about one of the options; what is none is itself.
    fn branch<'a>(&self, value: &'a Value) -> &'a Value {
        let Some(branches) = value["Fn::If"].as_array() else {
            return value;
        };
        let condition = branches[0].as_str().unwrap();
        let option = condition.strip_prefix("Has").unwrap();
        let asked = &self.json["Conditions"][condition]["Fn::Not"][0]["Fn::Equals"];
        assert_eq!(*asked, serde_json::json!([{ "Ref": option }, ""]));
        let is_given = self.option(option).is_some_and(|given| !given.is_empty());
        &branches[if is_given { 1 } else { 2 }]
    }

    /// The files of this folder in the place of the layer's.
    pub(crate) fn in_folder(settings: &mut BTreeMap<String, String>, folder: &Path) {
        let layers = settings.values_mut().filter_map(|value| {
            let file = value.strip_prefix(LAYERS)?.to_owned();
            Some((value, file))
        });
        for (value, file) in layers {
            folder.join(file).to_str().unwrap().clone_into(value);
        }
    }

    /// The actions of the policy `program` of a role, each with each of its resources.
    pub(crate) fn allowed(&self, role: &str) -> BTreeSet<Call> {
        let policies = self.json["Resources"][role]["Properties"]["Policies"]
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
                let resources = one_or_many(&statement["Resource"]).into_iter();
                let resources = resources.map(|resource| self.branch(resource));
                for resource in resources.filter(|resource| !is_none(resource)) {
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
            &self.json["Globals"]["Function"],
            &self.json["Resources"][function]["Properties"],
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
            .map(|(variable, value)| (variable, self.value(self.branch(&value), host)))
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
            "ModelUrl" => MODEL_URL.to_owned(),
            // Conversations are named by the tests.
            "Auth" => "open".to_owned(),
            "FourEyesUsd"
            | "RetentionDays"
            | "Bounds"
            | "TracesEndpoint"
            | "JwtToolClaims"
            | "ToolTokenIssuer"
            | "Origins"
            | "Proxies"
            | "JwtIssuer"
            | "JwtAudience"
            | "JwtTenantClaim"
            | "OperatorJwtIssuer"
            | "OperatorJwtAudience" => String::new(),
            option if self.option(option).is_some() => self.option(option).unwrap().to_owned(),
            queue if queue.ends_with("Queue") => {
                assert!(self.json["Resources"].get(queue).is_some(), "{queue}");
                format!("http://{host}/1/{queue}")
            }
            other => other.to_owned(),
        }
    }
}

fn is_none(value: &Value) -> bool {
    value["Ref"] == "AWS::NoValue"
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
