//! Ranges: which heap blocks are still to be copied, and who copies them.

use crossfade_postgres::{Param, Queries, Transaction};
use tokio_postgres::types::Type;

use crate::error::StateError;
use crate::id::{BlockNumber, Filenode, MigrationId, RangeId, RelationOid};
use crate::store::{Store, only};

const KNOWN: &str = "\
    select count(*) as ranges, \
           count(*) filter (where relfilenode <> $3) as stale \
      from {state}.task_range where migration_id = $1 and relation = $2";

const DELETE: &str = "delete from {state}.task_range where migration_id = $1 and relation = $2";

const FORGET: &str = "delete from {state}.task_range where migration_id = $1";

const CREATE: &str = "\
    insert into {state}.task_range \
           (migration_id, relation, relfilenode, first_block, end_block, position) \
    select $1, $2, $3, b, least(b + $5, $4), b \
      from pg_catalog.generate_series(0::bigint, $4 - 1, $5) b";

/// The row lock is the claim: a kill frees it, and nobody waits for a range that is taken. Ranges
/// that failed come last; a worker's own range comes first, so that it reads on where it stands.
const CLAIM: &str = "\
    select id, relation, relfilenode, first_block, end_block, position \
      from {state}.task_range \
     where migration_id = $1 and state = 'open' \
     order by (id = $2) desc, attempts, id \
     limit 1 for update skip locked";

/// `position` proves that the range is the one that was claimed.
const CHECKPOINT: &str = "\
    update {state}.task_range \
       set position = $3, \
           state = case when $3 = end_block then 'done' else 'open' end, \
           rows_copied = rows_copied + $4, chunks = chunks + 1, \
           left_out = case when $5 then left_out \
               else left_out + pg_catalog.int8multirange(pg_catalog.int8range(position, $3)) end, \
           updated_at = pg_catalog.clock_timestamp() \
     where id = $1 and position = $2 and $3 > position and $3 <= end_block";

const LEFT_OUT: &str = "\
    select relfilenode, pg_catalog.lower(blocks) as first_block, pg_catalog.upper(blocks) as end_block \
      from {state}.task_range, pg_catalog.unnest(left_out) as blocks \
     where migration_id = $1 order by id, blocks";

const ATTEMPT: &str = "\
    update {state}.task_range \
       set attempts = attempts + 1, updated_at = pg_catalog.clock_timestamp() \
     where id = $1";

const PROGRESS: &str = "\
    select count(*) as ranges, count(*) filter (where state = 'done') as done, \
           coalesce(sum(end_block - first_block), 0)::bigint as blocks, \
           coalesce(sum(position - first_block), 0)::bigint as blocks_done, \
           coalesce(sum(rows_copied), 0)::bigint as rows_copied, \
           coalesce(sum(chunks), 0)::bigint as chunks, \
           coalesce(sum(attempts), 0)::bigint as attempts \
      from {state}.task_range where migration_id = $1";

/// A physical table as it was once the triggers had committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapExtent {
    /// The table.
    pub relation: RelationOid,
    /// Its file.
    pub filenode: Filenode,
    /// Its length: blocks 0 to `blocks` - 1 are to be copied.
    pub blocks: u32,
}

/// What became of the ranges of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// There were none: so many were made.
    Created(u64),
    /// They are good as they are.
    Kept,
    /// The table was rewritten, and its blocks are others: so many were made anew.
    Restarted(u64),
}

/// A range, claimed until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Its id.
    pub id: RangeId,
    /// The physical table.
    pub relation: RelationOid,
    /// The file that the blocks are of.
    pub filenode: Filenode,
    /// First block.
    pub first: BlockNumber,
    /// The block after the last one.
    pub end: BlockNumber,
    /// Next block to copy.
    pub position: BlockNumber,
    migration: MigrationId,
}

/// How far a chunk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Next block to copy; the range's end where it is done.
    pub position: BlockNumber,
    /// Rows that the chunk inserted.
    pub rows: u64,
    /// Whether it inserted every row that it found. Else the closing pass has to look there.
    pub complete: bool,
}

/// Blocks in which rows may be missing from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// The file that the blocks are of.
    pub filenode: Filenode,
    /// First block.
    pub first: BlockNumber,
    /// The block after the last one.
    pub end: BlockNumber,
}

/// Sums over all ranges of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeProgress {
    /// Ranges.
    pub ranges: i64,
    /// Ranges that are done.
    pub done: i64,
    /// Blocks to copy in all.
    pub blocks: i64,
    /// Blocks behind the positions.
    pub blocks_done: i64,
    /// Rows that chunks inserted.
    pub rows_copied: i64,
    /// Chunks that committed.
    pub chunks: i64,
    /// Chunks that failed.
    pub attempts: i64,
}

