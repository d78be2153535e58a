//! Uninterpreted settings by name: the environment, and the files and secrets that complete it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::BadSetting;

/// Values by name: the environment, and its substitutes.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<String, String>);

/// Shows names only, because some values are keys.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Values {
    /// The environment of this process, completed by the `.env` file of this folder if there is one.
    pub fn from_environment(dot_env: Option<&Path>) -> Result<Self, BadSetting> {
        let mut values = BTreeMap::new();
        if let Some(path) = dot_env.filter(|path| path.exists()) {
            values = read_file(path)?;
        }
        values.extend(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Ok(Self(values))
    }

    /// Sets a value, as a flag does.
    pub fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// The secrets of AWS that hold settings (`BATON_SECRETS`): names or ARNs, separated by commas.
    pub fn secrets(&self) -> Vec<String> {
        self.list("BATON_SECRETS")
    }

    /// The secrets of AWS that hold variables for the headers of a team's tools (`BATON_TOOL_SECRETS`), named in the same way.
    pub fn tool_secrets(&self) -> Vec<String> {
        self.list("BATON_TOOL_SECRETS")
    }

    /// The hosts of other machines that secrets may be sent to without TLS (`BATON_PLAIN_HTTP`), separated by commas.
    pub fn plain_hosts(&self) -> Vec<String> {
        self.list("BATON_PLAIN_HTTP")
    }

    /// A list, separated by commas.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let list = self.get(name).unwrap_or_default();
        let items = list.split(',').map(str::trim).filter(|id| !id.is_empty());
        items.map(str::to_owned).collect()
    }

    /// Adds settings that are not set yet, as a `.env` file does. A secret may hold our settings only: it must not be able to
    /// redirect the SDK's requests.
    ///
    /// # Errors
    /// A name is not one of our settings.
    pub fn add_under(&mut self, settings: BTreeMap<String, String>) -> Result<(), BadSetting> {
        for (name, value) in settings {
            if !is_setting(&name) {
                return Err(BadSetting::new(format!(
                    "a secret of BATON_SECRETS sets {name}, which is not a setting of Baton"
                )));
            }
            self.0.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// Adds variables for the headers of tools that are not set yet. The owner of these secrets may be another one than Baton's:
    /// they must not be able to change a setting, of ours or of the SDK.
    ///
    /// # Errors
    /// A name is a setting.
    pub fn add_for_tools(&mut self, variables: BTreeMap<String, String>) -> Result<(), BadSetting> {
        for (name, value) in variables {
            if is_setting(&name) || name.starts_with("AWS_") {
                return Err(BadSetting::new(format!(
                    "a secret of BATON_TOOL_SECRETS sets {name}, which is a setting and not a variable of a tool"
                )));
            }
            self.0.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// The names that are set.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A value that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn parse<T: std::str::FromStr>(
        &self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, BadSetting> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| BadSetting::new(format!("{name}={value} is not {what}")))
    }
}

fn is_setting(name: &str) -> bool {
    name.starts_with("BATON_")
        || name.starts_with("OTEL_EXPORTER_OTLP_")
        || name == "OPENAI_API_KEY"
}

/// The settings in a file of lines `NAME=value`.
fn read_file(path: &Path) -> Result<BTreeMap<String, String>, BadSetting> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| BadSetting::new(format!("{} cannot be read: {error}", path.display())))?;
    // Names the place and not the text, which may be a key.
    pairs(&text).map_err(|_| {
        BadSetting::new(format!(
            "{} has a line that is not NAME=value: line {}",
            path.display(),
            bad_line(&text)
        ))
    })
}

fn pairs(text: &str) -> Result<BTreeMap<String, String>, dotenvy::Error> {
    dotenvy::from_read_iter(text.as_bytes()).collect()
}

/// The number of the first line that is not a setting, and not the begin of one that spans several lines.
fn bad_line(text: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    let mut rest = lines.as_slice();
    while let Some(length) = (1..=rest.len()).find(|length| {
        let setting = rest.get(..*length).unwrap_or_default();
        pairs(&setting.join("\n")).is_ok()
    }) {
        rest = rest.get(length..).unwrap_or_default();
    }
    lines.len() - rest.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_under_what_is_set_and_holds_our_settings_only() {
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let mut values = Values::default();
        values.set("BATON_SECRETS", "one, arn:two,".to_owned());
        assert_eq!(values.secrets(), ["one", "arn:two"]);
        values.set("BATON_MODEL", "set".to_owned());
        values.add_under(map("BATON_MODEL", "secret")).unwrap();
        values
            .add_under(map("BATON_OPERATOR_TOKEN", "secret"))
            .unwrap();
        assert_eq!(values.get("BATON_MODEL"), Some("set"));
        assert_eq!(values.get("BATON_OPERATOR_TOKEN"), Some("secret"));
        let refused = values.add_under(map("AWS_ENDPOINT_URL", "http://evil.example"));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "a secret of BATON_SECRETS sets AWS_ENDPOINT_URL, which is not a setting of Baton"
        );
    }

    #[test]
    fn a_secret_of_tools_is_under_what_is_set_and_holds_no_setting() {
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let mut values = Values::default();
        values.set("BATON_TOOL_SECRETS", "tables, arn:two".to_owned());
        assert_eq!(values.tool_secrets(), ["tables", "arn:two"]);
        values.set("TABLES_TOKEN", "set".to_owned());
        values.add_for_tools(map("TABLES_TOKEN", "secret")).unwrap();
        values.add_for_tools(map("TABLES_USER", "secret")).unwrap();
        assert_eq!(values.get("TABLES_TOKEN"), Some("set"));
        assert_eq!(values.get("TABLES_USER"), Some("secret"));
        for name in ["BATON_ORIGINS", "OPENAI_API_KEY", "AWS_ENDPOINT_URL"] {
            let refused = values.add_for_tools(map(name, "http://evil.example"));
            assert_eq!(
                refused.unwrap_err().to_string(),
                format!(
                    "a secret of BATON_TOOL_SECRETS sets {name}, which is a setting and not a variable of a tool"
                )
            );
        }
    }

    #[test]
    fn no_value_is_printed() {
        let mut values = Values::default();
        values.set("TABLES_TOKEN", "s3cret".to_owned());
        assert_eq!(values.get("TABLES_TOKEN"), Some("s3cret"));
        let printed = format!("{values:?}");
        assert_eq!(printed, "{\"TABLES_TOKEN\"}");
    }

    #[test]
    fn a_line_that_is_no_setting_is_named_by_its_number_and_not_printed() {
        let folder = std::env::temp_dir().join(format!("baton-dot-env-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(".env");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_file(&path).map_err(|error| error.to_string())
        };
        let sentence = format!(
            "{} has a line that is not NAME=value: line 3",
            path.display()
        );
        for text in [
            "# keys\nA=1\n  sk-secret \nB=2\n",
            "KEY=1\n\nKEY # sk-secret\n",
            "A=1\n\nKEY='sk-secret\nB=2\n",
            "A='1\n2'\nKEY=sk secret\n",
        ] {
            assert_eq!(read(text).unwrap_err(), sentence, "{text}");
        }
        let values = read("# keys\nA='1\n2'\n\nexport B=3 # three\n").unwrap();
        assert_eq!(
            values,
            BTreeMap::from(
                [("A", "1\n2"), ("B", "3")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
            )
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
