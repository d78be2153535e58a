//! Azure OpenAI: Chat Completions at an address of its own, with credentials of its own.

use baton_http::Secret;
use reqwest::header::HeaderName;

use super::request::{Asking, Chat};
use crate::address::{SettingsError, address};
use crate::credentials::{ClientCredentials, Credentials};
use crate::wire::Opened;

/// The credentials of an Azure OpenAI resource.
#[derive(Debug, Clone)]
pub enum AzureAuth {
    /// The resource's key, in the header `api-key`.
    Key(Secret),
    /// A token of Entra ID by the OAuth 2.0 client credentials grant.
    Entra {
        /// The issuer of tokens: [`AzureAuth::AUTHORITY`] except in national clouds and tests.
        authority: String,
        /// The directory (tenant).
        tenant: String,
        /// The application (client).
        client_id: String,
        /// The application's secret.
        client_secret: Secret,
        /// The use of the token: [`AzureAuth::SCOPE`] except in national clouds.
        scope: String,
    },
}

impl AzureAuth {
    /// The public cloud's authority.
    pub const AUTHORITY: &str = "https://login.microsoftonline.com";
    /// The public cloud's scope for Azure OpenAI.
    pub const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
}

/// The deployment of a resource: it names the model, and the request's body does not.
pub(crate) fn open(
    resource: &str,
    deployment: &str,
    api_version: &str,
    auth: &AzureAuth,
    asking: Asking,
) -> Result<Opened, SettingsError> {
    let path = ["openai", "deployments", deployment, "chat", "completions"];
    let mut url = address("the Azure OpenAI resource", resource, &path)?;
    url.query_pairs_mut()
        .append_pair("api-version", api_version);
    Ok(Opened {
        service: url.clone(),
        format: Box::new(Chat::new(url, None, asking)),
        credentials: credentials(auth)?,
    })
}

fn credentials(auth: &AzureAuth) -> Result<Credentials, SettingsError> {
    match auth {
        AzureAuth::Key(key) => Credentials::header(
            "the Azure OpenAI key",
            HeaderName::from_static("api-key"),
            "",
            key,
        ),
        AzureAuth::Entra {
            authority,
            tenant,
            client_id,
            client_secret,
            scope,
        } => Ok(Credentials::Entra(ClientCredentials {
            token_url: address(
                "the Entra authority",
                authority,
                &[tenant, "oauth2", "v2.0", "token"],
            )?,
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
            scope: scope.clone(),
        })),
    }
}
