//! Whole tables of every kind of key and of column, with writes half way.

use crossfade_testkit::kinds::Key;
use crossfade_testkit::{Comparison, Result};
use rstest::rstest;

use crate::fixture::{ALL, Fixture};
use crate::gate::{Gate, Place};

#[rstest]
#[tokio::test]
async fn every_kind_of_column_is_copied_under_a_key_of(
    #[values(
        "int",
        "bigint",
        "uuid",
        "numeric",
        "text_under_icu",
        "text_under_a_nondeterministic_collation",
        "citext",
        "timestamptz",
        "domain",
        "enumeration_and_int",
        "int_and_text",
        "uuid_and_int",
        "identity_always",
        "identity_by_default",
        "unique_index"
    )]
    key: &str,
) -> Result<()> {
    let key = Key::named(key);
    let fixture = Fixture::start(
        &key.schema(),
        "operations:\n  - add_column: { name: extra, type: text }\n\
         backfill: { workers: 1, batch_size: 60 }\n",
    )
    .await?;
    let gate = Gate::closed(&fixture, Place::Snapshot).await?;
    let mut job = fixture.run().await?;
    gate.reached(&mut job).await?;
    gate.let_one_pass(&mut job).await?;
    let app = fixture.app("app").await?;
    // Rows that are copied, under copy, and to come: every kind of write to each.
    app.run(&key.writes()).await?;
    gate.open().await?;
    assert_eq!(job.await??, ALL);
    app.run(&key.insert("select i from generate_series(501, 520) i"))
        .await?;
    let columns = key.columns();
    let pairs: Vec<(&str, &str)> = columns.iter().map(|name| (*name, *name)).collect();
    let keys = key.width();
    let comparison = Comparison {
        control: "public.t",
        result: &fixture.target(),
        key: &pairs[..keys],
        columns: &pairs[keys..],
    };
    // 300, less 27 deleted, and twice 20 inserted.
    assert_eq!(comparison.run(&fixture.admin).await?, 313);
    Ok(())
}
