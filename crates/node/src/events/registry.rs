//! The table of all events: id, level, what it means, what to do.
//!
//! An id is for programs: it never changes its meaning. A test holds this table against the code,
//! and `docs/logs.md` against this table; nothing may be told under an id that is not here.

use tracing::Level;

/// One kind of event.
#[derive(Clone, Copy, Debug)]
pub struct EventKind {
    /// Its id: lexicon words, joined by dashes.
    pub id: &'static str,
    /// The levels it comes with.
    pub levels: &'static [Level],
    /// What it means for the operator.
    pub meaning: &'static str,
    /// What to do about it; empty if nothing.
    pub remedy: &'static str,
}

/// The id under which [`EventLog`](super::EventLog) tells how much it has left out.
pub const LEFT_OUT: &str = "events-left-out";

/// The table of `docs/logs.md`.
pub fn reference() -> String {
    let rows = EVENTS.iter().map(|kind| {
        let levels: Vec<String> = kind.levels.iter().map(Level::to_string).collect();
        let levels = levels.join(", ").to_ascii_lowercase();
        let remedy = match kind.remedy {
            "" => "Nothing.",
            remedy => remedy,
        };
        format!(
            "| `{}` | {levels} | {} | {remedy} |\n",
            kind.id, kind.meaning
        )
    });
    let head = "| event | level | what it means | what to do |\n|---|---|---|---|\n";
    [head.to_owned()].into_iter().chain(rows).collect()
}

const ERROR: &[Level] = &[Level::ERROR];
const INFO: &[Level] = &[Level::INFO];
const WARN: &[Level] = &[Level::WARN];

const fn event(
    id: &'static str,
    levels: &'static [Level],
    meaning: &'static str,
    remedy: &'static str,
) -> EventKind {
    EventKind {
        id,
        levels,
        meaning,
        remedy,
    }
}

