//! One case: a request, and what must be true of its answer.
//!
//! Texts may name facts of the site in braces, `{etag}`, which are put in before use. A case must
//! never say how it is sent, or it would hold for one transport only.

/// A request and the answer it must get.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The document and section that ask for it.
    pub(crate) rfc: &'static str,
    /// The method.
    pub(crate) method: &'static str,
    /// The target.
    pub(crate) target: String,
    /// Field lines, each with its end, besides `Host`.
    pub(crate) fields: String,
    /// The status.
    pub(crate) status: u16,
    /// What must hold for fields of the answer.
    pub(crate) expected: Vec<Field>,
    /// What the body must be.
    pub(crate) body: Content,
    /// Why there is no such request in HTTP/2, if there is none: it has to be refused there.
    pub(crate) malformed_in_http2: Option<&'static str>,
}

/// What must hold for one field of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    /// It is not there.
    Absent(&'static str),
    /// It is there with this value.
    Is(&'static str, String),
    /// It is there.
    Present(&'static str),
}

/// What a body must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// Anything of the promised length.
    Any,
    /// Nothing.
    Nothing,
    /// These ranges of the file, in `multipart/byteranges`, in this order.
    Parts(&'static [(usize, usize)]),
    /// This range of the file: first position, and the one after the last.
    Slice(usize, usize),
    /// All of the file.
    Whole,
}

impl Case {
    /// A GET.
    pub(crate) fn get(rfc: &'static str, target: &str, fields: &str, status: u16) -> Self {
        Self {
            rfc,
            method: "GET",
            target: target.to_owned(),
            fields: fields.to_owned(),
            status,
            expected: Vec::new(),
            body: Content::Any,
            malformed_in_http2: None,
        }
    }

    /// The same with another method.
    pub(crate) fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// The same with a body that is checked.
    pub(crate) fn body(self, body: Content) -> Self {
        Self { body, ..self }
    }

    /// The same, where HTTP/2 has no such request, for this reason.
    pub(crate) fn malformed_in_http2(self, reason: &'static str) -> Self {
        Self {
            malformed_in_http2: Some(reason),
            ..self
        }
    }

    /// The same, where a field must have a value.
    pub(crate) fn is(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.expected.push(Field::Is(name, value.into()));
        self
    }

    /// The same, where fields must be there.
    pub(crate) fn present(mut self, names: &[&'static str]) -> Self {
        self.expected
            .extend(names.iter().map(|name| Field::Present(name)));
        self
    }

    /// The same, where fields must not be there.
    pub(crate) fn absent(mut self, names: &[&'static str]) -> Self {
        self.expected
            .extend(names.iter().map(|name| Field::Absent(name)));
        self
    }
}
