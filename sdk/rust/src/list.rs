use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use quartz_api::{
    Include, KeyEntry, KeyList, MIN_VERSION, NamespaceList, NamespaceSummary, RecordList,
    StoredRecord,
};
use reqwest::{Method, Url, header::HeaderMap};
use serde::de::DeserializeOwned;

use crate::{Client, Error, Result, call::Call, transport::Outgoing};

/// A page of a list.
pub trait Page: DeserializeOwned + Send + 'static + sealed::Sealed {
    /// What the list is of.
    type Item: Send + 'static;

    /// The entries, and the cursor of the next page if there is one.
    fn into_parts(self) -> (Vec<Self::Item>, Option<String>);
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

macro_rules! page {
    ($page:ident, $entries:ident, $item:ident) => {
        impl $crate::list::sealed::Sealed for $page {}

        impl $crate::list::Page for $page {
            type Item = $item;

            fn into_parts(self) -> (Vec<$item>, Option<String>) {
                (self.$entries, self.next_cursor)
            }
        }
    };
}
pub(crate) use page;

page!(KeyList, records, KeyEntry);
page!(RecordList, records, StoredRecord);
page!(NamespaceList, namespaces, NamespaceSummary);

/// A list, read as a stream or page by page.
///
/// ```no_run
/// # use futures::TryStreamExt;
/// # async fn f(docs: quartz_client::Namespace) -> quartz_client::Result<()> {
/// let drafts: Vec<_> = docs.records().prefix("draft/").stream().try_collect().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before a page is asked for"]
pub struct List<P> {
    call: Call,
    page: std::marker::PhantomData<fn() -> P>,
}

impl<P: Page> List<P> {
    pub(crate) fn new(client: Client, url: Result<Url>) -> Self {
        Self {
            call: Call::new(client, Method::GET, url),
            page: std::marker::PhantomData,
        }
    }

    /// Only names that start with this.
    pub fn prefix(mut self, prefix: &str) -> Self {
        if !prefix.is_empty() {
            self.call.query("prefix", prefix);
        }
        self
    }

    /// Most entries in one page, 1 to 1,000; 100 if not said.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.call.query("limit", &entries.to_string());
        self
    }

    /// Answer only from this version of the namespace or a later one.
    pub fn min_version(mut self, version: u64) -> Self {
        self.call.header(MIN_VERSION, &version.to_string());
        self
    }

    /// Begin after the page that gave this `next_cursor`.
    pub fn cursor(mut self, cursor: &str) -> Self {
        self.call.query("cursor", cursor);
        self
    }

    /// One page.
    ///
    /// # Errors
    /// As for every call.
    pub async fn page(self) -> Result<P> {
        let client = self.call.client.clone();
        let outgoing = self.call.into_outgoing(bytes::Bytes::new())?;
        client.transport.send(&outgoing).await?.json()
    }

    /// Every entry. The next page is asked for when the one before has been read; after an error
    /// the stream ends.
    #[must_use]
    pub fn stream(self) -> BoxStream<'static, Result<P::Item>> {
        let client = self.call.client.clone();
        let first = match self.call.into_outgoing(bytes::Bytes::new()) {
            Ok(first) => first,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let next = PageRequest {
            client,
            url: first.url,
            headers: first.headers,
            cursor: None,
        };
        stream::try_unfold(Some(next), |next| async move {
            let Some(mut request) = next else {
                return Ok::<_, Error>(None);
            };
            let (entries, cursor) = request.send::<P>().await?.into_parts();
            let next = cursor.map(|cursor| {
                request.cursor = Some(cursor);
                request
            });
            Ok(Some((stream::iter(entries.into_iter().map(Ok)), next)))
        })
        .try_flatten()
        .boxed()
    }
}

impl List<RecordList> {
    /// Parts of each record to send along; metadata if not said.
    pub fn include(mut self, parts: impl IntoIterator<Item = Include>) -> Self {
        let words: Vec<_> = parts.into_iter().map(word).collect();
        self.call.query("include", &words.join(","));
        self
    }
}

fn word(part: Include) -> &'static str {
    match part {
        Include::Metadata => "metadata",
        Include::Text => "text",
        Include::Value => "value",
        Include::Vector => "vector",
    }
}

struct PageRequest {
    client: Client,
    url: Url,
    headers: HeaderMap,
    cursor: Option<String>,
}

impl PageRequest {
    async fn send<P: Page>(&self) -> Result<P> {
        let mut url = self.url.clone();
        if let Some(cursor) = &self.cursor {
            let kept: Vec<_> = url
                .query_pairs()
                .filter(|(name, _)| name != "cursor")
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            url.query_pairs_mut()
                .clear()
                .extend_pairs(kept)
                .append_pair("cursor", cursor);
        }
        let outgoing = Outgoing {
            method: Method::GET,
            url,
            headers: self.headers.clone(),
            body: bytes::Bytes::new(),
        };
        self.client.transport.send(&outgoing).await?.json()
    }
}