impl Store {
    /// Makes the ranges of a table, each of `range_blocks` blocks (the last one what is left),
    /// or makes them anew if they are of another file than the table has now.
    ///
    /// Several workers may find a rewritten table at once: they come one after the other, and all
    /// but the first keep what it made.
    pub async fn ensure_ranges(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        extent: HeapExtent,
        range_blocks: u32,
    ) -> Result<Ensured, StateError> {
        self.lock_stage(transaction, id).await?;
        let HeapExtent {
            relation,
            filenode,
            blocks,
        } = extent;
        let (blocks, size) = (i64::from(blocks), i64::from(range_blocks.max(1)));
        let params: [Param<'_>; 5] = [
            (&id.0, Type::INT8),
            (&relation.0, Type::OID),
            (&filenode.0, Type::OID),
            (&blocks, Type::INT8),
            (&size, Type::INT8),
        ];
        let row = transaction
            .query_opt(&self.sql(KNOWN), &params[..3])
            .await?;
        let row = only(row);
        let (ranges, stale): (i64, i64) = (row.try_get("ranges")?, row.try_get("stale")?);
        if ranges > 0 && stale == 0 {
            return Ok(Ensured::Kept);
        }
        transaction.execute(&self.sql(DELETE), &params[..2]).await?;
        let made = transaction.execute(&self.sql(CREATE), &params).await?;
        Ok(if ranges > 0 {
            Ensured::Restarted(made)
        } else {
            Ensured::Created(made)
        })
    }

    /// Claims an open range that nobody else has, `preferred` if possible; `None` where there is
    /// none: all are done, or others are at the last ones.
    pub async fn claim_range(
        &self,
        transaction: &Transaction,
        id: MigrationId,
        preferred: Option<RangeId>,
    ) -> Result<Option<Range>, StateError> {
        let preferred = preferred.map_or(0, |range| range.0);
        let row = transaction
            .query_opt(
                &self.sql(CLAIM),
                &[(&id.0, Type::INT8), (&preferred, Type::INT8)],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Range {
            id: RangeId(row.try_get("id")?),
            relation: RelationOid(row.try_get("relation")?),
            filenode: Filenode(row.try_get("relfilenode")?),
            first: BlockNumber::from_column(row.try_get("first_block")?),
            end: BlockNumber::from_column(row.try_get("end_block")?),
            position: BlockNumber::from_column(row.try_get("position")?),
            migration: id,
        }))
    }

    /// Moves a claimed range on, in the transaction of the rows that it tells of, and returns it
    /// as it is then.
    pub async fn checkpoint(
        &self,
        transaction: &Transaction,
        range: &Range,
        checkpoint: Checkpoint,
    ) -> Result<Range, StateError> {
        let rows = i64::try_from(checkpoint.rows).unwrap_or(i64::MAX);
        let updated = transaction
            .execute(
                &self.sql(CHECKPOINT),
                &[
                    (&range.id.0, Type::INT8),
                    (&i64::from(range.position.0), Type::INT8),
                    (&i64::from(checkpoint.position.0), Type::INT8),
                    (&rows, Type::INT8),
                    (&checkpoint.complete, Type::BOOL),
                ],
            )
            .await?;
        if updated == 0 {
            return Err(StateError::RangeReplaced(range.migration));
        }
        Ok(Range {
            position: checkpoint.position,
            ..*range
        })
    }

    /// Where chunks found rows that they did not insert.
    pub async fn left_out(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<Vec<LeftOut>, StateError> {
        let rows = on
            .query(&self.sql(LEFT_OUT), &[(&id.0, Type::INT8)])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(LeftOut {
                    filenode: Filenode(row.try_get("relfilenode")?),
                    first: BlockNumber::from_column(row.try_get("first_block")?),
                    end: BlockNumber::from_column(row.try_get("end_block")?),
                })
            })
            .collect()
    }

    /// Forgets the ranges of a migration: the next backfill begins anew, and finds what is
    /// missing, wherever it is.
    pub async fn forget_ranges(
        &self,
        transaction: &Transaction,
        id: MigrationId,
    ) -> Result<(), StateError> {
        transaction
            .execute(&self.sql(FORGET), &[(&id.0, Type::INT8)])
            .await?;
        Ok(())
    }

    /// Counts a chunk that failed; its own transaction was rolled back.
    pub async fn count_attempt(&self, on: &impl Queries, range: RangeId) -> Result<(), StateError> {
        on.execute(&self.sql(ATTEMPT), &[(&range.0, Type::INT8)])
            .await?;
        Ok(())
    }

    /// How far the ranges of a migration have come, as of one snapshot.
    pub async fn range_progress(
        &self,
        on: &impl Queries,
        id: MigrationId,
    ) -> Result<RangeProgress, StateError> {
        let row = on
            .query_opt(&self.sql(PROGRESS), &[(&id.0, Type::INT8)])
            .await?;
        let row = only(row);
        Ok(RangeProgress {
            ranges: row.try_get("ranges")?,
            done: row.try_get("done")?,
            blocks: row.try_get("blocks")?,
            blocks_done: row.try_get("blocks_done")?,
            rows_copied: row.try_get("rows_copied")?,
            chunks: row.try_get("chunks")?,
            attempts: row.try_get("attempts")?,
        })
    }
}

impl Range {
    /// Whether nothing is left to copy.
    pub fn is_done(&self) -> bool {
        self.position >= self.end
    }
}
