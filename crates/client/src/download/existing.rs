//! A target that is there already: the file itself, or in the way.
//!
//! It only reads. Nothing is downloaded to find out: one HEAD tells the root.

use std::{fs, io, path::Path, sync::Arc};

use http::{Method, StatusCode};

use super::{
    Completion, OnExisting, Received, Verification,
    asking::{Asking, Trouble},
};
use crate::{
    answer::{Answer, Version, Wanted},
    error::{DownloadError, Fault},
    intake::root_of,
    metalink::Metalink,
    pull::Digest,
    url::HttpUrl,
};

/// The same by what a metalink says of the file; nobody is asked.
pub(super) async fn settle_by_metalink(
    (metalink, url): (&Metalink, &HttpUrl),
    path: &Path,
    on_existing: OnExisting,
) -> Result<Option<Received>, DownloadError> {
    let error = |source| DownloadError::Local {
        path: path.to_owned(),
        doing: "read",
        source,
    };
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(None);
    };
    let (size_bytes, digest) = metalink.whole();
    if let Some(digest) = digest
        && metadata.is_file()
        && metadata.len() == size_bytes
    {
        let file = Arc::new(fs::File::open(path).map_err(error)?);
        if digest.matches(file, size_bytes).await.map_err(error)? {
            let Digest::Sha256(sum) = digest else {
                return Ok(None);
            };
            return Ok(Some(up_to_date(size_bytes, Verification::Sha256(sum))));
        }
    }
    refuse_or_replace(path, url, on_existing)
}

/// `Some` when the target is the file already, `None` when it is to be downloaded.
///
/// An error when the target exists, is something else, and may not be replaced.
pub(super) async fn settle(
    asking: &mut Asking<'_>,
    path: &Path,
    on_existing: OnExisting,
) -> Result<Option<Received>, DownloadError> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let version = remote_version(asking).await?;
    if let Some(bytes) = size_if_equal(path, &version).await? {
        let root = version.root();
        let verification = root.map_or(Verification::LengthOnly, Verification::Root);
        return Ok(Some(up_to_date(bytes, verification)));
    }
    refuse_or_replace(path, &asking.origin(), on_existing)
}

fn up_to_date(bytes: u64, verification: Verification) -> Received {
    Received {
        completion: Completion::UpToDate,
        bytes,
        received_bytes: 0,
        verification,
        served: Vec::new(),
    }
}

fn refuse_or_replace(
    path: &Path,
    url: &HttpUrl,
    on_existing: OnExisting,
) -> Result<Option<Received>, DownloadError> {
    match on_existing {
        OnExisting::Replace => Ok(None),
        OnExisting::Refuse => Err(DownloadError::Exists {
            path: path.to_owned(),
            url: url.clone(),
        }),
    }
}

/// What the server has now; nothing is known where it does not answer HEAD.
async fn remote_version(asking: &mut Asking<'_>) -> Result<Version, DownloadError> {
    loop {
        match asking.ask(&Method::HEAD, &Wanted::default()).await {
            Ok((_, Answer::Whole(version) | Answer::Rest(version))) => return Ok(version),
            Ok((_, Answer::Complete)) => return Ok(Version::default()),
            Err(Trouble::Final(DownloadError::Rejected { status, .. })) if no_head(status) => {
                return Ok(Version::default());
            }
            Err(Trouble::Retry {
                fault: Fault::Status { status, .. },
                member: None,
            }) if no_head(status) => return Ok(Version::default()),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Retry { fault, member }) => asking.pause(fault, member).await?,
        }
    }
}

fn no_head(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}

/// The target's size when its content has the version's root.
async fn size_if_equal(path: &Path, version: &Version) -> Result<Option<u64>, DownloadError> {
    let Some(root) = version.root() else {
        return Ok(None);
    };
    let error = |source| DownloadError::Local {
        path: path.to_owned(),
        doing: "read",
        source,
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(other) => return Err(error(other)),
    };
    let differs = |size| size != metadata.len();
    if !metadata.is_file() || version.size_bytes.is_some_and(differs) {
        return Ok(None);
    }
    let file = fs::File::open(path).map_err(error)?;
    let ours = root_of(file).await.map_err(error)?;
    Ok((ours == root).then_some(metadata.len()))
}
