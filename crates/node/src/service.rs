//! The life of a request: look up, dispatch, reply.
//!
//! One [`NodeService`] per core. The usual request, a small hot file without a query, is one cache
//! look-up and one write; everything else takes the long way through the same functions. It must
//! never answer from the catalog alone for bytes: a file is opened and recognised first.

mod description;
mod elsewhere;
mod ready;
mod sending;
mod visit;

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use axum::Router;
use hyper::body::Incoming;
use overspill_core::{
    dispatch::{MIN_OFFLOAD_BYTES, Turn},
    path::{CatalogPath, PathError, UrlForm},
};
use overspill_http1::{
    request::{Limits, Method, Request},
    response::{Plan, Representation, plan},
    status::Status,
};
use overspill_net::{
    Answer, Client, Clock, Exchange, FlowTable, HandedOver, Now, Relayer, Security, Service,
};
use overspill_wire::paths::PREFIX;

use self::{description::preferred, elsewhere::Course, visit::Visit};
use crate::{
    access_log::CoreLog,
    archive::{self, Planned},
    cache::{Lack, Ready, ReadyCache, Source},
    checksums::Wanted,
    console::DemandCounter,
    dispatcher::{Verdict, Waiting},
    listing,
    live::{LiveSettings, SharedLive},
    metalink,
    metrics::{LoadFormat, load_line},
    over_hyper,
    parts::Boundaries,
    query::{Aspect, TreeQuery, Whence},
    relay::Striping,
    role::{Found, Role},
    routes,
    rules::SharedRules,
    settings::{NodeSettings, Relayed},
};

