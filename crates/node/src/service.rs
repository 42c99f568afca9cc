//! The life of a request: look up, dispatch, reply.
//!
//! One [`NodeService`] per core. The usual request, a small hot file without a query, is one cache
//! look-up and one write; everything else takes the long way through the same functions. It must
//! never answer from the catalog alone for bytes: a file is opened and recognised first.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::Router;
use bytes::Bytes;
use hyper::body::Incoming;
use overspill_core::{
    path::{CatalogPath, PathError, UrlForm},
    root::Root,
};
use overspill_http1::{
    range::ByteRange,
    request::{Method, Request},
    response::{Plan, Representation, plan},
    status::Status,
};
use overspill_net::{
    Answer, Body, Client, Exchange, FileBody, FlowTable, HandedOver, Now, Service,
};
use overspill_wire::paths::{AVOID, DIRECT, PREFIX, TICKET};

use crate::{
    access_log::CoreLog,
    archive::{self, Planned},
    cache::{MAX_BODY_BYTES, Ready, ReadyCache, Source},
    checksums::Wanted,
    file::FoundFile,
    listing, over_hyper,
    parts::{self, Boundaries},
    query::{Aspect, TreeQuery, Whence},
    reply::{Context, Selected, reply},
    role::{Ask, Found, Role, Route},
    routes,
    settings::NodeSettings,
};

/// Answers the requests of one core.
pub struct NodeService<R> {
    role: Arc<R>,
    router: Router,
    flows: Arc<FlowTable>,
    core: usize,
    cache: RefCell<ReadyCache>,
    log: Option<RefCell<CoreLog>>,
    boundaries: Boundaries,
}

impl<R: Role> NodeService<R> {
    /// A service for the core numbered `core`; `router` answers everything under `/-/`.
    pub fn new(
        role: Arc<R>,
        router: Router,
        flows: Arc<FlowTable>,
        settings: &NodeSettings,
        core: usize,
    ) -> Self {
        let log = settings.access_log.as_ref();
        Self {
            log: log.map(|log| RefCell::new(log.core_log(role.name()))),
            role,
            router,
            flows,
            core,
            cache: RefCell::new(ReadyCache::new()),
            boundaries: Boundaries::default(),
        }
    }

    /// Answers a request for a path of the tree, with the query that came with it.
    pub(crate) async fn answer_tree(
        &self,
        request: &Request<'_>,
        _client: &Client,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        match request.method {
            Method::Get | Method::Head => {}
            Method::Options => return Context::new(request, now, out).options(),
            Method::Other => {
                let detail = "files are read with GET and HEAD";
                return Context::new(request, now, out).error(Status::MethodNotAllowed, detail);
            }
        }
        match request.query() {
            None => {
                self.answer_path(request, &TreeQuery::default(), now, out)
                    .await
            }
            Some(query) => match TreeQuery::parse(query) {
                Ok(query) => self.answer_path(request, &query, now, out).await,
                Err(error) => {
                    Context::new(request, now, out).error(Status::BadRequest, &error.to_string())
                }
            },
        }
    }

    async fn answer_path(
        &self,
        request: &Request<'_>,
        query: &TreeQuery,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let instant = Instant::now();
        let fresh = self.cache.borrow().fresh(request.path(), instant);
        if let Some(ready) = fresh.filter(|_| query.aspect == Aspect::Content) {
            return self.answer_file(&ready, request, query, now, out);
        }
        let url = match CatalogPath::from_url(request.path()) {
            Ok(url) => url,
            Err(error) => return answer_bad_path(error, request, Context::new(request, now, out)),
        };
        if let Some(sums) = Wanted::by_query(&url, query) {
            return sums.answer(&*self.role, query, Context::new(request, now, out));
        }
        match (self.find(&url.path).await, url.form) {
            (Found::File(file), UrlForm::File) => {
                let ready = self.make_ready(request.path(), url.path, file, now, instant);
                self.answer_file(&ready, request, query, now, out)
            }
            (Found::Folder, form) => {
                self.answer_folder(request, query, &url.path, form, now, out)
                    .await
            }
            (Found::Elsewhere, UrlForm::File) => self.answer_elsewhere(request, query, now, out),
            (Found::Unreadable, _) => {
                let detail = "the file is there but cannot be read; its owner has been told";
                Context::new(request, now, out).error(Status::Forbidden, detail)
            }
            (Found::Absent, UrlForm::File) if let Some(sums) = Wanted::by_name(&url.path) => {
                sums.answer(&*self.role, query, Context::new(request, now, out))
            }
            (Found::Absent | Found::File(_) | Found::Elsewhere, _) => {
                Context::new(request, now, out).error(Status::NotFound, "there is no such file")
            }
        }
    }

