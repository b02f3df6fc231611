//! Ranges: no two workers have the same one, and none is lost with its worker.

use crossfade_postgres::Transaction;
use crossfade_state::{
    BlockNumber, Checkpoint, Ensured, Filenode, HeapExtent, MigrationId, Range, RelationOid,
    StateError, Store,
};
use crossfade_testkit::Result;

use crate::fixture::{Fixture, backend, patient, wait_until_blocks};

const EXTENT: HeapExtent = HeapExtent {
    relation: RelationOid(500),
    filenode: Filenode(900),
    blocks: 25,
};

async fn ensure(store: &Store, id: MigrationId, extent: HeapExtent) -> Result<Ensured> {
    let transaction = store.database().begin("test", &patient()).await?;
    let ensured = store.ensure_ranges(&transaction, id, extent, 10).await?;
    transaction.commit().await?;
    Ok(ensured)
}

async fn claim(store: &Store, id: MigrationId) -> Result<(Transaction, Option<Range>)> {
    let transaction = store.database().begin("test", &patient()).await?;
    let range = store.claim_range(&transaction, id, None).await?;
    Ok((transaction, range))
}

fn blocks(range: Option<Range>) -> Option<(u32, u32, u32)> {
    range.map(|range| (range.first.0, range.end.0, range.position.0))
}

#[tokio::test]
async fn ranges_cover_the_table_and_are_made_anew_when_it_was_rewritten() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    assert_eq!(
        ensure(
            &store,
            id,
            HeapExtent {
                blocks: 0,
                ..EXTENT
            }
        )
        .await?,
        Ensured::Created(0)
    );
    assert_eq!(ensure(&store, id, EXTENT).await?, Ensured::Created(3));
    assert_eq!(
        ensure(
            &store,
            id,
            HeapExtent {
                blocks: 90,
                ..EXTENT
            }
        )
        .await?,
        Ensured::Kept
    );
    let leaf = HeapExtent {
        relation: RelationOid(501),
        blocks: 10,
        ..EXTENT
    };
    assert_eq!(ensure(&store, id, leaf).await?, Ensured::Created(1));

    let (transaction, claimed) = claim(&store, id).await?;
    let range = claimed.ok_or("none")?;
    assert_eq!(blocks(claimed), Some((0, 10, 0)));
    assert_eq!(
        (range.relation, range.filenode),
        (EXTENT.relation, EXTENT.filenode)
    );
    let checkpoint = Checkpoint {
        position: BlockNumber(4),
        rows: 40,
        complete: true,
    };
    let range = store.checkpoint(&transaction, &range, checkpoint).await?;
    assert!(!range.is_done());
    transaction.commit().await?;

    let rewritten = HeapExtent {
        filenode: Filenode(901),
        blocks: 11,
        ..EXTENT
    };
    assert_eq!(ensure(&store, id, rewritten).await?, Ensured::Restarted(2));
    let session = store.session("test").await?;
    let progress = store.range_progress(&session, id).await?;
    assert_eq!(
        (progress.ranges, progress.blocks, progress.blocks_done),
        (3, 21, 0)
    );
    let transaction = store.database().begin("test", &patient()).await?;
    let checkpoint = Checkpoint {
        position: BlockNumber(8),
        rows: 40,
        complete: true,
    };
    let refused = store.checkpoint(&transaction, &range, checkpoint).await;
    assert!(
        matches!(refused, Err(StateError::RangeReplaced(_))),
        "{refused:?}"
    );
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn two_workers_that_find_a_rewritten_table_restart_it_once() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    ensure(&store, id, EXTENT).await?;
    let rewritten = HeapExtent {
        filenode: Filenode(901),
        ..EXTENT
    };
    let first = store.database().begin("test", &patient()).await?;
    assert_eq!(
        store.ensure_ranges(&first, id, rewritten, 10).await?,
        Ensured::Restarted(3)
    );
    let other = store.clone();
    let second = tokio::spawn(async move { ensure(&other, id, rewritten).await });
    wait_until_blocks(&fixture, backend(&first).await?).await?;
    first.commit().await?;
    assert_eq!(second.await??, Ensured::Kept);
    Ok(())
}

