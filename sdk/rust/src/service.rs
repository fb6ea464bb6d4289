//! The service half: accounts, API keys, usage, the audit log.

use quartz_api::{
    Account, AccountList, ApiKey, ApiKeyList, AuditEntry, AuditList, Billing, CreateAccount,
    CreateApiKey, CreatedAccount, Impersonate, IssuedKey, RotateApiKey, UpdateAccount,
    UpdateApiKey, UsageReport, Whoami,
};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Client, Result, call::Call, list::page};

page!(AccountList, accounts, Account);
page!(AuditList, entries, AuditEntry);

impl Client {
    /// What the API key stands for.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn whoami(&self) -> Result<Whoami> {
        self.read(&["v1", "whoami"], &[]).await
    }

    /// Accounts, ascending by id. For operators of the server.
    pub fn accounts(&self) -> crate::List<AccountList> {
        crate::List::new(self.clone(), self.transport.url(&["v1", "accounts"]))
    }

    /// The audit log, oldest first.
    pub fn audit(&self) -> crate::List<AuditList> {
        crate::List::new(self.clone(), self.transport.url(&["v1", "audit"]))
    }

    /// Creates an account. For operators of the server. A call whose answer was lost is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn create_account(&self, new: &CreateAccount) -> Result<CreatedAccount> {
        self.change(Method::POST, &["v1", "accounts"], new).await
    }

    /// Changes an account.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn update_account(&self, id: &str, wanted: &UpdateAccount) -> Result<Account> {
        let path = ["v1", "accounts", id];
        self.change(Method::PATCH, &path, wanted).await
    }

    /// Makes a key that looks into an account for a while. For operators of the server. A call whose
    /// answer was lost is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn impersonate(&self, id: &str, wanted: &Impersonate) -> Result<IssuedKey> {
        let path = ["v1", "accounts", id, "impersonation"];
        self.change(Method::POST, &path, wanted).await
    }

    /// The account's API keys.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn api_keys(&self) -> Result<ApiKeyList> {
        self.read(&["v1", "keys"], &[]).await
    }

    /// Makes an API key. A call whose answer was lost is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn create_api_key(&self, new: &CreateApiKey) -> Result<IssuedKey> {
        self.change(Method::POST, &["v1", "keys"], new).await
    }

    /// One API key, without its text.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn api_key(&self, number: u32) -> Result<ApiKey> {
        let number = number.to_string();
        self.read(&["v1", "keys", &number], &[]).await
    }

    /// Changes an API key.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn update_api_key(&self, number: u32, wanted: &UpdateApiKey) -> Result<ApiKey> {
        let path = ["v1", "keys", &number.to_string()];
        self.change(Method::PATCH, &path, wanted).await
    }

    /// Gives an API key a new text; the one before opens for the time of grace. A call whose answer was lost
    /// is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn rotate_api_key(&self, number: u32, wanted: &RotateApiKey) -> Result<IssuedKey> {
        let path = ["v1", "keys", &number.to_string(), "rotate"];
        self.change(Method::POST, &path, wanted).await
    }

    /// Ends an API key.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn revoke_api_key(&self, number: u32) -> Result<()> {
        self.remove(&["v1", "keys", &number.to_string()]).await
    }

    /// What was used; `parameters` are those of `GET /v1/usage`.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn usage(&self, parameters: &[(&str, &str)]) -> Result<UsageReport> {
        self.read(&["v1", "usage"], parameters).await
    }

    /// Plan, budget and the bill so far.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn billing(&self) -> Result<Billing> {
        self.read(&["v1", "billing"], &[]).await
    }

    pub(crate) async fn read<A: DeserializeOwned>(
        &self,
        path: &[&str],
        parameters: &[(&str, &str)],
    ) -> Result<A> {
        let mut call = Call::new(self.clone(), Method::GET, self.transport.url(path));
        for (name, value) in parameters {
            call.query(name, value);
        }
        let outgoing = call.into_outgoing(bytes::Bytes::new())?;
        self.transport.send(&outgoing).await?.json()
    }

    pub(crate) async fn remove(&self, path: &[&str]) -> Result<()> {
        let call = Call::new(self.clone(), Method::DELETE, self.transport.url(path));
        let outgoing = call.into_outgoing(bytes::Bytes::new())?;
        self.transport.send(&outgoing).await.map(drop)
    }

    pub(crate) async fn change<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<A> {
        let call = Call::new(self.clone(), method, self.transport.url(path));
        call.send_json_once(body).await
    }
}
