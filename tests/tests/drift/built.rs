//! The target is what the steps made of it: what came with it, or was done to it by hand, is told
//! before an application has it.

use crossfade_engine::{Engine, EngineError, Loss};
use crossfade_plan::MigrationName;
use crossfade_testkit::Result;
use crossfade_tests::{Scene, plan_file};

use crate::scene::{DONE, PLAN, expanded, with_items};

fn drifted(outcome: std::result::Result<impl std::fmt::Debug, EngineError>) -> Result<String> {
    match outcome {
        Err(EngineError::Drift(drifted)) => {
            let told: Vec<String> = drifted.iter().map(ToString::to_string).collect();
            Ok(told.join("; "))
        }
        other => Err(format!("{other:?}").into()),
    }
}

async fn leaves_nothing(scene: &Scene, engine: &Engine, name: &MigrationName) -> Result<()> {
    assert_eq!(engine.rollback(name, Loss::Refused).await?, DONE);
    assert_eq!(scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}

/// As platforms do that secure every new table.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_event_trigger_puts_on_the_target_is_told() -> Result<()> {
    let (scene, engine, name) = with_items().await?;
    scene
        .admin
        .run(
            "create function public.secure() returns event_trigger language plpgsql as $$ \
             declare made record; begin \
               for made in select * from pg_event_trigger_ddl_commands() \
                 where command_tag = 'CREATE TABLE' and object_identity = 'public.items__new' loop \
                 execute 'alter table ' || made.object_identity || ' enable row level security'; \
               end loop; end $$; \
             create event trigger secure on ddl_command_end when tag in ('CREATE TABLE') \
               execute function public.secure()",
        )
        .await?;
    let told = drifted(engine.expand(&plan_file(PLAN)?, None).await)?;
    assert_eq!(
        told,
        "row level security of \"public\".\"items__new\" (added)"
    );
    scene.admin.run("drop event trigger secure").await?;
    leaves_nothing(&scene, &engine, &name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_the_target_by_hand_is_told() -> Result<()> {
    let (scene, engine, name) = expanded().await?;
    scene
        .admin
        .run("alter table public.items__new add column more integer; grant select on public.items__new to public")
        .await?;
    let told = drifted(engine.backfill(&name).await)?;
    for part in ["\"more\" (added)", "grant"] {
        assert!(told.contains(part), "{told}");
    }
    scene
        .admin
        .run("alter table public.items__new drop column more; revoke select on public.items__new from public")
        .await?;
    assert_eq!(engine.backfill(&name).await?, DONE);
    leaves_nothing(&scene, &engine, &name).await
}

/// The triggers went along with the table, and fail its writes: the way back takes them off.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_moved_is_let_go() -> Result<()> {
    for change in ["rename to renamed", "set schema other"] {
        let (scene, engine, name) = expanded().await?;
        scene
            .admin
            .run(&format!(
                "create schema other; grant usage on schema other to public; \
                 alter table public.items {change}"
            ))
            .await?;
        leaves_nothing(&scene, &engine, &name).await?;
        let table = change
            .replace("rename to ", "public.")
            .replace("set schema other", "other.items");
        scene
            .admin
            .run(&format!("update {table} set v = 'again' where id = 1"))
            .await?;
    }
    Ok(())
}
