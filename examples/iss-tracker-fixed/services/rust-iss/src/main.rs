use std::time::Duration;

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

fn env_or(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
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
        .max_connections(env_or("DB_MAX_CONNECTIONS", 10) as u32)
        .min_connections(env_or("DB_MIN_CONNECTIONS", 2) as u32)
        .acquire_timeout(Duration::from_secs(env_or("DB_ACQUIRE_TIMEOUT", 5)))
        .idle_timeout(Duration::from_secs(env_or("DB_IDLE_TIMEOUT", 600)))
        .max_lifetime(Duration::from_secs(env_or("DB_MAX_LIFETIME", 1800)))
        .connect(&config.database_url)
        .await?;

    let app = Router::new().route("/last", get(last_position)).with_state(pg_pool.clone());
    let listener = tokio::net::TcpListener::bind("0.0.0.0:3000").await?;
    axum::serve(listener, app).with_graceful_shutdown(terminated()).await?;
    pg_pool.close().await;
    Ok(())
}
