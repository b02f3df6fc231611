//! The schema is made once, by whoever comes first, and only in a place of its own.

use crossfade_plan::Ident;
use crossfade_postgres::Queries;
use crossfade_state::{SCHEMA_VERSION, StateError, Store};
use crossfade_testkit::{Result, Role};

use crate::fixture::{Fixture, default_schema};

const COUNT: &str = "select count(*) from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'crossfade'";

#[tokio::test]
async fn it_is_made_once_and_opened_again() -> Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store().await?;
    let made: i64 = fixture.observer.query_one_value(COUNT).await?;
    fixture.store().await?;
    assert_eq!(fixture.observer.query_one_value::<i64>(COUNT).await?, made);
    let version: i32 = fixture
        .observer
        .query_one_value("select version from crossfade.meta")
        .await?;
    assert_eq!(version, SCHEMA_VERSION);
    Ok(())
}

#[tokio::test]
async fn two_creators_at_once_wait_for_each_other() -> Result<()> {
    let fixture = Fixture::new().await?;
    // Both creators have found nothing when they meet at the lock.
    let gate = fixture.database.session("gate", Role::Migrator).await?;
    gate.run(
        "begin; select pg_catalog.pg_advisory_xact_lock(
            pg_catalog.hashtextextended('crossfade state crossfade', 0))",
    )
    .await?;
    let (one, two) = (fixture.connect()?, fixture.connect()?);
    let one = tokio::spawn(Store::open(one, default_schema()));
    let two = tokio::spawn(Store::open(two, default_schema()));
    let both = "select count(*) = 2 from pg_catalog.pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())";
    fixture.observer.wait_until(both).await?;
    gate.run("commit").await?;
    one.await??;
    two.await??;
    Ok(())
}

#[tokio::test]
async fn a_newer_one_is_refused_and_an_older_one_not_upgraded_by_readers() -> Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store().await?;
    fixture
        .observer
        .run("update crossfade.meta set version = version + 1")
        .await?;
    let opened = Store::open(fixture.connect()?, default_schema()).await;
    assert!(
        matches!(opened, Err(StateError::SchemaNewer { .. })),
        "{opened:?}"
    );
    let opened = Store::open_existing(fixture.connect()?, default_schema()).await;
    assert!(
        matches!(opened, Err(StateError::SchemaNewer { .. })),
        "{opened:?}"
    );

    fixture
        .observer
        .run("update crossfade.meta set version = version - 2")
        .await?;
    let opened = Store::open_existing(fixture.connect()?, default_schema()).await;
    assert!(
        matches!(opened, Err(StateError::SchemaOlder { .. })),
        "{opened:?}"
    );
    Ok(())
}

#[tokio::test]
async fn readers_create_nothing() -> Result<()> {
    let fixture = Fixture::new().await?;
    assert!(
        Store::open_existing(fixture.connect()?, default_schema())
            .await?
            .is_none()
    );
    let schemas = "select count(*) from pg_catalog.pg_namespace where nspname = 'crossfade'";
    assert_eq!(fixture.observer.query_one_value::<i64>(schemas).await?, 0);
    fixture.store().await?;
    assert!(
        Store::open_existing(fixture.connect()?, default_schema())
            .await?
            .is_some()
    );
    Ok(())
}

#[tokio::test]
async fn a_failure_half_way_leaves_nothing() -> Result<()> {
    let fixture = Fixture::new().await?;
    // Views come late in the script, and this one cannot be made.
    let trap = "create function public.refuse() returns event_trigger language plpgsql as
        $$ begin raise exception 'no'; end $$;
        create event trigger refuse on ddl_command_end when tag in ('CREATE VIEW')
            execute function public.refuse()";
    fixture.observer.run(trap).await?;
    let opened = Store::open(fixture.connect()?, default_schema()).await;
    assert!(matches!(opened, Err(StateError::Query(_))), "{opened:?}");
    assert_eq!(fixture.observer.query_one_value::<i64>(COUNT).await?, 0);
    fixture.observer.run("drop event trigger refuse").await?;
    fixture.store().await?;
    Ok(())
}

#[tokio::test]
async fn an_empty_schema_is_used_without_a_right_on_the_database() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (name, role) = (fixture.database.name(), fixture.database.migrator());
    let prepare = format!(
        "revoke create on database {name} from {role};
         create schema \"State of 'it'\\\"; grant usage, create on schema \"State of 'it'\\\" to {role}"
    );
    fixture.observer.run(&prepare).await?;
    let schema = Ident::new("State of 'it'\\")?;
    let store = Store::open(fixture.connect()?, schema.clone()).await?;
    assert!(store.list(&store.session("test").await?).await?.is_empty());
    fixture.register(&store, "orders").await?;

    let opened = Store::open(fixture.connect()?, Ident::new("other")?).await;
    assert!(
        opened.is_err_and(|error| { error.class() == crossfade_postgres::ErrorClass::Privilege })
    );
    Ok(())
}

#[tokio::test]
async fn the_schema_of_somebody_else_is_left_alone() -> Result<()> {
    let fixture = Fixture::new().await?;
    let session = fixture.database.session("other", Role::Migrator).await?;
    session
        .run("create schema crossfade; create table crossfade.theirs (id int)")
        .await?;
    let opened = Store::open(fixture.connect()?, default_schema()).await;
    assert!(
        matches!(opened, Err(StateError::SchemaTaken { .. })),
        "{opened:?}"
    );
    assert_eq!(fixture.observer.query_one_value::<i64>(COUNT).await?, 1);
    assert!(
        Store::open_existing(fixture.connect()?, default_schema())
            .await?
            .is_none()
    );
    Ok(())
}

#[tokio::test]
async fn everything_in_it_is_documented() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let undocumented = "select c.relname || coalesce('.' || a.attname, '') as name
        from pg_catalog.pg_class c
        left join pg_catalog.pg_attribute a
          on a.attrelid = c.oid and a.attnum > 0 and c.relkind in ('r', 'v')
       where c.relnamespace = 'crossfade'::pg_catalog.regnamespace and c.relkind in ('r', 'v')
         and (pg_catalog.obj_description(c.oid, 'pg_class') is null
              or pg_catalog.col_description(c.oid, a.attnum) is null)";
    let session = store.session("test").await?;
    let rows = session.query(undocumented, &[]).await?;
    let names: Vec<String> = rows.iter().map(|row| row.get("name")).collect();
    assert_eq!(names, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_table_owner_can_report_what_its_triggers_met_and_no_more() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let transaction = store
        .database()
        .begin("test", &crate::fixture::patient())
        .await?;
    let owner = Ident::new(fixture.database.owner())?;
    store.grant_to_table_owner(&transaction, &owner).await?;
    transaction.commit().await?;

    let session = fixture.database.session("owner", Role::Superuser).await?;
    session.run(&format!("set role {owner}")).await?;
    let (row_error, reverse_loss) = (store.row_error_table(), store.reverse_loss_table());
    session
        .run(&format!(
            "insert into {row_error} (migration, direction, key, sqlstate)
                    values ('orders', 'forward', '{{1}}', '22003'), ('orders', 'forward', '{{2}}', '22003')
             on conflict (migration, direction, key_hash) do update set times = excluded.times + 1;
             update {row_error} set times = 2; delete from {row_error};
             insert into {reverse_loss} (migration, key, column_name) values ('orders', '{{1}}', 'id')"
        ))
        .await?;
    assert!(
        session
            .run("update crossfade.lease set epoch = 0")
            .await
            .is_err()
    );
    Ok(())
}
