use serde_json::{Value, json};

use crate::{Answer, Api, Call};

/// The password of every person of the suite.
pub const PASSWORD: &str = "correct horse battery";

/// A browser with a session: it keeps the cookie and the CSRF token.
#[derive(Clone, Debug)]
pub struct Browser {
    api: Api,
    /// Name and value of the session's cookie.
    pub cookie: String,
    /// What the session's changes carry.
    pub csrf: String,
}

impl Browser {
    /// The browser that got this answer to a login.
    #[must_use]
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        let set = answer.header("set-cookie");
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            answer.check(set.contains(attribute), attribute);
        }
        answer.check(
            !set.contains("Domain="),
            "the cookie is for this host alone",
        );
        let session = answer.json();
        Self {
            api: Api::from_env(),
            cookie: set.split(';').next().unwrap_or_default().to_owned(),
            csrf: session["csrf_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// The owner of a new account, invited by the operator: the account's id, and the owner's browser. The
    /// server sends no mail, so the operator gets the token.
    pub async fn owner(email: &str) -> (String, Self) {
        let operator = Api::from_env();
        let new = json!({"name": "Acme", "plan": "self-hosted", "owner_email": email});
        let created = operator.call("POST", "/v1/accounts").json(&new).await;
        let created = created.expect(201).json();
        let account = created["account"]["id"].as_str().unwrap_or_default();
        let accepted = accept(&created["invitation"]["token"], PASSWORD).await;
        (account.to_owned(), Self::of(&accepted.expect(200)))
    }

    /// A request of the session.
    pub fn call(&self, method: &str, path: impl Into<String>) -> Call {
        self.unproved(method, path)
            .header("quartz-csrf", &self.csrf)
    }

    /// A request that another site's page makes the browser send.
    pub fn unproved(&self, method: &str, path: impl Into<String>) -> Call {
        let call = self.api.call(method, path).unsigned();
        call.header("cookie", &self.cookie)
    }
}

/// Accepts an invitation.
pub fn accept(token: &Value, password: &str) -> Call {
    let body = json!({"token": token, "password": password});
    Api::from_env()
        .call("POST", "/v1/auth/accept")
        .unsigned()
        .json(&body)
}