/// Answers the requests of one core.
pub struct NodeService<R> {
    role: Arc<R>,
    router: Router,
    flows: Arc<FlowTable>,
    core: usize,
    cache: RefCell<ReadyCache>,
    boundaries: Boundaries,
    relayer: Rc<Relayer>,
    striping: RefCell<Option<Striping>>,
    clock: Clock,
    log: RefCell<Option<CoreLog>>,
    rules: SharedRules,
    rewritten_head: Limits,
    /// The line that tells browsers to insist on https; empty if they are not told.
    hsts: String,
    relayed: Cell<Relayed>,
    live: SharedLive,
    /// What this core has taken over of it.
    taken_over: RefCell<Arc<LiveSettings>>,
    demand: Option<DemandCounter>,
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
        let live = settings.live.load_full();
        Self {
            log: RefCell::new(core_log(&live, role.as_ref())),
            striping: RefCell::new(live.striping.clone()),
            relayed: Cell::new(live.relayed),
            live: Arc::clone(&settings.live),
            taken_over: RefCell::new(live),
            demand: role.console().map(|console| console.demand_of(core)),
            role,
            router,
            flows,
            core,
            cache: RefCell::new(ReadyCache::new()),
            boundaries: Boundaries::default(),
            relayer: Rc::default(),
            clock: Clock::new(),
            rules: Arc::clone(&settings.rules),
            rewritten_head: settings.rewritten_head(),
            hsts: settings.hsts_line(),
        }
    }

    /// Takes over what was changed since the last look; bodies under way go on as they began.
    fn take_over(&self) {
        let now = self.live.load_full();
        if Arc::ptr_eq(&now, &self.taken_over.borrow()) {
            return;
        }
        let is_same_log = {
            let before = self.taken_over.borrow();
            match (&before.access_log, &now.access_log) {
                (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                (before, now) => before.is_none() && now.is_none(),
            }
        };
        if !is_same_log {
            // The old part hands over its last lines when it goes.
            self.log.replace(core_log(&now, self.role.as_ref()));
        }
        self.striping.replace(now.striping.clone());
        self.relayed.set(now.relayed);
        self.taken_over.replace(now);
    }

    /// How long a head may be that was written out again.
    pub(crate) fn head_limits(&self) -> Limits {
        self.rewritten_head
    }

    /// Answers a request for a path of the tree, the usual one at once.
    pub(crate) async fn answer_soon(
        &self,
        request: &Request<'_>,
        client: &Client,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        match self.answer_hot(request, client, now, out) {
            Some(answer) => answer,
            // Boxed: what it may have to wait for would make every request's future as large.
            None => {
                let answer = Box::pin(self.answer_tree(request, client, now, out)).await;
                self.count_error(out);
                answer
            }
        }
    }

    /// Counts an answer that is this node's own failure: a dispatcher elsewhere wants to know.
    fn count_error(&self, out: &[u8]) {
        let status = out.get(STATUS_AT..STATUS_AT + 3);
        // 503 says that there is no room, or that the bytes are elsewhere; that is no failure.
        if status.is_some_and(|code| code[0] == b'5' && code != b"503") {
            self.flows.shard(self.core).failed();
        }
    }

    /// Answers with a file's bytes, from wherever; waits for a slot if need be.
    async fn answer_representation(
        &self,
        ready: &Ready,
        visit: Visit<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        let waiting = match self.represent(ready, visit, Turn::First, out) {
            Ok(answer) => return answer,
            Err(waiting) => waiting,
        };
        let retry_after_s = match waiting.verdict().await {
            Verdict::Turn => match self.represent(ready, visit, Turn::Waited, out) {
                Ok(answer) => return answer,
                // Nobody waits twice.
                Err(_) => 1,
            },
            Verdict::Refused { retry_after_s } => retry_after_s,
        };
        visit.context(out).overloaded(retry_after_s)
    }

    /// Answers the usual request, one for a file that was looked at a moment ago and has one form.
    fn answer_hot(
        &self,
        request: &Request<'_>,
        client: &Client,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Option<Answer> {
        let wants_more =
            request.query().is_some() || request.fields.endpoint_load_metrics_format.is_some();
        if wants_more || !matches!(request.method, Method::Get | Method::Head) {
            return None;
        }
        let fresh = self.cache.borrow().fresh(request.path(), now.instant);
        let ready = fresh.filter(|ready| ready.codings.is_empty())?;
        let size = ready.version.size;
        if size >= MIN_OFFLOAD_BYTES {
            // May have to wait for a slot.
            return None;
        }
        let query = TreeQuery::default();
        let visit = self.visit(request, &query, client, now, self.hsts_for(client));
        if preferred(&ready, visit).is_some() {
            return None;
        }
        self.represent(&ready, visit, Turn::First, out).ok()
    }

    fn visit<'a>(
        &'a self,
        request: &'a Request<'a>,
        query: &'a TreeQuery,
        client: &'a Client,
        now: &'a Now,
        always: &'a str,
    ) -> Visit<'a> {
        Visit {
            request,
            query,
            client,
            now,
            always,
        }
    }

    fn hsts_for(&self, client: &Client) -> &str {
        match client.security {
            Security::Plain => "",
            Security::Tls => &self.hsts,
        }
    }

    /// Lines that every answer to this request carries: what browsers are to insist on, and how busy
    /// this node is, for a balancer that asks.
    fn always(&self, request: &Request<'_>, client: &Client) -> Cow<'_, str> {
        let hsts = self.hsts_for(client);
        let asked = request.fields.endpoint_load_metrics_format;
        let format = asked.and_then(LoadFormat::asked);
        match format.zip(self.role.meter()) {
            None => Cow::Borrowed(hsts),
            Some((format, meter)) => {
                let load = load_line(&meter.read(Instant::now()), format);
                Cow::Owned(format!("{hsts}{load}"))
            }
        }
    }

    /// Answers a request for a path of the tree, with the query that came with it.
    pub(crate) async fn answer_tree(
        &self,
        request: &Request<'_>,
        client: &Client,
        now: &Now,
        out: &mut Vec<u8>,
    ) -> Answer {
        let query = request
            .query()
            .map_or(Ok(TreeQuery::default()), TreeQuery::parse);
        let (query, error) = match query {
            Ok(query) => (query, None),
            Err(error) => (TreeQuery::default(), Some(error)),
        };
        let always = self.always(request, client);
        let visit = self.visit(request, &query, client, now, &always);
        match request.method {
            Method::Get | Method::Head => {}
            Method::Options => return self.answer_options(visit, out),
            Method::Other => {
                let detail = "files are read with GET and HEAD";
                return visit.context(out).error(Status::MethodNotAllowed, detail);
            }
        }
        match error {
            None => self.answer_path(visit, out).await,
            Some(error) => visit
                .context(out)
                .error(Status::BadRequest, &error.to_string()),
        }
    }

    /// What can be done here; to a browser that asks on behalf of another origin, whether it may.
    fn answer_options(&self, visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
        let url = CatalogPath::from_url(visit.request.path());
        let origins = url.map(|url| self.rules.load().about(&url.path).origins);
        let lines = origins.map(|origins| origins.preflight_lines(&visit.request.fields));
        visit.context(out).options(&lines.unwrap_or_default())
    }

    async fn answer_path(&self, visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
        let instant = Instant::now();
        let fresh = self.cache.borrow().fresh(visit.request.path(), instant);
        if let Some(ready) = fresh.filter(|_| visit.query.aspect == Aspect::Content) {
            return self.answer_file(&ready, visit, out).await;
        }
        let url = match CatalogPath::from_url(visit.request.path()) {
            Ok(url) => url,
            Err(error) => return answer_bad_path(error, visit, out),
        };
        if visit.query.aspect == Aspect::MirrorList {
            return self.answer_mirror_list(&url, visit, out);
        }
        if let Some(asked) = metalink::Asked::by_query(&url, visit.query) {
            return self.describe(asked, visit, out).await;
        }
        if let Some(sums) = Wanted::by_query(&url, visit.query) {
            return sums
                .answer(&self.role, visit.query, visit.context(out))
                .await;
        }
        match (self.find(&url.path).await, url.form) {
            (Found::File(file), UrlForm::File) => {
                let key = visit.request.path();
                let ready = self.make_ready(key, url.path, file, visit.now, instant);
                self.answer_file(&ready, visit, out).await
            }
            (Found::Folder, form) => self.answer_folder(visit, &url.path, form, out).await,
            (Found::Elsewhere, UrlForm::File) => self.answer_elsewhere(visit, out),
            (Found::Unreadable, UrlForm::File)
                if let Some(ready) = self.other_holders(&url.path, Lack::Unreadable, visit) =>
            {
                self.answer_representation(&ready, visit, out).await
            }
            (Found::Unreadable, _) => lacking(Lack::Unreadable, visit, out),
            // Promised by a server whose catalog is ahead of this one.
            (Found::Absent, _) if self.promised(visit.query).is_some() => {
                self.answer_elsewhere(visit, out)
            }
            (Found::Absent, UrlForm::File)
                if let Some(ready) = self.other_holders(&url.path, Lack::Absent, visit) =>
            {
                self.answer_representation(&ready, visit, out).await
            }
            (Found::Absent, UrlForm::File) if let Some(sums) = Wanted::by_name(&url.path) => {
                sums.answer(&self.role, visit.query, visit.context(out))
                    .await
            }
            (Found::Absent, UrlForm::File)
                if let Some(asked) = metalink::Asked::by_name(&url.path) =>
            {
                self.describe(asked, visit, out).await
            }
            (Found::Absent | Found::File(_) | Found::Elsewhere, _) => {
                lacking(Lack::Absent, visit, out)
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

    /// Answers with the file, or with one of its compressed forms if the client likes that better.
    async fn answer_file(&self, ready: &Rc<Ready>, visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
        if let Some(asked) = preferred(ready, visit) {
            return self.describe(asked, visit, out).await;
        }
        if ready.codings.is_empty() {
            return self.answer_representation(ready, visit, out).await;
        }
        let chosen = self.negotiate(ready, visit).await;
        self.answer_representation(&chosen, visit, out).await
    }

    /// Answers with what is here, or sends the client to where it is; `Err` if it has to wait first.
    fn represent(
        &self,
        ready: &Ready,
        visit: Visit<'_>,
        turn: Turn,
        out: &mut Vec<u8>,
    ) -> Result<Answer, Waiting> {
        let (request, version) = (visit.request, &ready.version);
        let representation = Representation {
            content_type: &ready.lines.content_type,
            length: version.size,
            validators: version.validators(),
        };
        let plan = plan(request, &representation, visit.now.unix);
        if turn == Turn::First {
            self.count_demand(ready, visit, &plan);
        }
        let chosen = match self.promised(visit.query) {
            // Whoever sent the client here has chosen.
            Some(root) if version.content.is_some_and(|(own, _)| own.root == root) => None,
            // Whoever relays has named the version it wants beside.
            Some(_) if visit.query.whence == Whence::Here => None,
            // The client was promised another version than the one that is here.
            Some(_) => return Ok(self.answer_elsewhere(visit, out)),
            None => match self.course(ready, visit, &plan, turn) {
                Course::Here => match ready.source {
                    Source::Elsewhere(lack) if has_body(request, &plan) => {
                        return Ok(lacking(lack, visit, out));
                    }
                    _ => None,
                },
                Course::Through(chosen) => Some(chosen),
                Course::Wait(waiting) => return Err(waiting),
                Course::Reject { retry_after_s } => {
                    return Ok(visit.context(out).overloaded(retry_after_s));
                }
                Course::Elsewhere(away) => {
                    let allowed = ready.lines.origins.lines(request.fields.origin);
                    let context = visit.context(out).allowing(allowed).describing(away.lines);
                    return Ok(context.redirect(&away.location, Some(away.member.as_str())));
                }
            },
        };
        let (lines, boundaries) = (&ready.lines, &self.boundaries);
        let mut context = visit.context(out);
        let selected = context.file_head(plan, version.size, lines, boundaries);
        Ok(self.send(selected, ready, chosen, visit, out))
    }

    /// Counts what a client wants, whoever is going to serve it; not what another node copies.
    fn count_demand(&self, ready: &Ready, visit: Visit<'_>, plan: &Plan) {
        let Some(demand) = &self.demand else { return };
        let bytes = match plan {
            Plan::Full => ready.version.size,
            Plan::Partial(range) => range.len(),
            Plan::Parts(ranges) => ranges.bytes(),
            _ => return,
        };
        if visit.request.method == Method::Get && visit.query.whence != Whence::Here {
            let root = ready.version.content.map(|(content, _)| content.root);
            demand.count(&ready.path, root, bytes);
        }
    }

    async fn answer_folder(
        &self,
        visit: Visit<'_>,
        folder: &CatalogPath,
        form: UrlForm,
        out: &mut Vec<u8>,
    ) -> Answer {
        let (request, query) = (visit.request, visit.query);
        if form == UrlForm::File {
            let path = format!("{}/", folder.to_url());
            return visit
                .context(out)
                .redirect(&with_query(path, request), None);
        }
        let Some(format) = query.archive else {
            return listing::answer(&self.role, request, query, folder, visit.context(out)).await;
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
                    now: visit.now.unix,
                };
                asked.answer(*layout, visit.context(out))
            }
            Planned::NotHere => self.answer_elsewhere(visit, out),
            Planned::Refused(error) => visit
                .context(out)
                .error(Status::BadRequest, &error.to_string()),
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
        self.answer_soon(request, client, &now, out).await
    }

    fn every_second(&self, now: Instant) {
        self.relayer.sweep(now);
        self.take_over();
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.flush_if_due(now);
        }
    }

    fn observes(&self) -> bool {
        self.log.borrow().is_some()
    }

    fn observe(&self, exchange: &Exchange<'_>) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.observe(exchange, SystemTime::now());
        }
    }

    async fn route(
        &self,
        request: http::Request<Incoming>,
        client: Client,
    ) -> http::Response<HandedOver> {
        if request.uri().path().starts_with(PREFIX) {
            let routed = routes::route(self.router.clone(), request, client);
            return Box::pin(routed).await;
        }
        let shard = self.flows.shard(self.core);
        let now = self.clock.now();
        over_hyper::answer(self, &request, &client, &now, &shard).await
    }
}

