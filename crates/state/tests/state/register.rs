//! Who may be registered beside whom.

use crossfade_plan::execution::StepId;
use crossfade_plan::{MigrationName, Progress, Stage, Status};
use crossfade_state::{NewMigration, Registered, RelationOid, StateError};
use crossfade_testkit::{Result, Role};

use crate::fixture::{Fixture, patient, plan, plan_of};

#[tokio::test]
async fn what_is_registered_is_found_with_its_plan() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let plan = plan("orders_a", "shop.\"Order Item\"")?;
    let new = NewMigration {
        plan: &plan,
        table_oid: RelationOid(4_000_000_000),
        actor: &fixture.actor,
    };
    let id = store.register(new).await?.id();

    let session = store.session("test").await?;
    let found = store
        .find(&session, &plan.file.name)
        .await?
        .ok_or("not found")?;
    assert_eq!(
        (found.id, found.stage, found.status),
        (id, Stage::Planned, Status::Pending)
    );
    assert_eq!(found.table.to_string(), "\"shop\".\"Order Item\"");
    assert_eq!(found.table_oid, RelationOid(4_000_000_000));
    assert_eq!(found.fingerprint, plan.fingerprint);
    assert_eq!(
        found.created_by,
        format!("{} tester", fixture.database.migrator())
    );
    assert_eq!(store.migration(&session, id).await?, found);
    assert_eq!(store.list(&session).await?, [found]);
    assert_eq!(store.plan(&session, id).await?, plan);
    assert_eq!(
        store.find(&session, &MigrationName::new("nobody")?).await?,
        None
    );
    Ok(())
}

#[tokio::test]
async fn the_same_file_is_the_same_migration_and_another_one_is_refused() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let first = plan("orders", "orders")?;
    let id = store
        .register(fixture.new_migration(&first, "orders"))
        .await?
        .id();

    // The catalog has changed since, as the migration's own expand changes it.
    let mut planned_anew = first.clone();
    planned_anew.fingerprint = crossfade_plan::fingerprint::Fingerprint::from_hex("0".repeat(64));
    let again = store
        .register(fixture.new_migration(&planned_anew, "orders"))
        .await?;
    assert_eq!(again, Registered::Existing(id));

    let edited =
        plan_of("name: orders\ntable: orders\noperations:\n  - drop_column: { column: b }\n")?;
    let refused = store
        .register(fixture.new_migration(&edited, "orders"))
        .await;
    assert!(
        matches!(refused, Err(StateError::PlanEdited { id: of, .. }) if of == id),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn one_live_migration_for_each_table_by_name_and_by_oid() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let first = plan("first", "orders")?;
    let id = store
        .register(fixture.new_migration(&first, "orders"))
        .await?
        .id();

    let same_name = plan("second", "orders")?;
    let refused = store
        .register(fixture.new_migration(&same_name, "elsewhere"))
        .await;
    assert!(
        matches!(&refused, Err(StateError::TableTaken { other, .. }) if other == "first"),
        "{refused:?}"
    );
    let same_oid = plan("second", "orders__old")?;
    let refused = store
        .register(fixture.new_migration(&same_oid, "orders"))
        .await;
    assert!(
        matches!(refused, Err(StateError::TableTaken { .. })),
        "{refused:?}"
    );

    let transaction = store.database().begin("test", &patient()).await?;
    store
        .advance(&transaction, id, Progress::RolledBack, &fixture.actor)
        .await?;
    transaction.commit().await?;
    store
        .register(fixture.new_migration(&same_name, "orders"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_name_is_free_again_after_rollback_and_starts_clean() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let plan = plan("orders", "orders")?;
    let first = store
        .register(fixture.new_migration(&plan, "orders"))
        .await?
        .id();
    let session = store.session("test").await?;
    store
        .start_step(&session, first, &StepId::new("create-target"))
        .await?;
    let migrator = fixture.database.session("trigger", Role::Migrator).await?;
    migrator
        .run(
            "insert into crossfade.row_error (migration, direction, key, sqlstate)
                 values ('orders', 'forward', '{1}', '22003'), ('other', 'forward', '{1}', '22003');
             insert into crossfade.reverse_loss (migration, key) values ('orders', '{1}')",
        )
        .await?;
    assert!(store.reverse_loss(&session, first).await?.is_some());

    let transaction = store.database().begin("test", &patient()).await?;
    store
        .advance(&transaction, first, Progress::RolledBack, &fixture.actor)
        .await?;
    transaction.commit().await?;
    let second = store
        .register(fixture.new_migration(&plan, "orders"))
        .await?;
    assert!(
        matches!(second, Registered::New(id) if id > first),
        "{second:?}"
    );

    let found = store
        .find(&session, &plan.file.name)
        .await?
        .ok_or("not found")?;
    assert_eq!((found.id, found.stage), (second.id(), Stage::Planned));
    assert!(store.steps(&session, second.id()).await?.is_empty());
    assert_eq!(store.reverse_loss(&session, second.id()).await?, None);
    let left: Vec<String> = migrator
        .query_one_value("select array_agg(migration) from crossfade.row_error")
        .await?;
    assert_eq!(left, ["other"]);
    Ok(())
}

/// The second one cannot see the first one's row, and meets it in the unique index.
#[tokio::test]
async fn two_registrations_at_once_are_one() -> Result<()> {
    let fixture = Fixture::new().await?;
    let store = fixture.store().await?;
    let plan = plan("orders", "orders")?;
    let gate = fixture.database.session("gate", Role::Migrator).await?;
    // Both have looked and found nothing when they want to insert.
    gate.run("begin; lock table crossfade.migration in share mode")
        .await?;
    let registrations = [(); 2].map(|()| {
        let (store, plan, actor) = (store.clone(), plan.clone(), fixture.actor.clone());
        tokio::spawn(async move {
            let oid = RelationOid(7);
            store
                .register(NewMigration {
                    plan: &plan,
                    table_oid: oid,
                    actor: &actor,
                })
                .await
        })
    });
    let both = "select count(*) = 2 from pg_catalog.pg_locks
        where relation = 'crossfade.migration'::pg_catalog.regclass and not granted";
    fixture.observer.wait_until(both).await?;
    gate.run("commit").await?;
    let mut new = 0;
    for registration in registrations {
        new += usize::from(matches!(registration.await??, Registered::New(_)));
    }
    assert_eq!(new, 1);
    Ok(())
}