#[tokio::test]
async fn workers_never_have_the_same_range() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    ensure(&store, id, EXTENT).await?;
    let (one, first) = claim(&store, id).await?;
    let (two, second) = claim(&store, id).await?;
    let (three, third) = claim(&store, id).await?;
    let (four, fourth) = claim(&store, id).await?;
    assert_eq!(blocks(first), Some((0, 10, 0)));
    assert_eq!(blocks(second), Some((10, 20, 10)));
    assert_eq!(blocks(third), Some((20, 25, 20)));
    assert_eq!(fourth, None);
    for transaction in [one, two, three, four] {
        transaction.rollback().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_claim_of_a_killed_worker_is_free_and_its_checkpoint_undone() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    ensure(
        &store,
        id,
        HeapExtent {
            blocks: 10,
            ..EXTENT
        },
    )
    .await?;
    let (killed, range) = claim(&store, id).await?;
    let checkpoint = Checkpoint {
        position: BlockNumber(5),
        rows: 50,
        complete: true,
    };
    store
        .checkpoint(&killed, &range.ok_or("none")?, checkpoint)
        .await?;
    let (waiting, none) = claim(&store, id).await?;
    assert_eq!(none, None);
    waiting.rollback().await?;

    let pid = backend(&killed).await?;
    let ended: bool = fixture
        .observer
        .query_one_value(&format!(
            "select pg_catalog.pg_terminate_backend({pid}, 30000)"
        ))
        .await?;
    assert!(ended);
    let (transaction, range) = claim(&store, id).await?;
    assert_eq!(blocks(range), Some((0, 10, 0)));
    transaction.rollback().await?;
    drop(killed);
    Ok(())
}

#[tokio::test]
async fn progress_is_counted_and_what_is_done_is_not_claimed() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    ensure(&store, id, EXTENT).await?;
    let session = store.session("test").await?;

    let (transaction, range) = claim(&store, id).await?;
    let first = range.ok_or("none")?;
    let checkpoint = Checkpoint {
        position: BlockNumber(10),
        rows: 100,
        complete: true,
    };
    assert!(
        store
            .checkpoint(&transaction, &first, checkpoint)
            .await?
            .is_done()
    );
    transaction.commit().await?;

    let (transaction, range) = claim(&store, id).await?;
    let second = range.ok_or("none")?;
    assert_eq!(second.first, BlockNumber(10));
    let checkpoint = Checkpoint {
        position: BlockNumber(13),
        rows: 30,
        complete: true,
    };
    store.checkpoint(&transaction, &second, checkpoint).await?;
    // From where it stood before: those blocks were counted already.
    let further = Checkpoint {
        position: BlockNumber(15),
        rows: 50,
        complete: true,
    };
    let refused = store.checkpoint(&transaction, &second, further).await;
    assert!(
        matches!(refused, Err(StateError::RangeReplaced(_))),
        "a chunk counts once"
    );
    transaction.commit().await?;
    store.count_attempt(&session, second.id).await?;

    // One that failed comes last, unless it is asked for.
    let (transaction, range) = claim(&store, id).await?;
    assert_eq!(blocks(range), Some((20, 25, 20)));
    transaction.rollback().await?;
    let transaction = store.database().begin("test", &patient()).await?;
    let range = store.claim_range(&transaction, id, Some(second.id)).await?;
    assert_eq!(blocks(range), Some((10, 20, 13)));
    transaction.rollback().await?;

    let progress = store.range_progress(&session, id).await?;
    assert_eq!((progress.ranges, progress.done), (3, 1));
    assert_eq!((progress.blocks, progress.blocks_done), (25, 13));
    assert_eq!(
        (progress.rows_copied, progress.chunks, progress.attempts),
        (130, 2, 1)
    );
    Ok(())
}
