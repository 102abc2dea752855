//! What is true of the whole database: the keyring's fingerprint, the public URL.

use super::sql::{Pool, StoreError};

/// Name of the keyring's fingerprint.
pub const KEYRING: &str = "keyring_fingerprint";
/// Name of the public URL.
pub const PUBLIC_URL: &str = "public_url";
/// Whether that URL was derived from a listener (`1`) or given (`0`).
pub const PUBLIC_URL_DERIVED: &str = "public_url_derived";

/// Up to which end, in Unix milliseconds, owners of tokens have been told of it.
pub const TOKENS_TOLD: &str = "tokens_told_until";

/// The value under `name`.
pub async fn get(pool: &Pool, name: &str) -> Result<Option<String>, StoreError> {
    let row = pool.query("SELECT value FROM meta WHERE name = $1").bind(name).optional().await?;
    row.map(|row| row.get(0)).transpose()
}

/// Sets the value under `name`.
pub async fn set(pool: &Pool, name: &str, value: &str) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
        .bind(name)
        .bind(value)
        .execute()
        .await?;
    tx.commit().await
}

/// Sets the value where there is none; what stands there afterwards.
pub async fn set_once(pool: &Pool, name: &str, value: &str) -> Result<String, StoreError> {
    let mut tx = pool.begin().await?;
    tx.query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING").bind(name).bind(value).execute().await?;
    let row = tx.query("SELECT value FROM meta WHERE name = $1").bind(name).one().await?;
    let stands = row.get(0)?;
    tx.commit().await?;
    Ok(stands)
}
