//! The kinds of transactions that an application runs.

mod choice;
mod insert;
mod key;
mod nested;
mod read;
mod remove;
mod update;
mod upsert;

use std::fmt;

use serde::Serialize;

use super::transaction::{Fault, Transaction};

/// A kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// INSERT of one to three rows; the key from the application or from the table.
    Insert,
    /// INSERT of an explicit NULL into a column that has a default.
    InsertNull,
    /// COPY of some rows.
    Copy,
    /// UPDATE of a row: new values, or one more than before.
    Update,
    /// UPDATE of a column to NULL.
    UpdateNull,
    /// UPDATE of several rows by one statement.
    MultiUpdate,
    /// DELETE of a row.
    Delete,
    /// UPDATE of a primary key to one that is free.
    MoveKey,
    /// Two rows exchange their primary keys.
    SwapKeys,
    /// INSERT ... ON CONFLICT DO UPDATE.
    UpsertUpdate,
    /// INSERT ... ON CONFLICT DO NOTHING.
    UpsertNothing,
    /// MERGE that updates one row and inserts another.
    Merge,
    /// Changes rolled back to a savepoint, and more changes after that.
    Savepoint,
    /// Changes, then ROLLBACK.
    Rollback,
    /// TRUNCATE, then rows inserted again.
    Truncate,
    /// A queue reader with FOR UPDATE NOWAIT.
    Nowait,
    /// A queue reader with FOR UPDATE SKIP LOCKED.
    SkipLocked,
    /// A reader that compares rows of both tables.
    Read,
    /// Changes with a long pause between them.
    Long,
}

/// How a transaction is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Commit,
    Rollback,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Insert,
        Self::InsertNull,
        Self::Copy,
        Self::Update,
        Self::UpdateNull,
        Self::MultiUpdate,
        Self::Delete,
        Self::MoveKey,
        Self::SwapKeys,
        Self::UpsertUpdate,
        Self::UpsertNothing,
        Self::Merge,
        Self::Savepoint,
        Self::Rollback,
        Self::Truncate,
        Self::Nowait,
        Self::SkipLocked,
        Self::Read,
        Self::Long,
    ];

    /// Its name as it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::InsertNull => "insert null",
            Self::Copy => "copy",
            Self::Update => "update",
            Self::UpdateNull => "update to null",
            Self::MultiUpdate => "update many",
            Self::Delete => "delete",
            Self::MoveKey => "move key",
            Self::SwapKeys => "swap keys",
            Self::UpsertUpdate => "upsert, update",
            Self::UpsertNothing => "upsert, nothing",
            Self::Merge => "merge",
            Self::Savepoint => "savepoint",
            Self::Rollback => "rollback",
            Self::Truncate => "truncate",
            Self::Nowait => "nowait",
            Self::SkipLocked => "skip locked",
            Self::Read => "read",
            Self::Long => "long",
        }
    }

    /// The weight in the default mix: clearly more than 1 %, so that each kind has 1 % of commits
    /// even when many of its transactions find no row.
    pub(crate) fn default_weight(self) -> u32 {
        match self {
            Self::Truncate => 0,
            // Each keeps a connection busy for as long as a hundred others.
            Self::Long => 4,
            Self::Copy | Self::Savepoint | Self::Rollback => 6,
            Self::InsertNull
            | Self::MoveKey
            | Self::SwapKeys
            | Self::Merge
            | Self::MultiUpdate
            | Self::Nowait
            | Self::SkipLocked => 8,
            Self::UpsertNothing => 10,
            Self::UpdateNull | Self::UpsertUpdate => 12,
            Self::Delete | Self::Read => 14,
            Self::Insert => 20,
            Self::Update => 50,
        }
    }

    /// Runs one, between BEGIN and the ending that it returns.
    pub(crate) async fn run(self, tx: &mut Transaction<'_>) -> Result<Ending, Fault> {
        match self {
            Self::Insert => insert::insert(tx).await?,
            Self::InsertNull => insert::insert_null(tx).await?,
            Self::Copy => insert::copy(tx).await?,
            Self::Update => update::update(tx).await?,
            Self::UpdateNull => update::update_null(tx).await?,
            Self::MultiUpdate => update::update_many(tx).await?,
            Self::Delete => remove::delete(tx).await?,
            Self::Truncate => remove::truncate(tx).await?,
            Self::MoveKey => key::move_key(tx).await?,
            Self::SwapKeys => key::swap_keys(tx).await?,
            Self::UpsertUpdate => upsert::update(tx).await?,
            Self::UpsertNothing => upsert::nothing(tx).await?,
            Self::Merge => upsert::merge(tx).await?,
            Self::Savepoint => nested::savepoint(tx).await?,
            Self::Rollback => {
                nested::changes(tx).await?;
                return Ok(Ending::Rollback);
            }
            Self::Long => nested::long(tx).await?,
            Self::Nowait => read::nowait(tx).await?,
            Self::SkipLocked => read::skip_locked(tx).await?,
            Self::Read => read::compare(tx).await?,
        }
        Ok(Ending::Commit)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_but_truncate_has_clearly_more_than_one_in_a_hundred() {
        let whole: u32 = Kind::ALL.iter().map(|kind| kind.default_weight()).sum();
        let rare = |kind: &&Kind| kind.default_weight() * 60 < whole;
        let rare: Vec<&Kind> = Kind::ALL.iter().filter(rare).collect();
        assert_eq!(rare, [&Kind::Truncate]);
    }
}