/// This core's part of the access log, if there is one.
fn core_log(live: &LiveSettings, role: &impl Role) -> Option<CoreLog> {
    let log = live.access_log.as_ref();
    log.map(|log| log.core_log(role.name()))
}

/// Where the status code stands in a response head.
const STATUS_AT: usize = "HTTP/1.1 ".len();

/// Sends a client whose path has `.` or empty segments to the path without them; refuses others.
fn answer_bad_path(error: PathError, visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
    let (request, context) = (visit.request, visit.context(out));
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

/// Whether what was planned for this request sends bytes of the file.
fn has_body(request: &Request<'_>, plan: &Plan) -> bool {
    let has_bytes = matches!(plan, Plan::Full | Plan::Partial(_) | Plan::Parts(_));
    has_bytes && request.method == Method::Get
}

/// Says that there is nothing to be had.
fn lacking(lack: Lack, visit: Visit<'_>, out: &mut Vec<u8>) -> Answer {
    let (status, detail) = match lack {
        Lack::Absent => (Status::NotFound, "there is no such file"),
        Lack::Unreadable => {
            let detail = "the file is there but cannot be read; its owner has been told";
            (Status::Forbidden, detail)
        }
    };
    visit.context(out).error(status, detail)
}

/// The path, and the query of the request as it came.
fn with_query(path: String, request: &Request<'_>) -> String {
    match request.query() {
        None => path,
        Some(query) => format!("{path}?{}", String::from_utf8_lossy(query)),
    }
}

#[cfg(test)]
mod tests;
