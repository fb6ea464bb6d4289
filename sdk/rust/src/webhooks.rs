//! Webhooks: where events of the account are sent, and what became of them.

use quartz_api::{
    CreateWebhook, Delivery, DeliveryList, RotateWebhook, Webhook, WebhookList, WebhookSecret,
};
use reqwest::Method;

use crate::{Client, List, Result, call::Call, list::page};

page!(DeliveryList, deliveries, Delivery);

impl Client {
    /// The account's webhooks.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn webhooks(&self) -> Result<WebhookList> {
        self.read(&["v1", "webhooks"], &[]).await
    }

    /// One webhook, without its secret.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn webhook(&self, number: u32) -> Result<Webhook> {
        let number = number.to_string();
        self.read(&["v1", "webhooks", &number], &[]).await
    }

    /// Makes a webhook; the answer has the secret that its messages are signed with. A call whose answer was
    /// lost is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn create_webhook(&self, new: &CreateWebhook) -> Result<WebhookSecret> {
        self.change(Method::POST, &["v1", "webhooks"], new).await
    }

    /// Deletes a webhook with the log of its deliveries.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn delete_webhook(&self, number: u32) -> Result<()> {
        let number = number.to_string();
        self.remove(&["v1", "webhooks", &number]).await
    }

    /// Gives a webhook a new secret; for the time of grace messages carry both signatures. A call whose answer
    /// was lost is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn rotate_webhook(
        &self,
        number: u32,
        wanted: &RotateWebhook,
    ) -> Result<WebhookSecret> {
        let path = ["v1", "webhooks", &number.to_string(), "rotate"];
        self.change(Method::POST, &path, wanted).await
    }

    /// Sends a webhook an event of type `webhook.test`. A call whose answer was lost is not repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn test_webhook(&self, number: u32) -> Result<Delivery> {
        self.send_off(&["v1", "webhooks", &number.to_string(), "test"])
            .await
    }

    /// What is on its way to a webhook and what became of the last events, oldest first.
    pub fn deliveries(&self, number: u32) -> List<DeliveryList> {
        let path = ["v1", "webhooks", &number.to_string(), "deliveries"];
        List::new(self.clone(), self.transport.url(&path))
    }

    /// Sends an event to a webhook once more, under the same message id. A call whose answer was lost is not
    /// repeated.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn replay_delivery(&self, webhook: u32, event: u64) -> Result<Delivery> {
        let (webhook, event) = (webhook.to_string(), event.to_string());
        self.send_off(&["v1", "webhooks", &webhook, "deliveries", &event, "replay"])
            .await
    }

    async fn send_off(&self, path: &[&str]) -> Result<Delivery> {
        let call = Call::new(self.clone(), Method::POST, self.transport.url(path));
        let outgoing = call.into_outgoing(bytes::Bytes::new())?;
        self.transport.attempt(&outgoing).await?.json()
    }
}
