//! The index: catalog entries and known objects on disk, so that a restart hashes nothing again.
//!
//! It is a cache over what can be learnt anew, and so damage is never an error to anyone: a file
//! that makes no sense is put aside and a fresh one begun. The path of a request must never lead
//! here; it reads the catalog in memory.

mod record;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use overspill_core::{
    catalog::{Catalog, Change, Entry, InstanceId, Revision},
    path::CatalogPath,
    root::Root,
};
use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};
use thiserror::Error;

use self::record::RecordError;

/// The index of a server or of a mirror.
#[derive(Debug)]
pub struct Index {
    /// `None` after a failure: the database then answers nothing until it is opened anew.
    database: Mutex<Option<Database>>,
    path: PathBuf,
}

/// What [`Index::open`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IndexState {
    /// An index that can be loaded.
    Existing,
    /// Nothing; this one is new.
    Fresh,
    /// An index of no use, for the reason given. It now has `.bad` at the end of its name, and
    /// this one is new.
    Rebuilt(String),
}

/// What one [`Index::commit`] writes, all of it or nothing.
#[derive(Clone, Copy, Debug)]
pub struct IndexBatch<'a> {
    /// The server instance of the revision.
    pub instance: InstanceId,
    /// The revision of the catalog after the batch. No entry may be ahead of it.
    pub revision: Revision,
    /// Entries to write and, as tombstones, to remove. Quickest in path order.
    pub changes: &'a [Change],
    /// What becomes of the entries that are there.
    pub reset: Reset,
    /// Objects that are now held, and their sizes in bytes.
    pub objects_added: &'a [(Root, u64)],
    /// Objects that are no longer held; takes effect before the added ones do.
    pub objects_removed: &'a [Root],
    /// How soon it must be on the disk.
    pub durability: Durability,
}

/// What a batch does with the entries of earlier ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reset {
    /// Drops them all first: the batch is a snapshot. Objects stay.
    Clear,
    /// Keeps them: the batch is a difference.
    Keep,
}

/// How soon a batch must be on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Durability {
    /// With the next immediate batch, or when the index is dropped. A crash before that brings back
    /// the state after the last immediate batch, which costs hashing, and must cost no more: a
    /// revision that others have seen needs an immediate batch, or a new instance.
    Eventual,
    /// When [`Index::commit`] returns.
    Immediate,
}

/// Why the index cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Another process has it.
    #[error(
        "the index {} is in use by another process; stop that one, or give this one its own \
         state folder",
        path.display()
    )]
    InUse {
        /// The index.
        path: PathBuf,
    },
    /// The disk would not read or write it.
    #[error("cannot use the index {}", path.display())]
    Storage {
        /// The index.
        path: PathBuf,
        /// What the database or the disk said.
        source: Box<redb::Error>,
    },
}

impl Index {
    /// Opens the index at `path`, or begins one there. The folder must exist.
    ///
    /// All checksums are verified here, about a second for a million entries, because the database
    /// trusts its pages later on.
    pub fn open(path: &Path) -> Result<(Self, IndexState), IndexError> {
        match open_database(path) {
            Ok((database, state)) => Ok((Self::new(database, path), state)),
            Err(Refusal::Damaged(reason)) => {
                tracing::warn!(
                    event = "index-rebuilt", file = %path.display(), %reason,
                    "the index is damaged and put aside; a new one is made"
                );
                set_aside(path).map_err(|error| storage(path, error))?;
                match open_database(path) {
                    Ok((database, _)) => {
                        Ok((Self::new(database, path), IndexState::Rebuilt(reason)))
                    }
                    Err(refusal) => Err(refusal.into_error(path)),
                }
            }
            Err(refusal) => Err(refusal.into_error(path)),
        }
    }

