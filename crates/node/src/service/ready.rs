//! Making files ready to be served: field lines, small bodies, compressed forms.

use std::{rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use overspill_core::path::CatalogPath;
use overspill_http1::negotiate::{Coding, Preferred};
use overspill_net::{FileBody, Now};

use super::{NodeService, visit::Visit};
use crate::{
    cache::{Lack, MAX_BODY_BYTES, Ready, Source},
    file::{Dress, FileVersion, FoundFile},
    mime,
    role::{Found, Role},
    siblings,
};

impl<R: Role> NodeService<R> {
    /// Prepares a found file, keeping what the cache already has of the same version.
    pub(super) fn make_ready(
        &self,
        key: &[u8],
        path: CatalogPath,
        file: FoundFile,
        now: &Now,
        instant: Instant,
    ) -> Rc<Ready> {
        let rules = self.rules.load_full();
        let ruling = rules.about(&path);
        let content_type = ruling.content_type.clone();
        let content_type = content_type.unwrap_or_else(|| mime::content_type(&path));
        let catalog = self.role.catalog();
        // A file that is not what the catalog knows has no forms that could be its own.
        let codings = match file.version.content {
            Some(_) => siblings::codings(&catalog, &path, &content_type, ruling.precompressed),
            None => Vec::new(),
        };
        let known = self.cache.borrow().stale(key).filter(|known| {
            known.version == file.version
                && Arc::ptr_eq(&known.rules, &rules)
                && known.codings == codings
        });
        if let Some(known) = known {
            self.cache.borrow_mut().keep(key, &known, instant);
            return known;
        }
        let dress = Dress {
            content_type,
            ruling,
            coding: None,
            varies: !codings.is_empty(),
        };
        let ready = Ready {
            lines: file.version.field_lines(dress, now.unix),
            content_path: path.clone(),
            path,
            source: load(&file),
            version: file.version,
            rules,
            codings,
        };
        self.keep(key, ready, instant)
    }

    /// Prepares a file that the catalog knows by its content, and this node has not got; `None` if it
    /// does not know it so.
    pub(super) fn make_elsewhere_ready(
        &self,
        path: &CatalogPath,
        lack: Lack,
        now: &Now,
    ) -> Option<Rc<Ready>> {
        let catalog = self.role.catalog();
        let entry = catalog.entry(path)?;
        let (size, revision) = (entry.size, entry.revision);
        let version = FileVersion::known(size, entry.mtime_ns, entry.content?, revision);
        let rules = self.rules.load_full();
        let ruling = rules.about(path);
        let content_type = ruling.content_type.clone();
        let dress = Dress {
            content_type: content_type.unwrap_or_else(|| mime::content_type(path)),
            ruling,
            coding: None,
            varies: false,
        };
        Some(Rc::new(Ready {
            lines: version.field_lines(dress, now.unix),
            path: path.clone(),
            content_path: path.clone(),
            source: Source::Elsewhere(lack),
            version,
            rules,
            codings: Vec::new(),
        }))
    }

    /// The representation that this client likes best; the file itself if nothing better is here.
    pub(super) async fn negotiate(&self, ready: &Rc<Ready>, visit: Visit<'_>) -> Rc<Ready> {
        let available = ready.codings.iter().copied().chain([Coding::Identity]);
        let accepted = visit.request.fields.accept_encoding.iter();
        for coding in Preferred::choose(accepted, available).iter() {
            if coding == Coding::Identity {
                break;
            }
            if let Some(form) = self.make_form_ready(ready, coding, visit).await {
                return form;
            }
        }
        Rc::clone(ready)
    }

    /// The form of a file in `coding`, if its bytes are here.
    async fn make_form_ready(
        &self,
        plain: &Ready,
        coding: Coding,
        visit: Visit<'_>,
    ) -> Option<Rc<Ready>> {
        let instant = Instant::now();
        // No path has a NUL in it, so this is nobody's own key.
        let key = [visit.request.path(), b"\0", coding.name().as_bytes()].concat();
        let is_of_these_rules = |form: &Rc<Ready>| Arc::ptr_eq(&form.rules, &plain.rules);
        if let Some(fresh) = self.cache.borrow().fresh(&key, instant)
            && is_of_these_rules(&fresh)
        {
            return Some(fresh);
        }
        let path = siblings::path_of(&plain.path, coding)?;
        let Found::File(mut file) = self.find(&path).await else {
            return None;
        };
        let (_, revision) = plain.version.content?;
        // Whoever is to serve this must know of both: the path that is asked for, and the form.
        let (_, of_form) = file.version.content.as_mut()?;
        *of_form = revision.max(*of_form);
        let dress = Dress {
            content_type: plain.lines.content_type.clone(),
            ruling: plain.rules.about(&plain.path),
            coding: Some(coding),
            varies: true,
        };
        let ready = Ready {
            lines: file.version.field_lines(dress, visit.now.unix),
            path: plain.path.clone(),
            content_path: path,
            source: load(&file),
            version: file.version,
            rules: Arc::clone(&plain.rules),
            codings: Vec::new(),
        };
        Some(self.keep(&key, ready, instant))
    }

    fn keep(&self, key: &[u8], ready: Ready, instant: Instant) -> Rc<Ready> {
        let is_hot = matches!(&ready.source, Source::File(FileBody::Hot(_)));
        let is_lasting = ready.lines.settled && !is_hot;
        let ready = Rc::new(ready);
        if is_lasting {
            self.cache.borrow_mut().keep(key, &ready, instant);
        }
        ready
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
