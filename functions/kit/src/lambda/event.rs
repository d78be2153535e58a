//! Requests as AWS hands them to a function: by a function URL (payload format 2.0), by a REST API (format 1.0).

use serde_json::{Map, Value, json};

/// The name of a function's URL.
pub const URL_HOST: &str = "abc.lambda-url.eu-central-1.on.aws";

/// The name of a REST API.
pub const REST_HOST: &str = "abc.execute-api.eu-central-1.amazonaws.com";

/// A client's request.
#[must_use]
pub struct Request {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Request {
    /// One without headers and body.
    pub fn new(method: &str, path_and_query: &str) -> Self {
        let (path, query) = path_and_query
            .split_once('?')
            .unwrap_or((path_and_query, ""));
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A `GET` without headers.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A message of a customer.
    pub fn say(conversation: &str, message: &str) -> Self {
        let body = json!({ "conversation_id": conversation, "message": message });
        Self::new("POST", "/chat/completions")
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// The same with this header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same at another path.
    pub fn at(self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self
        }
    }

    /// The same by a client that wants this media type.
    pub fn accept(self, media_type: &str) -> Self {
        self.header("accept", media_type)
    }

    /// The same with this body.
    pub fn body(mut self, body: String) -> Self {
        self.body = Some(body);
        self
    }

    fn headers(&self, host: &str) -> Map<String, Value> {
        let own = [("host", host), ("x-forwarded-proto", "https")];
        let own = own.map(|(name, value)| (name.to_owned(), json!(value)));
        let mut headers: Map<String, Value> = own.into_iter().collect();
        let given = self.headers.iter();
        for (name, value) in given.filter(|(name, _)| name != "host") {
            // A function URL joins the values of headers that a request has twice.
            let joined = match headers.get(name).and_then(Value::as_str) {
                Some(before) => format!("{before},{value}"),
                None => value.clone(),
            };
            headers.insert(name.clone(), joined.into());
        }
        headers
    }

    /// As a function URL passes it on.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>
    pub fn by_url(&self) -> Value {
        let host = URL_HOST;
        let mut headers = self.headers(host);
        // Format 2.0 has cookies in a field of their own.
        let cookies = headers.remove("cookie");
        let cookies = cookies.as_ref().and_then(Value::as_str);
        let cookies = cookies.map(|all| all.split("; ").collect::<Vec<_>>());
        json!({
            "version": "2.0",
            "cookies": cookies,
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "abc",
                "domainName": host,
                "domainPrefix": "abc",
                "http": {
                    "method": self.method,
                    "path": self.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test",
                },
                "requestId": "r",
                "routeKey": "$default",
                "stage": "$default",
                "time": "01/Jan/2026:00:00:00 +0000",
                "timeEpoch": 1,
            },
            "body": self.body,
            "isBase64Encoded": false,
        })
    }

    /// As a REST API with the resources `/` and `/{proxy+}` passes it on from its stage `prod`. The path of this request is the
    /// public one, stage included.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>
    pub fn by_rest_api(&self) -> Value {
        let host = REST_HOST;
        let inner = self
            .path
            .strip_prefix("/prod")
            .expect("a path of the stage");
        let inner = if inner.is_empty() { "/" } else { inner };
        let (resource, parameters) = match inner {
            "/" => ("/", Value::Null),
            path => (
                "/{proxy+}",
                json!({ "proxy": path.trim_start_matches('/') }),
            ),
        };
        let query: Map<String, Value> = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let headers = self.headers(host);
        let every = |values: &Map<String, Value>| -> Map<String, Value> {
            values
                .iter()
                .map(|(name, value)| (name.clone(), json!([value])))
                .collect()
        };
        json!({
            "resource": resource,
            "path": inner,
            "httpMethod": self.method,
            "headers": headers,
            "multiValueHeaders": every(&headers),
            "queryStringParameters": (!query.is_empty()).then_some(&query),
            "multiValueQueryStringParameters": (!query.is_empty()).then(|| every(&query)),
            "pathParameters": parameters,
            "stageVariables": null,
            "requestContext": {
                "accountId": "1",
                "apiId": "abc",
                "domainName": host,
                "domainPrefix": "abc",
                "extendedRequestId": "r",
                "httpMethod": self.method,
                "identity": { "sourceIp": "192.0.2.1", "userAgent": "test" },
                "path": self.path,
                "protocol": "HTTP/1.1",
                "requestId": "r",
                "requestTime": "01/Jan/2026:00:00:00 +0000",
                "requestTimeEpoch": 1,
                "resourceId": "x",
                "resourcePath": resource,
                "stage": "prod",
            },
            "body": self.body,
            "isBase64Encoded": false,
        })
    }
}