    /// The catalog as of the last batch; `None` if there has been none.
    ///
    /// Entries that cannot be read (written by a later version, perhaps) are reason to drop them
    /// all, here and on disk, and to answer `None`, for a catalog with gaps would look like
    /// deletions.
    pub fn load(&self) -> Result<Option<Catalog>, IndexError> {
        match self.with(read_catalog)? {
            Ok(catalog) => Ok(catalog),
            Err(error) => {
                tracing::warn!(
                    event = "index-unreadable", file = %self.path.display(), %error,
                    "the entries of the index cannot be read; they are made again"
                );
                self.with(forget_entries)?;
                Ok(None)
            }
        }
    }

    /// All objects with their sizes in bytes, ordered by root.
    pub fn objects(&self) -> Result<Vec<(Root, u64)>, IndexError> {
        self.with(read_objects)
    }

    /// Writes a batch in one transaction.
    ///
    /// After an error everything since the last immediate batch may be gone. Whoever goes on then
    /// writes a whole snapshot ([`Reset::Clear`]) first, or the index would have gaps.
    pub fn commit(&self, batch: IndexBatch<'_>) -> Result<(), IndexError> {
        self.with(|database| write(database, batch))
    }

    /// Runs `work` on the database, opening it anew if it failed before.
    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, IndexError> {
        // Held for one transaction; what may panic in it leaves nothing half done behind.
        let mut open = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match open.take() {
            Some(database) => database,
            None => {
                open_database(&self.path)
                    .map_err(|refusal| refusal.into_error(&self.path))?
                    .0
            }
        };
        let result = work(&database).map_err(|error| storage(&self.path, error))?;
        *open = Some(database);
        Ok(result)
    }

    fn new(database: Database, path: &Path) -> Self {
        Self {
            database: Mutex::new(Some(database)),
            path: path.to_owned(),
        }
    }
}

/// The inner error is of what is written there, the outer of the disk.
fn read_catalog(database: &Database) -> Result<Result<Option<Catalog>, RecordError>, redb::Error> {
    let transaction = database.begin_read()?;
    let Some((instance, revision)) = read_meta(&transaction)? else {
        return Ok(Ok(None));
    };
    let entries = match read_entries(&transaction, revision) {
        Ok(entries) => entries,
        Err(LoadError::Record(error)) => return Ok(Err(error)),
        Err(LoadError::Storage(error)) => return Err(error),
    };
    let mut catalog = Catalog::new(instance);
    catalog.apply(
        revision,
        entries.iter().map(|(path, entry)| (path, Some(entry))),
    );
    Ok(Ok(Some(catalog)))
}

fn read_objects(database: &Database) -> Result<Vec<(Root, u64)>, redb::Error> {
    let objects = database.begin_read()?.open_table(OBJECTS)?;
    objects
        .iter()?
        .map(|row| {
            let (root, bytes) = row?;
            Ok((Root(*root.value()), bytes.value()))
        })
        .collect()
}

fn write(database: &Database, batch: IndexBatch<'_>) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(match batch.durability {
        Durability::Eventual => redb::Durability::None,
        Durability::Immediate => redb::Durability::Immediate,
    })?;
    if batch.reset == Reset::Clear {
        transaction.delete_table(ENTRIES)?;
    }
    write_entries(&transaction, batch.changes)?;
    write_objects(&transaction, batch.objects_removed, batch.objects_added)?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(INSTANCE, batch.instance.0)?;
        meta.insert(REVISION, batch.revision.0)?;
    }
    Ok(transaction.commit()?)
}

fn forget_entries(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.delete_table(ENTRIES)?;
    transaction.delete_table(META)?;
    create_tables(&transaction)?;
    Ok(transaction.commit()?)
}

/// Why a file cannot be opened as an index.
enum Refusal {
    /// It is none, or no longer; whoever needs it begins anew.
    Damaged(String),
    InUse,
    Storage(redb::Error),
}

impl Refusal {
    fn into_error(self, path: &Path) -> IndexError {
        match self {
            Self::InUse => IndexError::InUse { path: path.into() },
            Self::Storage(error) => storage(path, error),
            Self::Damaged(reason) => storage(path, redb::Error::Corrupted(reason)),
        }
    }
}

