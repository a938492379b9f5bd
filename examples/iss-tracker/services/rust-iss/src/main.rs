use axum::{extract::State, routing::get, Router};
use sqlx::postgres::{PgPool, PgPoolOptions};

struct Config {
    database_url: String,
}

impl Config {
    fn from_env() -> anyhow::Result<Self> {
        Ok(Self {
            database_url: std::env::var("DATABASE_URL")?,
        })
    }
}

async fn last_position(State(pool): State<PgPool>) -> String {
    sqlx::query_scalar::<_, String>("SELECT payload FROM iss_log ORDER BY id DESC LIMIT 1")
        .fetch_one(&pool)
        .await
        .unwrap_or_default()
}

async fn terminated() {
    use tokio::signal::unix::{signal, SignalKind};
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        terminate.recv().await;
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_env()?;

    // The connection pool
    let pg_pool = PgPoolOptions::new()
        .max_connections(10) // at most 10 connections
        .connect(&config.database_url)
        .await?;

    let app = Router::new().route("/last", get(last_position)).with_state(pg_pool.clone());
    let listener = tokio::net::TcpListener::bind("0.0.0.0:3000").await?;
    axum::serve(listener, app).with_graceful_shutdown(terminated()).await?;
    pg_pool.close().await;
    Ok(())
}