    /// What is at `path`; a disk that has to be asked is waited for elsewhere.
    async fn find(&self, path: &CatalogPath) -> Found {
        if let Some(found) = self.role.find_in_memory(path) {
            return found;
        }
        let (role, path) = (Arc::clone(&self.role), path.clone());
        let found = tokio::task::spawn_blocking(move || role.find(&path)).await;
        // A panic there has been printed.
        found.unwrap_or(Found::Unreadable)
    }

    /// Prepares a found file, keeping what the cache already has of the same version.
    fn make_ready(
        &self,
        key: &[u8],
        path: CatalogPath,
        file: FoundFile,
        now: &Now,
        instant: Instant,
    ) -> Rc<Ready> {
        let mut cache = self.cache.borrow_mut();
        if let Some(known) = cache
            .stale(key)
            .filter(|known| known.version == file.version)
        {
            cache.keep(key, &known, instant);
            return known;
        }
        let lines = file.version.field_lines(&path, now.unix);
        let source = load(&file);
        let keep = lines.settled && !matches!(file.body, FileBody::Hot(_));
        let ready = Rc::new(Ready {
            path,
            version: file.version,
            lines,
            source,
        });
        if keep {
            cache.keep(key, &ready, instant);
        }
        ready
    }

    fn answer_file(
        &self,
        ready: &Ready,
        request: &Request<'_>,
        query: &TreeQuery,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let version = &ready.version;
        let representation = Representation {
            content_type: &ready.lines.content_type,
            length: version.size,
            validators: version.validators(),
        };
        let plan = plan(request, &representation, now.unix);
        if let Some(location) = self.redirect(ready, request, query, &plan) {
            let (location, member) = location;
            return Context::new(request, now, out).redirect(&location, Some(&member));
        }
        let promised = self.promised(query);
        if promised.is_some_and(|root| version.content.is_none_or(|(own, _)| own.root != root)) {
            // The server promised this client another version than the one that is here.
            return self.answer_elsewhere(request, query, now, out);
        }
        let (lines, boundaries) = (&ready.lines, &self.boundaries);
        let mut context = Context::new(request, now, out);
        let selected = context.file_head(plan, version.size, lines, boundaries);
        let body = match (selected, &ready.source) {
            (Selected::Nothing, _) => Body::Empty,
            (Selected::Range(range), Source::Memory(bytes)) => memory_body(bytes, range, out),
            (Selected::Range(range), Source::File(file)) => Body::File {
                file: file.clone(),
                range,
            },
            (Selected::Parts(multipart), source) => parts::body(multipart, source),
        };
        reply(body, request.keep_alive)
    }

    /// Where this body should come from instead, if from elsewhere; with the member's name.
    fn redirect(
        &self,
        ready: &Ready,
        request: &Request<'_>,
        query: &TreeQuery,
        plan: &Plan,
    ) -> Option<(String, String)> {
        if let Some(failed) = query.avoid.last() {
            self.role.returned_from(failed);
        }
        let bytes = match plan {
            Plan::Full => ready.version.size,
            Plan::Partial(range) => range.len(),
            Plan::Parts(ranges) => ranges.bytes(),
            _ => return None,
        };
        let (content, revision) = ready.version.content?;
        if request.method != Method::Get || query.whence == Whence::Here {
            return None;
        }
        let (root, avoid, host) = (content.root, &query.avoid[..], request.host);
        match self.role.route(&Ask {
            revision,
            root,
            bytes,
            avoid,
            host,
        }) {
            Route::Here => None,
            Route::Redirect {
                member,
                url,
                ticket,
            } => {
                let path = ready.path.to_url();
                let avoid = avoid_parameter(query, None);
                let location = format!("{url}{path}?{TICKET}={ticket}{avoid}");
                Some((location, member.to_string()))
            }
        }
    }

    /// Notes the arrival of a client with a ticket; says what content it was promised.
    fn promised(&self, query: &TreeQuery) -> Option<Root> {
        let ticket = query.ticket.as_ref()?;
        self.role.arrived(ticket).map(|ticket| ticket.root)
    }

    /// The catalog knows the file and its bytes are not here: back to whoever sent the client.
    fn answer_elsewhere(
        &self,
        request: &Request<'_>,
        query: &TreeQuery,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let context = Context::new(request, now, out);
        let Some((server, me)) = self.role.send_back() else {
            let detail =
                "not all of it is on this node, nor is there another to ask; try again later";
            return context.error(Status::ServiceUnavailable, detail);
        };
        let ticket = query
            .ticket
            .as_ref()
            .and_then(|ticket| self.role.arrived(ticket));
        let origin = ticket.map_or(server, |ticket| ticket.origin);
        let path = String::from_utf8_lossy(request.path());
        let avoid = avoid_parameter(query, Some(me.as_str()));
        let kept = kept_parameters(request.query().unwrap_or_default());
        context.redirect(&format!("{origin}{path}?{kept}{}", &avoid[1..]), None)
    }

