//! No statement of an application's fails because of a migration, whatever one side of it refuses.

mod context;
mod owner;
mod stricter;

use crossfade_engine::{Engine, Limits, Loss, StageEnd};
use crossfade_plan::hazard::HazardId;
use crossfade_plan::{Ident, MigrationName, QualifiedName};
use crossfade_testkit::{Result, Role, Session};
use crossfade_tests::{Scene, plan_file};

const DONE: StageEnd = StageEnd::Reached { already: false };

/// A table `public.things` and the application that writes it.
struct Things {
    scene: Scene,
    app: Session,
    name: MigrationName,
}

impl Things {
    /// Makes it of its `create` statements.
    async fn create(schema: &str) -> Result<Self> {
        let scene = Scene::empty().await?;
        scene.admin.run(schema).await?;
        let table = QualifiedName::parse("public.things")?;
        scene.give_to_owner(&table).await?;
        let app = Ident::new(scene.database.app())?;
        let grant = format!("grant select, insert, update, delete on public.things to {app}");
        scene.admin.run(&grant).await?;
        let app = scene.database.session("app", Role::App).await?;
        let name = MigrationName::new("things")?;
        Ok(Self { scene, app, name })
    }

    /// An engine that accepts the hazards that these tests are about.
    async fn accepting(&self) -> Result<Engine> {
        let limits = Limits {
            free_disk_bytes: Some(u64::MAX),
            allowed_hazards: [HazardId::ContextDependent, HazardId::DeletesData].into(),
            ..Limits::default()
        };
        self.scene.engine_with(limits).await
    }

    /// Expands by a plan of these operations.
    async fn expand(&self, engine: &Engine, operations: &str) -> Result<()> {
        let plan = format!("name: things\ntable: public.things\noperations:\n{operations}");
        engine.expand(&plan_file(&plan)?, None).await?;
        Ok(())
    }

    /// Rows that dual-write could not mirror before the cutover.
    async fn refused(&self) -> Result<i64> {
        self.count("crossfade.row_error").await
    }

    /// Rows that it could not mirror after it.
    async fn lost(&self) -> Result<i64> {
        self.count("crossfade.reverse_loss").await
    }

    async fn count(&self, table: &str) -> Result<i64> {
        let count = format!("select count(*) from {table}");
        Ok(self.scene.admin.query_one_value(&count).await?)
    }

    /// Takes it back; nothing of it is left.
    async fn roll_back(&self, engine: &Engine, loss: Loss) -> Result<()> {
        engine.rollback(&self.name, loss).await?;
        assert_eq!(self.scene.left_behind().await?, Vec::<String>::new());
        Ok(())
    }
}
