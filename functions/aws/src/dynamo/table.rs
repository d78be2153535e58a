//! The table and its indexes, as `infra/template.yaml` defines them too. For tests and development.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus, TimeToLiveSpecification,
};
use baton_handoff::ports::StoreError;

use crate::failure::Failure;

/// The attempts to see a new table, half a second apart.
const POLLS: u32 = 60;
const POLL: Duration = Duration::from_millis(500);

/// Keys of the table and of its indexes, partition first.
const TABLE_KEY: [&str; 2] = ["pk", "sk"];
const INDEX_KEYS: [(&str, [&str; 2]); 3] = [
    ("due", ["due_shard", "due_at"]),
    ("listed", ["list_shard", "list_rank"]),
    ("work", ["work_shard", "work_rank"]),
];

/// Creates the table if it is missing, and waits until it is usable.
pub(super) async fn create(client: &Client, table: &str) -> Result<(), StoreError> {
    let request =
        request(client, table).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    match request.send().await {
        Ok(_) => {}
        Err(error)
            if matches!(
                error.as_service_error(),
                Some(CreateTableError::ResourceInUseException(_))
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(unavailable(Failure::of(error))),
    }
    wait(client, table).await?;
    let ttl = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name("ttl")
        .build();
    let ttl = ttl.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let update = client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(ttl);
    update
        .send()
        .await
        .map(drop)
        .map_err(|error| unavailable(Failure::of(error)))
}

fn request(
    client: &Client,
    table: &str,
) -> Result<aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder, BuildError>
{
    let mut request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key_schema(TABLE_KEY)?));
    for (name, kind) in [
        ("pk", ScalarAttributeType::S),
        ("sk", ScalarAttributeType::S),
        ("due_shard", ScalarAttributeType::S),
        ("due_at", ScalarAttributeType::N),
        ("list_shard", ScalarAttributeType::S),
        ("list_rank", ScalarAttributeType::N),
        ("work_shard", ScalarAttributeType::S),
        ("work_rank", ScalarAttributeType::N),
    ] {
        let attribute = AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind);
        request = request.attribute_definitions(attribute.build()?);
    }
    for (name, key) in INDEX_KEYS {
        let keys_only = Projection::builder()
            .projection_type(ProjectionType::KeysOnly)
            .build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(name)
            .set_key_schema(Some(key_schema(key)?));
        request = request.global_secondary_indexes(index.projection(keys_only).build()?);
    }
    Ok(request)
}

fn key_schema([partition, sort]: [&str; 2]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
    };
    Ok(vec![
        element(partition, KeyType::Hash)?,
        element(sort, KeyType::Range)?,
    ])
}

async fn wait(client: &Client, table: &str) -> Result<(), StoreError> {
    for _ in 0..POLLS {
        let described = client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| unavailable(Failure::of(error)))?;
        if described.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(StoreError::Unavailable(format!(
        "the table {table} was not ready in time"
    )))
}

fn unavailable(failure: Failure) -> StoreError {
    StoreError::Unavailable(failure.text())
}
