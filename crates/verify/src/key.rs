//! The target's key of a key of the source: what the key's image makes of it.

use crossfade_dual_write::sql;
use crossfade_postgres::{Param, Queries};
use tokio_postgres::types::Type;

use crate::error::VerifyError;
use crate::interval::Key;
use crate::sides::Sides;

impl Sides {
    /// Asks the server, since the text of a value is its type's matter.
    pub(crate) async fn target_key_of(
        &self,
        queries: &impl Queries,
        key: &Key,
    ) -> Result<Key, VerifyError> {
        let columns = sql::list(self.mapping.key.iter().enumerate().map(|(at, column)| {
            format!(
                "${}::text::{} as {}",
                at + 1,
                column.source_type,
                column.source
            )
        }));
        let images = sql::list(self.key.iter().map(|place| {
            let image = &self.mapping.forward[*place];
            format!("({})::text", sql::stored(image, sql::SOURCE_ALIAS))
        }));
        let sql = format!(
            "select array[{images}] as key from (select {columns}) as {}",
            sql::SOURCE_ALIAS
        );
        let row = queries.query_opt(&sql, &texts(key)).await?;
        Ok(row
            .expect("a subquery without FROM returns one row")
            .try_get("key")?)
    }

    /// The condition that a row of the target has the key in `$1`, `$2`, and so on.
    pub(crate) fn target_has_key(&self) -> String {
        sql::all(self.mapping.key.iter().enumerate().map(|(at, key)| {
            format!(
                "{}.{} {} ${}::text::{}",
                sql::TARGET_ALIAS,
                key.target,
                key.target_equality,
                at + 1,
                key.target_type
            )
        }))
    }

    /// The condition that a row of the source has the key in `$1`, `$2`, and so on.
    pub(crate) fn source_has_key(&self) -> String {
        sql::all(self.mapping.key.iter().enumerate().map(|(at, key)| {
            format!(
                "{}.{} {} ${}::text::{}",
                sql::SOURCE_ALIAS,
                key.source,
                key.source_equality,
                at + 1,
                key.source_type
            )
        }))
    }
}

/// A key's columns as parameters.
pub(crate) fn texts(key: &Key) -> Vec<Param<'_>> {
    key.iter().map(|text| (text as _, Type::TEXT)).collect()
}