impl From<redb::Error> for Refusal {
    fn from(error: redb::Error) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse,
            redb::Error::Io(error) if !matches!(error.kind(), InvalidData | UnexpectedEof) => {
                Self::Storage(error.into())
            }
            redb::Error::Io(_)
            | redb::Error::Corrupted(_)
            | redb::Error::RepairAborted
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_) => Self::Damaged(error.to_string()),
            error => Self::Storage(error),
        }
    }
}

/// Why entries cannot be loaded: the disk's fault, or that of what is written there.
enum LoadError {
    Record(RecordError),
    Storage(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for LoadError {
    fn from(error: E) -> Self {
        Self::Storage(error.into())
    }
}

fn open_database(path: &Path) -> Result<(Database, IndexState), Refusal> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .set_check_integrity_on_open(true)
        .create(path)
        .map_err(redb::Error::from)?;
    match read_format(&database)? {
        Some(FORMAT) => Ok((database, IndexState::Existing)),
        Some(other) => Err(Refusal::Damaged(format!(
            "it has format {other}, and this version reads {FORMAT}"
        ))),
        None => {
            begin(&database)?;
            Ok((database, IndexState::Fresh))
        }
    }
}

/// `None` if nothing was ever written.
fn read_format(database: &Database) -> Result<Option<u64>, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(FORMAT_KEY)?.map(|format| format.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn begin(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    create_tables(&transaction)?;
    Ok(transaction.commit()?)
}

fn create_tables(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(ENTRIES)?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
    Ok(())
}

/// Keeps one bad index for whoever wants to know why; the second replaces it.
fn set_aside(path: &Path) -> io::Result<()> {
    let mut bad = path.as_os_str().to_owned();
    bad.push(".bad");
    fs::rename(path, bad)
}

fn read_meta(transaction: &ReadTransaction) -> Result<Option<(InstanceId, Revision)>, redb::Error> {
    let meta = transaction.open_table(META)?;
    let Some(instance) = meta.get(INSTANCE)? else {
        return Ok(None);
    };
    let Some(revision) = meta.get(REVISION)? else {
        return Ok(None);
    };
    Ok(Some((
        InstanceId(instance.value()),
        Revision(revision.value()),
    )))
}

fn read_entries(
    transaction: &ReadTransaction,
    last: Revision,
) -> Result<Vec<(CatalogPath, Arc<Entry>)>, LoadError> {
    let table = transaction.open_table(ENTRIES)?;
    let mut entries = Vec::new();
    for row in table.iter()? {
        let (path, bytes) = row?;
        let row = record::decode_row(path.value(), bytes.value(), last);
        let (path, entry) = row.map_err(LoadError::Record)?;
        entries.push((path, Arc::new(entry)));
    }
    Ok(entries)
}

fn write_entries(transaction: &WriteTransaction, changes: &[Change]) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(ENTRIES)?;
    for change in changes {
        let path = change.path.as_bytes();
        match &change.entry {
            Some(entry) => table.insert(path, record::encode(entry).as_slice())?,
            None => table.remove(path)?,
        };
    }
    Ok(())
}

fn write_objects(
    transaction: &WriteTransaction,
    removed: &[Root],
    added: &[(Root, u64)],
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(OBJECTS)?;
    for root in removed {
        table.remove(&root.0)?;
    }
    for (root, bytes) in added {
        table.insert(&root.0, bytes)?;
    }
    Ok(())
}

fn storage(path: &Path, error: impl Into<redb::Error>) -> IndexError {
    IndexError::Storage {
        path: path.to_owned(),
        source: Box::new(error.into()),
    }
}

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const OBJECTS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("objects");

const FORMAT_KEY: &str = "format";
const INSTANCE: &str = "instance";
const REVISION: &str = "revision";

/// The layout of the tables. Records have a version of their own.
const FORMAT: u64 = 1;
/// The database would take a gibibyte. It is read once, at the start, and written in batches.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
