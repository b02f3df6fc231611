//! How far the table reaches, and its ranges.

use crossfade_plan::event::Event;
use crossfade_postgres::catalog::relation_filenode;
use crossfade_postgres::{Queries, Transaction, TransactionSettings};
use crossfade_state::{Ensured, Filenode, HeapExtent};
use tokio_postgres::types::Type;

use crate::chunk::{abandon, source_first};
use crate::error::BackfillError;
use crate::job::Job;

/// Blocks of a range, at least: 8 MiB.
const RANGE_BLOCKS: u32 = 1024;
/// Ranges of a table, about, at most.
const MOST_RANGES: u32 = 1000;

const BLOCKS: &str = "select (pg_catalog.pg_relation_size($1, 'main') \
     / pg_catalog.current_setting('block_size')::int8)::int8 as blocks";

/// Makes the ranges of the source, or makes them anew if it was rewritten.
///
/// The triggers have committed: whatever is written beyond the blocks that are there now is
/// mirrored by them.
pub(crate) async fn ensure_ranges(job: &Job) -> Result<(), BackfillError> {
    let settings = TransactionSettings::default();
    let transaction = job
        .store
        .begin_fenced(&job.lease, &job.tag("ranges"), &settings)
        .await?;
    let ensured = match in_transaction(job, &transaction).await {
        Ok(ensured) => ensured,
        Err(error) => return Err(abandon(transaction, error).await),
    };
    transaction.commit().await?;
    if let Ensured::Restarted(_) = ensured {
        job.events.emit(Event::Note {
            text: "the table was rewritten or truncated; its blocks are copied anew".to_owned(),
        });
    }
    Ok(())
}

async fn in_transaction(job: &Job, transaction: &Transaction) -> Result<Ensured, BackfillError> {
    // Keeps the file from being exchanged between the two questions.
    source_first(job, transaction).await?;
    let filenode = relation_filenode(transaction, job.source.0).await?;
    let filenode = Filenode(filenode.ok_or(BackfillError::SourceGone)?);
    let blocks = blocks(job, transaction).await?;
    let extent = HeapExtent {
        relation: job.source,
        filenode,
        blocks,
    };
    let range_blocks = RANGE_BLOCKS.max(blocks / MOST_RANGES);
    Ok(job
        .store
        .ensure_ranges(transaction, job.migration, extent, range_blocks)
        .await?)
}

/// Blocks of the source as of now.
pub(crate) async fn blocks(job: &Job, queries: &impl Queries) -> Result<u32, BackfillError> {
    let row = queries
        .query_opt(BLOCKS, &[(&job.source.0, Type::OID)])
        .await?;
    let row = row.ok_or(BackfillError::SourceGone)?;
    let blocks: Option<i64> = row
        .try_get("blocks")
        .map_err(crossfade_postgres::QueryError::from)?;
    let blocks = blocks.ok_or(BackfillError::SourceGone)?;
    Ok(u32::try_from(blocks).unwrap_or(u32::MAX))
}