/// All events, ordered by id.
pub const EVENTS: &[EventKind] = &[
    event(
        "accept-failed",
        WARN,
        "The system does not hand out a connection. Clients wait meanwhile.",
        "If descriptors have run out, raise the limit (`ulimit -n`, `LimitNOFILE=`) or lower \
         `--max-connections`.",
    ),
    event(
        "access-log-failed",
        WARN,
        "The access log cannot be written. Serving never waits: lines are kept in memory, then \
         dropped and counted.",
        "Free some space, or mend the folder of the file; the log goes on by itself.",
    ),
    event(
        "access-log-lost",
        WARN,
        "The node ends, and whoever takes the access log does not take its last lines.",
        "Look at the disk or at the reader of the pipe.",
    ),
    event(
        "access-log-recovered",
        INFO,
        "The access log is written again; `dropped_lines` says how many are missing.",
        "",
    ),
    event(
        "access-log-reopened",
        INFO,
        "SIGUSR1 came, and the access log is another file from now on.",
        "",
    ),
    event(
        "admin-logged-in",
        INFO,
        "Somebody showed the admin token and may give orders from the console for twelve hours.",
        "If it was none of you, remove `admin-token` from the state folder and restart the server.",
    ),
    event(
        "admin-refused",
        WARN,
        "Somebody asked to be an admin with a wrong token, or too often.",
        "If it goes on, keep that network away from the server.",
    ),
    event(
        "agent-check-failed",
        ERROR,
        "Nobody answers HAProxy at `--agent-check` any more; HAProxy keeps the last weight.",
        "Restart the node; the error says what the system did not allow.",
    ),
    event(
        "body-cut",
        ERROR,
        "A relayed body could not be completed: nobody was left who could go on with it. The \
         client has seen a cut connection and may resume.",
        "Look for `relay-failed`, `member-state` and `file-failed` before it.",
    ),
    event(
        "certificate-made",
        INFO,
        "The node made a self-signed certificate.",
        "Give clients its file by `--ca-file`.",
    ),
    event(
        "certificate-read",
        INFO,
        "The certificate's files changed, and the new one is in use.",
        "",
    ),
    event(
        "certificate-refused",
        WARN,
        "The certificate's files changed, and what they hold is of no use. The one before stays \
         until it expires.",
        "Do as `error` says; the files are read again when they change.",
    ),
    event(
        "check-failed",
        INFO,
        "The server asked a member for a piece of a file and got no proper answer. It counts as \
         a failed request.",
        "If it goes on, look at that member's log and at the way to it.",
    ),
    event(
        "commit-failed",
        WARN,
        "A mirror fetched objects and could not store them. They are fetched again.",
        "Check the disk of the store.",
    ),
    event(
        "configuration-changed",
        INFO,
        "A key of the configuration has another value now, and it holds.",
        "",
    ),
    event(
        "configuration-overridden",
        INFO,
        "A key was changed in the file, but an option or a variable says otherwise and wins.",
        "Take the option or the variable away if the file is to decide.",
    ),
    event(
        "configuration-problem",
        ERROR,
        "A mistake in the changed configuration, with its place; a line for each.",
        "Write what the line says.",
    ),
    event(
        "configuration-refused",
        ERROR,
        "The changed configuration has mistakes, so nothing of it is taken over.",
        "Mend the lines above; `overspill config check FILE` tells them again.",
    ),
    event(
        "configuration-unchanged",
        INFO,
        "The configuration was read again and says the same.",
        "",
    ),
    event(
        "disk-full",
        ERROR,
        "The disk of a mirror's store is full. Fetching stops, serving goes on.",
        "Free some space; fetching resumes by itself.",
    ),
    event(
        "disk-room",
        INFO,
        "There is room on the disk of the store again, and fetching goes on.",
        "",
    ),
    event(
        "events-left-out",
        WARN,
        "One thing was told so often that the rest was only counted: `times` events of the id \
         `of`.",
        "Look for the first ones; they say why.",
    ),
    event(
        "file-damaged",
        ERROR,
        "A file of the tree reads otherwise than it was hashed, though nobody changed it. Only \
         mirrors serve it.",
        "Put it back from a backup or from a mirror (`overspill get`), and check the disk.",
    ),
    event(
        "file-failed",
        ERROR,
        "A file of this node could not be read on while its body was sent. The body goes on from \
         a member, if one has it.",
        "Check the disk.",
    ),
    event(
        "index-rebuilt",
        WARN,
        "The index was damaged. It is put aside under another name, and a new one is made.",
        "Check the disk; delete the old one when it is of no interest.",
    ),
    event(
        "index-unreadable",
        WARN,
        "The index could be opened, but not read. What it knew is found out anew, by hashing or \
         fetching.",
        "Nothing, if an older version ran here before; otherwise check the disk.",
    ),
    event(
        "index-write-failed",
        WARN,
        "The index cannot be written. Serving goes on; a restart may have to hash or fetch \
         again.",
        "Free some space in the state folder or store.",
    ),
    event(
        "member-corrupt",
        ERROR,
        "A member was proved to serve wrong bytes. It gets no clients for a while and is told to \
         read its copy again.",
        "Check that machine: its disk, its memory, who runs it.",
    ),
    event(
        "member-ejected",
        WARN,
        "A member failed too often, or was far slower than the others. It gets no clients for \
         `for_s` seconds.",
        "Look at its log and its machine; it is tried again by itself.",
    ),
    event(
        "member-joined",
        INFO,
        "A member has joined. It gets clients once it has reported.",
        "",
    ),
    event(
        "member-not-told",
        WARN,
        "A member that serves wrong bytes could not be told so. It may find them by its own \
         scrub.",
        "Start it again, or remove it: `overspill remove`.",
    ),
    event(
        "member-probation",
        INFO,
        "A member that was ejected is tried again, one flow at a time.",
        "",
    ),
    event(
        "member-spared",
        WARN,
        "A member fails too often, but without it less than half of the capacity would be left, \
         so it stays.",
        "Look at its log; if all members fail, look at the network.",
    ),
    event(
        "member-state",
        &[Level::INFO, Level::WARN],
        "A member changed its state; `from`, `to` and `reason` say how and why. A warning if it \
         is lost: suspect, down or gone.",
        "If it is down: start it again, or look at the way to it.",
    ),
    event(
        "member-trusted",
        INFO,
        "A member on probation did well and is trusted again.",
        "",
    ),
    event(
        "member-unreachable",
        INFO,
        "A client was redirected to a member and came back without having been there. Clients of \
         its network are sent elsewhere for five minutes.",
        "If it goes on, check that clients reach the member's URL: firewall, NAT, \
         `--public-url`, or `--private`.",
    ),
    event(
        "node-ended-at-once",
        WARN,
        "The node was asked to end a second time, and running downloads were cut.",
        "",
    ),
    event(
        "node-ending",
        INFO,
        "The node was asked to end. Running downloads may finish.",
        "",
    ),
    event(
        "node-started",
        INFO,
        "The server serves; `url` says where. A mirror says `server-joined`.",
        "",
    ),
    event(
        "object-damaged",
        ERROR,
        "A stored object reads otherwise than its root says. It is set aside in `quarantine` and \
         fetched again.",
        "Check the disk of the store.",
    ),
    event(
        "object-lost",
        ERROR,
        "A stored object could not be read. It is fetched again.",
        "Check the disk of the store.",
    ),
    event(
        "object-not-removed",
        WARN,
        "An object that nobody needs could not be deleted. It takes room.",
        "Check the rights of the store's folder.",
    ),
    event(
        "object-not-set-aside",
        ERROR,
        "A damaged object could not be moved to `quarantine`. It is not served.",
        "Check the disk and the rights of the store's folder.",
    ),
    event(
        "object-refused",
        WARN,
        "What was fetched is not what the catalog promises. It is thrown away and fetched again.",
        "If it goes on: check the source's disk and memory, and proxies on the way.",
    ),
    event(
        "objects-gone",
        ERROR,
        "Files of the store have been deleted by somebody else. They are fetched again.",
        "Let nobody else delete there.",
    ),
    event(
        "operator-order",
        INFO,
        "Somebody who knows the fleet token gave an order: drain, undrain, remove, policy.",
        "",
    ),
    event(
        "operator-order-failed",
        WARN,
        "An order of the operator was not carried out, or is not kept for the next start.",
        "The error says which; give the order again.",
    ),
    event(
        "orders-unreadable",
        WARN,
        "Orders kept from before could not be read, or one line of them.",
        "Look at the members, and give the orders again.",
    ),
    event(
        "outboard-damaged",
        WARN,
        "A stored outboard is damaged. It is made again when it is needed.",
        "If it goes on, check the disk.",
    ),
    event(
        "outboard-not-kept",
        WARN,
        "An outboard could not be stored. Clients cannot check this file by pieces.",
        "Free some space in the state folder or store.",
    ),
    event(
        "panicked",
        ERROR,
        "A fault of the program itself; `place` says where.",
        "Report it, with this line. The node goes on if it can.",
    ),
    event(
        "parent-not-watched",
        WARN,
        "The node was to end with its starting process and cannot see it.",
        "End it by hand.",
    ),
    event(
        "publish-failed",
        ERROR,
        "Publishing could not begin. What was published before is served; changes are not seen.",
        "Mend what `error` says, and start the server again.",
    ),
    event(
        "relay-failed",
        WARN,
        "A member failed a body that is relayed; `next` says who goes on with it, from `offset` \
         on.",
        "If one member fails often, look at its log and its machine.",
    ),
    event(
        "relay-unchecked",
        WARN,
        "A body is relayed without being checked (`--check-relayed`), because its outboard is \
         not there yet.",
        "Nothing; it is made for the next one.",
    ),
    event(
        "restart-needed",
        WARN,
        "Keys were changed that only a restart can take over; the old values hold until then.",
        "Restart the node when it suits you; downloads are not cut.",
    ),
    event(
        "rules-refused",
        WARN,
        "Rules from the server, or those kept from before, are not in force on this mirror.",
        "Run the same version on server and mirrors; check the rules in the server's \
         configuration.",
    ),
    event(
        "server-away",
        WARN,
        "A mirror has lost its server. Serving goes on, and joining is tried again and again.",
        "Check that the server runs and can be reached from here.",
    ),
    event(
        "server-joined",
        INFO,
        "A mirror has joined its server, for the first time or again.",
        "",
    ),
    event(
        "serving-ended",
        ERROR,
        "A serving thread ended, and so does the node.",
        "Do as `error` says; if it is memory or descriptors, raise their limits.",
    ),
    event(
        "store-not-cleaned",
        WARN,
        "What was half received before could not be deleted. It takes room.",
        "Check the rights of the store's folder.",
    ),
    event(
        "store-unreadable",
        WARN,
        "The store could not be listed at the start. Everything is fetched again.",
        "Check the disk and the rights of the store's folder.",
    ),
    event(
        "thread-panicked",
        ERROR,
        "A thread of the node has ended by a fault of the program; `panicked` before it says \
         where.",
        "Start the node again, and report it.",
    ),
    event(
        "thread-refused",
        WARN,
        "The system does not hand out a thread, so something is done without one.",
        "Look at the limits of the process (`ulimit -u`, `TasksMax=`) and at the memory.",
    ),
    event(
        "token-readable",
        WARN,
        "Other users of the machine can read the fleet token, or that of admins.",
        "`chmod 600` the file; if somebody may have read it, delete it, and start server and \
         mirrors with a new one.",
    ),
    event(
        "tree-loss",
        ERROR,
        "A scan would lose more than half of the tree, so nothing is taken out of the catalog.",
        "Mount the disk again. If they are to go: start the server with `--accept-loss`.",
    ),
    event(
        "tree-problem",
        WARN,
        "A path of the tree is not as it should be; the text names it. A \
         path like that is left out.",
        "Do as the text says.",
    ),
    event(
        "tree-problems",
        WARN,
        "There are more problems with paths than are told one by one.",
        "`overspill status` lists them.",
    ),
    event(
        "tree-scanned",
        INFO,
        "The server has seen the whole tree for the first time. Files not hashed yet are served \
         by it alone.",
        "",
    ),
    event(
        "watch-failed",
        ERROR,
        "inotify failed. Changes are found by the periodic scan only.",
        "Start the server again.",
    ),
    event(
        "watch-limited",
        WARN,
        "Not all folders can be watched. Changes in the others are found by scanning, later.",
        "Raise `fs.inotify.max_user_watches`; `overspill doctor --folder DIR` says how far.",
    ),
    event(
        "watch-overflow",
        WARN,
        "There were more changes at once than inotify keeps. The tree is scanned again.",
        "Nothing; if it goes on, raise `fs.inotify.max_queued_events`.",
    ),
];
