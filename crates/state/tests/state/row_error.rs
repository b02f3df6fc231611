//! Row errors: counted for each key, whatever the key.

use crossfade_plan::MigrationName;
use crossfade_state::{Direction, NewRowError};
use crossfade_testkit::{Result, Role};

use crate::fixture::Fixture;

#[tokio::test]
async fn a_row_is_recorded_once_with_its_last_reason() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let session = store.session("test").await?;
    let name = MigrationName::new("orders")?;
    let key = ["7".to_owned(), "a,b".to_owned()];
    let error = NewRowError {
        key: &key,
        sqlstate: "22003",
        column: Some("id"),
        constraint: None,
    };
    store
        .record_row_error(&session, &name, Direction::Forward, error)
        .await?;
    let error = NewRowError {
        sqlstate: "23514",
        column: None,
        constraint: Some("c"),
        ..error
    };
    store
        .record_row_error(&session, &name, Direction::Forward, error)
        .await?;
    store
        .record_row_error(&session, &name, Direction::Reverse, error)
        .await?;
    let other = ["8".to_owned()];
    let error = NewRowError {
        key: &other,
        ..error
    };
    store
        .record_row_error(&session, &name, Direction::Forward, error)
        .await?;

    let errors = store
        .row_errors(&session, &name, Direction::Forward, 100)
        .await?;
    assert_eq!(errors.len(), 2);
    assert_eq!(
        (errors[0].key.as_slice(), errors[0].times),
        (key.as_slice(), 2)
    );
    assert_eq!(
        (errors[0].sqlstate.as_str(), &errors[0].column),
        ("23514", &None)
    );
    assert_eq!(errors[0].constraint.as_deref(), Some("c"));
    assert!(errors[0].last_at > errors[0].first_at);
    assert_eq!(
        store
            .row_errors(&session, &name, Direction::Forward, 1)
            .await?,
        errors[..1]
    );

    let refused_again = crossfade_state::RowError {
        times: 1,
        ..errors[0].clone()
    };
    for (error, cleared) in [
        (&refused_again, false),
        (&errors[0], true),
        (&errors[0], false),
    ] {
        let done = store
            .clear_row_error(&session, &name, Direction::Forward, error)
            .await?;
        assert_eq!(done, cleared, "{error:?}");
    }
    assert_eq!(
        store
            .row_error_count(&session, &name, Direction::Forward)
            .await?,
        1
    );
    assert_eq!(
        store
            .row_error_count(&session, &name, Direction::Reverse)
            .await?,
        1
    );
    Ok(())
}

/// A key that is too long for an index would otherwise make the application's own write fail.
#[tokio::test]
async fn keys_of_any_length_are_recorded() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let migrator = fixture.database.session("trigger", Role::Migrator).await?;
    migrator
        .run(
            "insert into crossfade.row_error (migration, direction, key, sqlstate)
             select 'orders', 'forward', array[string_agg(sha256(n::text::bytea)::text, '')], '22003'
               from pg_catalog.generate_series(1, 500) n",
        )
        .await?;
    let session = store.session("test").await?;
    let name = MigrationName::new("orders")?;
    let errors = store
        .row_errors(&session, &name, Direction::Forward, 10)
        .await?;
    assert_eq!(errors[0].key[0].len(), 500 * 66);
    let error = NewRowError {
        key: &errors[0].key,
        sqlstate: "22003",
        column: None,
        constraint: None,
    };
    store
        .record_row_error(&session, &name, Direction::Forward, error)
        .await?;
    assert_eq!(
        store
            .row_error_count(&session, &name, Direction::Forward)
            .await?,
        1
    );
    Ok(())
}

#[tokio::test]
async fn lossy_writes_are_summed_up() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let id = fixture.register(&store, "orders").await?;
    let session = store.session("test").await?;
    assert_eq!(store.reverse_loss(&session, id).await?, None);
    let migrator = fixture.database.session("trigger", Role::Migrator).await?;
    migrator
        .run(
            "insert into crossfade.reverse_loss (migration, key, column_name)
             values ('orders', '{1}', 'id'), ('orders', '{1}', 'note'), ('orders', '{2}', 'id'),
                    ('others', '{3}', 'id')",
        )
        .await?;
    let loss = store.reverse_loss(&session, id).await?.ok_or("none")?;
    assert_eq!((loss.rows, loss.writes), (2, 3));
    Ok(())
}
