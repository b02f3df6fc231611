//! Every kind of column under every kind of key, the whole way: migrated, verified, rolled back,
//! migrated again and contracted, with every kind of write on each side.

use crossfade_engine::{Comparison as Compare, Engine, Loss, StageEnd, VerifyEnd, VerifyRequest};
use crossfade_plan::{MigrationName, QualifiedName};
use crossfade_state::Verdict;
use crossfade_testkit::catalog_diff::diff;
use crossfade_testkit::kinds::Key;
use crossfade_testkit::{Comparison, Result};
use crossfade_tests::{Scene, plan_file};
use rstest::rstest;

const PLAN: &str = "name: kinds\ntable: public.t\noperations:\n  \
     - add_column: { name: extra, type: text }\nbackfill: { workers: 2, batch_size: 60 }\n";
const DONE: StageEnd = StageEnd::Reached { already: false };

struct Way {
    scene: Scene,
    engine: Engine,
    name: MigrationName,
    key: Key,
}

impl Way {
    async fn start(key: Key) -> Result<Self> {
        let scene = Scene::empty().await?;
        let schema = key.schema().replace("OWNER", scene.database.owner());
        let sql = format!(
            "set role \"{}\"; {schema}; reset role; analyze",
            scene.database.owner()
        );
        scene.admin.run(&sql).await?;
        Ok(Self {
            engine: scene.engine().await?,
            name: MigrationName::new("kinds")?,
            scene,
            key,
        })
    }

    async fn up_to_the_copy(&self) -> Result<()> {
        assert_eq!(self.engine.expand(&plan_file(PLAN)?, None).await?, DONE);
        assert_eq!(self.engine.backfill(&self.name).await?, DONE);
        Ok(())
    }

    /// Writes to the table, whichever side it is, and keeps what it then holds as the control.
    async fn write(&self, sql: &str) -> Result<()> {
        let admin = &self.scene.admin;
        admin.run(sql).await?;
        admin.run("drop table if exists public.control").await?;
        admin
            .run("create table public.control as table public.t")
            .await?;
        Ok(())
    }

    async fn verify(&self) -> Result<()> {
        let request = VerifyRequest {
            comparison: Compare::Full,
            seed: 1,
        };
        let VerifyEnd::Done { report, .. } = self.engine.verify(&self.name, request).await? else {
            return Err("the verification was not made".into());
        };
        assert_eq!(report.verdict, Verdict::Exact, "{report:?}");
        Ok(())
    }

    /// The table holds what the other side held.
    async fn assert_holds(&self, rows: i64) -> Result<()> {
        let columns = self.key.columns();
        let pairs: Vec<(&str, &str)> = columns.iter().map(|name| (*name, *name)).collect();
        let comparison = Comparison {
            control: "public.control",
            result: "public.t",
            key: &pairs[..self.key.width()],
            columns: &pairs[self.key.width()..],
        };
        assert_eq!(comparison.run(&self.scene.admin).await?, rows);
        Ok(())
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_column_goes_the_whole_way_under_a_key_of(
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
    let way = Way::start(Key::named(key)).await?;
    let table = QualifiedName::parse("public.t")?;
    let before = way.scene.table(&table).await?.expect("the table");

    // Up, and back with what the new side was given.
    way.up_to_the_copy().await?;
    way.write(&way.key.writes()).await?;
    way.verify().await?;
    assert_eq!(way.engine.cutover(&way.name).await?, DONE);
    way.assert_holds(293).await?;
    let writes = way.key.insert("select i from generate_series(501, 520) i");
    way.write(&format!("{writes}; delete from public.t where c_int % 5 = 0; update public.t set c_text = 'new', c_xml = null, c_wide = c_wide || c_text where c_int % 7 = 0"))
        .await?;
    way.verify().await?;
    assert_eq!(way.engine.rollback(&way.name, Loss::Refused).await?, DONE);
    let rows = way
        .scene
        .admin
        .query_one_value::<i64>("select count(*) from public.control")
        .await?;
    way.assert_holds(rows).await?;
    let after = way.scene.table(&table).await?.expect("the table");
    assert_eq!(diff(&before, &after), Vec::<String>::new());
    assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());

    // Up again, to the end.
    way.up_to_the_copy().await?;
    way.verify().await?;
    assert_eq!(way.engine.cutover(&way.name).await?, DONE);
    assert_eq!(way.engine.contract(&way.name).await?, DONE);
    way.assert_holds(rows).await?;
    assert_eq!(way.scene.left_behind().await?, Vec::<String>::new());
    Ok(())
}