    async fn answer_folder(
        &self,
        request: &Request<'_>,
        query: &TreeQuery,
        folder: &CatalogPath,
        form: UrlForm,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let context = Context::new(request, now, out);
        if form == UrlForm::File {
            let path = format!("{}/", folder.to_url());
            return context.redirect(&with_query(path, request), None);
        }
        let Some(format) = query.archive else {
            return listing::answer(&*self.role, request, query, folder, context);
        };
        let selection = query.selection.as_ref();
        match archive::lay_out(&self.role, folder, selection, format).await {
            Planned::Layout(layout) => {
                let asked = archive::Asked {
                    role: &self.role,
                    request,
                    folder,
                    format,
                    boundaries: &self.boundaries,
                    now: now.unix,
                };
                asked.answer(*layout, context)
            }
            Planned::NotHere => self.answer_elsewhere(request, query, now, out),
            Planned::Refused(error) => context.error(Status::BadRequest, &error.to_string()),
        }
    }
}

impl<R: Role> Service for NodeService<R> {
    async fn answer(
        &self,
        request: &Request<'_>,
        client: &Client,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let path = request.path();
        if path.starts_with(PREFIX.as_bytes()) {
            return Answer::HandOver;
        }
        self.answer_tree(request, client, &now, out).await
    }

    fn every_second(&self, now: Instant) {
        if let Some(log) = &self.log {
            log.borrow_mut().flush_if_due(now);
        }
    }

    fn observes(&self) -> bool {
        self.log.is_some()
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        if let Some(log) = &self.log {
            log.borrow_mut().observe(exchange, SystemTime::now());
        }
    }

    async fn route(
        &self,
        request: http::Request<Incoming>,
        client: Client,
    ) -> http::Response<HandedOver> {
        if request.uri().path().starts_with(PREFIX) {
            return routes::route(self.router.clone(), request, client).await;
        }
        let shard = self.flows.shard(self.core);
        over_hyper::answer(self, &request, &client, &shard).await
    }
}

/// Sends a client whose path has `.` or empty segments to the path without them; refuses others.
fn answer_bad_path(error: PathError, request: &Request<'_>, context: Context<'_>) -> Answer {
    let canonical = match error {
        PathError::DotSegment | PathError::EmptySegment => {
            CatalogPath::canonical_url(request.path())
        }
        other => Err(other),
    };
    match canonical {
        Ok(path) => context.redirect(&with_query(path, request), None),
        Err(error @ PathError::TooLong) => context.error(Status::UriTooLong, &error.to_string()),
        Err(error) => context.error(Status::BadRequest, &error.to_string()),
    }
}

/// The path, and the query of the request as it came.
fn with_query(path: String, request: &Request<'_>) -> String {
    match request.query() {
        None => path,
        Some(query) => format!("{path}?{}", String::from_utf8_lossy(query)),
    }
}

/// The bytes of a small file at rest; otherwise the file itself.
fn load(file: &FoundFile) -> Source {
    let size = file.version.size;
    if size > MAX_BODY_BYTES || matches!(file.body, FileBody::Hot(_)) {
        return Source::File(file.body.clone());
    }
    let mut bytes = vec![0; size as usize];
    let read = file.body.read_in_memory(0, &mut bytes);
    if read == bytes.len() && file.body.is_unchanged() {
        Source::Memory(Bytes::from(bytes))
    } else {
        // Not in memory, or not to be read: the sending side waits for it, or meets the error.
        Source::File(file.body.clone())
    }
}

/// Puts a small range behind the head in `out`, or names the shared bytes.
fn memory_body(bytes: &Bytes, range: ByteRange, out: &mut Vec<u8>) -> Body {
    const MAX_COPIED_BYTES: u64 = 16 << 10;
    let part = range.start as usize..range.end as usize;
    if range.len() > MAX_COPIED_BYTES {
        return Body::Bytes(bytes.slice(part));
    }
    out.extend_from_slice(&bytes[part]);
    Body::Written(range.len())
}

/// The parameters that say what is asked for, without those of one hop; each ends in `&`.
fn kept_parameters(query: &[u8]) -> String {
    let of_one_hop = [AVOID, DIRECT, TICKET];
    let kept = query.split(|&byte| byte == b'&').filter(|pair| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        !name.is_empty() && !of_one_hop.iter().any(|hop| hop.as_bytes() == name)
    });
    kept.map(|pair| format!("{}&", String::from_utf8_lossy(pair)))
        .collect()
}

/// `&avoid=a,b` for the members this client has already met in vain, and `also`.
fn avoid_parameter(query: &TreeQuery, also: Option<&str>) -> String {
    let names: Vec<&str> = query
        .avoid
        .iter()
        .map(|member| member.as_str())
        .chain(also)
        .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("&{AVOID}={}", names.join(","))
    }
}

#[cfg(test)]
mod tests;
