//! Models that a team file names.

use std::time::Duration;

use super::{PROVIDERS, SHOP, error_of};
use crate::ports::{Effort, ModelOptions, ToolChoice};
use crate::team::{ModelApi, Team};

const MODELS: &str = r#"
[[model]]
name = "quick"
url = "https://models.example/v1"
model = "small-2"
key_env = "QUICK_KEY"
temperature = 0.2
output_tokens = 900
first_byte_seconds = 20
silence_seconds = 15
ask_usage = false

[[model]]
name = "careful"
api = "anthropic"
url = "https://api.anthropic.com"
model = "large-5"
effort = "high"
parallel_tool_calls = false
tool_choice = "required"
"#;

/// The shop whose agents name these models.
fn shop(front: &str, back: &str, models: &str) -> String {
    let named = |shop: String, agent: &str, models: &str| {
        let instructions = format!("instructions = \"{agent}.\"");
        let model = format!("{instructions}\nmodel = {models}");
        shop.replace(
            &instructions,
            if models.is_empty() {
                &instructions
            } else {
                &model
            },
        )
    };
    let shop = named(SHOP.to_owned(), "Help", front);
    named(shop, "Refund", back) + models
}

#[test]
fn agents_name_one_model_or_several_in_their_order() {
    let text = shop(r#"["careful", "quick"]"#, r#""quick""#, MODELS);
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    let models = |agent: &str| team.agent(agent).unwrap().models.clone();
    assert_eq!(models("Front"), ["careful", "quick"]);
    assert_eq!(models("Back"), ["quick"]);
    assert_eq!(team.needs_own_model(), None);
    let [quick, careful] = team.models() else {
        panic!("two models were named")
    };
    assert_eq!(
        (
            quick.api,
            quick.key_env.as_deref(),
            quick.output_tokens,
            quick.ask_usage
        ),
        (None, Some("QUICK_KEY"), Some(900), Some(false))
    );
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        (quick.first_byte, quick.silence),
        (seconds(20), seconds(15))
    );
    assert_eq!(quick.options.temperature, Some(0.2));
    assert_eq!(careful.api, Some(ModelApi::Anthropic));
    assert_eq!(
        careful.options,
        ModelOptions {
            temperature: None,
            effort: Some(Effort::High),
            parallel_tool_calls: Some(false),
            tool_choice: Some(ToolChoice::Required),
        }
    );
}

#[test]
fn an_agent_without_a_model_needs_the_deployments_own() {
    let text = shop(r#"["careful", "quick"]"#, "", MODELS);
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    assert_eq!(team.needs_own_model(), Some("Back"));
}

#[test]
fn mistakes_about_models_have_their_place() {
    let both = r#"["careful", "quick"]"#;
    let with = |passage: &str, other: &str| {
        assert_eq!(MODELS.matches(passage).count(), 1, "{passage}");
        shop(both, "", &MODELS.replace(passage, other))
    };
    for (text, sentence) in [
        (
            shop(r#""slow""#, r#""quick""#, MODELS),
            "team.toml:52: no agent uses the model \"careful\".",
        ),
        (
            shop(r#"["quick", "slow", "careful"]"#, "", MODELS),
            "team.toml:7: agent \"Front\" names the model \"slow\", and no model has that name.",
        ),
        (
            shop(r#"["quick", "careful", "quick"]"#, "", MODELS),
            "team.toml:7: agent \"Front\" names the model \"quick\" twice.",
        ),
        (
            shop("[]", both, MODELS),
            "team.toml:7: model of agent \"Front\" names no model.",
        ),
        (
            shop("7", both, MODELS),
            "team.toml:7: invalid type: integer `7`, expected the name of a model or a list of names.",
        ),
        (
            with("name = \"careful\"", "name = \"quick\""),
            "team.toml:51: two models have the name \"quick\".",
        ),
        (
            with("name = \"quick\"", "name = \"quick one\""),
            "team.toml:40: model \"quick one\" has a name that model services refuse; use 1 to 64 letters, digits, _ and -.",
        ),
        (
            with("temperature = 0.2", "temperature = 2.5"),
            "team.toml:44: model \"quick\" has the temperature 2.5, which must be from 0 to 2.",
        ),
        (
            with("temperature = 0.2", "temperature = 1\neffort = \"low\""),
            "team.toml:45: model \"quick\" has both temperature and effort; a model that thinks takes no temperature.",
        ),
        (
            with("effort = \"high\"", "effort = \"huge\""),
            "team.toml:55: unknown value `huge`, expected one of `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.",
        ),
        (
            with("QUICK_KEY", "sk-1234"),
            "team.toml:43: model \"quick\" has a key_env that is not the name of an environment variable; the key itself does \
             not belong in this file.",
        ),
        (
            with("output_tokens = 900", "output_tokens = 0"),
            "team.toml:45: output_tokens is 0 and must be from 1 to 1000000.",
        ),
        (
            with("silence_seconds = 15", "silence_seconds = 601"),
            "team.toml:47: silence_seconds is 601 and must be from 1 to 600.",
        ),
        (
            with("url = \"https://models.example/v1\"\n", ""),
            "team.toml:39: missing key `url`.",
        ),
        (
            with("api = \"anthropic\"", "api = \"telex\""),
            "team.toml:52: unknown value `telex`, expected one of `chat`, `responses`, `anthropic`, `gemini`, `bedrock`.",
        ),
    ] {
        assert_eq!(error_of(&text), sentence);
    }
}

#[test]
fn a_mistake_that_shows_later_has_the_place_of_its_key() {
    let text = shop(r#"["careful", "quick"]"#, "", MODELS);
    let team = Team::parse("team.toml", &text, PROVIDERS).unwrap();
    let place = |model: usize, key| {
        let model = &team.models()[model];
        team.model_mistake(model, key, "it is wrong").to_string()
    };
    assert_eq!(place(0, "key_env"), "team.toml:43: it is wrong.");
    assert_eq!(place(1, "url"), "team.toml:53: it is wrong.");
    assert_eq!(place(1, "key_env"), "team.toml:51: it is wrong.");
}
