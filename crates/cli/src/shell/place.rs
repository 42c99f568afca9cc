//! Where a shell is: a folder of a server, which is there.
//!
//! It must never take a name for a piece of a URL: what people type is encoded first.

use overspill_client::{AskError, Folder, HttpClient, HttpUrl, UrlError};

use crate::terminal::printable;

/// A folder on a server.
#[derive(Clone, Debug)]
pub(super) struct Place {
    start: HttpUrl,
    here: HttpUrl,
}

impl Place {
    /// Begins at the folder at `url`, if it is one.
    pub(super) async fn enter(client: &HttpClient, url: &HttpUrl) -> Result<Self, AskError> {
        let here = existing(client, url).await?;
        let start = here.clone();
        Ok(Self { start, here })
    }

    /// Goes to the folder at `url`, if it is one.
    pub(super) async fn go(&self, client: &HttpClient, url: &HttpUrl) -> Result<Self, AskError> {
        Ok(Self {
            start: self.start.clone(),
            here: existing(client, url).await?,
        })
    }

    /// Where it began.
    pub(super) fn start(&self) -> HttpUrl {
        self.start.clone()
    }

    /// Where it is.
    pub(super) fn here(&self) -> HttpUrl {
        self.here.clone()
    }

    /// What `text` names from here: a path as people write it, or a whole URL.
    pub(super) fn url(&self, text: &str) -> Result<HttpUrl, UrlError> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return HttpUrl::parse(text);
        }
        self.here.join(text)
    }

    /// What is shown before a line is read.
    pub(super) fn prompt(&self) -> String {
        printable(&format!("{}> ", self.here))
    }
}

/// The folder at `url`; an error if there is none.
async fn existing(client: &HttpClient, url: &HttpUrl) -> Result<HttpUrl, AskError> {
    Folder::list(url)?.next_page(client).await?;
    Ok(url.as_folder()?)
}
