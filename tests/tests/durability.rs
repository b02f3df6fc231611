//! Which commits wait for the flush: all but those of chunks, which are done again if they are
//! lost, position and all.

use crossfade_engine::{Comparison, Loss, StageEnd, VerifyRequest};
use crossfade_plan::{Ident, MigrationName, QualifiedName};
use crossfade_testkit::Result;
use crossfade_tests::{Scene, plan_file};

const PLAN: &str = "\
name: flushed
table: public.items
operations:
  - change_type: { column: id, type: bigint }
  - add_index: { name: items_v, columns: [ v ] }
";

/// Notes the setting under which each kind of work commits: of chunks by their position, of stages
/// and steps by their record, of everything else by its DDL.
const NOTES: &str = "
    create table public.seen (work text, setting text);
    create function public.see() returns trigger language plpgsql security definer as $$
    begin
        insert into public.seen values (tg_argv[0], current_setting('synchronous_commit'));
        return null;
    end $$;
    create trigger see after update of position on crossfade.task_range
        for each statement execute function public.see('chunk');
    create trigger see after update of stage on crossfade.migration
        for each statement execute function public.see('stage');
    create trigger see after update on crossfade.step
        for each statement execute function public.see('step');
    create trigger see after update on crossfade.verification
        for each statement execute function public.see('verdict');
    create function public.see_ddl() returns event_trigger language plpgsql security definer as $$
    begin
        insert into public.seen
        values (lower(tg_tag), current_setting('synchronous_commit'));
    end $$;
    create event trigger see on ddl_command_end execute function public.see_ddl();";

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_but_that_of_a_chunk_waits_for_the_flush() -> Result<()> {
    let scene = Scene::empty().await?;
    let migrator = Ident::new(scene.database.migrator())?;
    scene
        .admin
        .run(&format!(
            "create table public.items (id integer primary key, v text); \
             insert into public.items select i, 'row' from generate_series(1, 2000) i; \
             analyze public.items; alter role {migrator} set synchronous_commit = on"
        ))
        .await?;
    scene
        .give_to_owner(&QualifiedName::parse("public.items")?)
        .await?;
    let (engine, name) = (scene.engine().await?, MigrationName::new("flushed")?);
    scene.admin.run(NOTES).await?;
    let done = StageEnd::Reached { already: false };
    let request = VerifyRequest {
        comparison: Comparison::Full,
        seed: 1,
    };
    assert_eq!(engine.expand(&plan_file(PLAN)?, None).await?, done);
    assert_eq!(engine.backfill(&name).await?, done);
    engine.verify(&name, request).await?;
    assert_eq!(engine.cutover(&name).await?, done);
    assert_eq!(engine.rollback(&name, Loss::Refused).await?, done);

    scene.admin.run("drop event trigger see").await?;
    let works = "select array(select distinct work || ' ' || setting from public.seen order by 1)";
    let works: Vec<String> = scene.admin.query_one_value(works).await?;
    let flushed = |work: &str| works.contains(&format!("{work} on"));
    for work in ["stage", "step", "verdict", "create table", "create trigger"] {
        assert!(flushed(work), "{work}: {works:?}");
    }
    assert!(
        flushed("create index") && flushed("drop table"),
        "{works:?}"
    );
    let deferred: Vec<_> = works.iter().filter(|work| !work.ends_with(" on")).collect();
    assert_eq!(deferred, ["chunk off"]);
    Ok(())
}
