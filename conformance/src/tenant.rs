use serde_json::{Value, json};

use crate::{Api, Call, unique};

/// An account of one test. The key of the suite must be an operator's.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The server, with a key of the account's owner.
    pub api: Api,
    /// Id of the account.
    pub account: String,
}

impl Tenant {
    /// A new account, on the plan without limits.
    pub async fn new() -> Self {
        let operator = Api::from_env();
        let create = operator
            .call("POST", "/v1/accounts")
            .json(&json!({"name": unique(), "plan": "self-hosted"}));
        let created = create.await.expect(201).json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            api: operator.with_key(&text(&created["key"]["key"])),
            account: text(&created["account"]["id"]),
        }
    }

    /// Makes a key; answers its number and the server with it.
    pub async fn key(&self, new: &Value) -> (u64, Api) {
        let created = self.post("/v1/keys", new).await.expect(201).json();
        let text = created["key"].as_str().expect("the text of a key");
        let number = created["id"].as_u64().expect("the number of a key");
        (number, self.api.with_key(text))
    }

    /// `POST` of a JSON body by the owner.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.api.call("POST", path).json(body)
    }
}
