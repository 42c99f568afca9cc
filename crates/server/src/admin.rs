//! Whoever may give orders from the console, until there is more than one kind of user.
//!
//! An admin shows the token of `STATE/admin-token` once and has a session for twelve hours; programs
//! show it each time. It must never let a page of another site act in the admin's name, nor say
//! anything about the token but that it was wrong.

mod logins;
mod routes;
mod token;

pub use self::token::{ADMIN_TOKEN_FILE, AdminTokenError};
pub(crate) use self::{
    logins::Logins,
    routes::{Admin, admin_routes},
    token::admin_token_of,
};
